"""Move a face without a video, by changing its keypoints: python keypoints_by_hand.py face.jpg nod.gif."""

import math
import sys

import torch
from fomm_nodes.fomm_core import AnimationSession, Keypoints, load_model, prepare_source
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.video import VideoWriter, read_image

picture, output = sys.argv[1:]
FRAMES, REACH = 24, 0.08  # of a loop; of the nod, where the image is 2 high

session = AnimationSession(load_model("demo-128"))
source = prepare_source(session, from_uint8(read_image(picture)))
still = source.keypoints  # position [1, K, 2], jacobian [1, K, 2, 2]

poses = []
for frame in range(FRAMES):
    down = REACH * math.sin(2 * math.pi * frame / FRAMES)
    shift = torch.tensor([0.0, down])  # (x, y), y pointing down
    poses.append(Keypoints(still.position + shift, still.jacobian))

with VideoWriter(output, fps=24) as writer:
    for rendered in session.render(source, Keypoints.cat(poses)):
        writer.write(to_uint8(rendered.images))
