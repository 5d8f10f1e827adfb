#!/usr/bin/env bash
# torch 2.13.0, safetensors 0.8.0.
#
# Expected: torch.load tells a file by its content, as it tells its zip format, the older one and TorchScript apart; the
#   name does not matter.
# What happens: a path that ends in .safetensors goes to the safetensors library without a look inside. What torch.save
#   wrote under such a name cannot be loaded again by its path (a SafetensorError that speaks of a header), but loads
#   from an open file; and a safetensors file under the name of a .pth loads by neither.
# Why it matters here: people rename weights. We look at the first bytes and give torch an open file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet "torch==2.13.0" "numpy==2.4.6" "safetensors==0.8.0"
cat > try.py <<'PYTHON'
import sys

import torch
from safetensors.torch import save_file

weights = {"weight": torch.arange(3.0)}
torch.save(weights, "a.safetensors")
torch.save(weights, "a.pth")
save_file(weights, "b.safetensors")
save_file(weights, "b.pth")


def loads(name: str, opened: bool) -> bool:
    try:
        with open(name, "rb") as file:
            found = torch.load(file if opened else name, weights_only=True)
        return torch.equal(found["weight"], weights["weight"])
    except Exception as problem:
        print(name, "as an open file:" if opened else "by path:", type(problem).__name__)
        return False


names = ("a.pth", "a.safetensors", "b.safetensors", "b.pth")
seen = {name: (loads(name, False), loads(name, True)) for name in names}
print("expected: the same by path and as an open file, and by content: a file loads under either name or under none")
print("seen (by path, open):", seen)
wanted = {"a.pth": (True, True), "a.safetensors": (False, True), "b.safetensors": (True, False), "b.pth": (False, False)}
sys.exit(seen != wanted)
PYTHON
env/bin/python -W ignore try.py
