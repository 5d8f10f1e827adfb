"""Transfer Detail against plain upscaling: perceptual distance to the true frames of clips that move their own first
frame.

The square around the face is cut out of each clip at four times the model's size. Its first frame is the large source;
the model moves a small copy of it by the clip's own keypoints, and what either way makes of the small frames is
compared with the clip's frames by ST-LPIPS (`pip install stlpips-pytorch`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from fomm_nodes.fomm_core import AnimationSession, load_model
from fomm_nodes.fomm_core.detail import DETAIL_MODES, transfer_detail
from fomm_nodes.fomm_core.faces import FaceFinder, track
from fomm_nodes.fomm_core.fitting import from_uint8, to_uint8
from fomm_nodes.fomm_core.region import Cropper
from fomm_nodes.fomm_core.training.metrics.perceptual import PerceptualDistance
from fomm_nodes.fomm_core.video import VideoReader, write_image
from fomm_nodes.fomm_core.whole import framing_of


@torch.inference_mode()
def measure(*, clips: Path, model: str, size: int, times: int, frames: int, show: Path | None) -> None:
    """Print, for each clip and way, on how many frames it is nearer to the truth than plain upscaling, and by how much.

    show: a folder for pictures: source, truth, upscaled, and each way, of the last frame.
    """
    session = AnimationSession(load_model(model))
    metric = PerceptualDistance()
    won = dict.fromkeys(DETAIL_MODES, 0)
    count = 0
    for path in sorted(path for path in clips.iterdir() if path.suffix in (".mp4", ".webm", ".mov")):
        truth = _squares(path, session, size * times, frames)
        small = F.interpolate(truth, size=(size, size), mode="bilinear", antialias=True)
        source = session.prepare(small[:1])
        found: dict[str, list[float]] = {way: [] for way in ("plain", *DETAIL_MODES)}
        keypoints = session.detect(small[1:])
        number = 1
        for rendered in session.render(source, keypoints):
            for i in range(len(rendered)):
                image, motion = rendered.images[i : i + 1], rendered.motion[i : i + 1]
                plain = F.interpolate(image, size=truth.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)
                made = {"plain": plain}
                for mode in DETAIL_MODES:
                    made[mode] = transfer_detail(
                        image, motion, truth[:1], align_corners=session.config.align_corners, mode=mode
                    )
                true = metric.look(truth[number : number + 1])
                for way, picture in made.items():
                    found[way].append(float(metric.compare(metric.look(picture), true)["lpips"]))
                number += 1
        if show is not None:
            row = torch.cat([truth[:1], truth[-1:], *made.values()], -1)
            show.mkdir(parents=True, exist_ok=True)
            write_image(show / f"{path.stem}.png", to_uint8(row)[0])
        plain_ones = np.array(found["plain"])
        words = [f"plain {plain_ones.mean():.4f}"]
        for mode in DETAIL_MODES:
            theirs = np.array(found[mode])
            won[mode] += int((theirs < plain_ones).sum())
            words.append(f"{mode} {theirs.mean():.4f}, lower on {(theirs < plain_ones).mean():.0%}")
        count += len(plain_ones)
        print(f"{path.stem}, {len(plain_ones)} frames: {'; '.join(words)}", flush=True)
    for mode in DETAIL_MODES:
        print(f"{mode}: lower on {won[mode]} of {count} frames, {won[mode] / count:.0%}")


def _squares(path: Path, session: AnimationSession, side: int, frames: int) -> torch.Tensor:
    """[frames + 1, 3, side, side]: the square that the face is followed in, of frames spread over the clip."""
    finder = FaceFinder()
    with VideoReader(path) as reader:
        tracking = track(reader.stored(), finder=finder)
        framing = framing_of(session.config, session.model.name)
        assert framing is not None
        cropper = Cropper(tracking.tracks[0].region(framing), side)
        chosen = np.linspace(0, tracking.frames - 1, frames + 1).round().astype(int).tolist()
        return torch.cat([from_uint8(cropper(frame, i)) for i, frame in zip(chosen, reader.at(chosen), strict=True)])
