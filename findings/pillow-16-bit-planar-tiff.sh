#!/usr/bin/env bash
# Versions: Pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.6, Python 3.11.
# Expected: Pillow opens a 16-bit RGB TIFF as mode RGB, cut to 8 bits, whichever way its channels are stored: "contig" (interleaved) and "separate"
#   (planes, PlanarConfiguration 2) are two layouts of the same picture.
# What happens: interleaved is right. Of planes, the first two channels are taken as if their samples had 8 bits: both bytes of each become pixels of their
#   own, side by side, so that half a row fills a row. No error, no warning.
# Why our users care: scanners and scientific cameras write such files; a picture of wrong colours animates without a word. We read deep TIFFs with tifffile.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "pillow==13.0.0" "tifffile==2026.3.3" "numpy==2.4.6"
"$folder/venv/bin/python" - <<'PYTHON'
import io

import numpy as np
import tifffile
from PIL import Image

y, x = np.mgrid[0:48, 0:64]
eight = np.stack([4 * x, 5 * y, 0 * x + 77], -1).astype(np.uint8)
sixteen = eight.astype(np.uint16) * 257
read = {}
for name, values in (("contig", sixteen), ("separate", np.moveaxis(sixteen, -1, 0).copy())):
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb", planarconfig=name)
    file.seek(0)
    whole = tifffile.imread(file)
    assert np.array_equal(whole if name == "contig" else np.moveaxis(whole, 0, -1), sixteen), "the file is not valid"
    read[name] = np.asarray(Image.open(io.BytesIO(file.getvalue())))
    print(f"{name}: first red row {read[name][0, :8, 0].tolist()}, expected {eight[0, :8, 0].tolist()}")
assert np.array_equal(read["contig"], eight), "interleaved is no longer right"
assert not np.array_equal(read["separate"], eight), "planes are right now"
for channel in (0, 1):
    as_bytes = sixteen[..., channel].astype("<u2").tobytes()[: 48 * 64]
    assert read["separate"][..., channel].tobytes() == as_bytes, "wrong in another way now"
print("as described")
PYTHON
