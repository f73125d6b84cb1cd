"""Sunglasses and AR glasses, unrolled into a band."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import Canvas, Points, bump, over, smooth, smoothstep
from occlufer.types import FloatArray

_CANVAS = Canvas(half_width=1.75, top=-0.35, bottom=0.42, resolution=220)
_LENS = (
    (0.085, -0.10), (0.13, -0.165), (0.30, -0.19), (0.52, -0.175), (0.61, -0.12), (0.60, 0.02), (0.54, 0.15),
    (0.40, 0.225), (0.24, 0.20), (0.12, 0.09),
)  # fmt: skip
_PILOT = (
    (0.075, -0.12), (0.13, -0.175), (0.34, -0.19), (0.56, -0.17), (0.635, -0.10), (0.62, 0.08), (0.52, 0.24),
    (0.36, 0.30), (0.20, 0.21), (0.10, 0.05),
)  # fmt: skip
_ARM: Points = ((0.60, -0.13), (0.80, -0.12), (1.10, -0.08), (1.32, -0.04))


class Eyewear(Artwork):
    """Sunglasses and AR glasses.

    Args:
        kinds: weights of `KINDS`.
    """

    def __init__(self, *, kinds: Mapping[str, float]) -> None:
        super().__init__(known_shares("kind of glasses", kinds, KINDS))

    def template(self, variant: str) -> Template:
        """The glasses of one of `KINDS`."""
        return _draw(variant)


@functools.lru_cache(maxsize=8)
def _draw(kind: str) -> Template:
    return KINDS[kind]()


def _both(half: FloatArray) -> FloatArray:
    return np.maximum(half, half[:, ::-1])


def _frame(lens: FloatArray, thickness: float, arm: float) -> FloatArray:
    """Rim round the lenses, bridge and arms: coverage (h, w)."""
    wide = _CANVAS.soften(lens, thickness / 2.2)
    rim = np.clip(smoothstep(0.12, 0.30, wide) - lens, 0, 1)
    bridge = _CANVAS.stroke([(-0.10, -0.085), (-0.04, -0.115), (0.04, -0.115), (0.10, -0.085)], thickness)
    frame: FloatArray = np.maximum.reduce([rim, bridge, _both(_CANVAS.stroke(_ARM, arm))])
    return frame


def _glasses(
    outline: Points,
    *,
    glass: tuple[float, float],
    tint: tuple[float, float, float],
    rim: float,
    width: float,
    arm: float,
) -> Template:
    """Lenses whose opacity runs from `glass[0]` above to `glass[1]` below, in a frame of brightness `rim`."""
    x, y = _CANVAS.grid()
    lens = _both(_CANVAS.fill(smooth(outline)))
    density = np.float32(glass[1]) + np.float32(glass[0] - glass[1]) * smoothstep(0.18, -0.12, y)
    shine = 75 * bump(0.0, 0.03, np.abs(x) - 0.24 - 0.5 * (y + 0.05)) * smoothstep(0.15, -0.1, y)
    pane = np.array(tint, np.float32) * (1.15 - 0.3 * smoothstep(-0.2, 0.2, y))[..., None] + shine[..., None]
    alpha = (lens * density).astype(np.float32)
    frame = _frame(lens, width, arm)
    metal = np.dstack([rim * (1.1 - 0.35 * smoothstep(-0.2, 0.2, y)) + 40 * bump(-0.185, 0.012, y)] * 3)
    picture, alpha = over(pane.astype(np.float32), alpha, metal.astype(np.float32), frame)
    under = np.clip(_CANVAS.soften(frame, 0.02) * 0.30, 0, 1) * (alpha < 1)
    shaded, full = over(np.zeros_like(picture), under.astype(np.float32), picture, alpha)
    return _CANVAS.template(np.clip(shaded, 0, 255), full, body=np.maximum(lens, frame * (np.abs(x) < 0.7)))


def _sunglasses() -> Template:
    return _glasses(_LENS, glass=(0.985, 0.95), tint=(24, 25, 28), rim=34, width=0.035, arm=0.055)


def _pilot() -> Template:
    return _glasses(_PILOT, glass=(0.96, 0.82), tint=(52, 44, 34), rim=150, width=0.016, arm=0.022)


def _ar() -> Template:
    """Clear lenses with a faint display, in a thick frame that holds the electronics."""
    return _glasses(_LENS, glass=(0.34, 0.20), tint=(92, 112, 122), rim=40, width=0.062, arm=0.105)


KINDS: dict[str, Callable[[], Template]] = {"sunglasses": _sunglasses, "pilot": _pilot, "ar": _ar}
"""Kinds of glasses."""
