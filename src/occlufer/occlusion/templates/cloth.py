"""Cloth masks in many colours and patterns, and a mask with a clear window before the mouth."""

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

_HALF = (
    (0.0, 0.12), (0.08, 0.135), (0.18, 0.20), (0.31, 0.275), (0.48, 0.325), (0.62, 0.355), (0.715, 0.40),
    (0.73, 0.50), (0.715, 0.66), (0.68, 0.79), (0.61, 0.91), (0.51, 1.025), (0.385, 1.13), (0.24, 1.205),
    (0.10, 1.245), (0.0, 1.255),
)  # fmt: skip
_WINDOW = (0.0, 0.79, 0.51, 0.325)  # centre and half axes: lips, and the chin below an open mouth
_WINDOW_ALPHA = 0.13


class Cloth(Artwork):
    """Sewn masks without pleats.

    Args:
        colours: weights of `fabric.COLOURS`.
        patterns: weights of `fabric.PATTERNS`.
        window: leaves the mouth to be seen through a clear pane.
    """

    def __init__(
        self, *, colours: Mapping[str, float], patterns: Mapping[str, float], window: bool = False
    ) -> None:
        prints = known_shares("mask pattern", patterns, dict.fromkeys(PATTERNS))
        super().__init__(combined(known_shares("mask colour", colours, COLOURS), prints))
        self.window = window

    def template(self, variant: str) -> Template:
        """The mask in a colour and pattern, as "navy dots"."""
        colour, pattern = variant.split()
        return _draw(colour, pattern, self.window)


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
    arch = y - (cy - 0.66 * b + 0.30 * x**2)  # bends with the pane round the face
    glare = 0.62 * bump(0.0, 0.028, arch) * smoothstep(0.40, 0.16, np.abs(x))
    glare += 0.5 * bump(0.36, 0.03, np.abs(x)) * bump(cy - 0.02, 0.11, y)
    glare += 0.22 * bump(1.0, 0.05, radius) * (y > cy)  # the lower edge catches light
    clear = np.float32(_WINDOW_ALPHA) + glare.astype(np.float32)
    colour = rgb * (1 - 0.35 * rim[..., None])
    colour = colour * (1 - pane[..., None]) + np.float32(244.0) * pane[..., None]
    return colour.astype(np.float32), (sheet * (1 - pane) + clear * pane).astype(np.float32)
