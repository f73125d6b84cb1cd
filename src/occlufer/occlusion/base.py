"""The interface of every occluder: draw parameters, then paste. A new occluder is a subclass in a file of its own."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Self, TypeVar

import numpy as np

from occlufer.occlusion.options import checked_range
from occlufer.types import FloatArray, UInt8Array

ParamsT = TypeVar("ParamsT")


class Occluder(ABC, Generic[ParamsT]):
    """Covers part of a face: first draws parameters, then pastes deterministically.

    Both steps are pure: the only source of chance is the generator handed to `sample`, and inputs are never changed.
    Sizes are relative to the face, never pixels. A final class takes keyword-only constructor arguments; ranges are
    `(low, high)` tuples called `*_range`.

    Args:
        severity_range: (low, high) of the dial, from 0 (nothing covered) to 1 (worn as it should be). The covered
            share of the face grows with it, continuously; `scores.covered_share` measures it.
    """

    def __init__(self, *, severity_range: Sequence[float] = (1.0, 1.0)) -> None:
        self.severity_range = checked_range("severity_range", severity_range, 0.0, 1.0)

    def at_severity(self, severity: float) -> Self:
        """The same occluder with its dial at one place, 0..1; all other draws stay the same."""
        other = copy.copy(self)
        other.severity_range = checked_range("severity", (severity, severity), 0.0, 1.0)
        return other

    @abstractmethod
    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> ParamsT:
        """Draw the parameters of one occlusion.

        Args:
            rng: the only source of chance.
            landmarks_N3: float32 (468, 3), pixels, see `occlufer.types.LANDMARK_COUNT`. May lie outside the image.
            image_hw: height and width of the image in pixels.
        """

    @abstractmethod
    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: ParamsT
    ) -> tuple[UInt8Array, FloatArray]:
        """Paste the occluder.

        Args:
            image_HWC: uint8 RGB; left untouched.
            landmarks_N3: float32 (468, 3), pixels of this image.
            params: what `sample` drew.

        Returns:
            The occluded image, uint8 (H, W, 3), and the alpha actually pasted, float32 (H, W) in 0..1.
        """

    def __call__(
        self, rng: np.random.Generator, image_HWC: UInt8Array, landmarks_N3: FloatArray
    ) -> tuple[UInt8Array, FloatArray]:
        """`sample`, then `apply`: the occluded image and the pasted alpha."""
        height, width = image_HWC.shape[:2]
        params = self.sample(rng, landmarks_N3, (height, width))
        return self.apply(image_HWC, landmarks_N3, params)
