"""A pleated surgical mask with nose wire, stitched edge, ear loops and a contact shadow."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, combined, known_shares
from occlufer.occlusion.templates.drawing import bump, smoothstep, weave
from occlufer.occlusion.templates.fabric import (
    COLOURS,
    MASK_CANVAS,
    PATTERNS,
    assemble,
    cord_for,
    face_light,
    patterned,
    sheet_of,
)
from occlufer.types import FloatArray

HALF = (
    (0.0, 0.115), (0.075, 0.125), (0.17, 0.195), (0.30, 0.265), (0.46, 0.315),
    (0.61, 0.345), (0.70, 0.375), (0.725, 0.41),
    (0.725, 0.55), (0.705, 0.69), (0.67, 0.80), (0.62, 0.89), (0.55, 0.985), (0.455, 1.07), (0.365, 1.135),
    (0.265, 1.19), (0.14, 1.235), (0.0, 1.25),
)  # fmt: skip
"""Outline of the left half, from the bridge of the nose to below the chin."""
_PLEATS = (0.50, 0.665, 0.83)


class Surgical(Artwork):
    """Pleated surgical masks.

    Args:
        colours: weights of `fabric.COLOURS`.
        patterns: weights of `fabric.PATTERNS`.
    """

    def __init__(self, *, colours: Mapping[str, float], patterns: Mapping[str, float] | None = None) -> None:
        prints = known_shares("mask pattern", patterns or {"plain": 1.0}, dict.fromkeys(PATTERNS))
        super().__init__(combined(known_shares("mask colour", colours, COLOURS), prints))

    def template(self, variant: str) -> Template:
        """The mask in a colour and pattern, as "blue plain"."""
        return _draw(*variant.split())


@functools.lru_cache(maxsize=64)
def _draw(colour: str, pattern: str) -> Template:
    x, y = MASK_CANVAS.grid()
    sheet, light = _sheet()
    rgb = patterned(np.broadcast_to(np.array(COLOURS[colour], np.float32), (*x.shape, 3)), pattern, x, y)
    return assemble(rgb * light[..., None], sheet, cord_colour=cord_for(colour))


@functools.lru_cache(maxsize=1)
def _sheet() -> tuple[FloatArray, FloatArray]:
    """Coverage and light, the same for all colours."""
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(HALF)
    return sheet, _shading(x, y, MASK_CANVAS.depth(sheet))


def _shading(x: FloatArray, y: FloatArray, depth: FloatArray) -> FloatArray:
    """Light on the fabric, about 1: round face, nose, folds, wire, seam and grain."""
    light = face_light(x, y)
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
    grained: FloatArray = (light * weave(MASK_CANVAS, 0.004, 0.012)).astype(np.float32)
    return grained
