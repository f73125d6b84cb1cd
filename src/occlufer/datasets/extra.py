"""More training images, made from a dataset's own faces: de-occluded, frontalised, or by any outside tool."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import final

import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.datasets.csv_rows import read_rows
from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.manifest import COLUMNS, Manifest, named
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import files_below
from occlufer.types import EXPRESSIONS, DatasetError, ImageError, UInt8Array

LIST_NAME = "extra.csv"
"""Columns: path (below the folder), source (the key of the face that the image was made from), and, if wanted for a
check, expression (its name). Without this file, images are tied to their sources by name."""

_PREFIX = "extra/"


@dataclass(frozen=True, slots=True)
class _Made:
    """An extra image: its path below the folder, and the row of the dataset that it was made from."""

    path: str
    source_row: int


@final
class WithExtra(FaceDataset):
    """A dataset with more training images, each tied to the face that it was made from.

    An extra image has the label and the subject of its source. It is used only where its source is in the train split:
    what was made from a validation or test face, of this split or of this fold, is left out, and so is what was made
    from a face that is not there (`dataset.limit`, dropped copies). An image that is byte for byte a validation or test
    face is left out too. Keys are `extra/` and the path.

    Args:
        faces: the dataset; splits and folds are settled before.
        folder: holds the images, in any folders below, and perhaps `LIST_NAME`. Without that list the path of an
            image must be its source's key but for the ending, or its file name the file name of one key alone.

    Raises:
        DatasetError: no such folder, no images, a list that names unknown files or other expressions than the
            sources have, or no image at all that can be tied to a face.
    """

    def __init__(self, faces: FaceDataset, folder: str | Path) -> None:
        self._faces = faces
        root = Path(folder).expanduser().absolute()
        if not root.is_dir():
            raise DatasetError(
                f"dataset.extra={folder} is no folder. Give dataset.extra=DIR, where DIR holds images made from "
                f"training faces and {LIST_NAME} with the columns path and source."
            )
        self._store = FileStore(root)
        listed = root / LIST_NAME
        table, bad = _read_list(listed) if listed.is_file() else (None, ())
        sources = _from_names(root, faces) if table is None else _from_list(listed, table)
        rows = {key: row for row, key in enumerate(faces.manifest.keys)}
        made = [_Made(path, rows[source]) for path, source in sources.items() if source in rows]
        if not made:
            raise DatasetError(
                f"dataset.extra={folder}: none of its {len(sources)} images is tied to a face of {faces.name} "
                f"({named(sources)}). Name each image like the face that it was made from, or write {LIST_NAME} with "
                f"the columns path and source, where a source is a key such as {faces.manifest.keys[0]!r}."
            )
        if table is not None:
            _check_expressions(listed, table, made, faces.manifest)
        kept, notes = self._leak_free(made, folder)
        if len(made) < len(sources):
            notes.append(
                f"{len(sources) - len(made)} extra images were left out: their source is not among the faces."
            )
        self.name, self.covered, self.left_out = faces.name, faces.covered, faces.left_out
        self.manifest = _joined(faces.manifest, kept)
        if unlisted := _unlisted(root, table, sources):
            notes.append(f"Images left out because {LIST_NAME} does not name them: {named(unlisted)}.")
        self.notes = (*faces.notes, *notes, *bad)

    def load_image(self, index: int) -> UInt8Array:
        """Read one image, uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""
        if index < len(self._faces):
            return self._faces.load_image(index)
        return self._store.load(self.manifest.row(index).source)

    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the stored image."""
        if index < len(self._faces):
            return self._faces.content_digest(index)
        return self._store.digest(self.manifest.row(index).source)

    def _leak_free(self, made: list[_Made], folder: str | Path) -> tuple[list[_Made], list[str]]:
        """Those whose source is a training face, and which copy no face of another split; sentences on the rest."""
        manifest = self._faces.manifest
        tied = [image for image in made if manifest.splits[image.source_row] == "train"]
        held_out = _digests(self._faces) if tied else set()
        copies = {image.path for image in tied if self._store.digest(image.path) in held_out}
        kept = [image for image in tied if image.path not in copies]
        notes = [f"{len(kept)} extra training images from {folder}."]
        if len(made) > len(tied):
            notes.append(
                f"{len(made) - len(tied)} extra images were left out: they were made from validation or test faces."
            )
        if copies:
            notes.append(f"{len(copies)} extra images were left out as copies of validation or test faces.")
        return kept, notes


def _digests(faces: FaceDataset) -> set[bytes]:
    """Of all faces that are not for training."""
    found = set()
    for index, split in enumerate(faces.manifest.splits):
        if split != "train":
            try:
                found.add(faces.content_digest(index))
            except ImageError:  # it cannot be read, so no image can be its copy
                continue
    return found


def _joined(manifest: Manifest, made: list[_Made]) -> Manifest:
    """The dataset's rows as they are, then one for each extra image."""
    rows = []
    for image in made:
        source = manifest.row(image.source_row)
        rows.append((_PREFIX + image.path, image.path, source.label, "train", source.subject))
    more = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    frame = pd.concat([manifest.frame, more], ignore_index=True) if rows else manifest.frame
    # Checked again for the keys; classes that the dataset's own limit left empty stay its affair.
    repeated = frame["key"].duplicated()
    if repeated.any():
        raise DatasetError(
            f"dataset.extra: these keys are taken: {named(frame.loc[repeated, 'key'])}. Rename them."
        )
    frame["subject"] = frame["subject"].astype(object).where(frame["subject"].notna(), None)
    return Manifest(frame, name=manifest.name, classes=manifest.classes)


def _from_list(path: Path, table: pd.DataFrame) -> dict[str, str | None]:
    """Path -> key of the source, from the rows of `LIST_NAME`."""
    _refuse(path, "leads out of its folder", [name for name in table["path"] if not _stays_inside(name)])
    _refuse(path, "is listed more than once", table.loc[table["path"].duplicated(), "path"])
    _refuse(path, "is no file", [name for name in table["path"] if not (path.parent / name).is_file()])
    return dict(zip(table["path"], table["source"], strict=True))


def _unlisted(root: Path, table: pd.DataFrame | None, sources: Container[str]) -> list[str]:
    """Images in the folder that its list does not name; none where there is no list."""
    below = [] if table is None else files_below(root)
    return [
        path for path in below if PurePosixPath(path).suffix.lower() in EXTENSIONS and path not in sources
    ]


def _read_list(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows of the list, text, and a sentence about bad ones, if any."""
    rows, bad = read_rows(path, lambda cells, _: dict(cells), wanted=("path", "source"))
    return pd.DataFrame([row for row in rows if row is not None]), bad


def _check_expressions(path: Path, table: pd.DataFrame, made: list[_Made], manifest: Manifest) -> None:
    """Where the list names expressions, they must be those of the sources."""
    if "expression" not in table.columns:
        return
    named_there = dict(zip(table["path"], table["expression"], strict=True))
    wrong = [
        f"{image.path} ({named_there[image.path]}, its source {expression})"
        for image in made
        if named_there[image.path] != (expression := EXPRESSIONS[manifest.labels[image.source_row]])
    ]
    _refuse(path, "names another expression than its source has", wrong)


def _refuse(path: Path, what: str, offenders: Iterable[str]) -> None:
    if found := list(offenders):
        raise DatasetError(f"{path}: {named(found)}: each {what}. Correct the list, or make it again.")


def _stays_inside(path: str) -> bool:
    parts = PurePosixPath(path)
    return bool(path) and not parts.is_absolute() and ".." not in parts.parts


def _from_names(root: Path, faces: FaceDataset) -> dict[str, str | None]:
    """Tie images to sources by path, or by file name where that is the name of one face alone."""
    by_path: dict[str, str] = {}
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for key in faces.manifest.keys:
        bare = _without_ending(key)
        by_path[str(bare)] = key
        by_name[bare.name].append(key)
    sources: dict[str, str | None] = {}
    for below in files_below(root):
        if PurePosixPath(below).suffix.lower() in EXTENSIONS:
            bare = _without_ending(below)
            alike = by_name.get(bare.name, [])
            only = alike[0] if len(alike) == 1 else None
            sources[below] = by_path.get(str(bare), only)
    if not sources:
        raise DatasetError(
            f"dataset.extra={root} holds no images ({', '.join(sorted(EXTENSIONS))}) and no {LIST_NAME}."
        )
    return sources


def _without_ending(path: str) -> PurePosixPath:
    """A path or key without the ending of an image; keys that name no file may hold dots (`KA.AN1.39`)."""
    bare = PurePosixPath(path)
    return bare.with_suffix("") if bare.suffix.lower() in EXTENSIONS else bare
