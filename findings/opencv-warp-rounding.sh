#!/usr/bin/env bash
# opencv-python-headless 4.13.0.90 and 5.0.0.93, numpy 2.2.6, Python 3.10 or newer; Linux, macOS, Windows.
#
# Naive expectation: `cv2.warpAffine` and `cv2.remap` with INTER_LINEAR interpolate where the matrix or map points, in
# every version: results are within half a step of the bilinear formula, and an upgrade changes nothing that shows.
#
# What really happens: up to 4.13 both round each position to 1/32 pixel first, for float32 pictures too, so values are
# off by up to 1/64 of the difference of neighbours on each axis (about 5 of 255 on noise). From 5.0 on positions are
# exact. Both versions satisfy `opencv-python>=4.8`, and neither call nor flag differs.
#
# Why our users care: faces are cropped and pasted back by warpAffine on a CPU and by kornia on a GPU. The two agree
# within 1/255 on any picture under OpenCV 5 only; frames that were made under 4.x are not reproduced bit for bit.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

cat > "$work/measure.py" <<'PYTHON'
import cv2
import numpy as np

picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
cos, sin = 1.3 * np.cos(0.3), 1.3 * np.sin(0.3)
matrix = np.array([[cos, -sin, -30.3], [sin, cos, -60.7]])
back = cv2.invertAffineTransform(matrix)
columns, rows = np.meshgrid(np.arange(200), np.arange(200))
x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
inside = (x > 1) & (x < 298) & (y > 1) & (y < 298)
x0, y0 = np.clip(np.floor(x), 0, 298).astype(int), np.clip(np.floor(y), 0, 298).astype(int)
fx, fy, exact = (x - x0)[..., None], (y - y0)[..., None], picture.astype(float)
top = exact[y0, x0] * (1 - fx) + exact[y0, x0 + 1] * fx
bottom = exact[y0 + 1, x0] * (1 - fx) + exact[y0 + 1, x0 + 1] * fx
formula = top * (1 - fy) + bottom * fy
maps = x.astype(np.float32), y.astype(np.float32)
worst = []
for source in (picture, picture.astype(np.float32)):
    for found in (
        cv2.warpAffine(source, matrix, (200, 200), flags=cv2.INTER_LINEAR),
        cv2.remap(source, *maps, cv2.INTER_LINEAR),
    ):
        worst.append(float(np.abs(found - formula)[inside].max()))
print(" ".join(f"{value:.3f}" for value in worst))
PYTHON

measure() { # VERSION -> largest errors of warpAffine and remap, uint8 then float32
    python3 -m venv "$work/$1"
    "$work/$1/bin/pip" install --quiet --disable-pip-version-check "opencv-python-headless==$1" "numpy==2.2.6"
    "$work/$1/bin/python" "$work/measure.py"
}

old="$(measure 4.13.0.90)"
new="$(measure 5.0.0.93)"
echo "largest difference from the bilinear formula: warpAffine and remap of uint8, then of float32"
echo "expected: 0.5 0.5 0.0 0.0 (rounding to bytes alone), in both"
echo "4.13.0.90: $old"
echo "5.0.0.93:  $new"
awk -v old="$old" -v new="$new" 'BEGIN {
    split(old, o, " "); split(new, n, " ")
    for (i = 1; i <= 4; i++) if (o[i] < 2 || n[i] > 0.6) { print "this has changed"; exit 1 }
}'
