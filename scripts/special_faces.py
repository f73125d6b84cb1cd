"""Faces that occluders find hard, drawn on purpose: for the gallery and for the tests of occluders."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache

import numpy as np

from occlufer.synthesis.deform import UNIT_NAMES
from occlufer.synthesis.expressions import difficulty_named
from occlufer.synthesis.identity import Identity, draw_identity
from occlufer.synthesis.renderer import Face, render
from occlufer.synthesis.scene import draw_scene
from occlufer.types import FloatArray, UInt8Array, seeded_rng

_PEOPLE = 60  # among which the darkest and the lightest skin are looked for
_SEED = 11


def portrait(
    person: int,
    *,
    size: int = 128,
    units: Mapping[int, float] | None = None,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    span: float = 0.68,
    shift: tuple[float, float] = (0.0, 0.03),
    grey: bool = False,
) -> Face:
    """A face of chosen person, expression and pose; the same in any process.

    Args:
        person: number of the person; glasses are taken off.
        size: height and width in pixels.
        units: weights of action units by their numbers, see `expressions.PROTOTYPES`.
        yaw, pitch, roll, span, shift, grey: see `scene.Scene`.
    """
    weights = np.zeros(len(UNIT_NAMES), np.float32)
    for unit, weight in (units or {}).items():
        weights[UNIT_NAMES.index(unit)] = weight
    drawn = draw_scene(seeded_rng(_SEED, 1, person), difficulty_named("default"))
    scene = dataclasses.replace(
        drawn, yaw=yaw, pitch=pitch, roll=roll, span=span, shift=shift, grey=grey, blur=0.0, noise=1.5
    )
    return render(_bare_eyed(person), weights, weights, scene, size)


def special_faces() -> dict[str, list[Face]]:
    """Four faces of each kind that is known to be hard, by the kind's name."""
    dark, light = _by_skin()[-4:], _by_skin()[:4]
    smile, shout, lids = {12: 1.0, 6: 0.6}, {25: 1.0, 26: 1.2}, {43: 0.75}
    edges = ((-0.4, 0.03), (0.38, 0.03), (0.0, -0.33), (0.0, 0.36))
    return {
        "cut by the border": [portrait(p, shift=edge, span=0.75) for p, edge in enumerate(edges)],
        "turned away": [
            portrait(p, yaw=yaw, pitch=pitch)
            for p, (yaw, pitch) in enumerate(((-45, 0), (-30, 8), (32, -8), (45, 0)))
        ],
        "closed eyes": [portrait(p, units=lids) for p in (4, 5, 6, 7)],
        "open mouth": [portrait(p, units=shout, yaw=yaw) for p, yaw in ((0, 0), (3, 15), (8, -15), (9, 0))],
        "48 pixels": [portrait(p, size=48, units=smile, yaw=5.0 * p - 8) for p in range(4)],
        "very dark skin": [portrait(p, yaw=4.0 * i - 6) for i, p in enumerate(dark)],
        "very light skin": [portrait(p, yaw=4.0 * i - 6) for i, p in enumerate(light)],
        "without colour": [portrait(p, grey=True) for p in (10, 11, 12, 13)],
    }


def group_picture(people: tuple[int, int, int, int] = (0, 3, 8, 12)) -> tuple[UInt8Array, FloatArray]:
    """Four faces in one image of 256 x 256 pixels: uint8 (256, 256, 3), and their landmarks, float32 (4, 468, 3)."""
    faces = [portrait(person, yaw=8.0 * place - 12) for place, person in enumerate(people)]
    rows = [np.concatenate([left.image_HWC, right.image_HWC], 1) for left, right in (faces[:2], faces[2:])]
    offsets = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)], np.float32)
    landmarks = np.stack([face.landmarks_N3 for face in faces]) + offsets[:, None]
    return np.concatenate(rows, 0), landmarks.astype(np.float32)


def _bare_eyed(person: int) -> Identity:
    return dataclasses.replace(draw_identity(seeded_rng(_SEED, 0, person)), glasses=0)


@cache
def _by_skin() -> tuple[int, ...]:
    """Numbers of people, from the lightest to the darkest skin."""
    return tuple(sorted(range(_PEOPLE), key=lambda person: -float(_bare_eyed(person).skin.mean())))
