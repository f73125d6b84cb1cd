"""The hot path: decode -> view -> occlude -> resize -> augment -> normalise."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, TypedDict, final

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from occlufer.data.transforms import Augmentation
from occlufer.data.view import View
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.scores import covered_share
from occlufer.types import ConfigError, FloatArray, IntArray, UInt8Array, seeded_rng

Ticket = tuple[int, int]
"""(epoch, position): the sampler hands out both, so that workers which live on know the epoch."""

# Streams of chance of one face in one epoch. They are apart, so that all occluders, however many numbers they draw,
# meet the same augmentation.
_OCCLUSION, _AUGMENTATION = 0, 1


class FaceBatch(TypedDict):
    """One face, or a batch of them after collation."""

    image: torch.Tensor  # float32 (C, S, S), normalised
    label: torch.Tensor  # int64
    index: torch.Tensor  # int64, row of the manifest
    covered_share: torch.Tensor  # float32 0..1; NaN in training, where nobody asks


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """What the network takes: side in pixels, 1 (grey) or 3 (RGB) channels, and the normalisation of 0..1 values."""

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def create(
        cls, *, size: int, channels: int, mean: float | list[float], std: float | list[float]
    ) -> ImageFormat:
        """Check the values of the `image` group; raises `ConfigError`."""
        if not isinstance(size, int) or size < 16:
            raise ConfigError(f"image.size must be at least 16 pixels, found {size!r}; give a whole number.")
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
        return cls(size, channels, values[0], values[1])

    def to_tensor(self, image_HWC: UInt8Array) -> torch.Tensor:
        """uint8 RGB (S, S, 3) to the network's float32 (C, S, S)."""
        if self.channels == 1:
            image_HWC = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)[..., None]  # type: ignore[assignment]
        scaled = image_HWC.astype(np.float32) / np.float32(255)
        normalised = (scaled - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))


@final
class ConditionedFaces(Dataset[FaceBatch]):
    """Faces of one split under one condition. `faces[epoch, position]` is a pure function of its arguments.

    Args:
        faces: the dataset.
        indices: rows of its manifest; every one has landmarks in the cache.
        cache: the landmark cache.
        view, occluder, augmentation: what is done to an image, in this order.
        image: the network's input format.
        seed: first word of every draw.
        fixed: True for validation and test: the occlusion does not change with the epoch, its share is measured,
            and there is no augmentation.
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
            uint8 RGB (size, size, 3); the covered share of the face, 0..1 (NaN in training); the label.
        """
        sample = self.faces[index]
        landmarks_N3 = self.cache.landmarks(self.faces.content_digest(index))
        assert landmarks_N3 is not None, f"{sample.key} has no landmarks and should have left every condition"
        side = self.image.size
        image_HWC, landmarks_N3 = self.view(sample.image_HWC, landmarks_N3, side=side)
        # A face's number comes from its key, so that its draws outlive a `limit` or another order on disk.
        words = (self.seed, epoch, zlib.crc32(sample.key.encode()))
        image_HWC, alpha_HW = self.occluder(seeded_rng(*words, _OCCLUSION), image_HWC, landmarks_N3)
        share = _share(alpha_HW, landmarks_N3) if self.fixed else float("nan")
        if image_HWC.shape[0] != side:
            image_HWC = cv2.resize(image_HWC, (side, side), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
        if not self.fixed:
            draw = seeded_rng(*words, _AUGMENTATION).integers(2**32)
            image_HWC = self.augmentation(image_HWC, seed=int(draw))
        return image_HWC, share, sample.label


def _share(alpha_HW: FloatArray, landmarks_N3: FloatArray) -> float:
    return float(covered_share(alpha_HW, landmarks_N3))
