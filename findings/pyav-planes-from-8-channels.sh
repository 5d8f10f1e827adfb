#!/usr/bin/env bash
# Versions: PyAV (av) 18.1.0 with its bundled FFmpeg 8.1, numpy 2.
# Expected: a planar frame of 7.1 sound has 8 planes, and AudioFrame.from_ndarray makes one from an array [8, samples],
#   as both work for 5.1 (6 planes).
# What happens: from 8 channels on, `frame.planes` counts past the real ones (9 for 7.1; more with more channels), because it
#   counts pointers up to the first null one, and `from_ndarray` ends in an IndexError. Packed formats ("flt") are right at
#   any number of channels.
# Why our users care: AAC, Opus and AC-3 decoders give planar frames; 7.1 films are common. Sound has to go through a packed
#   format before it becomes an array.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "av==18.1.0" "numpy<3"
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import av
import numpy as np

seen = []
for layout, channels in (("5.1", 6), ("7.1", 8)):
    packed = av.AudioFrame.from_ndarray(np.zeros((1, channels * 480), np.float32), format="flt", layout=layout)
    packed.sample_rate = 48_000
    (planar,) = av.AudioResampler("fltp", layout, 48_000).resample(packed)
    try:
        av.AudioFrame.from_ndarray(np.zeros((channels, 480), np.float32), format="fltp", layout=layout)
        made = "made"
    except IndexError as error:
        made = f"IndexError: {error}"
    print(f"{layout}: expected {channels} planes and a frame from an array; saw {len(planar.planes)} planes, {made}")
    seen.append((len(planar.planes) == channels, made == "made"))
sys.exit(0 if seen == [(True, True), (False, False)] else 1)
PYTHON
