"""The same face with and without an occluder: what a de-occluder learns from."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, TypedDict, final

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from occlufer.data.faces import Ticket
from occlufer.data.view import SquareView
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.types import FloatArray, IntArray, UInt8Array, seeded_rng

WHOLE = 1 << 16
"""A side that no image has: a view asked for it leaves the face at the size it has."""


class Pair(TypedDict):
    """One face, or a batch of them after collation."""

    occluded: torch.Tensor  # float32 (3, S, S) in 0..1
    clean: torch.Tensor  # float32 (3, S, S) in 0..1
    alpha: torch.Tensor  # float32 (1, S, S) in 0..1


@dataclass(frozen=True, slots=True)
class CoveredFace:
    """A face before and after an occluder, uint8 RGB (S, S, 3), and the pasted alpha, float32 (S, S)."""

    clean_HWC: UInt8Array
    occluded_HWC: UInt8Array
    alpha_HW: FloatArray

    def resized(self, side: int) -> CoveredFace:
        """All three at another side."""
        way = cv2.INTER_AREA if side < self.clean_HWC.shape[0] else cv2.INTER_LINEAR
        parts = (
            cv2.resize(part, (side, side), interpolation=way)
            for part in (self.clean_HWC, self.occluded_HWC, self.alpha_HW)
        )
        return CoveredFace(*parts)  # type: ignore[arg-type]

    def tensors(self) -> Pair:
        """What a network takes."""
        clean, occluded = (
            torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
            for image in (self.clean_HWC, self.occluded_HWC)
        )
        return {"occluded": occluded, "clean": clean, "alpha": torch.from_numpy(self.alpha_HW)[None]}


@final
class CoveredPairs(Dataset[Pair]):
    """Faces with and without an occluder. `pairs[epoch, position]` is a pure function of its arguments.

    Args:
        faces, indices, cache, view, occluder: as `occlufer.data.faces.ConditionedFaces` has them.
        side: of the tensors, in pixels.
        seed: first word of every draw.
        fixed: whether the occlusion stays the same in every epoch, for held-out faces.
    """

    def __init__(
        self,
        *,
        faces: FaceDataset,
        indices: IntArray,
        cache: LandmarkCache,
        view: SquareView,
        occluder: Occluder[Any],
        side: int,
        seed: int,
        fixed: bool,
    ) -> None:
        self.faces, self.indices, self.cache = faces, indices, cache
        self.view, self.occluder = view, occluder
        self.side, self.seed, self.fixed = side, seed, fixed

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, ticket: Ticket) -> Pair:
        epoch, position = ticket
        index = int(self.indices[position])
        face = self.covered(index, 0 if self.fixed else epoch, side=self.side)
        return face.resized(self.side).tensors()

    def seen(self, index: int, *, side: int = WHOLE) -> tuple[UInt8Array, FloatArray]:
        """The face of a manifest row through the view, at most `side` pixels wide, and its landmarks there."""
        landmarks_N3 = self.cache.landmarks(self.faces.content_digest(index))
        assert landmarks_N3 is not None, "faces without landmarks make no pairs"
        return self.view(self.faces.load_image(index), landmarks_N3, hw=(side, side))

    def covered(self, index: int, number: int, *, side: int = WHOLE) -> CoveredFace:
        """The `number`-th occlusion of a manifest row's face, drawn at `min(side, its own side)`."""
        clean_HWC, landmarks_N3 = self.seen(index, side=side)
        key = self.faces.manifest.row(index).key
        rng = seeded_rng(self.seed, number, zlib.crc32(key.encode()))
        occluded_HWC, alpha_HW = self.occluder(rng, clean_HWC, landmarks_N3)
        return CoveredFace(clean_HWC, occluded_HWC, alpha_HW)
