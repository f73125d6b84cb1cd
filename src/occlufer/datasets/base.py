"""What a dataset is: a manifest of faces and a way to read each one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import pandas as pd

from occlufer.datasets.manifest import Manifest
from occlufer.types import EXPRESSIONS, FaceSample, FloatArray, UInt8Array

NOT_IN_DATASET = "not in the dataset: "
"""How the reasons of `left_out_table` begin, to tell them from those for which a face is in no condition."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How one set lies on disk.

    Attributes:
        title: what to call it.
        option: the adapter's file in conf/dataset/.
        signs: patterns of paths below the folder that is to be given as `dataset.root`; all must be there.
            Matched without regard to case, `*` and `?` within one part of a path.
    """

    title: str
    option: str
    signs: tuple[str, ...]


def left_out_table(frame: pd.DataFrame, reasons: Sequence[str]) -> pd.DataFrame:
    """Columns split, expression, key, reason of rows of a manifest that a dataset leaves out."""
    expressions = [EXPRESSIONS[label] for label in frame["label"]]
    told = [NOT_IN_DATASET + reason for reason in reasons]
    return pd.DataFrame(
        {"split": frame["split"], "expression": expressions, "key": frame["key"], "reason": told},
        dtype=object,
    ).reset_index(drop=True)


_NONE = left_out_table(pd.DataFrame(columns=["split", "label", "key"]), ())


class FaceDataset(ABC):
    """Faces with labels and splits. Length and index -> `FaceSample`, in the order of the manifest.

    Attributes:
        name: short lower-case name, used in caches and run folders.
        manifest: the validated table of faces.
        notes: sentences about what was dropped or odd, for the run's record and the report.
        near_duplicates: pairs across splits (`near_duplicates.COLUMNS`); None where `prepare` has not looked for them.
        left_out: faces that the dataset leaves out, where they are known one by one; see `left_out_table`.
        covered: whether the images show faces that are covered already (published masked sets, real headsets). No
            landmarks are looked for in them, and no occluder is placed: they are used as they are.
        layouts: how the set may lie on disk, by which a root that was meant for another dataset is known.
    """

    name: str
    manifest: Manifest
    notes: tuple[str, ...] = ()
    near_duplicates: pd.DataFrame | None = None
    left_out: pd.DataFrame = _NONE
    covered: bool = False
    layouts: tuple[Layout, ...] = ()

    @abstractmethod
    def load_image(self, index: int) -> UInt8Array:
        """Read one image, uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""

    @abstractmethod
    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the stored image: the file's bytes or the array's bytes and shape.

        The landmark cache is keyed by it, and equal digests are equal images.
        """

    def true_landmarks(self, index: int) -> FloatArray | None:
        """Known landmarks, float32 (468, 3) in pixels, where the dataset has them (drawn faces); else None.

        They are for scoring and tests: occluders are placed by the landmark cache on every dataset.
        """
        return None

    @final
    def __len__(self) -> int:
        return len(self.manifest)

    @final
    def __getitem__(self, index: int) -> FaceSample:
        row = self.manifest.row(index)
        return FaceSample(self.load_image(index), row.label, row.key)
