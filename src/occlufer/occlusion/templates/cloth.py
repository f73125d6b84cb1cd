"""Cloth masks in many colours and patterns, and a mask with a clear window before the mouth."""

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

_HALF = (
    (0.0, 0.12), (0.08, 0.135), (0.18, 0.20), (0.31, 0.275), (0.48, 0.325), (0.62, 0.355), (0.715, 0.40),
    (0.73, 0.50), (0.715, 0.66), (0.68, 0.79), (0.61, 0.91), (0.51, 1.025), (0.385, 1.13), (0.24, 1.205),
    (0.10, 1.245), (0.0, 1.255),
)  # fmt: skip
_WINDOW = (0.0, 0.79, 0.51, 0.325)  # centre and half axes: lips, and the chin below an open mouth
_WINDOW_ALPHA = 0.13


_POINTED = (
    (0.0, 0.09), (0.08, 0.12), (0.18, 0.22), (0.31, 0.30), (0.48, 0.34), (0.62, 0.37), (0.70, 0.41),
    (0.71, 0.50), (0.68, 0.62), (0.63, 0.72), (0.56, 0.83), (0.47, 0.95), (0.365, 1.08), (0.24, 1.19),
    (0.10, 1.26), (0.0, 1.28),
)  # fmt: skip
_BOXY = (
    (0.0, 0.17), (0.08, 0.175), (0.18, 0.20), (0.31, 0.245), (0.48, 0.29), (0.62, 0.32), (0.71, 0.36),
    (0.735, 0.50), (0.735, 0.68), (0.72, 0.83), (0.66, 0.96), (0.56, 1.07), (0.42, 1.14), (0.25, 1.18),
    (0.10, 1.195), (0.0, 1.20),
)  # fmt: skip


class Cloth(Artwork):
    """Sewn masks.

    Args:
        colours: weights of `fabric.COLOURS`.
        patterns: weights of `fabric.PATTERNS`.
        window: leaves the mouth to be seen through a clear pane.
        models: how many masks there are to draw from, each with a cut, seams, folds and a print of its own, see
            `styles.numbered`; 0 for one picture a colour and pattern. There is one cut with a window.
    """

    def __init__(
        self,
        *,
        colours: Mapping[str, float],
        patterns: Mapping[str, float],
        window: bool = False,
        models: int = 0,
    ) -> None:
        prints = known_shares("mask pattern", patterns, dict.fromkeys(PATTERNS))
        known = known_shares("mask colour", colours, COLOURS)
        several = 0 if window else models
        super().__init__(numbered(several, known, prints), symmetric=not several)
        self.window = window

    def template(self, variant: str) -> Template:
        """The mask in a colour and pattern, as "navy dots" or "navy dots 3"."""
        colour, pattern, *number = variant.split()
        return _draw_model(colour, pattern, int(number[0])) if number else _draw(colour, pattern, self.window)


@functools.lru_cache(maxsize=2 * MOST_MODELS)
def _draw_model(colour: str, pattern: str, number: int) -> Template:
    x, y = MASK_CANVAS.grid()
    rng = style("cloth", number)
    sheet = sheet_between(rng, (_HALF, _POINTED, _BOXY))
    depth, hem = MASK_CANVAS.depth(sheet), rng.uniform(0.03, 0.06)
    light = swell(rng, x, y) + _seams(rng, x, y)
    light -= rng.uniform(0.02, 0.16) * bump(hem, 0.006, depth)
    light += rng.uniform(-0.25, 0.2) * smoothstep(hem, hem - 0.01, depth)  # bound with another cloth
    light -= 0.14 * smoothstep(0.014, -0.02, depth)
    light += creases(rng, x, y, count=int(rng.integers(2, 11)), strength=rng.uniform(0.05, 0.2))
    light += crumple(rng, MASK_CANVAS, size=rng.uniform(0.1, 0.3), strength=rng.uniform(0.01, 0.06))
    light *= weave(MASK_CANVAS, 0.005, 0.03)
    return finish_model(rng, sheet, light, colour, pattern, plain_cords=0.5, cord_width=(0.024, 0.045))


def _seams(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    """How it is sewn: along the middle, from the cheeks to the chin, or laid in pleats."""
    across, which, light = np.abs(x), int(rng.integers(3)), np.zeros_like(x)
    if which == 0:
        light += rng.uniform(0.03, 0.1) * bump(0.0, 0.10, x) - 0.14 * bump(0.012, 0.006, across)
        light += rng.uniform(-0.14, 0.14) * smoothstep(-0.02, 0.02, x)
    elif which == 1:
        panel = across - rng.uniform(0.25, 0.42) - rng.uniform(-0.1, 0.2) * (y - 0.7)
        light -= 0.14 * bump(0.0, 0.008, panel) + rng.uniform(-0.16, 0.16) * smoothstep(-0.01, 0.01, panel)
    else:
        for height in np.linspace(rng.uniform(0.45, 0.55), rng.uniform(0.8, 0.95), int(rng.integers(2, 4))):
            fold = y - height - rng.uniform(0.0, 0.08) * (x / 0.7) ** 2
            light -= rng.uniform(0.15, 0.3) * np.exp(-np.abs(fold) / 0.04) * (fold > -0.008)
            light += 0.08 * bump(-0.022, 0.014, fold)
    sewn: FloatArray = light.astype(np.float32)
    return sewn


@functools.lru_cache(maxsize=64)
def _draw(colour: str, pattern: str, window: bool) -> Template:
    x, y = MASK_CANVAS.grid()
    sheet, light = _layers()
    rgb = patterned(np.broadcast_to(np.array(COLOURS[colour], np.float32), (*x.shape, 3)), pattern, x, y)
    rgb = rgb * light[..., None]
    if window:
        rgb, sheet = _pane(rgb, sheet, x, y)
    return assemble(rgb, sheet, cord_colour=cord_for(colour), shadow_strength=0.0 if window else 0.55)


@functools.lru_cache(maxsize=1)
def _layers() -> tuple[FloatArray, FloatArray]:
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_HALF)
    depth, across = MASK_CANVAS.depth(sheet), np.abs(x)
    light = face_light(x, y) + 0.06 * bump(0.0, 0.10, x) * bump(0.36, 0.18, y)
    light -= 0.14 * bump(0.012, 0.006, across) * (depth > 0.0)  # centre seam
    light += 0.06 * bump(0.0, 0.006, x)
    light -= 0.10 * bump(0.04, 0.006, depth)  # hem
    light += 0.05 * bump(0.02, 0.012, depth)
    light -= (
        0.09 * bump(0.0, 0.03, y - 0.62 - 0.35 * across) * smoothstep(0.15, 0.4, across)
    )  # drapes to the cheek
    light -= 0.07 * bump(0.0, 0.035, y - 0.95 + 0.22 * across) * smoothstep(0.2, 0.45, across)
    light *= smoothstep(-0.02, 0.014, depth) * 0.16 + 0.84
    return sheet, (light * weave(MASK_CANVAS, 0.005, 0.03)).astype(np.float32)


def _pane(rgb: FloatArray, sheet: FloatArray, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cut the window, with a stitched rim, and lay the glare of light from above on the pane."""
    cx, cy, a, b = _WINDOW
    radius = ((np.abs((x - cx) / a) ** 3 + np.abs((y - cy) / b) ** 3) ** (1 / 3)).astype(np.float32)
    pane = smoothstep(1.0, 0.97, radius)
    rim = bump(1.05, 0.03, radius)
    # Light from above, mirrored where the pane bends away round the face.
    arch = y - (cy - 0.72 * b + 0.9 * x**2)
    glare = 0.55 * bump(0.0, 0.035, arch) * smoothstep(0.42, 0.1, np.abs(x))
    glare += 0.28 * bump(0.40, 0.05, np.abs(x)) * smoothstep(cy + 0.2, cy - 0.2, y)
    glare += 0.2 * bump(0.97, 0.04, radius) * (y > cy)  # the lower edge catches light
    glare *= smoothstep(1.0, 0.9, radius)
    clear = np.float32(_WINDOW_ALPHA) + glare.astype(np.float32)
    colour = rgb * (1 - 0.35 * rim[..., None])
    colour = colour * (1 - pane[..., None]) + np.float32(244.0) * pane[..., None]
    return colour.astype(np.float32), (sheet * (1 - pane) + clear * pane).astype(np.float32)
