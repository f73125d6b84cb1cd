"""One face of a set of drawn faces, which depends on `(VERSION, seed, index)` and nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from occlufer.processes import one_blas_thread
from occlufer.synthesis.deform import UNIT_NAMES
from occlufer.synthesis.expressions import difficulty_named, draw_units
from occlufer.synthesis.identity import draw_identity
from occlufer.synthesis.renderer import render
from occlufer.synthesis.scene import draw_scene
from occlufer.types import EXPRESSIONS, FloatArray, UInt8Array, seeded_rng

VERSION = 1
"""Goes up whenever a change alters what is drawn: sets of another version are drawn anew."""

FACES_A_PERSON = len(EXPRESSIONS)
"""Faces of one identity: one of each expression, one after the other."""

Facts = dict[str, float | int | str]


class DrawnFace(NamedTuple):
    """A face of a set.

    Attributes:
        image_HWC: uint8 RGB.
        landmarks_N3: float32 (468, 3), pixels as in `occlufer.types.LANDMARK_COUNT`: the truth.
        facts: person, label, au_1 ... (weights, about 0..1), yaw, pitch, roll (degrees), skin_type (Fitzpatrick 1..6),
            age, masculine (0..1), hair, beard, glasses.
    """

    image_HWC: UInt8Array
    landmarks_N3: FloatArray
    facts: Facts


def draw_face(index: int, *, seed: int, difficulty: str, size: int) -> DrawnFace:
    """Draw the face at `index`; the same in any process.

    Args:
        index: place in the set; identity `index // 7` shows expression `index % 7`.
        seed: of the set.
        difficulty: a name of `expressions.DIFFICULTIES`.
        size: height and width in pixels.
    """
    level = difficulty_named(difficulty)
    person, label = divmod(index, FACES_A_PERSON)
    identity = draw_identity(seeded_rng(VERSION, seed, 0, person))
    rng = seeded_rng(VERSION, seed, 1, index)
    units = draw_units(rng, EXPRESSIONS[label], level)
    uneven = rng.normal(0, level.asymmetry, len(units)).clip(-0.4, 0.4).astype(np.float32)
    scene = draw_scene(rng, level)
    with one_blas_thread():  # the same bits whatever the number of threads, in any process
        face = render(identity, units * (1 + uneven), units * (1 - uneven), scene, size)
    facts: Facts = {"person": person, "label": label}
    facts |= {f"au_{unit}": round(float(weight), 4) for unit, weight in zip(UNIT_NAMES, units, strict=True)}
    facts |= {"yaw": round(scene.yaw, 2), "pitch": round(scene.pitch, 2), "roll": round(scene.roll, 2)}
    facts |= {
        "skin_type": round(identity.skin_type, 2),
        "age": round(identity.age),
        "masculine": round(identity.masculine, 2),
        "hair": identity.style,
        "beard": identity.beard,
        "glasses": identity.glasses,
    }
    return DrawnFace(face.image_HWC, face.landmarks_N3, facts)
