"""Ordinary photographs, of which the faces were cut out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.datasets.images import read_image
from occlufer.datasets.manifest import Manifest, named
from occlufer.types import ConfigError, ImageError, UInt8Array

BOX = ("left", "top", "right", "bottom")
"""Columns of the manifest: where an image was cut out of its photograph, in pixels of that; NaN where it was not."""


@final
class CroppedFaces(FaceDataset):
    """A dataset of photographs, each replaced by the face that was cut out of it.

    Keys, labels, splits and subjects are those of the photographs; the manifest also says where each face was (`BOX`)
    and how many `others` its photograph shows. A photograph in which no face was seen stays whole, as a face may fill
    it.

    Args:
        faces: the photographs.
        crops: digest of a photograph, in hex -> (file of the crop, box, further faces), or (None, None, 0).
    """

    def __init__(
        self,
        faces: FaceDataset,
        crops: Mapping[str, tuple[Path | None, tuple[int, int, int, int] | None, int]],
    ) -> None:
        self._faces = faces
        self.name, self.covered, self.left_out = faces.name, faces.covered, faces.left_out
        found = [crops.get(_digest(faces, index), (None, None, 0)) for index in range(len(faces))]
        self._files = [path for path, _, _ in found]
        boxes = pd.DataFrame([box or (None,) * 4 for _, box, _ in found], columns=list(BOX), dtype=float)
        frame = pd.concat(
            [faces.manifest.frame, boxes.assign(others=[others for _, _, others in found])], axis=1
        )
        self.manifest = Manifest(frame, name=faces.manifest.name, classes=faces.manifest.classes)
        self.notes = (*faces.notes, *_notes(frame))

    def load_image(self, index: int) -> UInt8Array:
        """The crop, uint8 RGB (H, W, 3), or the whole photograph; raises `ImageError` when it cannot be decoded."""
        path = self._files[index]
        return self._faces.load_image(index) if path is None else read_image(path)

    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the crop's file, or those of the whole photograph."""
        path = self._files[index]
        if path is None:
            return self._faces.content_digest(index)
        try:
            return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
        except OSError as error:
            raise ImageError(f"{path}: cannot be opened: {error.strerror or error}.") from None


def check_crop(value: object) -> bool:
    """Whether `dataset.crop` asks for crops; raises `ConfigError` for what it cannot be."""
    if value not in (None, "face"):
        raise ConfigError(f"dataset.crop={value}: wanted face, or null for images that are cut out already.")
    return value == "face"


def _digest(faces: FaceDataset, index: int) -> str:
    try:
        return faces.content_digest(index).hex()
    except ImageError:
        return ""


def _notes(frame: pd.DataFrame) -> list[str]:
    whole, several = frame[frame[BOX[0]].isna()], frame[frame["others"] > 0]
    notes = [
        f"Faces cut out of {len(frame) - len(whole):,} of {len(frame):,} photographs (dataset.crop=face)."
    ]
    if len(several):
        notes.append(
            f"{len(several):,} of them show {int(several['others'].sum()):,} further faces; the largest central one is "
            f"taken: {named(several['key'])}."
        )
    if len(whole):
        notes.append(f"No face was seen in {len(whole):,}, which are used whole: {named(whole['key'])}.")
    return notes
