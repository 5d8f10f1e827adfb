#!/usr/bin/env bash
# PyAV 18.1.0 (its FFmpeg's swscale): pictures of 8 bits as floats lose white.
#
# Expected: bytes 0 to 255 become 0.0 to 1.0, as 16 bits do.
# Seen: VideoFrame.to_ndarray(format="gbrpf32le") of rgb24, bgr24 and gray gives 254.0 / 255 for white: each byte is shifted
#   to 16 bits (255 to 65280) and divided by 65535, so that everything is darker by 255/256. A frame of 16 bits keeps its
#   white, and opacity has another error (254.99 / 255).
# Why it matters: Load Image of ComfyUI 0.33 reads BMP, grey PNG, GIF and lossless WebP this way, so their white is 0.9961
#   there, and comparing a mask with 1 finds nothing.
# What helps: to_ndarray(format="rgb24") / 255 for what has 8 bits.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "av==18.1.0" "numpy==2.4.6"
"$work/env/bin/python" - <<'PY'
import av
import numpy as np


def white(format, shape, values=255, kind=np.uint8):
    frame = av.VideoFrame.from_ndarray(np.full(shape, values, kind), format=format)
    return frame.to_ndarray(format="gbrpf32le").max() * 255, frame.to_ndarray(format="rgb24").max()


off = []
for format, shape in (("rgb24", (32, 32, 3)), ("bgr24", (32, 32, 3)), ("gray", (32, 32))):
    floats, whole = white(format, shape)
    print(f"white in {format:8} as gbrpf32le: {floats:.2f} of 255, as rgb24: {whole}")
    off.append(abs(floats - 255 * 255 * 256 / 65535) < 0.05 and whole == 255)
floats, _ = white("gray16le", (32, 32), 65535, np.uint16)
print(f"white in gray16le as gbrpf32le: {floats:.2f} of 255")
assert all(off), "white stays white now: this finding is out of date"
assert abs(floats - 255) < 0.05, "16 bits lose white, too: this finding is out of date"
PY
