"""Mixtures of occluders: for each face one of several is drawn."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from occlufer.occlusion.base import Occluder
from occlufer.occlusion.options import name_at, normalised
from occlufer.types import ConfigError, FloatArray, UInt8Array, unknown_name


@dataclass(frozen=True, slots=True)
class MixedParams:
    """Which occluder was drawn, and what it drew.

    Attributes:
        name: key in `occluders`.
        params: what that occluder's `sample` drew.
    """

    name: str
    params: Any


class Mixed(Occluder[MixedParams]):
    """Draws one of several occluders for each face.

    Args:
        occluders: by name.
        weights: relative, not negative, not all zero, for the same names.

    Raises:
        ConfigError: names that differ, or weights that cannot be drawn from.
    """

    def __init__(self, *, occluders: Mapping[str, Occluder[Any]], weights: Mapping[str, float]) -> None:
        super().__init__()
        for name in weights:
            if name not in occluders:
                raise ConfigError(unknown_name("occluder in mixed.weights", name, occluders))
        missing = [name for name in occluders if name not in weights]
        if missing:
            raise ConfigError(
                f"mixed.weights has no weight for {', '.join(missing)}. Give one; 0 leaves it out."
            )
        self.occluders = dict(occluders)
        self.shares = normalised("mixed.weights", weights)

    def at_severity(self, severity: float) -> Self:
        """The same distribution over the same occluders, each with its dial at one place."""
        other = copy.copy(self)
        other.occluders = {name: occluder.at_severity(severity) for name, occluder in self.occluders.items()}
        return other

    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> MixedParams:
        """Draw the occluder, then its parameters."""
        name = name_at(self.shares, float(rng.random()))
        return MixedParams(name, self.occluders[name].sample(rng, landmarks_N3, image_hw))

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: MixedParams
    ) -> tuple[UInt8Array, FloatArray]:
        """Paste the occluder that was drawn."""
        return self.occluders[params.name].apply(image_HWC, landmarks_N3, params.params)
