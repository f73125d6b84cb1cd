"""Random changes to the training images. The one importer of albumentations."""

from __future__ import annotations

import random
from typing import final

import albumentations as A
import cv2
import numpy as np

from occlufer.types import UInt8Array

Range = tuple[float, float]


@final
class Augmentation:
    """Mirror, shift, turn, scale, brighten: a pure function of the image and a seed.

    The draws depend on the seed alone, not on the image or on what covers it, so every condition meets the same ones.

    Args:
        flip: probability of a mirror image.
        rotation_range: degrees, counter-clockwise.
        scale_range: zoom factors.
        shift_range: shares of the side, for x and y alike.
        brightness_range, contrast_range: relative change, 0 is none.
    """

    def __init__(
        self,
        *,
        flip: float = 0.0,
        rotation_range: Range = (0.0, 0.0),
        scale_range: Range = (1.0, 1.0),
        shift_range: Range = (0.0, 0.0),
        brightness_range: Range = (0.0, 0.0),
        contrast_range: Range = (0.0, 0.0),
    ) -> None:
        steps: list[A.BasicTransform] = []
        if flip > 0:
            steps.append(A.HorizontalFlip(p=flip))
        if any(map(any, (rotation_range, shift_range))) or tuple(scale_range) != (1.0, 1.0):
            shift = tuple(shift_range)
            affine = A.Affine(
                rotate=tuple(rotation_range), scale=tuple(scale_range), translate_percent={"x": shift, "y": shift},
                border_mode=cv2.BORDER_REPLICATE, p=1.0,
            )  # fmt: skip
            steps.append(affine)
        if any(brightness_range) or any(contrast_range):
            light = A.RandomBrightnessContrast(
                brightness_limit=tuple(brightness_range), contrast_limit=tuple(contrast_range), p=1.0
            )
            steps.append(light)
        self._steps = steps
        # albumentations' own reseeding builds new generators for every sample (0.4 ms) and its loader workers share
        # their draws; here all steps share two generators, whose state is set anew for every sample.
        self._numpy_random = np.random.Generator(np.random.PCG64(0))
        self._python_random = random.Random(0)
        for step in steps:
            step.set_random_state(self._numpy_random, self._python_random)

    def __call__(self, image_HWC: UInt8Array, *, seed: int) -> UInt8Array:
        """The changed image, uint8 of the same shape; the same seed gives the same change."""
        if not self._steps:
            return image_HWC
        self._python_random.seed(seed)
        self._numpy_random.bit_generator.state = np.random.PCG64(seed).state
        for step in self._steps:
            image_HWC = step(image=image_HWC)["image"]
        return image_HWC
