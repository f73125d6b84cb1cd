"""The hot path: decode -> view -> occlude -> resize -> augment -> normalise."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, final

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from occlufer.data.transforms import Augmentation
from occlufer.data.view import Size, View
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import AsIs
from occlufer.occlusion.scores import covered_share
from occlufer.types import LANDMARK_COUNT, ConfigError, FloatArray, IntArray, UInt8Array, seeded_rng

Ticket = tuple[int, int]
"""(epoch, position): the sampler hands out both, so that workers which live on know the epoch."""

# Streams of chance of one face in one epoch. They are apart, so that all occluders, however many numbers they draw,
# meet the same augmentation.
_OCCLUSION, _AUGMENTATION = 0, 1


class FaceBatch(TypedDict):
    """One face, or a batch of them after collation."""

    image: torch.Tensor  # float32 (C, H, W), normalised
    label: torch.Tensor  # int64
    index: torch.Tensor  # int64, row of the manifest
    covered_share: torch.Tensor  # float32 0..1; NaN in training, where nobody asks, and where nobody knows


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """What the network takes: height and width, 1 (grey) or 3 (RGB) channels, and the normalisation of 0..1 values."""

    hw: Size
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def create(
        cls, *, size: int | list[int], channels: int, mean: float | list[float], std: float | list[float]
    ) -> ImageFormat:
        """Check the values of the `image` group; `size` is a side, or [height, width]. Raises `ConfigError`."""
        sides = size if isinstance(size, list) else [size, size]
        if len(sides) != 2 or not all(isinstance(side, int) and side >= 16 for side in sides):
            raise ConfigError(
                f"image.size must be at least 16 pixels, found {size!r}; give a whole number, or [height,width]."
            )
        if channels not in (1, 3):
            raise ConfigError(f"model.in_chans must be 1 (grey) or 3 (RGB), found {channels}.")
        values = []
        for name, given in (("mean", mean), ("std", std)):
            try:
                several = tuple(map(float, given)) if isinstance(given, list) else (float(given),) * channels
            except (TypeError, ValueError):
                raise ConfigError(
                    f"image.{name} must be one number or {channels} for the channels, found {given!r}."
                ) from None
            if len(several) != channels:
                raise ConfigError(
                    f"image.{name} has {len(several)} numbers for {channels} channels; give one number or {channels}."
                )
            values.append(several)
        if min(values[1]) <= 0:
            raise ConfigError(f"image.std must be above 0, found {std}.")
        return cls((sides[0], sides[1]), channels, values[0], values[1])

    def to_tensor(self, image_HWC: UInt8Array) -> torch.Tensor:
        """uint8 RGB (H, W, 3) to the network's float32 (C, H, W)."""
        if self.channels == 1:
            image_HWC = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        # Each value is looked up, a plane a channel: a tenth of the time of arithmetic on whole images.
        planes_CHW = np.empty((self.channels, *image_HWC.shape[:2]), np.float32)
        for plane, channel, table in zip(
            planes_CHW, cv2.split(image_HWC), _tables(self.mean, self.std), strict=True
        ):
            cv2.LUT(channel, table, dst=plane)
        return torch.from_numpy(planes_CHW)


@functools.lru_cache(maxsize=8)
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> FloatArray:
    """What each of the 256 values becomes in each channel, float32 (C, 256)."""
    scaled = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    normalised = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    tables: FloatArray = np.ascontiguousarray(normalised.T)
    return tables


def check_fit(faces: FaceDataset, view: View, occluders: Mapping[str, Occluder[Any]]) -> None:
    """Refuse occluders and views that want landmarks for faces that are covered already, and `as_is` for all others.

    Args:
        faces: the dataset.
        view: what the network looks at.
        occluders: by the name that the user knows each by, such as "occlusion" or a condition.

    Raises:
        ConfigError: with the overrides that fit.
    """
    if not faces.covered:
        wrong = [name for name, occluder in occluders.items() if isinstance(occluder, AsIs)]
        if wrong:
            raise ConfigError(
                f"{', '.join(wrong)} asks for as_is, which is for datasets whose faces are covered already; those of "
                f"{faces.name} are not. Use none for bare faces."
            )
        return
    wrong = [name for name, occluder in occluders.items() if not isinstance(occluder, AsIs)]
    if wrong or view.needs_landmarks:
        misfits = [*wrong, *(["view"] if view.needs_landmarks else [])]
        raise ConfigError(
            f"The faces of {faces.name} are covered already: no landmarks are found in them, so nothing can be placed "
            f"on them or cut by them. {', '.join(misfits)} would have to. Use occlusion=as_is conditions=[as_is] "
            "view=full (view=stretched for sets that are cut to strips)."
        )


@final
class ConditionedFaces(Dataset[FaceBatch]):
    """Faces of one split under one condition. `faces[epoch, position]` is a pure function of its arguments.

    Args:
        faces: the dataset.
        indices: rows of its manifest; every one has landmarks in the cache, unless the faces are covered already.
        cache: the landmark cache.
        view, occluder, augmentation: what is done to an image, in this order.
        image: the network's input format.
        seed: first word of every draw.
        fixed: True for validation and test: the occlusion does not change with the epoch, its share is measured,
            and there is no augmentation.

    Raises:
        ConfigError: see `check_fit`.
    """

    def __init__(
        self,
        *,
        faces: FaceDataset,
        indices: IntArray,
        cache: LandmarkCache,
        view: View,
        occluder: Occluder[Any],
        augmentation: Augmentation,
        image: ImageFormat,
        seed: int,
        fixed: bool,
    ) -> None:
        check_fit(faces, view, {"occlusion": occluder})
        self.faces, self.indices, self.cache = faces, indices, cache
        self.view, self.occluder, self.augmentation = view, occluder, augmentation
        self.image, self.seed, self.fixed = image, seed, fixed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, ticket: Ticket) -> FaceBatch:
        epoch, position = ticket
        index = int(self.indices[position])
        covered, share, label = self.render(index, 0 if self.fixed else epoch)
        return {
            "image": self.image.to_tensor(covered),
            "label": torch.tensor(label),
            "index": torch.tensor(index),
            "covered_share": torch.tensor(share, dtype=torch.float32),
        }

    def render(self, index: int, epoch: int) -> tuple[UInt8Array, float, int]:
        """The face of a manifest row as the network meets it, before normalisation.

        Returns:
            uint8 RGB (H, W, 3); the covered share of the face, 0..1 (NaN in training, and where the faces are covered
            already); the label.
        """
        sample = self.faces[index]
        landmarks_N3 = self._landmarks(index, sample.key)
        image_HWC, landmarks_N3 = self.view(sample.image_HWC, landmarks_N3, hw=self.image.hw)
        # A face's number comes from its key, so that its draws outlive a `limit` or another order on disk.
        words = (self.seed, epoch, zlib.crc32(sample.key.encode()))
        image_HWC, alpha_HW = self.occluder(seeded_rng(*words, _OCCLUSION), image_HWC, landmarks_N3)
        asked = self.fixed and not self.faces.covered
        share = covered_share(alpha_HW, landmarks_N3) if asked else float("nan")
        image_HWC = self.view.finish(image_HWC, landmarks_N3, hw=self.image.hw)
        if not self.fixed:
            draw = seeded_rng(*words, _AUGMENTATION).integers(2**32)
            image_HWC = self.augmentation(image_HWC, seed=int(draw))
        return image_HWC, share, sample.label

    def _landmarks(self, index: int, key: str) -> FloatArray:
        if self.faces.covered:  # nothing that `check_fit` lets through looks at them
            return np.zeros((LANDMARK_COUNT, 3), np.float32)
        landmarks_N3 = self.cache.landmarks(self.faces.content_digest(index))
        assert landmarks_N3 is not None, f"{key} has no landmarks and should have left every condition"
        return landmarks_N3
