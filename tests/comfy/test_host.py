"""The adapter's parts, run inside ComfyUI's own interpreter."""

from __future__ import annotations

from typing import Any

import pytest

SCRIPT = """
import importlib
import av, torch
import comfy.model_management as memory
from comfy_api.latest import InputImpl, Types, io
host_module = importlib.import_module("pack.nodes.hosts.comfyui.host")
videos = importlib.import_module("pack.nodes.hosts.comfyui.video")
files = importlib.import_module("pack.nodes.hosts.comfyui.files")
core = importlib.import_module("pack.fomm_core")

(base / "models").mkdir()
files.register_folders()
told["folder made"] = (base / "models" / "fomm").is_dir()
host = host_module.ComfyUIHost()

sound = {"waveform": torch.sin(torch.arange(8000) / 8).expand(1, 2, -1), "sample_rate": 8000}
frames = torch.rand(8, 32, 32, 3)
made = InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, audio=sound, frame_rate=8))
with host.open_video(made) as clip:
    told["made: frames"] = clip.length
    told["made: exact"] = all(
        torch.allclose(torch.cat(list(clip.batches(3))), frames.permute(0, 3, 1, 2)) for _ in range(2)
    )
    with av.open(str(clip.sound())) as track:
        told["made: sound"] = [track.streams.audio[0].rate, track.streams.audio[0].channels]
silent = InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, audio=None, frame_rate=8))
with host.open_video(silent) as clip:
    told["silent: sound"] = clip.sound()

path = base / "clip.mp4"
made.save_to(str(path))
with host.open_video(InputImpl.VideoFromFile(str(path))) as clip:
    told["file: frames"] = sum(map(len, clip.batches(3)))
    told["file: sound"] = str(clip.sound()) == str(path)

from io import BytesIO
with host.open_video(InputImpl.VideoFromFile(BytesIO(path.read_bytes()))) as clip:
    told["memory: frames"] = sum(map(len, clip.batches(3)))

class Cut(InputImpl.VideoFromFile):  # as newer versions have it: the stream source is still the whole file
    def get_active_trim_window(self):
        return (0.0, 0.5)

    def save_to(self, target, **how):
        InputImpl.VideoFromComponents(
            Types.VideoComponents(images=frames[:4], audio=None, frame_rate=8)
        ).save_to(target)

with host.open_video(Cut(str(path))) as clip:
    told["cut: frames"] = sum(map(len, clip.batches(3)))

held = host.hold(core.load_builtin())
session = host.session(held, precision="auto", size=(64, 64))
told["managed"] = any(model is held for model in memory.loaded_models())
told["precision"] = session.dtype == host_module.dtype_of("auto", torch.device("cpu"))
pictures = torch.rand(3, 3, 64, 64)
first = session.detect(pictures)
prepared = session.prepare(pictures[:1])
warm = host.session(held, precision="auto", size=(64, 64))
calls = []
def counted(pictures, **_):
    calls.append(len(pictures))
    raise AssertionError("looked for again")
detector = warm.network(64, 64).detector
detector.forward, plain = counted, detector.forward
told["stays"] = warm is session and warm.prepare(pictures[:1]) is prepared
told["found again"] = torch.equal(warm.detect(pictures).position, first.position) and not calls
try:
    warm.detect(1 - pictures)
except AssertionError:
    told["others are looked for"] = calls == [1]
detector.forward = plain
told["counted"] = held.model_size() > held.weights_size() and held.loaded_size() > held.weights_size()
told["partly"] = held.partially_unload(held.offload_device, 1) > 0 and not held.sessions
host.session(held, precision="auto", size=(64, 64)).prepare(pictures[:1])
memory.unload_all_models()
told["ended"] = not held.sessions and held.model_size() == held.weights_size()
told["unloaded"] = not memory.loaded_models()
again = host.session(held, precision="bfloat16", size=(64, 64))
told["again"] = len(again.detect(torch.rand(2, 3, 64, 64)))
told["weights kept"] = str(next(held.model.parameters()).dtype)
try:
    host_module.dtype_of("float8", torch.device("cpu"))
except core.FommError as problem:
    told["float8"] = str(problem)

memory.interrupt_current_processing(True)
try:
    host.progress(1, 2)
    told["cancelled"] = "no"
except memory.InterruptProcessingException:
    told["cancelled"] = "yes"

adapter = importlib.import_module("pack.nodes.hosts.comfyui.extension")
class Schema(io.Schema):
    pass
import dataclasses
newer = dataclasses.make_dataclass("Newer", [("search_aliases", list, None)], bases=(io.Schema,))
adapter.io.Schema = newer
spec = adapter.ALL[0]
told["aliases"] = adapter.schema_of(spec).search_aliases == list(spec.aliases)
"""


@pytest.fixture(scope="module")
def told(inside) -> dict[str, Any]:
    return inside(SCRIPT)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("folder made", True),
        ("made: frames", 8),
        ("made: exact", True),
        ("made: sound", [8000, 2]),
        ("silent: sound", None),
        ("file: frames", 8),
        ("file: sound", True),
        ("memory: frames", 8),
        ("cut: frames", 4),
        ("managed", True),
        ("precision", True),
        ("stays", True),
        ("found again", True),
        ("others are looked for", True),
        ("counted", True),
        ("partly", True),
        ("ended", True),
        ("unloaded", True),
        ("again", 2),
        ("weights kept", "torch.float32"),
        ("float8", "expected a precision of auto, float32, bfloat16, float16; got 'float8'."),
        ("cancelled", "yes"),
        ("aliases", True),
    ],
)
def test_in_comfyui(told: dict[str, Any], what: str, expected: Any) -> None:
    assert told[what] == expected
