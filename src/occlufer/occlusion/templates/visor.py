"""A standalone VR headset: front plate with cameras, side panels, face pad and strap, unrolled into one band."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import cv2
import numpy as np

from occlufer.occlusion.band import PLATE_EDGE, STRAP_END
from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import Canvas, bump, over, smooth, smoothstep, symmetric, weave
from occlufer.types import FloatArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (222, 222, 220),
    "grey": (128, 130, 134),
    "black": (44, 45, 48),
}
"""Shell colours, RGB."""

_CANVAS = Canvas(half_width=1.75, top=-0.45, bottom=0.5, resolution=200)
_SHELL = (
    (0.0, -0.315), (0.30, -0.318), (0.56, -0.305), (0.70, -0.285), (0.90, -0.215), (1.06, -0.15), (1.10, -0.08),
    (1.10, 0.06), (1.04, 0.15), (0.86, 0.215), (0.70, 0.275), (0.58, 0.31), (0.40, 0.325), (0.27, 0.315), (0.17, 0.26),
    (0.09, 0.185), (0.0, 0.165),
)  # fmt: skip
_PAD = (
    (0.0, -0.335), (0.40, -0.34), (0.70, -0.30), (0.98, -0.20), (1.13, -0.10), (1.13, 0.08), (1.0, 0.19), (0.74, 0.30),
    (0.42, 0.355), (0.25, 0.345), (0.15, 0.29), (0.07, 0.215), (0.0, 0.20),
)  # fmt: skip
_STRAP = ((1.0, -0.085), (1.3, -0.075), (STRAP_END, -0.07), (STRAP_END, 0.07), (1.3, 0.075), (1.0, 0.085))

_CAMERAS = ((0.50, -0.17, 0.042), (0.52, 0.16, 0.042), (0.0, -0.20, 0.022))


class Standalone(Artwork):
    """Standalone VR headsets.

    Args:
        colours: weights of `COLOURS`.
        front: not unrolled but as a camera before the face sees it, without the strap, for placements that lay it flat.
    """

    def __init__(self, *, colours: Mapping[str, float], front: bool = False) -> None:
        super().__init__(known_shares("headset colour", colours, COLOURS))
        self.front = front

    def template(self, variant: str) -> Template:
        """The headset in one of `COLOURS`."""
        return _draw(variant, self.front)


@functools.lru_cache(maxsize=2 * len(COLOURS))
def _draw(colour: str, front: bool) -> Template:
    _, y = _CANVAS.grid()
    shell, pad = _CANVAS.fill(smooth(symmetric(_SHELL))), _CANVAS.fill(smooth(symmetric(_PAD)))
    strap = np.maximum(*(_CANVAS.fill([(side * px, py) for px, py in _STRAP]) for side in (-1, 1)))
    shadow = np.clip(_CANVAS.soften(pad, 0.03) * 0.6, 0, 1)
    picture, alpha = np.zeros((*_CANVAS.hw, 3), np.float32), shadow
    cloth = weave(_CANVAS, 0.006, 0.05) * (62 + 30 * bump(0.0, 0.05, y))
    foam = 38.0 * weave(_CANVAS, 0.005, 0.04)
    plastic = _shell(np.array(COLOURS[colour], np.float32), _CANVAS.depth(shell))
    for paint, coverage in ((np.dstack([cloth] * 3), strap), (np.dstack([foam] * 3), pad), (plastic, shell)):
        picture, alpha = over(picture, alpha, paint.astype(np.float32), coverage)
    if front:
        picture, alpha, pad = (_from_the_front(layer) for layer in (picture, alpha, pad))
    return _CANVAS.template(np.clip(picture, 0, 255), alpha, body=pad)


def _from_the_front(layer: FloatArray) -> FloatArray:
    """Foreshorten the side panels of an unrolled layer (h, w, ...), and cut the strap off."""
    x, y = _CANVAS.grid()
    u = np.interp(np.abs(x[0]), (0.0, PLATE_EDGE, 0.79, 0.80), (0.0, PLATE_EDGE, 1.14, 9.0)) * np.sign(x[0])
    columns = ((u + _CANVAS.half_width) * _CANVAS.resolution - 0.5).astype(np.float32)
    rows = ((y[:, :1] - _CANVAS.top) * _CANVAS.resolution - 0.5).astype(np.float32)
    maps = np.broadcast_to(columns, x.shape).copy(), np.broadcast_to(rows, x.shape).copy()
    seen: FloatArray = cv2.remap(layer, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(
        np.float32
    )
    return seen


def _shell(colour: FloatArray, depth: FloatArray) -> FloatArray:
    """The plastic, RGB 0..255: front plate lit from above, darker side panels, bevels, seam, cameras."""
    x, y = _CANVAS.grid()
    across = np.abs(x)
    light = 1.06 - 0.30 * smoothstep(-0.25, 0.33, y)
    light -= 0.34 * smoothstep(PLATE_EDGE - 0.03, PLATE_EDGE + 0.06, across)  # the side panel turns away
    light += 0.16 * bump(PLATE_EDGE - 0.05, 0.025, across) * (depth > 0.01)  # rounded edge of the plate
    light += 0.18 * bump(0.022, 0.014, depth) * (y < 0) - 0.16 * bump(0.015, 0.014, depth) * (y > 0)
    light *= 1 - 0.22 * bump(0.0, 0.006, across - (0.60 - 0.02 * y)) * (depth > 0.02)  # seam
    shine = 0.10 * smoothstep(0.16, 0.0, np.abs(y + 0.17 + 0.05 * across)) * smoothstep(0.62, 0.2, across)
    rgb = colour * light[..., None] + 160.0 * shine[..., None]
    for cx, cy, radius in _CAMERAS:
        away = np.sqrt((across - cx) ** 2 + (y - cy) ** 2)
        rim, glass = smoothstep(radius * 1.35, radius * 1.2, away), smoothstep(radius, radius * 0.85, away)
        glint = bump(cx - radius * 0.3, radius * 0.25, across) * bump(cy - radius * 0.3, radius * 0.25, y)
        rgb *= ((1 - 0.35 * rim) * (1 - 0.8 * glass))[..., None]
        rgb += (120.0 * glass * glint)[..., None]
    painted: FloatArray = rgb.astype(np.float32)
    return painted
