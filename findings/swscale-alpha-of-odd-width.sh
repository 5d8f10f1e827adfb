#!/usr/bin/env bash
# Versions: PyAV 18.1.0 (its bundled FFmpeg), numpy 2.4.6, Python 3.11.
# Expected: a yuva420p frame whose alpha plane is 255 everywhere has alpha 255 everywhere as RGBA.
# What happens: with swscale's default flags, and with bicubic, the last column of a frame of odd width (33, 161) gets alpha out of memory that was not
#   written: it differs from frame to frame and run to run. Even widths are right; so is every width with full chroma interpolation and accurate rounding
#   (SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_ACCURATE_RND).
# Why our users care: transparent WebM is yuva420p, and cut-outs have any width; holes flicker along the right edge. Our reader sets those flags.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "av==18.1.0" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import av

FULL_CHROMA = 0x4 | 0x2000 | 0x4000 | 0x40000


def holes(width: int, **options) -> set[int]:
    """Columns in which the alpha of opaque frames is not 255, of 40 frames."""
    found: set[int] = set()
    for _ in range(40):
        frame = av.VideoFrame(width, 64, "yuva420p")
        for plane, level in zip(frame.planes, (120, 128, 128, 255)):
            plane.update(bytes([level]) * plane.buffer_size)
        alpha = frame.reformat(format="rgba", **options).to_ndarray()[..., 3]
        found |= set((alpha != 255).any(0).nonzero()[0].tolist())
    return found


for width in (160, 161, 33):
    print(f"width {width}: columns with holes: default {holes(width)}, full chroma {holes(width, interpolation=FULL_CHROMA)}")
assert holes(160) == set(), "even widths are no longer right"
assert holes(161) == {160} and holes(33) == {32}, "odd widths behave otherwise now"
assert holes(161, interpolation=FULL_CHROMA) == set(), "full chroma interpolation is no longer right"
print("as described")
PYTHON
