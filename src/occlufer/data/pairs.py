"""Faces with and without an occluder, side by side: what a de-occluder learns from."""

from __future__ import annotations

from typing import TypedDict, final

import numpy as np
import torch
from torch.utils.data import Dataset

from occlufer.data.faces import Ticket
from occlufer.data.rendered import FaceRenderer, RenderedFace
from occlufer.types import IntArray, UInt8Array


class Pair(TypedDict):
    """One face, or a batch of them after collation."""

    occluded: torch.Tensor  # float32 (3, S, S) in 0..1
    clean: torch.Tensor  # float32 (3, S, S) in 0..1
    alpha: torch.Tensor  # float32 (1, S, S) in 0..1


def unit_tensor(image_HWC: UInt8Array) -> torch.Tensor:
    """uint8 (H, W, 3) to float32 (3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image_HWC.transpose(2, 0, 1))).float() / 255


def pair_tensors(face: RenderedFace) -> Pair:
    """The tensors of a square face, as a de-occluder takes them."""
    return {
        "occluded": unit_tensor(face.occluded_HWC),
        "clean": unit_tensor(face.clean_HWC),
        "alpha": torch.from_numpy(face.alpha_HW)[None],
    }


@final
class OccludedPairs(Dataset[Pair]):
    """Faces with and without an occluder. `pairs[epoch, position]` is a pure function of its arguments.

    Args:
        renderer: of the faces, under a square view.
        indices: rows of the manifest; every one has landmarks.
        side: of the tensors, in pixels.
        fixed: whether the occlusion stays the same in every epoch, for held-out faces.
    """

    def __init__(self, *, renderer: FaceRenderer, indices: IntArray, side: int, fixed: bool) -> None:
        self.renderer, self.indices, self.side, self.fixed = renderer, indices, side, fixed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, ticket: Ticket) -> Pair:
        epoch, position = ticket
        return pair_tensors(self.render(int(self.indices[position]), 0 if self.fixed else epoch))

    def render(self, index: int, number: int) -> RenderedFace:
        """The face of a manifest row under the occluder's `number`-th draw, at the tensors' size."""
        return self.renderer(index, number, hw=(self.side, self.side))
