"""A face under an occluder: the one place where image, landmarks, view and occluder meet. Needs no torch."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from occlufer.data.view import PictureT, Size, View
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import AsIs
from occlufer.occlusion.scores import covered_share
from occlufer.types import (
    EXPRESSIONS,
    LANDMARK_COUNT,
    ConfigError,
    FloatArray,
    UInt8Array,
    seeded_rng,
)

# Occlusion and augmentation of a face draw from separate streams: the augmentation is the same under every occluder,
# however many numbers that one draws.
OCCLUSION, AUGMENTATION = 0, 1

_UNSHRUNK: Size = (1 << 16, 1 << 16)
"""A size that no image has: a view that is asked for it leaves a face at the size that it has."""


@final
class RenderedFace:
    """One face with and without an occluder, as a network is shown it before augmentation and normalisation.

    Nothing is computed before it is asked for, and nothing twice: a training reads `occluded_HWC` alone.

    Args:
        image_HWC: uint8 RGB; left untouched.
        landmarks_N3: float32 (468, 3), pixels of `image_HWC` (see `LANDMARK_COUNT`); None for faces that were
            photographed under an occluder, on which nothing can be placed.
        view: which part of the image is shown.
        occluder: what covers it.
        hw: height and width of the pictures; None for the size that the face has in the image, without the view's
            second step.
        rng: the occluder's only source of chance.
        label: index into `EXPRESSIONS`, or None where it is not known.
        key: the face's name in its dataset.
    """

    def __init__(
        self,
        image_HWC: UInt8Array,
        landmarks_N3: FloatArray | None,
        *,
        view: View,
        occluder: Occluder[Any],
        hw: Size | None,
        rng: np.random.Generator,
        label: int | None = None,
        key: str = "",
    ) -> None:
        self.label, self.key, self.hw = label, key, hw
        self._view, self._occluder, self._rng = view, occluder, rng
        self._has_mesh = landmarks_N3 is not None
        mesh_N3 = np.zeros((LANDMARK_COUNT, 3), np.float32) if landmarks_N3 is None else landmarks_N3
        # The picture that the occluder is placed on: never larger than the network needs, nor than the image is.
        self._seen_HWC, self._mesh_N3 = view(image_HWC, mesh_N3, hw=hw or _UNSHRUNK)

    @property
    def expression(self) -> str:
        """The label's name; empty where it is not known."""
        return "" if self.label is None else EXPRESSIONS[self.label]

    @functools.cached_property
    def occluded_HWC(self) -> UInt8Array:
        """Under the occluder, uint8 RGB (H, W, 3)."""
        occluded_HWC, _ = self._pasted
        return self._finished(occluded_HWC)

    @functools.cached_property
    def clean_HWC(self) -> UInt8Array:
        """Without the occluder, uint8 RGB (H, W, 3)."""
        return self._finished(self._seen_HWC)

    @functools.cached_property
    def alpha_HW(self) -> FloatArray:
        """How opaque the occluder is at each pixel of `occluded_HWC`, float32 (H, W) in 0..1."""
        _, alpha_HW = self._pasted
        return self._finished(alpha_HW)

    @functools.cached_property
    def landmarks_N3(self) -> FloatArray | None:
        """The mesh in pixels of `occluded_HWC`, float32 (468, 3); None where the face has none."""
        if not self._has_mesh:
            return None
        if self.hw is None:
            return self._mesh_N3
        seen = self._seen_HWC.shape
        return self._view.finish_landmarks(self._mesh_N3, (seen[0], seen[1]), hw=self.hw)

    @functools.cached_property
    def covered_share(self) -> float:
        """Share of the whole face's oval under the occluder, 0..1, also where the view shows a part of the face.

        NaN where the face has no mesh.
        """
        return covered_share(self._pasted[1], self._mesh_N3) if self._has_mesh else math.nan

    @functools.cached_property
    def _pasted(self) -> tuple[UInt8Array, FloatArray]:
        return self._occluder(self._rng, self._seen_HWC, self._mesh_N3)

    def _finished(self, picture: PictureT) -> PictureT:
        return picture if self.hw is None else self._view.finish(picture, self._mesh_N3, hw=self.hw)


@final
@dataclass(frozen=True, slots=True)
class FaceRenderer:
    """Renders the faces of a dataset under one occluder; what is drawn depends on (seed, number, key) alone.

    Attributes:
        faces: the dataset.
        cache: landmarks of every face that is asked for, unless the dataset is pre-occluded.
        view, occluder: see `RenderedFace`.
        seed: of every draw, together with number and key.

    Raises:
        ConfigError: see `check_fit`.
    """

    faces: FaceDataset
    cache: LandmarkCache
    view: View
    occluder: Occluder[Any]
    seed: int

    def __post_init__(self) -> None:
        check_fit(self.faces, self.view, {"occlusion": self.occluder})

    def __call__(self, index: int, number: int = 0, *, hw: Size | None) -> RenderedFace:
        """The face of a manifest row under the occluder's `number`-th draw (the epoch, in training)."""
        row = self.faces.manifest.row(index)
        return RenderedFace(
            self.faces.load_image(index), self._landmarks(index, row.key), view=self.view, occluder=self.occluder,
            hw=hw, rng=self.chance(row.key, number, OCCLUSION), label=row.label, key=row.key,
        )  # fmt: skip

    def chance(self, key: str, number: int, stream: int) -> np.random.Generator:
        """The generator of one stream of draws for one face."""
        # By its key, not its row: a face keeps its draws under a `dataset.limit`, or in another order on disk.
        return seeded_rng(self.seed, number, zlib.crc32(key.encode()), stream)

    def _landmarks(self, index: int, key: str) -> FloatArray | None:
        if self.faces.covered:
            return None
        landmarks_N3 = self.cache.landmarks(self.faces.content_digest(index))
        assert landmarks_N3 is not None, f"{key} has no landmarks and should have left every condition"
        return landmarks_N3


def check_fit(faces: FaceDataset, view: View, occluders: Mapping[str, Occluder[Any]]) -> None:
    """Refuse what needs landmarks for pre-occluded faces, and `as_is` for all others.

    Args:
        faces: the dataset.
        view: which part of an image is shown.
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
    misfits = [*wrong, *(["view"] if view.needs_landmarks else [])]
    if misfits:
        raise ConfigError(
            f"The faces of {faces.name} are covered already, so no landmarks are found in them; these settings need "
            f"landmarks: {', '.join(misfits)}. Use occlusion=as_is conditions=[as_is] view=full (view=stretched for "
            "sets that are cut to strips)."
        )
