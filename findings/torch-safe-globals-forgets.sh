#!/usr/bin/env bash
# torch 2.13.0.
#
# Expected: the context manager torch.serialization.safe_globals([X]) leaves the list of safe globals as it found it.
# What happens: it takes X off the list when it ends, even where X had been put there before, by add_safe_globals or by
#   a block around it. So a library that allows a class for one call takes it from the program that calls it: what
#   loaded before that call is refused after it, in the middle of the outer block too.
# Why it matters here: our reader lets torch take some names for one call. It puts only classes of its own on the list,
#   which nobody else can have registered, and takes only these off again.
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

import torch


class Settings:
    pass


def loads() -> bool:
    file = io.BytesIO(saved)
    try:
        return isinstance(torch.load(file, weights_only=True), Settings)
    except pickle.UnpicklingError:
        return False


made = io.BytesIO()
torch.save(Settings(), made)
saved = made.getvalue()
torch.serialization.add_safe_globals([Settings])
seen = [loads()]
with torch.serialization.safe_globals([Settings]):
    seen.append(loads())
seen.append(loads())
with torch.serialization.safe_globals([Settings]):
    with torch.serialization.safe_globals([Settings]):
        pass
    seen.append(loads())
print("expected: registered, in a block, after it, in a block around another:", [True] * 4)
print("seen:", seen)
sys.exit(seen != [True, True, False, False])
PYTHON
env/bin/python -W ignore try.py
