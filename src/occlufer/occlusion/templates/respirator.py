"""N95 and KN95 respirators, and a half mask with filters ("gas mask")."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import bump, over, smoothstep, weave
from occlufer.occlusion.templates.fabric import COLOURS, MASK_CANVAS, assemble, cord_for, face_light, sheet_of
from occlufer.occlusion.templates.styles import MOST_MODELS, creases, crumple, emblem, numbered, style, swell
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
_DUCKBILL = (
    (0.0, 0.125), (0.08, 0.135), (0.18, 0.19), (0.33, 0.26), (0.48, 0.32), (0.60, 0.40), (0.665, 0.50), (0.69, 0.62),
    (0.68, 0.74), (0.63, 0.86), (0.55, 0.99), (0.43, 1.11), (0.27, 1.20), (0.12, 1.235), (0.0, 1.24),
)  # fmt: skip
_TRIFOLD = (
    (0.0, 0.105), (0.07, 0.11), (0.16, 0.16), (0.27, 0.25), (0.42, 0.32), (0.58, 0.37), (0.69, 0.44), (0.735, 0.55),
    (0.735, 0.70), (0.69, 0.82), (0.59, 0.95), (0.47, 1.07), (0.34, 1.17), (0.18, 1.235), (0.0, 1.25),
)  # fmt: skip
_ELASTICS = ((214.0, 200.0, 150.0), (226.0, 226.0, 224.0), (92.0, 140.0, 190.0), (60.0, 60.0, 62.0))
Drawing = tuple[FloatArray, FloatArray]
"""Coverage 0..1 (h, w) and light about 1 (h, w), the same for all colours."""


class Respirator(Artwork):
    """Filtering face pieces.

    Args:
        kinds: weights of `KINDS`, or of `MODELS` where there are several.
        colours: weights of `fabric.COLOURS`.
        models: how many respirators there are to draw from, each with dents, creases, seams and perhaps a valve of its
            own, see `styles.numbered`; 0 for one picture a kind and colour.
    """

    def __init__(self, *, kinds: Mapping[str, float], colours: Mapping[str, float], models: int = 0) -> None:
        shapes = known_shares("respirator kind", kinds, MODELS if models else KINDS)
        known = known_shares("mask colour", colours, COLOURS)
        super().__init__(numbered(models, shapes, known), symmetric=not models)

    def template(self, variant: str) -> Template:
        """The respirator of a kind and colour, as "n95 white" or "n95 white 3"."""
        kind, colour, *number = variant.split()
        return _draw_model(kind, colour, int(number[0]) if number else None)


@functools.lru_cache(maxsize=2 * MOST_MODELS)
def _draw_model(kind: str, colour: str, number: int | None) -> Template:
    if number is None:
        return KINDS[kind](colour)
    return _model(kind, colour, style(kind, number))


def _model(kind: str, colour: str, rng: np.random.Generator) -> Template:
    """A respirator with dents, creases, seams and marks of its own."""
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_OUTLINES[kind])
    depth = MASK_CANVAS.depth(sheet)
    light = MODELS[kind](rng, x, y, depth) + swell(rng, x, y) - np.float32(1)
    light += creases(rng, x, y, count=int(rng.integers(3, 10)), strength=rng.uniform(0.08, 0.22))
    light += crumple(rng, MASK_CANVAS, size=rng.uniform(0.07, 0.16), strength=rng.uniform(0.02, 0.045))
    rim, width = rng.uniform(0.04, 0.08), rng.uniform(0.005, 0.02)
    light -= rng.uniform(0.04, 0.18) * bump(rim, width, depth) * (y > 0.25)
    light += rng.uniform(-0.12, 0.12) * smoothstep(rim, rim - 0.01, depth)
    light *= (1 + rng.uniform(0.0, 0.02) * np.sign(np.sin(95 * x) * np.sin(95 * y))) * weave(
        MASK_CANVAS, 0.005, 0.012
    )
    rgb = np.array(COLOURS[colour], np.float32) * light[..., None]
    if rng.random() < 0.5:  # a wire outside
        wire = bump(rng.uniform(0.06, 0.1), 0.018, depth) * (y < 0.42) * smoothstep(0.34, 0.28, np.abs(x))
        rgb = _inked(rgb, wire * 0.65, (150, 153, 158))
    if rng.random() < 0.35:
        rgb = _valve(rng, rgb, x, y)
    if rng.random() < 0.5:
        rgb = _inked(
            rgb, rng.uniform(0.3, 0.7) * emblem(rng, x, y), COLOURS["navy" if rgb.mean() > 110 else "white"]
        )
    if kind == "kn95":
        return assemble(
            rgb, sheet, cord_colour=cord_for(colour), cord_width=rng.uniform(0.02, 0.04), symmetric=False
        )
    elastic = _ELASTICS[int(rng.integers(len(_ELASTICS)))]
    width = rng.uniform(0.03, 0.055)
    return assemble(rgb, sheet, cords=_HEAD_STRAPS, cord_width=width, cord_colour=elastic, symmetric=False)


def _inked(rgb: FloatArray, coverage: FloatArray, colour: tuple[int, int, int]) -> FloatArray:
    inked: FloatArray = rgb + (np.array(colour, np.float32) - rgb) * coverage[..., None].astype(np.float32)
    return inked


def _valve(rng: np.random.Generator, rgb: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """A plastic valve before the mouth or on a cheek, round or square."""
    cx, cy = rng.choice((0.0, 0.3)) + rng.uniform(-0.03, 0.03), rng.uniform(0.68, 0.86)
    radius, corner = rng.uniform(0.1, 0.15), rng.choice((2.0, 6.0))
    away = (np.abs((x - cx) / radius) ** corner + np.abs((y - cy) / radius) ** corner) ** (1 / corner)
    shade = (
        1.0 - 0.3 * smoothstep(-0.8, 1.0, (y - cy) / radius) - 0.3 * bump(0.8, 0.06, away.astype(np.float32))
    )
    shade -= 0.25 * smoothstep(0.2, 0.6, np.sin((y - cy) * 130)) * smoothstep(0.7, 0.65, away)
    tone = (
        np.array(COLOURS[("white", "grey", "teal", "black")[int(rng.integers(4))]], np.float32)
        * shade[..., None]
    )
    cover = smoothstep(1.03, 0.97, away)[..., None]
    cast = 0.3 * bump(1.08, 0.07, away.astype(np.float32))[..., None]
    fitted: FloatArray = (rgb * (1 - cast) * (1 - cover) + tone * cover).astype(np.float32)
    return fitted


def _cup_model(rng: np.random.Generator, x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    light = 1.0 + rng.uniform(-0.02, 0.16) * bump(rng.uniform(-0.08, 0.08), 0.3, x) * bump(
        rng.uniform(0.42, 0.6), 0.25, y
    )
    for height in rng.uniform(0.45, 1.0, int(rng.integers(0, 4))):  # ribs pressed into the cup
        fold = y - height - rng.uniform(-0.1, 0.15) * (x / 0.7) ** 2
        light -= rng.uniform(0.06, 0.18) * bump(0.0, 0.012, fold) * (depth > 0.09)
        light += 0.07 * bump(-0.025, 0.014, fold) * (depth > 0.09)
    return light.astype(np.float32)


def _folded_model(rng: np.random.Generator, x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    across, at = np.abs(x), rng.uniform(0.08, 0.22)
    light = 0.97 + rng.uniform(0.05, 0.18) * bump(0.0, 0.016, x)
    light -= rng.uniform(0.04, 0.16) * smoothstep(0.0, at, across) * smoothstep(0.55, 0.1, across)
    light += rng.uniform(-0.22, 0.22) * smoothstep(
        -0.02, 0.02, x
    )  # two halves, of which the light strikes one
    for start in rng.uniform(0.36, 0.62, int(rng.integers(0, 4))):
        slope = rng.uniform(0.15, 0.45)
        light -= (
            rng.uniform(0.05, 0.14) * bump(0.0, 0.007, across - start + slope * (y - 0.55)) * (depth > 0.06)
        )
    light -= 0.10 * bump(0.0, 0.014, y - 0.31 - 0.25 * across) * smoothstep(0.30, 0.22, across)
    return light.astype(np.float32)


def _duckbill_model(rng: np.random.Generator, x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    """A pouch whose upper half faces the light, with a seam across at its mouth."""
    seam = y - rng.uniform(0.66, 0.78) + rng.uniform(-0.04, 0.14) * (x / 0.6) ** 2
    light = rng.uniform(1.0, 1.12) - rng.uniform(0.2, 0.42) * smoothstep(-0.012, 0.03, seam)
    light += rng.uniform(0.0, 0.16) * smoothstep(-0.2, -0.01, seam) * (seam < 0)
    light += 0.14 * bump(-0.01, 0.01, seam) - 0.18 * bump(0.018, 0.012, seam)
    light -= rng.uniform(0.0, 0.14) * smoothstep(0.3, 0.6, np.abs(x))
    return light.astype(np.float32)


def _trifold_model(rng: np.random.Generator, x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    """Three panels, folded flat when new."""
    light = np.ones_like(x)
    upper = y - rng.uniform(0.42, 0.52) - rng.uniform(-0.02, 0.1) * (x / 0.7) ** 2
    lower = y - rng.uniform(0.84, 0.96) + rng.uniform(-0.02, 0.1) * (x / 0.7) ** 2
    light += rng.uniform(-0.2, 0.12) * smoothstep(0.01, -0.01, upper)
    light -= rng.uniform(0.1, 0.34) * smoothstep(-0.01, 0.02, lower)
    for fold in (upper, lower):
        light -= rng.uniform(0.1, 0.24) * bump(0.012, 0.012, fold)
        light += 0.1 * bump(-0.014, 0.012, fold)
    for height in rng.uniform(0.55, 0.85, int(rng.integers(0, 4))):
        light -= 0.06 * bump(0.0, 0.006, y - height)  # embossed lines
    return light.astype(np.float32)


MODELS: dict[str, Callable[[np.random.Generator, FloatArray, FloatArray, FloatArray], FloatArray]] = {
    "n95": _cup_model, "kn95": _folded_model, "duckbill": _duckbill_model, "trifold": _trifold_model,
}  # fmt: skip
"""Kinds of respirator of which there are several models."""
_OUTLINES = {"n95": _CUP, "kn95": _FOLDED, "duckbill": _DUCKBILL, "trifold": _TRIFOLD}


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
