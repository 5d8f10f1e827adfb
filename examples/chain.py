"""Let another model repaint what the source does not show: python chain.py face.jpg talk.mp4 result.mp4.

OpenCV's inpainting stands for that model here; any function of an image and a mask will do, such as a diffusion model.
"""

import sys

import cv2
import numpy as np
from fomm_nodes.fomm_core import AnimationOptions, AnimationSession, drive, load_model, prepare_source
from fomm_nodes.fomm_core.fitting import fit, from_uint8, to_uint8
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, batches, read_image

INVENTED = 0.3  # below it, the occlusion map says that a pixel does not come from the source


def repaint(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] and [H, W] (255: to be painted) -> uint8 [H, W, 3]."""
    return cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA)


picture, driving, output = sys.argv[1:]
session = AnimationSession(load_model("demo-128"))
source = prepare_source(session, from_uint8(read_image(picture)), size=256)

with VideoReader(driving) as clip, VideoWriter(output, fps=clip.info.fps, audio_from=driving) as writer:
    frames = (fit(from_uint8(batch), 256, 256) for batch in batches(clip, 16))
    keypoints = drive(source.keypoints, session.detect(frames), AnimationOptions())
    for rendered in session.render(source, keypoints):
        masks = (rendered.occlusion[:, 0] < INVENTED).cpu().numpy().astype(np.uint8) * 255
        for image, mask in zip(to_uint8(rendered.images), masks, strict=True):
            writer.write(repaint(image, mask))
