"""Ranges and weights that occluders take: checking them, and drawing from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from occlufer.types import ConfigError

Range = tuple[float, float]


def checked_range(what: str, values: Sequence[float], lowest: float, highest: float) -> Range:
    """`(low, high)` as floats; raises `ConfigError` unless lowest <= low <= high <= highest."""
    numbers = [float(value) for value in values]
    if len(numbers) != 2 or not lowest <= numbers[0] <= numbers[1] <= highest:
        raise ConfigError(
            f"{what} must be [low, high] with {lowest} <= low <= high <= {highest}; found {numbers}."
        )
    return numbers[0], numbers[1]


def between(bounds: Range, at: float) -> float:
    """The number at the share `at` (0..1) of the way from the lower to the upper bound."""
    return bounds[0] + (bounds[1] - bounds[0]) * at


def normalised(what: str, weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as shares that sum to 1, in the order given; raises `ConfigError` when they cannot be drawn from."""
    values = {str(name): float(weight) for name, weight in weights.items()}
    total = sum(values.values())
    if not values or min(values.values()) < 0 or not 0 < total < math.inf:
        raise ConfigError(f"{what} must hold weights of at least 0 that sum to more than 0; found {values}.")
    return {name: weight / total for name, weight in values.items()}


def name_at(shares: Mapping[str, float], at: float) -> str:
    """Draw a name with the probability of its share, by a uniform number `at` in [0, 1)."""
    for name, share in shares.items():
        at -= share
        if at < 0:
            return name
    return [name for name, share in shares.items() if share > 0][-1]
