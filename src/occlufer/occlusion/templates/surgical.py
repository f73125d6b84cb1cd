"""A pleated surgical mask with nose wire, stitched edge, ear loops and a contact shadow."""

from __future__ import annotations

import functools

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.drawing import Canvas, bump, over, smooth, smoothstep, symmetric, weave
from occlufer.types import FloatArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "blue": (139, 184, 212),
    "white": (214, 216, 217),
    "green": (150, 196, 178),
    "black": (52, 53, 56),
    "pink": (224, 178, 188),
}
"""Fabric colours, RGB."""

_CANVAS = Canvas(half_width=1.05, top=-0.2, bottom=1.5, resolution=300)
_HALF = (
    (0.0, 0.115), (0.075, 0.125), (0.17, 0.195), (0.30, 0.265), (0.46, 0.315),
    (0.61, 0.345), (0.70, 0.375), (0.725, 0.41),
    (0.725, 0.55), (0.705, 0.69), (0.67, 0.80), (0.62, 0.89), (0.55, 0.985), (0.455, 1.07), (0.365, 1.135),
    (0.265, 1.19), (0.14, 1.235), (0.0, 1.25),
)  # fmt: skip
_LOOPS = (
    ((0.69, 0.41), (0.745, 0.31), (0.78, 0.20), (0.81, 0.09)),
    ((0.69, 0.70), (0.75, 0.62), (0.79, 0.53), (0.81, 0.46)),
)
_PLEATS = (0.50, 0.665, 0.83)


@functools.lru_cache(maxsize=len(COLOURS))
def surgical_mask(colour: str) -> Template:
    """The mask in one of `COLOURS`."""
    x, y = _CANVAS.grid()
    sheet = _CANVAS.fill(smooth(symmetric(_HALF)))
    rgb = np.array(COLOURS[colour], np.float32) * _shading(x, y, _CANVAS.depth(sheet))[..., None]
    shadow = np.clip(_CANVAS.soften(sheet, 0.035) * 0.55, 0, 1) * (1 - smoothstep(0.9, 1.1, y))
    picture, alpha = np.zeros_like(rgb), shadow
    loops = sum(
        _CANVAS.stroke([(side * px, py) for px, py in loop], 0.026) for loop in _LOOPS for side in (-1, 1)
    )
    cord = np.full_like(rgb, 70.0 if colour == "black" else 225.0)
    picture, alpha = over(picture, alpha, cord, np.clip(np.asarray(loops, np.float32), 0, 1))
    picture, alpha = over(picture, alpha, rgb, sheet)
    return _CANVAS.template(np.clip(picture, 0, 255), alpha)


def _shading(x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    """Light on the fabric, about 1: round face, nose, folds, wire, seam and grain."""
    light = 1.06 - 0.26 * (np.abs(x) / 0.75) ** 2.2 - 0.22 * smoothstep(0.98, 1.26, y)
    light += 0.07 * bump(0.0, 0.10, x) * bump(0.34, 0.16, y)  # the ridge of the nose
    light -= 0.08 * bump(0.20, 0.07, np.abs(x)) * bump(0.40, 0.12, y)  # and its flanks
    for height in _PLEATS:
        fold = y - (height + 0.05 * (x / 0.7) ** 2)
        fade = 1 - 0.5 * smoothstep(0.4, 0.75, np.abs(x))
        light -= 0.24 * fade * np.exp(-np.abs(fold) / 0.030) * (fold > -0.008)  # shadow under the lip
        light += 0.09 * fade * bump(-0.022, 0.014, fold)  # lip of the fold
    hem = (depth > 0) * (y < 0.45)
    light -= 0.12 * bump(0.055, 0.008, depth) * hem  # seam along the nose wire
    light += 0.06 * bump(0.028, 0.014, depth) * hem
    light -= 0.10 * bump(0.045, 0.006, depth) * (y >= 0.45)
    light *= smoothstep(-0.02, 0.012, depth) * 0.14 + 0.86
    grained: FloatArray = (light * weave(_CANVAS, 0.004, 0.012)).astype(np.float32)
    return grained
