"""N95 and KN95 respirators, and a half mask with filters ("gas mask")."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, combined, known_shares
from occlufer.occlusion.templates.drawing import bump, over, smoothstep, weave
from occlufer.occlusion.templates.fabric import COLOURS, MASK_CANVAS, assemble, cord_for, face_light, sheet_of
from occlufer.types import FloatArray

_CUP = (
    (0.0, 0.135), (0.09, 0.15), (0.20, 0.215), (0.36, 0.295), (0.53, 0.365), (0.65, 0.44), (0.705, 0.54),
    (0.71, 0.68), (0.67, 0.81), (0.60, 0.925), (0.50, 1.035), (0.38, 1.13), (0.22, 1.205), (0.0, 1.245),
)  # fmt: skip
_FOLDED = (
    (0.0, 0.12), (0.06, 0.13), (0.16, 0.195), (0.32, 0.285), (0.50, 0.355), (0.66, 0.43), (0.715, 0.485),
    (0.72, 0.60), (0.69, 0.74), (0.62, 0.89), (0.50, 1.03), (0.34, 1.145), (0.15, 1.225), (0.0, 1.26),
)  # fmt: skip
_RUBBER = (
    (0.0, 0.105), (0.08, 0.12), (0.18, 0.20), (0.33, 0.30), (0.50, 0.39), (0.62, 0.48), (0.675, 0.60), (0.685, 0.74),
    (0.65, 0.87), (0.57, 0.985), (0.45, 1.085), (0.30, 1.17), (0.14, 1.235), (0.0, 1.255),
)  # fmt: skip
_HEAD_STRAPS = (
    ((0.64, 0.44), (0.73, 0.28), (0.80, 0.10), (0.86, -0.05), (1.03, -0.20)),
    ((0.64, 0.84), (0.74, 0.76), (0.83, 0.71), (0.94, 0.68), (1.03, 0.66)),
)
_FILTER = (
    0.415,
    0.80,
    0.225,
)  # x, y, radius; before the cheek turns away, where a turned head would stretch it
_FILTER_TURN = 0.76  # it faces outwards: narrow from the front, round where the head is turned
_FILTER_DEPTH = 0.075  # of its side, as it is seen from the front
Drawing = tuple[FloatArray, FloatArray]
"""Coverage 0..1 (h, w) and light about 1 (h, w), the same for all colours."""


class Respirator(Artwork):
    """Filtering face pieces.

    Args:
        kinds: weights of `KINDS`.
        colours: weights of `fabric.COLOURS`.
    """

    def __init__(self, *, kinds: Mapping[str, float], colours: Mapping[str, float]) -> None:
        shapes = known_shares("respirator kind", kinds, KINDS)
        super().__init__(combined(shapes, known_shares("mask colour", colours, COLOURS)))

    def template(self, variant: str) -> Template:
        """The respirator of a kind and colour, as "n95 white"."""
        return _draw(*variant.split())


@functools.lru_cache(maxsize=32)
def _draw(kind: str, colour: str) -> Template:
    return KINDS[kind](colour)


def _n95(colour: str) -> Template:
    sheet, light = _n95_layers()
    x, y = MASK_CANVAS.grid()
    rgb = np.array(COLOURS[colour], np.float32) * light[..., None]
    clip = bump(0.085, 0.02, MASK_CANVAS.depth(sheet)) * (y < 0.42) * smoothstep(0.34, 0.28, np.abs(x))
    rgb = rgb * (1 - 0.65 * clip[..., None]) + np.array((150, 153, 158), np.float32) * (
        0.65 * clip[..., None]
    )
    elastic = (214.0, 200.0, 150.0)
    return assemble(rgb.astype(np.float32), sheet, cords=_HEAD_STRAPS, cord_width=0.042, cord_colour=elastic)


@functools.lru_cache(maxsize=1)
def _n95_layers() -> Drawing:
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_CUP)
    depth = MASK_CANVAS.depth(sheet)
    light = face_light(x, y) - 0.03
    light += 0.12 * bump(0.0, 0.3, x) * bump(0.5, 0.25, y)  # the cup stands out
    light -= 0.16 * bump(0.075, 0.018, depth) * (y > 0.3)  # groove inside the rim
    light += 0.05 * bump(0.03, 0.02, depth)
    light -= 0.13 * bump(0.0, 0.010, y - 0.70 - 0.06 * (x / 0.7) ** 2) * (depth > 0.09)  # weld across
    stipple = 1 + 0.02 * np.sign(np.sin(95 * x) * np.sin(95 * y))
    return sheet, (light * stipple * weave(MASK_CANVAS, 0.006, 0.015)).astype(np.float32)


def _kn95(colour: str) -> Template:
    sheet, light = _kn95_layers()
    return assemble(
        np.array(COLOURS[colour], np.float32) * light[..., None], sheet, cord_colour=cord_for(colour)
    )


@functools.lru_cache(maxsize=1)
def _kn95_layers() -> Drawing:
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_FOLDED)
    depth, across = MASK_CANVAS.depth(sheet), np.abs(x)
    light = face_light(x, y) - 0.05
    light += 0.13 * bump(0.0, 0.016, x) - 0.13 * smoothstep(0.0, 0.16, across) * smoothstep(0.5, 0.1, across)
    light -= 0.14 * bump(0.05, 0.007, depth) + 0.05 * bump(0.075, 0.006, depth)  # the welded edge
    for start in (0.44, 0.57):  # two welds from the cheek to the chin
        light -= 0.10 * bump(0.0, 0.007, across - start + 0.30 * (y - 0.55)) * (depth > 0.06)
    light -= 0.10 * bump(0.0, 0.014, y - 0.31 - 0.25 * across) * smoothstep(0.30, 0.22, across)  # nose wire
    return sheet, (light * weave(MASK_CANVAS, 0.004, 0.010)).astype(np.float32)


def _gas(colour: str) -> Template:
    x, y = MASK_CANVAS.grid()
    sheet, light = _gas_layers()
    picture = np.array(COLOURS[colour], np.float32) * light[..., None]
    cx, cy, radius = _FILTER
    away, behind = (
        np.sqrt(((np.abs(x) - at) / _FILTER_TURN) ** 2 + (y - cy) ** 2).astype(np.float32)
        for at in (cx, cx - _FILTER_DEPTH)
    )
    side = smoothstep(radius + 0.006, radius - 0.006, np.minimum(away, behind))
    wall = np.array((50, 52, 57), np.float32) * (1.15 - 0.55 * smoothstep(-0.2, 0.2, y - cy))[..., None]
    picture, alpha = over(picture.astype(np.float32), sheet, wall.astype(np.float32), side)
    disc = smoothstep(radius + 0.006, radius - 0.006, away)
    shade = 1.10 - 0.35 * smoothstep(-0.2, 0.25, y - cy) - 0.25 * smoothstep(radius - 0.05, radius, away)
    shade -= 0.18 * bump(radius - 0.06, 0.010, away)
    slots = smoothstep(0.3, 0.7, np.sin((y - cy) * 110).astype(np.float32)) * smoothstep(
        radius - 0.075, radius - 0.09, away
    )
    canister = np.array((72, 74, 80), np.float32) * (shade - 0.35 * slots)[..., None]
    picture, alpha = over(picture, alpha, canister.astype(np.float32), disc)
    valve = smoothstep(0.135, 0.125, np.sqrt(x**2 + (y - 0.84) ** 2))
    ring = bump(0.105, 0.012, np.sqrt(x**2 + (y - 0.84) ** 2).astype(np.float32))
    grey = (
        np.array((92, 94, 99), np.float32) * (1.1 - 0.4 * smoothstep(0.72, 0.96, y) - 0.35 * ring)[..., None]
    )
    picture, alpha = over(picture, alpha, grey.astype(np.float32), valve)
    return assemble(picture, alpha, cords=_HEAD_STRAPS, cord_width=0.06, cord_colour=(58, 58, 60))


@functools.lru_cache(maxsize=1)
def _gas_layers() -> Drawing:
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_RUBBER)
    depth = MASK_CANVAS.depth(sheet)
    light = face_light(x, y) + 0.10 * bump(0.0, 0.07, x) * bump(0.35, 0.2, y)
    light -= 0.22 * bump(0.07, 0.015, depth)  # the lip of the rubber
    light += 0.10 * bump(0.035, 0.02, depth)
    return sheet, light.astype(np.float32)


KINDS: dict[str, Callable[[str], Template]] = {"n95": _n95, "kn95": _kn95, "gas": _gas}
"""Kinds of respirator."""
