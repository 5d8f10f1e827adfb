#!/usr/bin/env bash
# torch 2.13.0: fused optimizers on a CPU pair values by their place in memory, not by their index.
#
# Expected: `fused=True` is an implementation detail, as `foreach=True` is. Strides are honoured, or refused.
# Seen: where a gradient or a moment is channels-last and its parameter is not (or the other way round), Adam, AdamW, SGD
#   with momentum and Adagrad update each weight with the gradient or moment of another one. No error, no warning.
# Why it matters: load_state_dict keeps the saved strides of moments. A run that trained channels-last (the usual layout on
#   a GPU) and is resumed with contiguous weights goes on with shuffled moments, and its loss still falls.
# What helps: copy every moment into the layout of its parameter after loading a state.
set -euo pipefail
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "torch==2.13.0" "numpy==2.4.6"
"$work/env/bin/python" - <<'PY'
import io

import torch
from torch import nn

CHANNELS_LAST = torch.channels_last
start = torch.arange(24.0).reshape(2, 3, 2, 2) / 10
draw = torch.Generator().manual_seed(1)
gradients = [torch.randn(2, 3, 2, 2, generator=draw) for _ in range(3)]


def train(kind, fused, moments=torch.contiguous_format, gradient=torch.contiguous_format):
    weight = nn.Parameter(start.clone())
    settings = {"momentum": 0.9} if kind is torch.optim.SGD else {}
    optimizer = kind([weight], lr=0.1, fused=fused, **settings)
    for step, values in enumerate(gradients):
        weight.grad = values.clone(memory_format=gradient)
        optimizer.step()
        if step == 0:
            for name, value in optimizer.state[weight].items():
                if torch.is_tensor(value) and value.ndim == 4:
                    optimizer.state[weight][name] = value.clone(memory_format=moments)
    return weight.detach()


wrong = []
for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad):
    right = train(kind, fused=False)
    cases = {
        "same layout": train(kind, True),
        "moments channels-last": train(kind, True, moments=CHANNELS_LAST),
        "gradient channels-last": train(kind, True, gradient=CHANNELS_LAST),
        "moments channels-last, not fused": train(kind, False, moments=CHANNELS_LAST),
    }
    for name, got in cases.items():
        off = (got - right).abs().max().item()
        print(f"{kind.__name__:8} {name:34} differs from the plain optimizer by {off:.1e} after 3 steps")
        wrong.append((off > 0.01) == (name in ("moments channels-last", "gradient channels-last")))

# The same by saving and loading alone.
trained = nn.Conv2d(3, 4, 3).to(memory_format=CHANNELS_LAST)
optimizer = torch.optim.Adam(trained.parameters(), fused=True)
picture = torch.randn(1, 3, 8, 8)
trained(picture).sum().backward()
optimizer.step()
file = io.BytesIO()
torch.save({"weights": trained.state_dict(), "optimizer": optimizer.state_dict()}, file)
file.seek(0)
saved = torch.load(file, weights_only=True)
resumed = nn.Conv2d(3, 4, 3)
resumed.load_state_dict(saved["weights"])
again = torch.optim.Adam(resumed.parameters(), fused=True)
again.load_state_dict(saved["optimizer"])
moment = again.state[resumed.weight]["exp_avg"]
for network, steps in ((trained, optimizer), (resumed, again)):
    steps.zero_grad()
    network(torch.ones(1, 3, 8, 8) * torch.arange(8.0)).square().sum().backward()
    steps.step()
off = (trained.weight - resumed.weight).abs().max().item()
print(f"saved and resumed: weight strides {resumed.weight.stride()}, moment strides {moment.stride()}, differs by {off:.1e}")
assert all(wrong), "fused optimizers honour strides now: this finding is out of date"
assert moment.stride() != resumed.weight.stride() and off > 1e-5, "a resumed run goes on as it was: out of date"
PY
