#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8 libraries).
# Expected: decoded frames come in the order shown, and their `pts` rise; this is so in MP4, Matroska, MPEG-TS.
# Really: H.264 with B-frames in an AVI, which states no times: frames come in the order shown, but each has the `pts`
# of its packet's place in the file, so 1, 3, 4, 2, 6, 7, 5 ... Sorting or searching by `pts` shuffles the pictures;
# `dts`, less its first value's delay, is the time.
# Why our users care: a clip read by `pts` from such an AVI (old cameras, capture programs) trembles to and fro.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "av==18.1.0" "numpy==2.3.5"
"$folder/venv/bin/python" - "$folder/clip.avi" <<'PYTHON'
import sys

import av
import numpy as np

with av.open(sys.argv[1], "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"bf": "2", "b-adapt": "0", "sc_threshold": "0"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for index in range(12):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
        container.mux(stream.encode(frame.reformat(format="yuv420p")))
    container.mux(stream.encode(None))
with av.open(sys.argv[1]) as container:
    frames = [(frame.pts, frame.dts, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
greys = [grey for _, _, grey in frames]
assert greys == sorted(greys), "the order of the pictures changed"
times = [pts for pts, _, _ in frames]
print("pts of frames in the order shown:", times)
print("their dts:                       ", [dts for _, dts, _ in frames])
sys.exit(0 if times != sorted(times) else "the behaviour changed: pts rise")
PYTHON
