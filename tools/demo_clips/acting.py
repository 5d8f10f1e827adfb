"""What a puppet does in a clip: a stretch of somebody's motion, varied and kept within what a still can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .head import Doubles, Motion, Pose
from .landmarks import EYES, LIVELY
from .puppet import Camera, Puppet

FRAMES = 24
STRIDES = (1, 2, 3)
TRIES = 4
"""Stretches looked at, of which the liveliest is taken."""
TALKING_WEIGHT = 120.0
"""Degrees of turning that are as lively as lips moving by a width of the face."""
TURN_GAIN, EXPRESSION_GAIN, SHIFT_GAIN, SIZE_POWER = (0.9, 1.35), (0.9, 1.2), (0.6, 1.0), 0.7
TURN_LIMITS = np.radians([20, 30, 25])
"""Pitch, yaw and roll that are approached and not passed."""
YAW_LIMIT = np.radians(33)
"""Of the head as it is seen, its own yaw included."""
FREE_YAW = 0.2
"""Radians that a portrait may be turned by and still turn back freely: beyond, its far cheek was never seen."""
SWAY_LIMITS = np.radians([7, 14, 6])
"""Largest amplitudes of a slow movement that is added."""
SHIFT_LIMIT = 0.13
"""Of the head, against the picture's side."""
SIZES = (0.82, 1.2)
EYE_GAINS = (0.6, 1.8)
LARGEST_ZOOM, BACKGROUND_SWAY = 1.18, 0.03


@dataclass(frozen=True)
class Step:
    """One frame of an act."""

    pose: Pose
    expression: Doubles
    camera: Camera


@dataclass(frozen=True)
class Act:
    """The frames of a clip, to be mirrored or not."""

    steps: list[Step]
    mirrored: bool


def draw_act(puppet: Puppet, motions: Sequence[Motion], rng: np.random.Generator) -> Act:
    """A new act of a puppet."""
    motion = _liveliest(motions, rng)
    turns = _turns(motion, puppet.pose, rng)
    shifts = _shifts(motion, puppet, rng)
    sizes = np.clip(motion.scale**SIZE_POWER, *SIZES)
    expressions = _expressions(motion, puppet, rng)
    zoom, x, y = rng.uniform((1.0, 0.3, 0.2), (LARGEST_ZOOM, 0.7, 0.6))
    drift = rng.uniform(-BACKGROUND_SWAY, BACKGROUND_SWAY, 2)
    swing = np.sin(np.pi * np.arange(FRAMES) / FRAMES)
    steps = []
    for turn, shift, size, expression, phase in zip(turns, shifts, sizes, expressions, swing, strict=True):
        camera = Camera(zoom, x, y, (float(drift[0] * phase), float(drift[1] * phase)))
        steps.append(Step(puppet.pose.moved(turn, shift, float(size)), expression, camera))
    return Act(steps, mirrored=bool(rng.random() < 0.5))


def liveliness(motion: Motion) -> float:
    """How much happens: degrees of turning, and talking."""
    talking = motion.expression[:, list(LIVELY)].std(0).sum()
    return float(np.degrees(motion.turn).std(0).sum() + TALKING_WEIGHT * talking)


def _liveliest(motions: Sequence[Motion], rng: np.random.Generator) -> Motion:
    """Of some stretches drawn from motions, long ones more often, the one in which most happens."""
    lengths = np.sqrt([len(motion) for motion in motions])
    drawn = []
    for _ in range(TRIES):
        motion = motions[rng.choice(len(motions), p=lengths / lengths.sum())]
        stride = int(rng.choice([stride for stride in STRIDES if len(motion) > (FRAMES - 1) * stride]))
        reach = (FRAMES - 1) * stride + 1
        start = int(rng.integers(0, len(motion) - reach + 1))
        drawn.append(motion.at(slice(start, start + reach, stride)))
    return max(drawn, key=liveliness)


def _turns(motion: Motion, pose: Pose, rng: np.random.Generator) -> Doubles:
    """[frames, 3] rotation vectors."""
    along = np.arange(FRAMES)[:, None] / FRAMES
    amplitudes, cycles, phases = rng.uniform(0, SWAY_LIMITS), rng.uniform(0.4, 1.2, 3), rng.uniform(0, 1, 3)
    sway = amplitudes * np.sin(2 * np.pi * (cycles * along + phases))
    turns = motion.turn * rng.uniform(*TURN_GAIN) + sway - sway[rng.integers(FRAMES)]
    turns = TURN_LIMITS * np.tanh(turns / TURN_LIMITS)
    own = pose.rotation_vector()[1]
    yaw = np.clip(turns[:, 1] + own, -YAW_LIMIT, YAW_LIMIT) - own
    back = max(0.0, 1 - 3 * max(0.0, abs(own) - FREE_YAW))
    turns[:, 1] = np.where(yaw * own < 0, yaw * back, yaw)
    return np.asarray(turns)


def _shifts(motion: Motion, puppet: Puppet, rng: np.random.Generator) -> Doubles:
    """[frames, 3] in widths of the face."""
    shifts = motion.shift * rng.uniform(*SHIFT_GAIN)
    farthest = np.abs(shifts[:, :2]).max() * puppet.pose.scale
    return np.asarray(shifts * min(1.0, SHIFT_LIMIT * puppet.side / max(farthest, 1e-6)))


def _expressions(motion: Motion, puppet: Puppet, rng: np.random.Generator) -> Doubles:
    """[frames, 468, 3]; lids move as far as these eyes are open."""
    expressions = motion.expression * rng.uniform(*EXPRESSION_GAIN)
    for upper, lower in EYES:
        above, below = list(upper), list(lower)
        own = np.linalg.norm(puppet.shape[above] - puppet.shape[below], axis=1).mean()
        other = np.linalg.norm(motion.neutral[above] - motion.neutral[below], axis=1).mean()
        expressions[:, above + below] *= np.clip(own / max(float(other), 1e-4), *EYE_GAINS)
    return np.asarray(expressions)
