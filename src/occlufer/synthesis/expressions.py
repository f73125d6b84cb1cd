"""The seven expressions as action units of the Facial Action Coding System, and how clearly they are shown.

The prototypes follow P. Ekman and W. V. Friesen, *Facial Action Coding System* (1978), and the table of emotion
predictions in P. Ekman, W. V. Friesen and J. C. Hager, *FACS Investigator's Guide* (2002). Real people seldom show a
whole prototype, so every unit carries a probability beside its weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from occlufer.synthesis.deform import UNIT_NAMES
from occlufer.types import ConfigError, FloatArray, unknown_name

PROTOTYPES: Mapping[str, str] = {
    # expression: action unit, weight of full strength @ probability of being there
    "anger":     "4 1@.95  5 .5@.5  7 .8@.8  23 .8@.5  24 .5@.25",
    "disgust":   "9 1@.97  10 .6@.5  15 .5@.5  17 .6@.5  4 .3@.3",
    "fear":      "1 1@.9  2 .5@.7  4 .8@.85  5 1@.95  20 .8@.55  25 .6@.7  26 .35@.5",
    "happiness": "6 .8@.5  12 1@1  25 .6@.6",
    "neutral":   "",
    "sadness":   "1 1@.9  4 .6@.7  15 .9@.8  17 .4@.5  43 .25@.4",
    "surprise":  "1 1@1  2 1@.95  5 .8@.9  25 .7@.85  26 .9@.8",
}  # fmt: skip
"""1 inner and 2 outer brow raiser, 4 brow lowerer, 5 upper lid raiser, 6 cheek raiser, 7 lid tightener, 9 nose
wrinkler, 10 upper lip raiser, 12 lip corner puller, 15 lip corner depressor, 17 chin raiser, 20 lip stretcher, 23 lip
tightener, 24 lip pressor, 25 lips part, 26 jaw drop, 43 eyes closing (here: drooping lids)."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How clearly an expression is shown.

    Attributes:
        intensity_range: factor on all weights of a face.
        sureness: 0 keeps the probabilities of the prototypes, 1 makes every unit certain.
        jitter: relative standard deviation of each weight.
        spurious_sd, spurious_share: weight (half-normal) and probability of units that do not belong there.
        yaw_sd: standard deviation of the head's turn in degrees, cut off at 45.
        asymmetry: standard deviation of the relative difference of the halves.
    """

    intensity_range: tuple[float, float]
    sureness: float
    jitter: float
    spurious_sd: float
    spurious_share: float
    yaw_sd: float
    asymmetry: float


DIFFICULTIES: Mapping[str, Difficulty] = {
    "easy": Difficulty((0.8, 1.0), 0.6, 0.08, 0.05, 0.15, 9.0, 0.05),
    "default": Difficulty((0.45, 1.0), 0.0, 0.15, 0.12, 0.3, 14.0, 0.1),
    "hard": Difficulty((0.25, 0.85), 0.0, 0.2, 0.18, 0.4, 20.0, 0.18),
}


def difficulty_named(name: str) -> Difficulty:
    """One of `DIFFICULTIES`; raises `ConfigError` naming the nearest spelling."""
    if name not in DIFFICULTIES:
        raise ConfigError(unknown_name("difficulty", name, DIFFICULTIES))
    return DIFFICULTIES[name]


def prototype(expression: str) -> dict[int, tuple[float, float]]:
    """Action unit -> (weight, probability) of an expression."""
    words = PROTOTYPES[expression].split()
    pairs = zip(words[::2], words[1::2], strict=True)
    return {int(unit): (float(rule.split("@")[0]), float(rule.split("@")[1])) for unit, rule in pairs}


def draw_units(rng: np.random.Generator, expression: str, difficulty: Difficulty) -> FloatArray:
    """Weights of the action units in the order of `UNIT_NAMES`, 0..1.3, float32 (units,).

    Spurious units are never jaw drop, and eyes droop only where the prototype says so: both would swamp an expression.
    """
    chosen = prototype(expression)
    intensity = rng.uniform(*difficulty.intensity_range)
    weights = np.zeros(len(UNIT_NAMES), np.float32)
    for place, unit in enumerate(UNIT_NAMES):
        present, level, stray, stray_level = rng.uniform(), rng.normal(), rng.uniform(), abs(rng.normal())
        weight, probability = chosen.get(unit, (0.0, 0.0))
        if weight and present < probability + (1 - probability) * difficulty.sureness:
            weights[place] = weight * intensity * (1 + difficulty.jitter * level)
        elif unit not in (26, 43) and stray < difficulty.spurious_share:
            weights[place] = difficulty.spurious_sd * stray_level
    return np.clip(weights, 0, 1.3)
