#!/usr/bin/env bash
# torch 2.13.0, numpy 2.4.6 (pickle protocol 2, torch.save's default).
#
# Expected: with numpy's four names on torch's list of safe globals (_reconstruct, ndarray, dtype and the class of the
#   dtype, which is what torch's own message asks for), torch.load(weights_only=True) reads any array of that dtype.
# What happens: every array of it but an empty one. In protocol 2, empty bytes are written as a call, bytes(), so an
#   array with a side of 0 also asks for 'builtins.bytes', and the whole checkpoint is refused.
# Why it matters here: training loops note histories that are still empty beside the weights; such a checkpoint loads
#   after the first epoch and not before. A list of allowed names has to hold bytes too, and to refuse it arguments.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet "torch==2.13.0" "numpy==2.4.6"
cat > try.py <<'PYTHON'
import io
import pickle
import sys

import numpy as np
import torch

names = [np._core.multiarray._reconstruct, np.ndarray, np.dtype, type(np.dtype(np.float32))]
seen = {}
for shape in ((3,), (1,), (2, 4), (0,), (3, 0, 2)):
    file = io.BytesIO()
    torch.save({"history": np.ones(shape, np.float32)}, file)
    file.seek(0)
    with torch.serialization.safe_globals(names):
        try:
            seen[shape] = torch.load(file, weights_only=True)["history"].shape == shape
        except pickle.UnpicklingError as problem:
            seen[shape] = "GLOBAL bytes" not in str(problem)
print("expected: all of these are read:", list(seen))
print("seen:", seen)
sys.exit(seen != {(3,): True, (1,): True, (2, 4): True, (0,): False, (3, 0, 2): False})
PYTHON
env/bin/python -W ignore try.py
