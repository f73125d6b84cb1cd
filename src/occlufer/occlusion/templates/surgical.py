"""A pleated surgical mask with nose wire, stitched edge, ear loops and a contact shadow."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import bump, smoothstep, weave
from occlufer.occlusion.templates.fabric import (
    COLOURS,
    MASK_CANVAS,
    PATTERNS,
    SHORT_LOOPS,
    assemble,
    cord_for,
    face_light,
    finish_model,
    patterned,
    sheet_between,
    sheet_of,
)
from occlufer.occlusion.templates.styles import MOST_MODELS, creases, crumple, numbered, style, swell
from occlufer.types import FloatArray

HALF = (
    (0.0, 0.115), (0.075, 0.125), (0.17, 0.195), (0.30, 0.265), (0.46, 0.315),
    (0.61, 0.345), (0.70, 0.375), (0.725, 0.41),
    (0.725, 0.55), (0.705, 0.69), (0.67, 0.80), (0.62, 0.89), (0.55, 0.985), (0.455, 1.07), (0.365, 1.135),
    (0.265, 1.19), (0.14, 1.235), (0.0, 1.25),
)  # fmt: skip
"""Outline of the left half, from the bridge of the nose to below the chin."""
_PLEATS = (0.50, 0.665, 0.83)
_OTHER_CUTS = (
    (  # gathered by its loops: the sides fall in between them
        (0.0, 0.115), (0.075, 0.125), (0.17, 0.195), (0.30, 0.265), (0.46, 0.315),
        (0.61, 0.345), (0.70, 0.375), (0.715, 0.41),
        (0.655, 0.55), (0.66, 0.69), (0.68, 0.78), (0.62, 0.89), (0.55, 0.985), (0.455, 1.07), (0.365, 1.135),
        (0.265, 1.19), (0.14, 1.235), (0.0, 1.25),
    ),
    (  # cut straight under the eyes, wide at the chin
        (0.0, 0.15), (0.075, 0.155), (0.17, 0.19), (0.30, 0.24), (0.46, 0.29),
        (0.61, 0.33), (0.69, 0.365), (0.71, 0.41),
        (0.725, 0.55), (0.73, 0.69), (0.72, 0.82), (0.68, 0.93), (0.60, 1.04), (0.50, 1.12), (0.38, 1.17),
        (0.265, 1.20), (0.14, 1.215), (0.0, 1.22),
    ),
    (  # tapered towards the chin
        (0.0, 0.10), (0.075, 0.115), (0.17, 0.20), (0.30, 0.29), (0.46, 0.35),
        (0.61, 0.38), (0.70, 0.40), (0.73, 0.43),
        (0.72, 0.54), (0.68, 0.66), (0.63, 0.76), (0.57, 0.85), (0.50, 0.95), (0.42, 1.05), (0.34, 1.14),
        (0.25, 1.21), (0.13, 1.26), (0.0, 1.275),
    ),
)  # fmt: skip


class Surgical(Artwork):
    """Pleated surgical masks.

    Args:
        colours: weights of `fabric.COLOURS`.
        patterns: weights of `fabric.PATTERNS`.
        models: how many masks there are to draw from, each with a cut, folds and creases of its own, see
            `styles.numbered`; 0 for one picture a colour and pattern.
    """

    def __init__(
        self, *, colours: Mapping[str, float], patterns: Mapping[str, float] | None = None, models: int = 0
    ) -> None:
        prints = known_shares("mask pattern", patterns or {"plain": 1.0}, dict.fromkeys(PATTERNS))
        known = known_shares("mask colour", colours, COLOURS)
        super().__init__(numbered(models, known, prints), symmetric=not models)

    def template(self, variant: str) -> Template:
        """The mask in a colour and pattern, as "blue plain" or "blue plain 3"."""
        colour, pattern, *number = variant.split()
        return _draw_model(colour, pattern, int(number[0])) if number else _draw(colour, pattern)


@functools.lru_cache(maxsize=2 * MOST_MODELS)
def _draw_model(colour: str, pattern: str, number: int) -> Template:
    x, y = MASK_CANVAS.grid()
    rng = style("surgical", number)
    sheet = sheet_between(rng, (HALF, *_OTHER_CUTS))
    light = swell(rng, x, y) + _pleats(rng, x, y) + _edges(rng, y, MASK_CANVAS.depth(sheet))
    ridge, count = rng.uniform(0.0, 0.09), int(rng.integers(3, 10))
    light += ridge * bump(0.0, 0.10, x) * bump(0.34, 0.16, y)
    light -= ridge * bump(0.20, 0.07, np.abs(x)) * bump(0.40, 0.12, y)
    light += creases(rng, x, y, count=count, strength=rng.uniform(0.08, 0.22))
    light += crumple(rng, MASK_CANVAS, size=rng.uniform(0.07, 0.14), strength=rng.uniform(0.02, 0.045))
    light *= weave(MASK_CANVAS, 0.004, 0.012)
    return finish_model(rng, sheet, light, colour, pattern, plain_cords=0.8, cord_width=(0.02, 0.036))


def _pleats(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    """Two to four folds across, open in the middle or drawn tight."""
    light = np.zeros_like(x)
    count = int(rng.integers(2, 5))
    first, last = rng.uniform(0.42, 0.54), rng.uniform(0.78, 0.98)
    bend, slant = rng.uniform(-0.05, 0.13), rng.uniform(-0.06, 0.06)
    depth, width, upwards = (
        rng.uniform(0.18, 0.40),
        rng.uniform(0.026, 0.055),
        rng.choice((-1, 1), p=(0.2, 0.8)),
    )
    fade = 1 - rng.uniform(0.2, 0.9) * smoothstep(0.3, 0.75, np.abs(x))
    for height in np.linspace(first, last, count) + rng.uniform(-0.02, 0.02, count):
        fold = (y - (height + bend * (x / 0.7) ** 2 + slant * x / 0.7)) * upwards
        light -= depth * fade * np.exp(-np.abs(fold) / width) * (fold > -0.008)
        light += 0.4 * depth * fade * bump(-0.022, 0.014, fold)
    folded: FloatArray = light.astype(np.float32)
    return folded


def _edges(rng: np.random.Generator, y: FloatArray, depth: FloatArray) -> FloatArray:
    """Hems and nose wire."""
    at, strength, upper = rng.uniform(0.035, 0.08), rng.uniform(0.03, 0.16), y < 0.45
    light = -strength * bump(at, rng.uniform(0.005, 0.012), depth) * upper
    light += rng.uniform(0.0, 0.09) * bump(at / 2, 0.014, depth) * upper
    light -= rng.uniform(0.02, 0.14) * bump(rng.uniform(0.035, 0.07), 0.007, depth) * ~upper
    light += rng.uniform(-0.15, 0.1) * smoothstep(at, at - 0.01, depth)  # bound with another cloth
    light -= 0.12 * smoothstep(0.012, -0.02, depth)
    bound: FloatArray = light.astype(np.float32)
    return bound


@functools.lru_cache(maxsize=64)
def _draw(colour: str, pattern: str) -> Template:
    x, y = MASK_CANVAS.grid()
    sheet, light = _sheet()
    rgb = patterned(np.broadcast_to(np.array(COLOURS[colour], np.float32), (*x.shape, 3)), pattern, x, y)
    return assemble(rgb * light[..., None], sheet, cords=SHORT_LOOPS, cord_colour=cord_for(colour))


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
