#!/usr/bin/env bash
# safetensors 0.8.0: the same tensors and the same metadata give another file at each call.
#
# Expected: a format without pickles and without time stamps is a function of what is saved; two equal models have one digest.
# Seen: with several metadata entries the bytes differ from call to call, even within one process, since the entries are
#   written in the order of a randomly seeded hash map. Sorting the dictionary beforehand changes nothing. One entry is stable.
# Why it matters: caches, "is this the file I know?" checks and reproducible builds that compare digests of model files fail.
# What helps: put all metadata as one sorted JSON text under one key, or compare digests of the tensors.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "safetensors==0.8.0" "numpy==2.4.6"
"$work/env/bin/python" - <<'PY'
import json

import numpy
from safetensors.numpy import load, save

tensors = {"weight": numpy.arange(4.0)}
metadata = {key: key.upper() for key in sorted("abcdefgh")}
files = {save(tensors, metadata=metadata) for _ in range(12)}
single = {save(tensors, metadata={"all": json.dumps(metadata, sort_keys=True)}) for _ in range(12)}
print(f"12 calls with 8 metadata entries: {len(files)} different files; with one entry: {len(single)}")
assert all((load(file)["weight"] == tensors["weight"]).all() for file in files)
assert len(files) > 1 and len(single) == 1
PY
