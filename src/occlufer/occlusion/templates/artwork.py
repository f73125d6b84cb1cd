"""The interface of all artwork: variants of a picture to draw from by weight, and a template for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.options import normalised
from occlufer.types import ConfigError, unknown_name


class Artwork(ABC):
    """Pictures of one kind of occluder in canonical coordinates.

    A new kind is one file with a subclass of this, and one YAML file that hands it to a placement.

    Args:
        shares: probability of each variant, see `options.normalised`.
        symmetric: whether all pictures are; those of others are worn as drawn or mirrored by chance.
    """

    def __init__(self, shares: Mapping[str, float], *, symmetric: bool = True) -> None:
        self.shares = dict(shares)
        self.symmetric = symmetric

    @abstractmethod
    def template(self, variant: str) -> Template:
        """The picture of one of the names in `shares`; drawn or read once a process."""


def known_shares(what: str, weights: Mapping[str, float], known: Mapping[str, object]) -> dict[str, float]:
    """Weights as shares; raises `ConfigError` for a name that is not in `known`."""
    for name in weights:
        if name not in known:
            raise ConfigError(unknown_name(what, name, known))
    return normalised(f"{what}s", weights)


def combined(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Shares of all pairs, named "first second", when both are drawn independently."""
    return {f"{a} {b}": x * y for a, x in first.items() for b, y in second.items()}
