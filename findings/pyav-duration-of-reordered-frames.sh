#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8 libraries).
# Expected: in an MP4 with uneven frames, a decoded frame's `duration` reaches from its own time to the next frame's.
# Really: MP4 states distances in the order in which frames are stored. With B-frames, `frame.duration` is that of the
# packet's place in the file: a frame shown for one second says 0.04 s, its neighbours say 1 s.
# Why our users care: whoever holds a frame for its `duration`, the last one above all, gives clips of a wrong length.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "av==18.1.0" "numpy==2.3.5"
"$folder/venv/bin/python" - "$folder/clip.mp4" <<'PYTHON'
import sys
from fractions import Fraction

import av
import numpy as np

times = [0, 40, 80, 120, 160, 200, 1200, 1240, 1280, 1320, 1360, 1400]  # milliseconds; the sixth stands for a second
with av.open(sys.argv[1], "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"bf": "2", "b-adapt": "0", "sc_threshold": "0"})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1000)
    for index, time in enumerate(times):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8), format="rgb24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = time, Fraction(1, 1000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
with av.open(sys.argv[1]) as container:
    shown = [(float(frame.time), float(frame.duration * frame.time_base)) for frame in container.decode(video=0)]
gaps = [after - before for (before, _), (after, _) in zip(shown, shown[1:])]
wrong = [(time, said, gap) for (time, said), gap in zip(shown, gaps) if abs(said - gap) > 0.02]
for time, said, gap in wrong:
    print(f"frame at {time:.2f} s: duration says {said:.2f} s, the next frame comes after {gap:.2f} s")
assert [round(time * 1000) for time, _ in shown] == times, "times themselves changed"
sys.exit(0 if wrong else "the behaviour changed: durations reach to the next frame")
PYTHON
