#!/usr/bin/env bash
# torch 2.13.0: torch.load does not compare the CRC-32 that a checkpoint stores for each of its tensors.
#
# Expected: a checkpoint is a zip archive, a zip archive has a checksum for each member, and a damaged download is noticed.
# Seen: a file with one flipped bit loads without a word, from memory, from a file and memory-mapped; one weight is 1.5
#   instead of 1. Python's zipfile names the damaged member.
# Why it matters: a checkpoint from an interrupted copy or a failing disk animates with wrong weights instead of failing.
# What helps: zipfile.ZipFile(path).testzip() before torch.load.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.4.6"
cd "$work"
"$work/env/bin/python" - <<'PY'
import io
import zipfile

import torch

file = io.BytesIO()
torch.save({"weight": torch.ones(1000)}, file)
damaged = bytearray(file.getvalue())
place = bytes(damaged).index(torch.ones(4).numpy().tobytes())
damaged[place + 6] ^= 0x40  # one bit of the second weight
with open("damaged.pth", "wb") as target:
    target.write(damaged)

named = zipfile.ZipFile("damaged.pth").testzip()
loaded = {
    "from memory": torch.load(io.BytesIO(bytes(damaged)), weights_only=True),
    "from a file": torch.load("damaged.pth", weights_only=True),
    "memory-mapped": torch.load("damaged.pth", weights_only=True, mmap=True),
}
print("zipfile names:", named)
for how, state in loaded.items():
    print(f"torch.load {how}: no error, first weights {state['weight'][:3].tolist()}")
assert named is not None
assert all((state["weight"] != 1).sum() == 1 for state in loaded.values())
PY
