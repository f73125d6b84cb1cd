"""The hot path: decode -> view -> occlude -> resize -> augment -> normalise."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NotRequired, TypedDict, final

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from occlufer.data.rendered import AUGMENTATION, FaceRenderer, RenderedFace
from occlufer.data.transforms import Augmentation
from occlufer.data.view import Size
from occlufer.types import ConfigError, FloatArray, IntArray, UInt8Array

Ticket = tuple[int, int]
"""(epoch, position): the sampler hands out both, so that workers which live on know the epoch."""


class FaceBatch(TypedDict):
    """One face, or a batch of them after collation."""

    image: torch.Tensor  # float32 (C, H, W), normalised
    label: torch.Tensor  # int64
    index: torch.Tensor  # int64, row of the manifest
    covered_share: (
        torch.Tensor
    )  # float32 0..1; NaN in training, where it is not measured, and where it is not known
    clean: NotRequired[torch.Tensor]  # as `image`, without the occluder; where the objective compares the two


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


@final
class ConditionedFaces(Dataset[FaceBatch]):
    """Faces of one split under one condition. `faces[epoch, position]` is a pure function of its arguments.

    Args:
        renderer: of the dataset's faces under the condition.
        indices: rows of its manifest; every one has landmarks in the cache, unless the dataset is pre-occluded.
        augmentation: what is done to a picture in training.
        image: the network's input format.
        fixed: True for validation and test: the occlusion does not change with the epoch, its share is measured,
            and there is no augmentation.
        pairs: whether each item also has the face without the occluder, as `clean`, under the same augmentation.
    """

    def __init__(
        self,
        *,
        renderer: FaceRenderer,
        indices: IntArray,
        augmentation: Augmentation,
        image: ImageFormat,
        fixed: bool,
        pairs: bool = False,
    ) -> None:
        self.renderer, self.indices = renderer, indices
        self.augmentation, self.image = augmentation, image
        self.fixed, self.pairs = fixed, pairs

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, ticket: Ticket) -> FaceBatch:
        epoch, position = ticket
        index = int(self.indices[position])
        face = self.render(index, epoch)
        share = face.covered_share if self.fixed else math.nan
        item: FaceBatch = {
            "image": self._tensor(face.occluded_HWC, face.key, epoch),
            "label": torch.tensor(face.label),
            "index": torch.tensor(index),
            "covered_share": torch.tensor(share, dtype=torch.float32),
        }
        if self.pairs:
            item["clean"] = self._tensor(face.clean_HWC, face.key, epoch)
        return item

    def render(self, index: int, epoch: int) -> RenderedFace:
        """The face of a manifest row under the condition, before augmentation."""
        return self.renderer(index, 0 if self.fixed else epoch, hw=self.image.hw)

    def augmented(self, image_HWC: UInt8Array, key: str, epoch: int) -> UInt8Array:
        """A face's picture as training changes it in an epoch, uint8 RGB (H, W, 3); unchanged in evaluation."""
        if self.fixed:
            return image_HWC
        draw = self.renderer.chance(key, epoch, AUGMENTATION).integers(2**32)
        return self.augmentation(image_HWC, seed=int(draw))

    def _tensor(self, image_HWC: UInt8Array, key: str, epoch: int) -> torch.Tensor:
        return self.image.to_tensor(self.augmented(image_HWC, key, epoch))
