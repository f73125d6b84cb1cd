"""A mask pulled down below the nose or to the chin: its fabric lies in a few deep folds, under a rolled upper edge."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import Points, bump, smoothstep, weave
from occlufer.occlusion.templates.fabric import COLOURS, MASK_CANVAS, assemble, cord_for, face_light, sheet_of
from occlufer.types import FloatArray

_HALF = (
    (0.0, 0.115), (0.20, 0.115), (0.40, 0.13), (0.56, 0.17), (0.68, 0.25), (0.725, 0.36), (0.725, 0.55), (0.705, 0.69),
    (0.67, 0.80), (0.62, 0.89), (0.55, 0.985), (0.455, 1.07), (0.365, 1.135), (0.265, 1.19), (0.14, 1.235), (0.0, 1.25),
)  # fmt: skip
_FOLDS = (0.54, 0.86)
_LOOPS: tuple[Points, ...] = (  # a little inside the edge of the face, which would cut them to dashes
    ((0.64, 0.30), (0.70, 0.22), (0.74, 0.13), (0.78, 0.04), (0.86, -0.03), (1.03, -0.08)),
    ((0.66, 0.70), (0.70, 0.60), (0.735, 0.50), (0.775, 0.40), (0.86, 0.33), (1.03, 0.30)),
)


class Pulled(Artwork):
    """Pleated masks that are worn too low; for `FaceMask` with a low `severity_range`.

    `Surgical` keeps all its folds there, which no small picture shows: it reads as a beard or a moustache.

    Args:
        colours: weights of `fabric.COLOURS`.
    """

    def __init__(self, *, colours: Mapping[str, float]) -> None:
        super().__init__(known_shares("mask colour", colours, COLOURS))

    def template(self, variant: str) -> Template:
        """The mask in a colour, as "blue"."""
        return _draw(variant)


@functools.lru_cache(maxsize=16)
def _draw(colour: str) -> Template:
    sheet, light = _layers()
    rgb = np.array(COLOURS[colour], np.float32) * light[..., None]
    return assemble(
        rgb, sheet, cords=_LOOPS, cord_width=0.065, cord_colour=cord_for(colour), shadow_strength=0.8
    )


@functools.lru_cache(maxsize=1)
def _layers() -> tuple[FloatArray, FloatArray]:
    """Coverage and light, the same for all colours."""
    x, y = MASK_CANVAS.grid()
    sheet = sheet_of(_HALF)
    depth, across = MASK_CANVAS.depth(sheet), np.abs(x)
    light = face_light(x, y) + 0.02
    top = y - 0.115 - 0.12 * smoothstep(0.3, 0.75, across)
    light += 0.16 * bump(0.08, 0.07, top) - 0.34 * bump(0.22, 0.05, top)  # the rolled edge
    for height in _FOLDS:
        fold = y - height - 0.06 * (x / 0.7) ** 2
        fade = 1 - 0.4 * smoothstep(0.4, 0.75, across)
        light -= 0.40 * fade * np.exp(-np.abs(fold) / 0.07) * (fold > -0.012)  # shadow under the lip
        light += 0.12 * fade * bump(-0.09, 0.05, fold)  # lip of the fold
    light *= smoothstep(-0.02, 0.014, depth) * 0.14 + 0.86
    return sheet, (light * weave(MASK_CANVAS, 0.004, 0.012)).astype(np.float32)
