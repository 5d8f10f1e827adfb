"""What mouths do over time: talking in several manners, drawn anew for each clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .head import Doubles

MANNERS = {"talking": 0.39, "lively": 0.27, "smiling": 0.18, "wide": 0.1, "quiet": 0.06}
"""How often: everyday speech, speech with wide vowels, a smile that comes and goes and shows teeth, one long opening (a
yawn, a call, a held note), lips that hardly part.
"""
PEAKS = {
    "talking": (0.42, 0.65),
    "lively": (0.55, 0.75),
    "smiling": (0.12, 0.4),
    "wide": (0.6, 0.8),
    "quiet": (0.08, 0.2),
}
"""The widest opening of a clip, over the mouth's width. The mesh network sees little more than half of it, so that its
measure spans what it does in real clips of talking people, 0.25 to 0.5.
"""
RATE = (2.2, 4.5)
"""Syllables a second."""
PAUSE_SHARE = 0.16
PAUSE = (0.2, 0.7)
"""Seconds."""
CLOSED, HALF, OPEN = (0.0, 0.06), (0.2, 0.55), (0.55, 1.0)
"""Openings against the clip's peak: of b, m and p; of most consonants and narrow vowels; of vowels."""
LIP_SHUT_SHARE = 0.35
"""Of consonants."""
SMOOTH = 0.05
"""Seconds, standard deviation; and for the lips' width, which is slower."""
SMOOTH_WIDTH = 0.06


@dataclass(frozen=True)
class Speech:
    """[frames] each, as in `Expression`."""

    mouth: Doubles
    width: Doubles
    smile: Doubles
    raised: Doubles
    dropped: Doubles
    tongue: Doubles

    @classmethod
    def drawn(cls, frames: int, fps: float, rng: np.random.Generator) -> Speech:
        """Any manner of speaking."""
        manner = str(rng.choice(list(MANNERS), p=list(MANNERS.values())))
        peak = float(rng.uniform(*PEAKS[manner]))
        keys = _one_opening(frames / fps, rng) if manner == "wide" else _syllables(frames / fps, rng)
        times = np.arange(frames) / fps
        if manner == "smiling":
            return cls._smiling(times, peak, rng)
        mouth = _over_time(times, keys[:, 0], keys[:, 1], SMOOTH)
        mouth *= peak / max(float(mouth.max()), 0.3)
        lips = np.clip(keys[:, 2] * rng.uniform(0.4, 1.0), -1, 1)
        width = _over_time(times, keys[:, 0], lips, SMOOTH_WIDTH)
        own = _wandering(times, rng)
        smile = np.clip(rng.choice([0.0, rng.uniform(0.2, 0.9)], p=[0.6, 0.4]) * (0.6 + 0.6 * own), 0, 1)
        shows = rng.uniform(0, 0.8)
        raised = np.clip(shows * mouth / max(peak, 0.05) * (0.5 + 0.5 * own), 0, 1)
        dropped = np.clip(rng.uniform(0, 0.7) * mouth / max(peak, 0.05), 0, 1)
        tongue = _over_time(times, keys[:, 0], keys[:, 3], SMOOTH_WIDTH)
        return cls(np.maximum(mouth, 0), width, smile, raised, dropped, tongue)

    @classmethod
    def _smiling(cls, times: Doubles, peak: float, rng: np.random.Generator) -> Speech:
        """Lips part over the teeth as their corners rise; now and then a word is spoken meanwhile."""
        smile = _one_opening(float(times[-1]), rng)
        grin = np.clip(_over_time(times, smile[:, 0], smile[:, 1], 2 * SMOOTH), 0, 1)
        spoken = _syllables(float(times[-1]), rng)
        words = rng.choice([0.0, rng.uniform(0.1, 0.5)]) * _over_time(times, spoken[:, 0], spoken[:, 1], SMOOTH)
        mouth = peak * np.clip(grin ** rng.uniform(0.7, 1.6) + words, 0, None)
        return cls(
            mouth=np.asarray(mouth),
            width=np.asarray(grin * rng.uniform(0.2, 1.0)),
            smile=np.asarray(grin * rng.uniform(0.5, 1.0)),
            raised=np.asarray(grin * rng.uniform(0.4, 1.0)),
            dropped=np.asarray(grin * rng.uniform(0.0, 0.6)),
            tongue=np.full(len(times), 0.2),
        )


def _syllables(seconds: float, rng: np.random.Generator) -> Doubles:
    """[n, 4]: time, opening in 0..1, width of the lips, height of the tongue; a consonant and a vowel each."""
    keys: list[tuple[float, float, float, float]] = []
    time = -float(rng.uniform(0, 0.4))
    stress = 1.0
    while time < seconds + 0.3:
        if rng.random() < PAUSE_SHARE:
            keys.append((time, float(rng.uniform(*CLOSED)), 0.0, 0.2))
            time += float(rng.uniform(*PAUSE))
            keys.append((time, float(rng.uniform(*CLOSED)), 0.0, 0.2))
        length = 1 / float(rng.uniform(*RATE))
        shut = rng.random() < LIP_SHUT_SHARE
        consonant = CLOSED if shut else HALF
        stress = float(np.clip(0.5 * stress + 0.5 * rng.uniform(0.4, 1.3), 0.4, 1.0))
        time += length * float(rng.uniform(0.35, 0.5))
        keys.append((time, float(rng.uniform(*consonant)) * (1 if shut else 0.6), float(rng.uniform(-0.3, 0.4)), 0.7))
        time += length * float(rng.uniform(0.5, 0.65))
        rounded = rng.random() < 0.35
        vowel = float(rng.uniform(*OPEN)) * stress * (0.7 if rounded else 1.0)
        keys.append(
            (time, vowel, float(rng.uniform(-1, -0.4) if rounded else rng.uniform(-0.2, 1)), rng.uniform(0, 0.7))
        )
    return np.array(keys)


def _one_opening(seconds: float, rng: np.random.Generator) -> Doubles:
    """Likewise: shut, open for a good while, shut."""
    start = float(rng.uniform(0.1, 0.35)) * seconds
    hold = float(rng.uniform(0.15, 0.4)) * seconds
    slope = float(rng.uniform(0.18, 0.45))
    width, tongue = float(rng.uniform(-0.6, 0.6)), float(rng.uniform(0, 0.6))
    first, last = rng.uniform(0, 0.1, 2)
    return np.array(
        [
            (0.0, first, 0.0, 0.3),
            (start, first, 0.0, 0.3),
            (start + slope, rng.uniform(0.85, 1), width, tongue),
            (start + slope + hold, rng.uniform(0.85, 1), width, tongue),
            (start + 2 * slope + hold, last, 0.0, 0.3),
            (seconds + 1, last, 0.0, 0.3),
        ]
    )


def _over_time(times: Doubles, at: Doubles, values: Doubles, smooth: float) -> Doubles:
    """Through keys, without corners: a mean over a gaussian window of seconds."""
    fine = np.arange(times[0] - 0.3, times[-1] + 0.3, 0.005)
    along = np.interp(fine, at, values)
    reach = np.arange(-4 * smooth, 4 * smooth + 0.0025, 0.005)
    window = np.exp(-((reach / smooth) ** 2) / 2)
    soft = np.convolve(np.pad(along, len(window) // 2, mode="edge"), window / window.sum(), mode="valid")
    return np.asarray(np.interp(times, fine, soft[: len(fine)]))


def _wandering(times: Doubles, rng: np.random.Generator) -> Doubles:
    """Slowly up and down between -1 and 1."""
    return np.asarray(np.sin(2 * np.pi * (times * rng.uniform(0.15, 0.5) + rng.uniform())))
