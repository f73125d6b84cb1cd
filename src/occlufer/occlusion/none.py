"""No occluder: the bare face as the control of every experiment, and faces that are covered already."""

from __future__ import annotations

from typing import final

import numpy as np

from occlufer.occlusion.base import Occluder
from occlufer.types import FloatArray, UInt8Array


class NoOcclusion(Occluder[None]):
    """The bare face; draws nothing from the generator."""

    def __init__(self) -> None:
        super().__init__()

    def sample(self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> None:
        """Nothing to draw."""

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: None
    ) -> tuple[UInt8Array, FloatArray]:
        """A copy of the image, and zeros."""
        return image_HWC.copy(), np.zeros(image_HWC.shape[:2], np.float32)


@final
class AsIs(NoOcclusion):
    """Leaves a face as its dataset shows it, covered by a real or a published occluder.

    The one condition of pre-occluded datasets, and refused for others, where it would be a second name for `none`. What
    covers the face is not known, so the covered share is NaN in the record.
    """
