"""The person who is drawn: everything that is the same on all faces of one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from occlufer.synthesis.deform import SHAPE_NAMES
from occlufer.types import FloatArray

# sRGB of the Fitzpatrick types I to VI at full light.
_SKIN = np.array(
    [[246, 214, 199], [236, 196, 173], [216, 171, 138], [182, 132, 98], [128, 86, 60], [82, 55, 42]]
)
_HAIR = {
    "black": (28, 24, 23), "dark brown": (52, 36, 28), "brown": (86, 58, 40), "auburn": (110, 56, 34),
    "blond": (178, 142, 92), "red": (150, 76, 38), "grey": (150, 147, 143), "white": (205, 202, 196),
}  # fmt: skip
_IRIS = {"brown": (70, 42, 24), "dark": (42, 28, 20), "hazel": (104, 82, 44), "green": (92, 112, 78),
         "blue": (88, 122, 152), "grey": (118, 128, 134)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HairStyle:
    """A hair style; lengths in head units, rows of the hair grid (see `hair.py`).

    Attributes:
        cover: False for bald heads.
        front: rows by which the hairline lies lower (+, a fringe) or higher (-, receding) at the forehead.
        side: the same at the sides.
        hang: how far the hair falls below the ears.
        volume: thickness at the top and at the sides.
        curl: 0 straight to 1 tight curls.
        stubble: darkness of a shaved scalp, 0..1.
    """

    cover: bool
    front: float = 0.0
    side: float = 0.0
    hang: float = 0.0
    volume: tuple[float, float] = (0.14, 0.1)
    curl: float = 0.0
    stubble: float = 0.0


HAIR_STYLES: Mapping[str, HairStyle] = {
    "bald": HairStyle(False),
    "shaved": HairStyle(False, stubble=0.75),
    "receding": HairStyle(True, front=-1.8, side=-0.3, volume=(0.05, 0.07)),
    "short": HairStyle(True, front=0.0, side=-0.3, volume=(0.2, 0.07)),
    "side parting": HairStyle(True, front=0.1, side=-0.1, volume=(0.26, 0.11)),
    "fringe": HairStyle(True, front=1.1, side=0.3, volume=(0.18, 0.14), hang=0.6),
    "curls": HairStyle(True, front=0.3, side=0.2, volume=(0.4, 0.34), curl=1.0),
    "waves": HairStyle(True, front=0.0, side=0.3, volume=(0.26, 0.22), hang=1.6, curl=0.45),
    "bob": HairStyle(True, front=0.2, side=0.3, volume=(0.2, 0.18), hang=1.0),
    "long": HairStyle(True, front=0.0, side=0.3, volume=(0.18, 0.15), hang=2.4),
    "tied back": HairStyle(True, front=-0.1, side=-0.2, volume=(0.08, 0.05)),
}
_STYLE_WEIGHTS = {  # (masculine, feminine)
    "bald": (1.0, 0.05), "shaved": (1.3, 0.15), "receding": (1.2, 0.0), "short": (3.0, 0.8), "side parting": (2.2, 0.6),
    "fringe": (0.4, 1.3), "curls": (1.0, 1.3), "waves": (0.15, 1.8), "bob": (0.05, 1.7), "long": (0.3, 2.2),
    "tied back": (0.1, 1.6),
}  # fmt: skip
BEARDS: tuple[str, ...] = ("none", "stubble", "full", "moustache", "goatee")


@dataclass(frozen=True, slots=True)
class Identity:
    """One person.

    Attributes:
        shape: weights of `deform.SHAPES`, float32.
        scale: stretch of the head (across, down), about 1.
        skin_type: Fitzpatrick type 1..6, with decimals.
        skin, lips, hair, brow, iris: sRGB colours 0..255, float32 (3,).
        style, beard: names from `HAIR_STYLES` and `BEARDS`.
        parting: turn of the parting about the crown in degrees.
        brow_shape: thickness, arch and darkness of the brows, about 1.
        age: years. masculine: 0..1.
        glasses: 0 none, 1 to 3 kinds of rims.
        marks: freckles, mottling and shine of the skin, 0..1.
        neck: width of the neck, about 1.
        cloth: sRGB colour of the clothes.
        seed: for the pattern of strands and marks.
    """

    shape: FloatArray
    scale: tuple[float, float]
    skin_type: float
    skin: FloatArray
    lips: FloatArray
    hair: FloatArray
    brow: FloatArray
    iris: FloatArray
    style: str
    beard: str
    parting: float
    brow_shape: tuple[float, float, float]
    age: float
    masculine: float
    glasses: int
    marks: tuple[float, float, float]
    neck: float
    cloth: FloatArray
    seed: int


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw a person; the same generator state gives the same person."""
    masculine = float(np.clip(rng.choice([0.12, 0.88]) + rng.normal(0, 0.1), 0, 1))
    age = float(rng.uniform(18, 78))
    skin_type = float(rng.uniform(0.7, 6.3))
    skin, lips = _skin_colours(rng, skin_type, masculine)
    hair = _hair_colour(rng, skin_type, age)
    iris = _iris_colour(rng, skin_type)
    shape = rng.normal(0, 0.4, len(SHAPE_NAMES)).clip(-1.0, 1.0).astype(np.float32)
    for name, shift in (("jaw_width", 0.5), ("brow_ridge", 0.6), ("chin_width", 0.4), ("upper_lip", -0.4),
                        ("lower_lip", -0.3), ("brow_height", -0.3), ("nose_length", 0.2)):  # fmt: skip
        shape[SHAPE_NAMES.index(name)] += shift * (masculine - 0.5) * 2 * 0.7
    weights = np.array([_mix(_STYLE_WEIGHTS[name], masculine) for name in HAIR_STYLES])
    weights[:3] *= 0.5 + age / 60
    style = list(HAIR_STYLES)[int(rng.choice(len(weights), p=weights / weights.sum()))]
    beard = BEARDS[int(rng.choice(5, p=[0.42, 0.23, 0.15, 0.08, 0.12]))] if masculine > 0.5 else "none"
    return Identity(
        shape=shape,
        scale=(float(rng.normal(1, 0.03)), float(rng.normal(1, 0.035))),
        skin_type=skin_type,
        skin=skin,
        lips=lips,
        hair=hair,
        brow=(hair * 0.6 + np.array([24, 18, 15]) * 0.4).astype(np.float32),
        iris=iris,
        style=style,
        beard=beard,
        parting=float(rng.uniform(-45, 45)),
        brow_shape=(
            float(rng.uniform(0.7, 1.0) + 0.45 * masculine),
            float(rng.normal(1.0 - 0.5 * masculine, 0.35)),
            float(rng.uniform(0.65, 0.95)),
        ),
        age=age,
        masculine=masculine,
        glasses=int(rng.integers(1, 4)) if rng.uniform() < 0.15 else 0,
        marks=(
            float(max(0.0, rng.normal(0.1, 0.4)) * (skin_type < 3.5)),
            float(rng.uniform(0.3, 1)),
            float(rng.uniform(0.2, 1)),
        ),
        neck=0.86 + 0.2 * masculine,
        cloth=_cloth(rng),
        seed=int(rng.integers(2**31)),
    )


def _mix(pair: tuple[float, float], masculine: float) -> float:
    return pair[0] * masculine + pair[1] * (1 - masculine)


def _skin_colours(
    rng: np.random.Generator, skin_type: float, masculine: float
) -> tuple[FloatArray, FloatArray]:
    place = np.clip(skin_type - 1, 0, 5)
    skin = np.array([np.interp(place, range(6), _SKIN[:, channel]) for channel in range(3)])
    skin = skin * (1 + rng.normal(0, 0.035) + np.array([1, 0, -1]) * rng.normal(0, 0.02))
    red = np.array([0.86, 0.56, 0.55]) if skin_type < 4 else np.array([0.85, 0.66, 0.66])
    make_up = rng.uniform() < 0.35 * (1 - masculine)
    lips = skin * red * rng.uniform(0.88, 1.04)
    if make_up:
        lips = lips * 0.5 + np.array([150, 40, 52]) * rng.uniform(0.6, 1.1) * 0.5
    return skin.clip(0, 250).astype(np.float32), lips.clip(0, 240).astype(np.float32)


def _hair_colour(rng: np.random.Generator, skin_type: float, age: float) -> FloatArray:
    if rng.uniform() < np.clip((age - 45) / 35, 0, 0.85):
        name = "grey" if rng.uniform() < 0.65 else "white"
    elif skin_type > 4:
        name = str(rng.choice(["black", "black", "dark brown"]))
    elif skin_type > 2.8:
        name = str(rng.choice(["black", "dark brown", "dark brown", "brown"]))
    else:
        name = str(rng.choice(["dark brown", "brown", "auburn", "blond", "blond", "red"]))
    return (np.array(_HAIR[name]) * rng.uniform(0.85, 1.15)).clip(0, 235).astype(np.float32)


def _cloth(rng: np.random.Generator) -> FloatArray:
    colour = rng.uniform(15, 215, 3)
    return np.asarray(colour + rng.uniform(0.3, 0.9) * (colour.mean() - colour), np.float32)


def _iris_colour(rng: np.random.Generator, skin_type: float) -> FloatArray:
    names = ["dark", "dark", "brown"] if skin_type > 3.5 else list(_IRIS)
    return np.array(_IRIS[str(rng.choice(names))], np.float32)
