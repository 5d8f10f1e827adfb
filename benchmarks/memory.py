"""Peak memory: of `fomm animate` for a short and a long clip, and against a loop that holds whole clips.

The naive loop holds what the published demo holds: every frame as read, the same resized as float64 (as scikit-image
does it), all of them stacked and as one float32 tensor, every generated frame as float32; written at the end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fomm_nodes.fomm_core.checkpoints import ASSETS

from .processes import example_clip, published_size, run

NAIVE = """
import numpy as np, torch
from benchmarks.speed import naive_loop
from fomm_nodes.fomm_core import load_model
from fomm_nodes.fomm_core.fitting import fit_uint8
from fomm_nodes.fomm_core.video import VideoReader, VideoWriter, read_image
weights, picture, driving, result = sys.argv[1:]
with torch.inference_mode():
    model = load_model(weights)
    source = fit_uint8(read_image(picture), 256, 256)
    clip = list(VideoReader(driving))
    clip = [fit_uint8(frame, 256, 256)[0].permute(1, 2, 0).double().numpy() for frame in clip]
    clip_tensor = torch.tensor(np.array(clip)[np.newaxis].astype(np.float32)).permute(0, 4, 1, 2, 3)
    loop = naive_loop(model, source, model.detect(clip_tensor[:, :, 0]))
    images = [loop(clip_tensor[:, :, number])[0].permute(1, 2, 0).numpy() for number in range(clip_tensor.shape[2])]
    with VideoWriter(result, fps=25) as writer:
        for image in [(image * 255).astype(np.uint8) for image in images]:
            writer.write(image[np.newaxis])
"""


def measure(*, short: int, long: int) -> None:
    """Print the built-in model's peaks for both lengths."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        peaks = []
        for count in (short, long):
            clip = example_clip(here / f"{count}.mp4", count, width=256, height=256)
            command = ["animate", str(ASSETS / "source.png"), str(clip), "-o", str(here / f"out-{count}.mp4"), "-q"]
            peaks.append(run(command, threads=1).peak)
            print(f"{count:>7} driving frames: peak {peaks[-1]:7.1f} MiB", flush=True)
        print(f"ratio {peaks[1] / peaks[0]:.3f}")


def measure_published(*, frames: int) -> None:
    """Print the peaks of a model of the published size, ours and the naive loop's, for the same clip."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        weights, picture = str(published_size(here / "random-vox.safetensors")), str(ASSETS / "source.png")
        clip = str(example_clip(here / "clip.mp4", frames))
        command = ["animate", picture, clip, "-o", str(here / "ours.mp4"), "-q", "--model", weights, "--device", "cpu"]
        ours = run(command, threads=1).peak
        print(f"fomm animate, {frames} frames: peak {ours:.0f} MiB", flush=True)
        naive = run([weights, picture, clip, str(here / "naive.mp4")], threads=1, work=NAIVE).peak
        print(f"naive loop, {frames} frames: peak {naive:.0f} MiB; ratio {ours / naive:.2f}")
