"""FER2013 (Goodfellow et al., "Challenges in representation learning", 2013): class folders or csv."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import Counts, check_counts
from occlufer.datasets.fakes import FakeImages, grey48, texture
from occlufer.datasets.fer2013_csv import CSV_NAMES, read_csv, write_csv
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.stores import ArrayStore, FileStore, ImageStore
from occlufer.datasets.trees import DEFAULT_SPLITS, FolderMap, read_tree, subfolders
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array, unknown_name

FOLDERS: dict[str, str] = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
    "surprise": "surprise",
}
"""Class folder -> expression."""

_TRAIN = dict(zip(EXPRESSIONS, (3995, 436, 4097, 7215, 4965, 4830, 3171), strict=True))
_PUBLIC = dict(zip(EXPRESSIONS, (467, 56, 496, 895, 607, 653, 415), strict=True))
_PRIVATE = dict(zip(EXPRESSIONS, (491, 55, 528, 879, 626, 594, 416), strict=True))

_WANTED = (
    "FER2013 unpacked: a folder with train/ and test/ (class folders angry, disgust, fear, happy, neutral, "
    "sad, surprise), or one of the files fer2013.csv, icml_face_data.csv, train.csv, or the "
    "folder that holds it"
)
_CARVED_TEST = (
    "This copy of FER2013 has no test part: it was carved out of train, so that figures cannot be compared "
    "with published ones."
)


@final
class FER2013(StoredFaces):
    """FER2013, 48x48 grey faces, as it comes: `{train,test}/<class>/` folders or one of three csv layouts.

    PublicTest is validation where PrivateTest is there (by the file names' beginnings, or by the column
    Usage), unless `public_test` says otherwise. Without PrivateTest, test is what there is, and validation is
    carved out of train; a csv file without the column Usage has its test part carved out too. Labels are
    mapped by name: csv codes and folder order differ.

    Keys are paths below the root in folders (`train/happy/Training_1.jpg`), and usage and row number in a csv
    file (`PublicTest_00017`, counted from 0 over the whole file).

    A csv file is parsed at once into a uint8 array (83 MB for all 35,887 faces), which pickling copies.

    Args:
        root: the folder or csv file; None raises with the way to give one. A folder may hold it one level
            down in a folder `fer2013`.
        name: short name for caches and run folders.
        public_test: "validation", or "test": then both halves of the published test part are tested on, and
            validation is carved out of train.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, another layout, an unknown or empty class folder, a csv file with a
            missing column, a bad label, usage or pixel (the line is named), leaks under `duplicates=error`,
            unreadable files under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "fer2013",
        public_test: str = "validation",
        validation_share: float = 0.1,
        test_share: float = 0.1,
        split_seed: int = 0,
        duplicates: str = "drop",
        unreadable: str = "skip",
        limit: int | None = None,
    ) -> None:
        assembly = Assembly(
            validation_share=validation_share,
            test_share=test_share,
            split_seed=split_seed,
            duplicates=duplicates,
            unreadable=unreadable,
            limit=limit,
        )
        if public_test not in (known := ("validation", "test")):
            raise DatasetError(unknown_name("dataset.public_test", str(public_test), known))
        self.name = name
        self.root = _locate(existing_root(root, name=name, wanted=_WANTED), name)
        frame, store, notes = _read(self.root, name, public_test)
        if set(frame["split"]) == {"train"}:
            notes = (*notes, _CARVED_TEST)
        self._assemble(assembly, frame, store, notes=notes)
        self.notes = (*self.notes, *check_counts(frame, _published(frame), name=name, title="FER2013"))


def _published(frame: pd.DataFrame) -> Counts:
    """The published counts of the parts that a copy of FER2013 is in."""
    present = set(frame["split"])
    if "validation" in present:
        return {"train": _TRAIN, "validation": _PUBLIC, "test": _PRIVATE}
    both = {expression: _PUBLIC[expression] + _PRIVATE[expression] for expression in EXPRESSIONS}
    return {"train": _TRAIN, "test": both} if "test" in present else {"train": _TRAIN}


def _locate(root: Path, name: str) -> Path:
    """The csv file, or the folder that holds train/, that `root` means."""
    if root.is_file():
        if root.suffix.lower() != ".csv":
            raise DatasetError(f"{name}: {root} is neither a folder nor a csv file. Wanted: {_WANTED}.")
        return root
    inner = [folder for folder in subfolders(root) if folder.name.lower() == "fer2013"]
    for folder in (root, *inner):
        if any(below.name.lower() in DEFAULT_SPLITS for below in subfolders(folder)):
            return folder
        for csv_name in CSV_NAMES:
            if (folder / csv_name).is_file():
                return folder / csv_name
    raise wrong_layout(root, name=name, title="FER2013", option="fer2013", wanted=_WANTED)


def _read(root: Path, name: str, public_test: str) -> tuple[pd.DataFrame, ImageStore, tuple[str, ...]]:
    if root.is_file():
        table = read_csv(root)
        table.frame["split"] = table.frame["split"].replace("validation", public_test)
        return table.frame, ArrayStore(table.images_NHW), ()
    tree = read_tree(
        root,
        name=name,
        classes=FolderMap("class", FOLDERS, tuple(FOLDERS)),
        splits=FolderMap("split", DEFAULT_SPLITS, ()),
    )
    frame = tree.frame
    file_name = frame["source"].str.rsplit("/", n=1).str[-1]
    in_test = frame["split"] == "test"
    if "validation" not in tree.split_folders and (in_test & file_name.str.startswith("PrivateTest")).any():
        frame.loc[in_test & file_name.str.startswith("PublicTest"), "split"] = public_test
    return frame, FileStore(root), tree.notes


def make_fake(
    root: Path,
    *,
    layout: str = "folders",
    per_class: int = 4,
    private_test: bool = False,
    images: FakeImages = texture,
) -> Path:
    """Write a tiny FER2013 for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        layout: "folders", "fer2013.csv", "icml_face_data.csv" or "train.csv".
        per_class: images of each expression in each part (Training, PublicTest, and PrivateTest if asked
            for).
        private_test: write PrivateTest too.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey
            and 48x48. The number is different for every image.
    """
    usages = ("Training", "PublicTest", "PrivateTest")[: 3 if private_test else 2]
    faces: list[tuple[str, int, UInt8Array]] = []
    for usage in usages if layout != "train.csv" else ("Training",):
        for label in range(len(EXPRESSIONS)):
            for _ in range(per_class):
                faces.append((usage, label, grey48(images(label, len(faces)))))
    root.mkdir(parents=True, exist_ok=True)
    if layout != "folders":
        return write_csv(root / layout, faces)
    folder_of: Mapping[str, str] = {expression: folder for folder, expression in FOLDERS.items()}
    for number, (usage, label, image) in enumerate(faces):
        folder = root / ("train" if usage == "Training" else "test") / folder_of[EXPRESSIONS[label]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{usage}_{number:08d}.jpg", quality=95)
    return root
