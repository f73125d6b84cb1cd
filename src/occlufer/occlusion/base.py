"""What an occluder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import numpy as np

from occlufer.types import FloatArray, UInt8Array

ParamsT = TypeVar("ParamsT")


class Occluder(ABC, Generic[ParamsT]):
    """Covers part of a face: first draws parameters, then pastes deterministically.

    Both steps are pure: the only source of chance is the generator handed to `sample`, and inputs are never changed.
    Sizes are relative to the face, never pixels. A final class takes keyword-only constructor arguments; ranges are
    `(low, high)` tuples called `*_range`.
    """

    @abstractmethod
    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> ParamsT:
        """Draw the parameters of one occlusion.

        Args:
            rng: the only source of chance.
            landmarks_N3: float32 (468, 3), pixels, see `occlufer.types.FaceSample`. May lie outside the image.
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
