"""What a puppet does in a clip: somebody's head moves, varied and kept within what a still can show; mouth, eyes and
brows act on their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .glances import Glances
from .head import Doubles, Motion, Pose
from .puppet import Camera, Puppet
from .rig import Expression
from .speech import Speech

FRAMES = 48
SPEEDS = (0.6, 2.0)
"""Frames of the motion for each frame of the clip."""
TRIES = 4
"""Stretches looked at, of which the liveliest is taken."""
TURN_GAIN, SHIFT_GAIN, SIZE_POWER = (0.9, 1.35), (0.6, 1.0), 0.7
CALM_SHARE, CALM_GAIN = 0.25, (0.05, 0.4)
"""Clips whose head hardly moves: all that happens then is in the face."""
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
LARGEST_ZOOM, BACKGROUND_SWAY = 1.18, 0.03


@dataclass(frozen=True)
class Step:
    """One frame of an act."""

    pose: Pose
    expression: Expression
    camera: Camera


@dataclass(frozen=True)
class Act:
    """The frames of a clip, to be mirrored or not."""

    steps: list[Step]
    mirrored: bool


def draw_act(puppet: Puppet, motion: Motion, fps: float, rng: np.random.Generator) -> Act:
    """A new act of a puppet, as long as the motion."""
    frames = len(motion)
    calm = float(rng.uniform(*CALM_GAIN)) if rng.random() < CALM_SHARE else 1.0
    turns = _turns(motion, puppet.pose, calm, rng)
    shifts = calm * _shifts(motion, puppet, rng)
    sizes = np.clip(motion.scale ** (SIZE_POWER * calm), *SIZES)
    expressions = _expressions(puppet, frames, fps, rng)
    zoom, x, y = rng.uniform((1.0, 0.3, 0.2), (LARGEST_ZOOM, 0.7, 0.6))
    drift = rng.uniform(-BACKGROUND_SWAY, BACKGROUND_SWAY, 2)
    swing = np.sin(np.pi * np.arange(frames) / frames)
    steps = []
    for turn, shift, size, expression, phase in zip(turns, shifts, sizes, expressions, swing, strict=True):
        camera = Camera(float(zoom), float(x), float(y), (float(drift[0] * phase), float(drift[1] * phase)))
        steps.append(Step(puppet.pose.moved(turn, shift, float(size)), expression, camera))
    return Act(steps, mirrored=bool(rng.random() < 0.5))


def draw_motion(motions: Sequence[Motion], rng: np.random.Generator, frames: int = FRAMES) -> Motion:
    """Of some stretches drawn from motions, long ones more often, the one in which most happens; played to and fro
    where it is too short.
    """
    lengths = np.sqrt([len(motion) for motion in motions])
    drawn = []
    for _ in range(TRIES):
        motion = motions[rng.choice(len(motions), p=lengths / lengths.sum())]
        places = rng.uniform(0, len(motion) - 1) + rng.uniform(*SPEEDS) * np.arange(frames)
        folded = (len(motion) - 1) - np.abs((len(motion) - 1) - places % (2 * (len(motion) - 1)))
        drawn.append(motion.at(folded))
    return max(drawn, key=liveliness)


def liveliness(motion: Motion) -> float:
    """How much happens: degrees of turning."""
    return float(np.degrees(motion.turn).std(0).sum())


def _expressions(puppet: Puppet, frames: int, fps: float, rng: np.random.Generator) -> list[Expression]:
    speech, glances = Speech.drawn(frames, fps, rng), Glances.drawn(frames, fps, rng)
    lids = glances.lids * puppet.can_shut
    gaze = glances.gaze * any(puppet.can_shut)
    return [
        Expression(
            mouth=float(speech.mouth[at]),
            width=float(speech.width[at]),
            smile=float(speech.smile[at]),
            raised=float(speech.raised[at]),
            dropped=float(speech.dropped[at]),
            tongue=float(speech.tongue[at]),
            lids=(float(lids[at, 0]), float(lids[at, 1])),
            gaze=(float(gaze[at, 0]), float(gaze[at, 1])),
            brows=(float(glances.brows[at, 0]), float(glances.brows[at, 1])),
        )
        for at in range(frames)
    ]


def _turns(motion: Motion, pose: Pose, calm: float, rng: np.random.Generator) -> Doubles:
    """[frames, 3] rotation vectors."""
    frames = len(motion)
    along = np.arange(frames)[:, None] / frames
    amplitudes, cycles, phases = rng.uniform(0, SWAY_LIMITS), rng.uniform(0.4, 1.2, 3), rng.uniform(0, 1, 3)
    sway = amplitudes * np.sin(2 * np.pi * (cycles * along + phases))
    turns = calm * (motion.turn * rng.uniform(*TURN_GAIN) + sway - sway[rng.integers(frames)])
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
