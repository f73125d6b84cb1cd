"""Standalone VR headsets of several models, unrolled, and one as a camera before the face sees it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, combined, known_shares
from occlufer.occlusion.templates.drawing import Canvas, bump, over, smooth, smoothstep, symmetric, weave
from occlufer.occlusion.templates.headgear import COLOURS, Drawing, Shell, finished
from occlufer.types import FloatArray

# The old model, for `front`: published placements keep their picture.
_PLATE_EDGE, _STRAP_END = 0.66, 1.7
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
_STRAP = ((1.0, -0.085), (1.3, -0.075), (_STRAP_END, -0.07), (_STRAP_END, 0.07), (1.3, 0.075), (1.0, 0.085))

_CAMERAS = ((0.50, -0.17, 0.042), (0.52, 0.16, 0.042), (0.0, -0.20, 0.022))


class Standalone(Artwork):
    """Standalone VR headsets.

    Args:
        colours: weights of `COLOURS`.
        models: weights of `MODELS`; None draws all alike.
        finishes: weights of `FINISHES`; None draws all alike.
        front: one old model not unrolled but as a camera before the face sees it, without the strap, for placements
            that lay it flat; it knows neither models nor finishes.
    """

    def __init__(
        self,
        *,
        colours: Mapping[str, float],
        models: Mapping[str, float] | None = None,
        finishes: Mapping[str, float] | None = None,
        front: bool = False,
    ) -> None:
        shares = known_shares("headset colour", colours, COLOURS)
        if not front:
            shown = known_shares(
                "headset model", dict.fromkeys(MODELS, 1.0) if models is None else models, MODELS
            )
            shares = finished(combined(shown, shares), finishes)
        super().__init__(shares)
        self.front = front

    def template(self, variant: str) -> Template:
        """The headset of a model, colour and finish, as "pills white lit"; with `front`, of a colour."""
        return _from_before(variant) if self.front else _model(*variant.split())


@functools.lru_cache(maxsize=64)
def _model(model: str, colour: str, finish: str) -> Template:
    return MODELS[model](np.array(COLOURS[colour], np.float32), finish)


def _pills(colour: FloatArray, finish: str) -> Template:
    """A rounded box with three upright sensor windows in its front."""
    d = Drawing(Shell(edge=1.0, top=-0.51, bottom=0.39, power=4.5), finish)
    pane = np.zeros_like(d.x)
    for at in (0.0, 0.40):
        away = np.hypot(d.across - at, np.maximum(np.abs(d.y + 0.10) - 0.13, 0)).astype(np.float32)
        pane = np.maximum(pane, smoothstep(0.088, 0.080, away))
    dark = d.glass((26.0, 27.0, 31.0), gloss=0.5)
    for at in (0.0, 0.40):
        for level in (-0.19, 0.0):
            lens = np.hypot(d.across - at, d.y - level).astype(np.float32)
            dark += (44 * bump(0.045, 0.008, lens) + 60 * bump(0.0, 0.012, lens))[..., None]
    return d.finished([(d.plastic(colour), d.body), (dark, pane)])


def _corners(colour: FloatArray, finish: str) -> Template:
    """A plain box with a camera in each corner."""
    d = Drawing(Shell(edge=1.03, top=-0.62, bottom=0.41, power=6.0, side=(-0.42, 0.27)), finish)
    rgb = d.plastic(colour)
    for at, level in ((0.82, -0.40), (0.86, 0.20)):
        away = np.hypot(d.across - at, d.y - level).astype(np.float32)
        rgb *= (1 - 0.85 * smoothstep(0.055, 0.048, away) - 0.10 * bump(0.065, 0.006, away))[..., None]
        rgb += (90 * bump(0.0, 0.014, np.hypot(away, 0.0)))[..., None]
    rgb *= (1 - 0.22 * bump(0.0, 0.010, np.hypot(d.across / 2.2, d.y + 0.05) - 0.03))[..., None]  # a logo
    return d.finished([(rgb.astype(np.float32), d.body)])


def _window(colour: FloatArray, finish: str) -> Template:
    """One dark pane over the whole front, in a frame of the shell's colour."""
    d = Drawing(Shell(edge=0.96, top=-0.39, bottom=0.30, power=3.2, strap=0.13), finish)
    return d.finished([(d.plastic(colour), d.body), (d.glass((22.0, 24.0, 30.0)), d.pane(0.055))])


def _brow(colour: FloatArray, finish: str) -> Template:
    """A shell of the colour above and around, and a dark mouthpiece of sensors across its lower half."""
    d = Drawing(Shell(edge=1.05, top=-0.46, bottom=0.36, power=3.6, notch=0.12), finish)
    lower = d.pane(0.045) * smoothstep(-0.14, -0.12, d.y + 0.10 * d.across**2)
    dark = d.glass((36.0, 37.0, 40.0), gloss=0.4) * (1 + 0.10 * np.sin(110 * d.y))[..., None]
    for at in (0.30, 0.74):
        away = np.hypot(d.across - at, d.y - 0.10).astype(np.float32)
        dark += (50 * bump(0.06, 0.01, away))[..., None]
    return d.finished([(d.plastic(colour), d.body), (dark.astype(np.float32), lower)])


MODELS: dict[str, Callable[[FloatArray, str], Template]] = {
    "pills": _pills,
    "corners": _corners,
    "window": _window,
    "brow": _brow,
}
"""Models of standalone headsets."""


@functools.lru_cache(maxsize=len(COLOURS))
def _from_before(colour: str) -> Template:
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
    picture, alpha, pad = (_from_the_front(layer) for layer in (picture, alpha, pad))
    return _CANVAS.template(np.clip(picture, 0, 255), alpha, body=pad)


def _from_the_front(layer: FloatArray) -> FloatArray:
    """Foreshorten the side panels of an unrolled layer (h, w, ...), and cut the strap off."""
    x, y = _CANVAS.grid()
    u = np.interp(np.abs(x[0]), (0.0, _PLATE_EDGE, 0.79, 0.80), (0.0, _PLATE_EDGE, 1.14, 9.0)) * np.sign(x[0])
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
    light -= 0.34 * smoothstep(_PLATE_EDGE - 0.03, _PLATE_EDGE + 0.06, across)  # the side panel turns away
    light += 0.16 * bump(_PLATE_EDGE - 0.05, 0.025, across) * (depth > 0.01)  # rounded edge of the plate
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
