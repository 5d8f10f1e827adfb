"""Whether a driver will move a source well, said before anything is rendered.

All is measured on keypoints and on dense motion of a few frames: a second of work, where rendering takes minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .animation import AnimationOptions, drive
from .errors import KeypointError
from .faces import Face
from .geometry import Keypoints, Motion
from .motion import TransferOptions, anchor_distances, anchor_frame, best_anchor, movement_scale
from .prepared import PreparedSource
from .session import AnimationSession
from .whole.found import APART

SAMPLES = 9
"""Frames whose dense motion is looked at."""
Verdict = Literal["good", "doubtful", "bad"]
KINDS = ("confidence", "faces", "pose", "scale", "lost", "cuts", "movement")


@dataclass(frozen=True)
class Finding:
    """One thing that speaks against a pair. kind: out of `KINDS`. cost: 0..1, how much of the result it spoils."""

    kind: str
    cost: float
    text: str


@dataclass(frozen=True, eq=False)
class DriveCheck:
    """What is to be expected.

    verdict: 'good' from a score of 0.7 on, 'bad' below 0.45. score: 0..1, the product of what each finding leaves.
    findings: the worst first. anchor: the frame that was taken as the source's pose. better_anchor: another one that
    fits clearly better; None where there is none. measures: the numbers behind it, by name. hidden: [n, 1, h, w], what
    would have to be invented in `frames`, 1 where all; None for models without an occlusion map.
    """

    verdict: Verdict
    score: float
    findings: tuple[Finding, ...]
    anchor: int
    better_anchor: int | None
    measures: dict[str, float]
    frames: tuple[int, ...]
    hidden: Tensor | None

    @property
    def report(self) -> str:
        """In words, a line for each finding."""
        lines = [f"{self.verdict}: {round(100 * self.score)} of 100"]
        lines += [f"- {finding.text}" for finding in self.findings]
        if self.better_anchor is not None:
            lines.append(f"Frame {self.better_anchor} is a better anchor than frame {self.anchor}.")
        return "\n".join(lines)


def check_drive(
    session: AnimationSession,
    source: PreparedSource,
    driving: Keypoints,
    *,
    options: AnimationOptions | None = None,
    shots: Sequence[int] = (0,),
    source_face: Face | None = None,
    faces: Sequence[Face | None] | None = None,
) -> DriveCheck:
    """What becomes of a source that is moved by a performance.

    Args:
        driving: T frames as `AnimationSession.detect` gives them; without confidence, that is left out.
        options: as for rendering: the anchor above all.
        shots: first frames of the driver's shots, 0 included, as far as they are known.
        source_face: the source's; None where none was found.
        faces: of the driver in some of its frames, the anchor first; None where none was found. Not given: nobody
            looked, in the source neither, or the model is not of faces.

    Raises KeypointError for keypoints of another model, or an anchor that is not there.
    """
    options = options or AnimationOptions()
    session.model.check_keypoints(driving)
    still = source.keypoints
    best = best_anchor(still, driving)
    anchor = best if options.anchor == "best" else 0 if options.anchor == "first" else int(options.anchor)
    at = anchor_frame(driving, anchor)
    distances = anchor_distances(still, driving)
    jumps = [*shots, *_jumps(driving)]
    cuts = sorted({frame for frame in jumps if frame > 0})
    moved = drive(still, driving, AnimationOptions(options.transfer, anchor, options.smoothing, options.smooth_sigma))
    frames = _samples(moved, still)
    motion = _motion_of(session, source, moved, frames)
    measures = {
        "pose": float(distances[anchor]),
        "best pose": float(distances[best]),
        "scale": _scale(still, at),
        "cuts": float(len(cuts)),
        **_confidences(still, driving),
        **_movement(moved, still),
        **_damage(motion),
    }
    if faces is not None:
        measures |= _face_measures(source_face, faces)
    findings = tuple(sorted(_findings(measures, options.transfer, cuts), key=lambda finding: -finding.cost))
    score = math.prod(1 - finding.cost for finding in findings)
    better = best if best != anchor and measures["best pose"] < 0.6 * measures["pose"] - 0.01 else None
    hidden = None if motion is None or motion.occlusion is None else 1 - motion.occlusion.float().cpu()
    verdict: Verdict = "good" if score >= GOOD else "bad" if score < BAD else "doubtful"
    return DriveCheck(verdict, score, findings, anchor, better, measures, tuple(frames), hidden)


GOOD, BAD = 0.7, 0.45
KNOWN = 0.85
"""A source whose keypoints are that sure is of the model's kind, if it is no face: drawn ones are not always found."""


def _jumps(driving: Keypoints) -> list[int]:
    """Frames before which all keypoints jump at once, far more than at any time around."""
    if len(driving) < 4:
        return []
    step = driving.position.diff(dim=0).square().sum(-1).sqrt().median(1).values  # [T - 1]
    usual = step.median()
    return [int(frame) + 1 for frame in (step > 0.08 + 8 * usual).nonzero()[:, 0]]


def _samples(moved: Keypoints, still: Keypoints) -> list[int]:
    """Evenly spread frames, and the one that is furthest from the source's pose."""
    length = len(moved)
    even = {round(place * (length - 1) / max(1, SAMPLES - 2)) for place in range(SAMPLES - 1)}
    away = (moved.position - still.position).square().flatten(1).sum(1)
    return sorted({min(frame, length - 1) for frame in even} | {int(torch.nan_to_num(away).argmax())})


def _motion_of(
    session: AnimationSession, source: PreparedSource, moved: Keypoints, frames: Sequence[int]
) -> Motion | None:
    if source.network.dense_motion is None:
        return None
    return Motion.cat([part.to("cpu") for part in session.motion(source, moved.at(list(frames)))])


def _scale(still: Keypoints, at: Keypoints) -> float:
    """How much larger the source stands in its image than the driver; 1 where that cannot be said."""
    try:
        return movement_scale(still, at)
    except KeypointError:
        return 1.0


def _confidences(still: Keypoints, driving: Keypoints) -> dict[str, float]:
    found = {}
    if still.confidence is not None:
        found["source confidence"] = float(still.confidence.mean())
    if driving.confidence is not None:
        each = driving.confidence.mean(1)
        found |= {"confidence": float(each.median()), "least confidence": float(each.quantile(0.1))}
    return found


def _movement(moved: Keypoints, still: Keypoints) -> dict[str, float]:
    """How far keypoints go, what share of them leaves the image, and how much their maps are bent."""
    away = (moved.position - still.position).norm(dim=-1)  # [T, K]
    outside = (moved.position.abs() > 1).any(-1) & ~(still.position.abs() > 1).any(-1)
    found = {"movement": float(away.mean(1).quantile(0.95)), "outside": float(outside.float().mean(1).quantile(0.95))}
    if moved.jacobian is not None and still.jacobian is not None:
        size = torch.linalg.det(moved.jacobian) / torch.linalg.det(still.jacobian)
        bent = ((size < 0.25) | (size > 4) | ~size.isfinite()).float()
        found["bent"] = float(bent.mean())
    return found


def _damage(motion: Motion | None) -> dict[str, float]:
    """Of a few frames the worst: the share that must be invented, and where the flow folds the image over."""
    if motion is None:
        return {}
    flow = torch.nan_to_num(motion.flow)
    across, down = flow[:, :-1].diff(dim=2), flow[:, :, :-1].diff(dim=1)
    folded = (across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]) < 0
    found = {"folded": float(folded.float().mean((1, 2)).amax())}
    if motion.occlusion is not None:
        found["hidden"] = float((1 - motion.occlusion).mean((1, 2, 3)).amax())
    return found


def _face_measures(source: Face | None, faces: Sequence[Face | None]) -> dict[str, float]:
    seen = [face for face in faces if face is not None]
    found = {"faces": len(seen) / max(1, len(faces)), "source face": float(source is not None)}
    if source is not None and faces and (at := faces[0]) is not None:
        found |= {"turn": abs(at.turn - source.turn), "roll": math.degrees(abs(at.roll - source.roll))}
    if len(seen) > 1:
        sizes = sorted(face.size for face in seen)
        found["size range"] = sizes[-1] / max(sizes[0], 1e-6)
    return found


def _findings(measures: dict[str, float], transfer: TransferOptions, cuts: Sequence[int]) -> list[Finding]:
    relative = transfer.mode == "relative"
    found: list[Finding] = []

    def tell(kind: str, cost: float, text: str) -> None:
        if cost >= 0.05:
            found.append(Finding(kind, min(cost, 0.95), text))

    def share(name: str, well: float, badly: float, default: float | None = None) -> float:
        """0 where a measure is as good as `well`, 1 where it is as bad as `badly`."""
        value = measures.get(name, well if default is None else default)
        return min(1.0, max(0.0, (value - well) / (badly - well)))

    tell(
        "confidence",
        0.8 * share("confidence", 0.8, 0.66),
        f"The keypoints of the driver are unsure ({measures.get('confidence', 1):.2f}, good ones have 0.85 and more): "
        "is what it shows of the kind that the model was trained on, and as large in its image?",
    )
    tell(
        "confidence",
        0.6 * share("source confidence", 0.78, 0.62),
        f"The keypoints of the source are unsure ({measures.get('source confidence', 1):.2f}): crop it to what moves.",
    )
    if measures.get("least confidence", 1) < 0.85 * measures.get("confidence", 1):
        tell(
            "confidence",
            0.6 * share("least confidence", 0.78, 0.62),
            "In some frames of the driver the keypoints are lost: Fill Gaps bridges them, or take another part.",
        )
    tell(
        "faces",
        0.9 * (1 - measures.get("faces", 1.0)),
        f"No face is found in {round(100 * (1 - measures.get('faces', 1)))} % of the frames that were looked at.",
    )
    if measures.get("source face") == 0:
        known = measures.get("source confidence", 1) >= KNOWN
        tell("faces", 0.3 if known else 0.6, "The model is one of faces, and no face is found in the source.")
    if relative:
        tell(
            "pose",
            0.7 * share("pose", 0.5, 2.0),
            "At the anchor the driver's pose or shape is unlike the source's; relative motion takes them as the same.",
        )
        turned = max(share("turn", APART, 2 * APART), share("roll", math.degrees(APART), math.degrees(2 * APART)))
        tell("pose", 0.7 * turned, "At the anchor the driver's head is turned or tilted otherwise than the source's.")
        scale = measures["scale"]
        tell(
            "scale",
            0.5 * min(1.0, max(0.0, (abs(math.log2(max(scale, 1e-6))) - 0.7) / 1.0)),
            f"The source stands {scale:.2g} times as large in its image as the driver: crop both alike.",
        )
    else:
        tell(
            "pose",
            0.8 * share("best pose", 0.15, 0.8),
            "In absolute mode the source takes the driver's proportions, and these are unlike its own.",
        )
    tell(
        "scale",
        0.5 * share("size range", 1.8, 3.0),
        "The driver's face changes much in size: the camera or the head comes near.",
    )
    hidden, folded = share("hidden", 0.45, 0.8), share("folded", 0.04, 0.2)
    tell("lost", 0.6 * hidden, f"Up to {round(100 * measures.get('hidden', 0))} % of the image would be invented.")
    tell("lost", 0.7 * folded, f"The image folds over itself in up to {round(100 * measures.get('folded', 0))} %.")
    tell(
        "lost",
        0.6 * share("outside", 0.1, 0.5),
        f"Up to {round(100 * measures['outside'])} % of the keypoints leave the image.",
    )
    tell("movement", 0.6 * share("movement", 0.35, 0.8), "The movement is larger than models of this kind can follow.")
    tell("movement", 0.6 * share("bent", 0.1, 0.4), "Keypoints turn or shrink more than a head can.")
    if cuts:
        listed = ", ".join(map(str, cuts[:5])) + ("" if len(cuts) <= 5 else ", ...")
        tell(
            "cuts",
            0.4 if len(cuts) == 1 else 0.6,
            f"The driver jumps at frame {listed}: behind a cut the anchor's pose says nothing. Take one shot of it.",
        )
    return found
