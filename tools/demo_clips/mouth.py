"""What lies behind the lips: teeth, tongue and darkness of several kinds, painted in the head's coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .faces import Floats
from .head import Doubles

CANVAS = (104, 96)
"""Height and width in pixels."""
LEFT, RIGHT, TOP, BOTTOM = -0.66, 0.66, -0.45, 0.98
"""What the canvas shows, in widths of the mouth around the middle of the shut lips."""
DEPTH, CURVE = 0.03, 0.55
"""How far behind the lips it lies, and how fast it goes back to both sides, in widths of the face."""
UPPER_TEETH = (0.0, 0.165, 0.29, 0.43, 0.56, 0.68)
LOWER_TEETH = (0.0, 0.105, 0.22, 0.34, 0.46, 0.58)
"""Where one tooth ends and the next begins, from the middle to both sides, in widths of the mouth."""
SKIN = np.array([215.0, 165.0, 145.0])
"""In daylight, in the mean."""
SHADOW = 2.0
"""Of the lips' edges, in pixels of the canvas."""


@dataclass(frozen=True)
class Mouth:
    """One kind of mouth.

    upper, lower: how far the teeth come out under the upper lip and over the lower one, in widths of the mouth.
    gaps: how dark the lines between them are; tint: of the teeth, RGB 0..1; dark, flesh: colours 0..255 of the depth
    and of the tongue. light: RGB, 1 as in daylight. tongue: whether it is seen.
    """

    upper: float
    lower: float
    gaps: float
    tint: tuple[float, float, float]
    dark: tuple[float, float, float]
    flesh: tuple[float, float, float]
    light: tuple[float, float, float]
    tongue: bool

    @classmethod
    def drawn(cls, rng: np.random.Generator, skin: tuple[float, float, float]) -> Mouth:
        """Any kind. skin: the colour of lit skin, RGB 0..255, which tells the light."""
        white = rng.uniform(0.82, 1.0)
        warmth = rng.uniform(0.0, 0.14)
        red = rng.uniform(18, 75)
        flesh = rng.uniform(120, 185)
        return cls(
            upper=float(rng.choice([rng.uniform(0.06, 0.16), rng.uniform(-0.02, 0.05)], p=[0.75, 0.25])),
            lower=float(rng.choice([rng.uniform(-0.06, 0.0), rng.uniform(0.0, 0.07)], p=[0.55, 0.45])),
            gaps=float(rng.uniform(0.04, 0.28)),
            tint=(white, white * (1 - 0.4 * warmth), white * (1 - warmth)),
            dark=(red, red * rng.uniform(0.25, 0.45), red * rng.uniform(0.25, 0.45)),
            flesh=(flesh, flesh * rng.uniform(0.48, 0.62), flesh * rng.uniform(0.48, 0.62)),
            light=_light(skin, float(rng.uniform(0.8, 1.05))),
            tongue=bool(rng.random() < 0.8),
        )


def _light(skin: tuple[float, float, float], strength: float) -> tuple[float, float, float]:
    """Of what colour and how strong the light is, as far as skin tells: dark skin is not taken for dim light."""
    colour = np.maximum(np.array(skin), 1) / SKIN
    bright = np.clip(colour.max() * 1.05, 0.35, 1.0) ** 0.7
    cast = np.clip(colour / colour.mean(), 0.5, 1.6) ** 0.6
    red, green, blue = strength * bright * cast / cast.max()
    return float(red), float(green), float(blue)


class Inside:
    """The inside of one mouth. shown: what the image itself shows between the lips, [h, w, 4] on the canvas, its last
    channel in 0..1, and how far its lower edge goes with the jaw, 0 to 1; None where lips are shut.
    """

    def __init__(self, kind: Mouth, shown: tuple[Floats, float] | None = None) -> None:
        self.kind = kind
        self._x, self._y = canvas_places()
        self._shown = shown
        self._upper = self._teeth(UPPER_TEETH, 1, kind.upper)
        self._lower = self._teeth(LOWER_TEETH, -1, -kind.lower)

    def painted(self, drop: float, tongue: float, lips: Doubles) -> Floats:
        """[h, w, 3]: with the jaw lowered by `drop`, in widths of the mouth. tongue: its height, 0 to 1. lips: [n, 2]
        on the canvas, the inner contour, whose edges cast shadow.
        """
        kind, x, y = self.kind, self._x, self._y
        deep = np.exp(-(((y - 0.35 * drop) / (0.12 + 0.5 * drop)) ** 2))
        shown = np.asarray(kind.dark, np.float32) * (1.25 - 0.65 * deep)[..., None].astype(np.float32)
        if kind.tongue:
            shown = self._with_tongue(shown, drop, tongue)
        shown = _over(shown, _shifted(self._lower, drop))
        if self._shown is None:
            shown = _over(shown, self._upper)
        sides = 1 - 0.45 * np.clip(np.abs(x) / 0.52, 0, 1) ** 2.5
        shown = shown * sides[..., None] * np.asarray(kind.light, np.float32)
        if self._shown is not None:
            shown = _over(shown, self._own(drop))
        return np.asarray(shown * self._shadow(lips, drop)[..., None], np.float32)

    def _with_tongue(self, shown: Floats, drop: float, height: float) -> Floats:
        x, y = self._x, self._y
        top = drop * (1 - 0.75 * height) - 0.02
        inside = np.clip((1 - (x / 0.4) ** 2 - np.clip((top + 0.1 - y) / 0.1, 0, 2) ** 2) * 6, 0, 1)
        groove = 1 - 0.18 * np.exp(-((x / 0.03) ** 2)) + 0.12 * np.exp(-((np.abs(x) - 0.16) ** 2) / 0.01)
        light = np.clip(0.55 + 0.9 * (y - top), 0.5, 1.0) * groove
        tongue = np.asarray(self.kind.flesh, np.float32) * light[..., None].astype(np.float32)
        return _over(shown, np.dstack([tongue, inside]).astype(np.float32))

    def _teeth(self, ends: tuple[float, ...], towards: int, out: float) -> Floats:
        """[h, w, 4]: a row that ends at `out`, and gums behind; towards: 1 for teeth that point down, else -1."""
        x, y = self._x, self._y
        away = np.abs(x)
        number = np.clip(np.searchsorted(ends, away.ravel()).reshape(away.shape), 1, len(ends) - 1)
        starts, stops = np.array(ends)[number - 1], np.array(ends)[number]
        middle = (away - (starts + stops) / 2) / (stops - starts) * 2
        rounded = 0.022 * np.abs(middle) ** 2.5 + 0.014 * (number == 2)
        edge = out - towards * (rounded + 0.1 * away**2)
        inside = np.clip(towards * (edge - y) / 0.018 + 0.5, 0, 1) * (away < ends[-1])
        length = 0.2 if towards > 0 else 0.16
        gum = np.clip((towards * (edge - y) - length - 0.03 * middle**2) / 0.02, 0, 1)
        line = self.kind.gaps * np.exp(-(((1 - np.abs(middle)) * (stops - starts) / 0.014) ** 2))
        shade = (0.93 - 0.1 * np.clip(towards * (edge - y) / length, 0, 1)) * (1 - line) * (1 - 0.35 * away)
        white = 238 * shade[..., None] * np.asarray(self.kind.tint)
        flesh = np.asarray(self.kind.flesh) * 0.95
        colour = white + (flesh - white) * gum[..., None]
        return np.dstack([colour, inside]).astype(np.float32)

    def _own(self, drop: float) -> Floats:
        """What the image showed, its lower part moved with the jaw as far as it goes."""
        assert self._shown is not None
        shown, follows = self._shown
        covered = np.flatnonzero(shown[..., 3].max(1) > 0.3)
        if follows <= 0 or len(covered) < 2:
            return shown
        top, bottom = covered[0], covered[-1]
        rows = np.arange(CANVAS[0], dtype=np.float32)
        moved = drop * follows * CANVAS[0] / (BOTTOM - TOP)
        stretch = (bottom - top) / max(bottom - top + moved, 1e-3)
        source = np.where(rows > top, top + (rows - top) * stretch, rows).astype(np.float32)
        columns = np.arange(CANVAS[1], dtype=np.float32)
        places = np.meshgrid(columns, source)
        return np.asarray(
            cv2.remap(shown, places[0].astype(np.float32), places[1].astype(np.float32), cv2.INTER_LINEAR)
        )

    def _shadow(self, lips: Doubles, drop: float) -> Floats:
        """Dark along the lips, darkest under the upper one."""
        mask = np.zeros(CANVAS, np.float32)
        cv2.fillPoly(mask, [np.rint(lips * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), SHADOW)
        lower = cv2.warpAffine(soft, np.array([[1, 0, 0], [0, 1, SHADOW]], np.float64), CANVAS[::-1])
        open_wide = np.clip(0.5 + 2.5 * drop, 0.5, 1)
        edges = np.clip(1.5 * np.minimum(soft, 0.35 + 0.65 * lower), 0, 1)
        return np.asarray((0.5 + 0.5 * edges) * (0.7 + 0.3 * open_wide))


def canvas_places() -> tuple[Floats, Floats]:
    """(x, y), each [h, w]: what the canvas's pixels show, in widths of the mouth."""
    x = LEFT + (np.arange(CANVAS[1]) + 0.5) * (RIGHT - LEFT) / CANVAS[1]
    y = TOP + (np.arange(CANVAS[0]) + 0.5) * (BOTTOM - TOP) / CANVAS[0]
    across, down = np.meshgrid(x, y)
    return across.astype(np.float32), down.astype(np.float32)


def on_canvas(places: Doubles) -> Doubles:
    """[n, 2] in widths of the mouth to pixels of the canvas."""
    scale = np.array([CANVAS[1] / (RIGHT - LEFT), CANVAS[0] / (BOTTOM - TOP)])
    return np.asarray((places - [LEFT, TOP]) * scale - 0.5)


def _shifted(layer: Floats, drop: float) -> Floats:
    """Moved down with the jaw."""
    down = drop * CANVAS[0] / (BOTTOM - TOP)
    matrix = np.array([[1, 0, 0], [0, 1, down]], np.float64)
    return np.asarray(cv2.warpAffine(layer, matrix, CANVAS[::-1], flags=cv2.INTER_LINEAR))


def _over(below: Floats, above: Floats) -> Floats:
    """One layer laid over another, where its last channel says so."""
    return np.asarray(below + (above[..., :3] - below) * above[..., 3:], np.float32)
