"""Random changes to the training images, and occluders as a transform. The one importer of albumentations."""

from __future__ import annotations

import os
import random
from typing import Any, final

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version

import albumentations as A
import cv2
import numpy as np

from occlufer.occlusion.base import Occluder
from occlufer.types import LANDMARK_COUNT, LandmarkError, UInt8Array

Range = tuple[float, float]


@final
class Augmentation:
    """Mirror, shift, rotate, scale, shear, brighten: a pure function of the image and a seed.

    The draws depend on the seed alone, not on the image or on what covers it: they are the same in every condition.

    Args:
        flip: probability of a mirror image.
        rotation_range: degrees, counter-clockwise.
        scale_range: zoom factors, drawn apart for x and y.
        shift_range: shares of the side, for x and y alike.
        shear_range: degrees, for x and y alike.
        brightness_range, contrast_range: relative change, 0 is none.
    """

    def __init__(
        self,
        *,
        flip: float = 0.0,
        rotation_range: Range = (0.0, 0.0),
        scale_range: Range = (1.0, 1.0),
        shift_range: Range = (0.0, 0.0),
        shear_range: Range = (0.0, 0.0),
        brightness_range: Range = (0.0, 0.0),
        contrast_range: Range = (0.0, 0.0),
    ) -> None:
        steps: list[A.BasicTransform] = []
        if flip > 0:
            steps.append(A.HorizontalFlip(p=flip))
        if any(map(any, (rotation_range, shift_range, shear_range))) or tuple(scale_range) != (1.0, 1.0):
            shift = tuple(shift_range)
            affine = A.Affine(
                rotate=tuple(rotation_range), scale=tuple(scale_range), translate_percent={"x": shift, "y": shift},
                shear=tuple(shear_range), border_mode=cv2.BORDER_REPLICATE, p=1.0,
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


@final
class Occlude(A.ImageOnlyTransform):  # type: ignore[misc]
    """An occluder as a step of an albumentations `Compose`, for pipelines of one's own.

    The landmarks come with the call, as `compose(image=image, landmarks=landmarks)`: float (N, 468, 3), or (468, 3)
    for one face, in pixels of `image` *as this step meets it*; put it before steps that move pixels. An image may hold
    many faces; all are covered, one after the other. The draws come from the pipeline's own generator.

    Args:
        occluder: any occluder, as made from a file of conf/occlusion.
        p: probability of covering an image.
    """

    class InitSchema(A.BasicTransform.InitSchema):  # type: ignore[misc]
        """What albumentations checks of the constructor's arguments: `p`."""

        occluder: Any

    def __init__(self, occluder: Occluder[Any], p: float = 1.0) -> None:
        super().__init__(p=p)
        self.occluder = occluder

    @property
    def targets_as_params(self) -> list[str]:
        """What `get_params_dependent_on_data` is given: the image and the landmarks."""
        return ["image", "landmarks"]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        """Draw what is done to each face; raises `LandmarkError` for landmarks of another shape."""
        faces_FN3 = np.asarray(data["landmarks"], np.float32)
        if faces_FN3.ndim == 2:
            faces_FN3 = faces_FN3[None]
        if faces_FN3.shape[1:] != (LANDMARK_COUNT, 3):
            raise LandmarkError(
                f"Occlude wanted landmarks of shape (faces, {LANDMARK_COUNT}, 3), found {faces_FN3.shape}."
            )
        height, width = data["image"].shape[:2]
        rng = self.random_generator
        return {"faces": [(face, self.occluder.sample(rng, face, (height, width))) for face in faces_FN3]}

    def apply(self, img: UInt8Array, faces: list[tuple[Any, Any]], **params: Any) -> UInt8Array:
        """Cover all faces of one image, uint8 RGB (H, W, 3)."""
        for landmarks_N3, drawn in faces:
            img, _ = self.occluder.apply(img, landmarks_N3, drawn)
        return img

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """The constructor's arguments that albumentations shows when it prints a pipeline."""
        return ("occluder",)
