"""AffectNet (Mollahosseini, Hasani, Mahoor, IEEE Transactions on Affective Computing, 2017): faces from the web."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import Layout
from occlufer.datasets.filenames import named_files
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.stores import FileStore, Source, in_threads
from occlufer.datasets.trees import subfolders
from occlufer.types import EXPRESSIONS, DatasetError

CODES: tuple[str, ...] = (
    "neutral",
    "happiness",
    "sadness",
    "surprise",
    "fear",
    "disgust",
    "anger",
    "contempt",
    "none",
    "uncertain",
    "no face",
)
"""What each code of an annotation stands for; the last three stand in the full release only."""

SETS: dict[str, str] = {"train_set": "train", "val_set": "test"}
"""Set folder -> split."""

_PUBLISHED = {
    "train": {
        "anger": 24_882,
        "disgust": 3_803,
        "fear": 6_378,
        "happiness": 134_415,
        "neutral": 74_874,
        "sadness": 25_459,
        "surprise": 14_090,
    },
    "test": dict.fromkeys(EXPRESSIONS, 500),
}
_CARVED_TEST = (
    "There is no val_set/: the test part was carved out of train, so that figures cannot be compared with published "
    "ones."
)


@final
@dataclass(kw_only=True, eq=False, repr=False)
class AffectNet(StoredFaces):
    """AffectNet's faces with annotations by hand, as published: `train_set/` and `val_set/`, cropped to 224x224.

    The labels of the published test set are not handed out, so that the split test is `val_set`, as in the
    literature; validation is carved out of train. People are not known. Contempt is left out and counted, as are
    images without an annotation and annotations without an image. Annotations are read without pickle, whatever the
    files hold.

    Keys are set and number (`train_set/0`).

    `test_share` only counts where val_set/ is missing. Annotations that cannot be read are left out and counted, or
    refused under `unreadable=error`; a code that is none of AffectNet's is a `DatasetError`.
    """

    name: str = "affectnet"
    validation_share: float = 0.05
    title = "AffectNet"
    option = "affectnet"
    wanted = (
        "AffectNet unpacked: a folder with train_set/ and val_set/ (or one of them), each with images/0.jpg and "
        "annotations/0_exp.npy. Copies with class folders are read by dataset=image_folder; say by dataset.classes "
        "what their numbers stand for, since copies number the expressions in different orders"
    )
    layouts = (
        Layout(title, option, ("train_set/annotations", "train_set/images")),
        Layout(title, option, ("val_set/annotations", "val_set/images")),
    )

    def locate(self, root: Path) -> Path | None:
        """The folder that holds the sets, `root` or one in it."""
        places = (root, *subfolders(root)) if root.is_dir() else ()
        return next((place for place in places if any(map(_is_set, subfolders(place)))), None)

    def list_faces(self, root: Path) -> Listing:
        """The images with an annotation that names one of the seven expressions."""
        frame, notes = _read(root, self.name, self.unreadable)
        if frame.empty:
            raise self.not_found(root)
        carved = () if "test" in set(frame["split"]) else (_CARVED_TEST,)
        return Listing(frame, FileStore(root), (*notes, *self.count_notes(frame, _PUBLISHED), *carved))


def _is_set(folder: Path) -> bool:
    return folder.name in SETS and (folder / "images").is_dir() and (folder / "annotations").is_dir()


def _read(root: Path, name: str, unreadable: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    rows = []
    notes: tuple[str, ...] = ()
    left_out: Counter[str] = Counter()
    for folder in filter(_is_set, subfolders(root)):
        files, odd = named_files(root, r"(\d+)", like="0.jpg", under=f"{folder.name}/images")
        expressions = _expressions(folder / "annotations", [file.parts[0] for file in files], name)
        damaged = [said for said in expressions if isinstance(said, DatasetError)]
        if damaged and unreadable == "error":
            raise damaged[0]
        unlabelled = []
        for file, expression in zip(files, expressions, strict=True):
            if expression is None:
                unlabelled.append(file.path)
            elif isinstance(expression, DatasetError):
                continue
            elif expression in EXPRESSIONS:
                label = EXPRESSIONS.index(expression)
                rows.append((f"{folder.name}/{file.key}", file.path, label, SETS[folder.name], None))
            else:
                left_out[expression] += 1
        notes = (*notes, *odd)
        if unlabelled:
            notes = (*notes, f"Left out, since there is no annotation: {named(unlabelled)}.")
        if damaged:
            notes = (*notes, f"Left out, since the annotation is damaged: {named(map(str, damaged))}.")
        notes = (*notes, *_without_image(folder, {file.parts[0] for file in files}))
    if others := [folder.name for folder in subfolders(root) if not _is_set(folder)]:
        notes = (*notes, f"Folders left out, as they are none of {', '.join(SETS)}: {named(others)}.")
    if left_out:
        counts = ", ".join(f"{label} {left_out[label]:,}" for label in CODES if left_out[label])
        notes = (*notes, f"Left out, since they show none of the seven expressions: {counts}.")
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), notes


def _without_image(folder: Path, numbers: set[str]) -> Iterator[str]:
    """A sentence about annotations whose images are not there."""
    ending = "_exp.npy"
    names = (path.name for path in (folder / "annotations").iterdir())
    absent = sorted(
        name for name in names if name.endswith(ending) and name.removesuffix(ending) not in numbers
    )
    if absent:
        yield f"Annotations left out, since there is no image: {named(absent)}."


def _expressions(folder: Path, numbers: list[str], name: str) -> list[str | DatasetError | None]:
    """What each image's annotation says, None where there is none, the error where it is damaged."""
    codes = ", ".join(f"{code} {label}" for code, label in enumerate(CODES))

    def read(number: Source) -> str | DatasetError | None:
        path = folder / f"{number}_exp.npy"
        try:
            with path.open("rb") as handle:
                text = str(np.load(handle, allow_pickle=False).item()).strip()
        except FileNotFoundError:
            return None
        except Exception as error:  # of damaged headers numpy raises whatever comes up
            return DatasetError(
                f"{name}: {path} cannot be read as an array of text or numbers: {error}. Unpack the dataset again."
            )
        if text not in {str(code) for code in range(len(CODES))}:
            raise DatasetError(f"{name}: {path} holds {text[:20]!r}. Wanted: one of {codes}.")
        return CODES[int(text)]

    return in_threads(read, list(numbers))
