"""From a stored face to the network's input: decode -> view -> occlude -> resize -> augment -> normalise."""

from __future__ import annotations

import math
from typing import NotRequired, TypedDict, final

import torch
from torch.utils.data import Dataset

from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import AUGMENTATION, FaceRenderer, RenderedFace
from occlufer.data.transforms import Augmentation
from occlufer.types import IntArray, UInt8Array

Ticket = tuple[int, int]
"""(epoch, position): the sampler hands out both, so that loader workers which outlive an epoch know the next one."""


class FaceBatch(TypedDict):
    """One face, or a batch of them after collation."""

    image: torch.Tensor  # float32 (C, H, W), normalised
    label: torch.Tensor  # int64
    index: torch.Tensor  # int64, row of the manifest
    covered_share: torch.Tensor  # float32 0..1; NaN where it is not known, and in training (not measured)
    clean: NotRequired[torch.Tensor]  # as `image`, without the occluder; where the objective compares the two


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
        return torch.from_numpy(self.image.to_array(self.augmented(image_HWC, key, epoch)))
