"""AffectNet (Mollahosseini, Hasani, Mahoor, IEEE Transactions on Affective Computing, 2017): faces from the web."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.filenames import named_files
from occlufer.datasets.layouts import wrong_layout
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
_WANTED = (
    "AffectNet unpacked: a folder with train_set/ and val_set/ (or one of them), each with images/0.jpg and "
    "annotations/0_exp.npy. Copies with class folders are read by dataset=image_folder; say by dataset.classes what "
    "their numbers stand for, since copies number the expressions in different orders"
)
_CARVED_TEST = (
    "There is no val_set/: the test part was carved out of train, so that figures cannot be compared with published "
    "ones."
)


@final
class AffectNet(StoredFaces):
    """AffectNet's faces with annotations by hand, as published: `train_set/` and `val_set/`, cropped to 224x224.

    The labels of the published test set are not handed out, so that the split test is `val_set`, as in the
    literature; validation is carved out of train. People are not known. Contempt is left out and counted, as are
    images without an annotation. Annotations are read without pickle, whatever the files hold.

    Keys are set and number (`train_set/0`).

    Args:
        root: the folder that holds train_set/ and val_set/, or the one above it; None raises with the way to give one.
        name: short name for caches and run folders.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`; `test_share` only counts where val_set/ is missing.

    Raises:
        DatasetError: a missing root, another layout, an annotation that does not hold one code, leaks under
            `duplicates=error`, unreadable files under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "affectnet",
        validation_share: float = 0.05,
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
        self.name = name
        self.root = _locate(existing_root(root, name=name, wanted=_WANTED), name)
        frame, notes = _read(self.root, name)
        there = {split: classes for split, classes in _PUBLISHED.items() if split in set(frame["split"])}
        notes = (*notes, *check_counts(frame, there, name=name, title="AffectNet"))
        if "test" not in there:
            notes = (*notes, _CARVED_TEST)
        self._assemble(assembly, frame, FileStore(self.root), notes=notes)


def _locate(root: Path, name: str) -> Path:
    """The folder that holds the sets."""
    for folder in (root, *subfolders(root)) if root.is_dir() else ():
        if any(_is_set(below) for below in subfolders(folder)):
            return folder
    raise _wrong_layout(root, name)


def _is_set(folder: Path) -> bool:
    return folder.name in SETS and (folder / "images").is_dir() and (folder / "annotations").is_dir()


def _wrong_layout(root: Path, name: str) -> DatasetError:
    return wrong_layout(root, name=name, title="AffectNet", option="affectnet", wanted=_WANTED)


def _read(root: Path, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    rows = []
    notes: tuple[str, ...] = ()
    left_out: Counter[str] = Counter()
    for folder in filter(_is_set, subfolders(root)):
        files, odd = named_files(root, r"(\d+)", like="0.jpg", under=f"{folder.name}/images")
        expressions = _expressions(folder / "annotations", [file.parts[0] for file in files], name)
        unlabelled = []
        for file, expression in zip(files, expressions, strict=True):
            if expression is None:
                unlabelled.append(file.path)
            elif expression in EXPRESSIONS:
                label = EXPRESSIONS.index(expression)
                rows.append((f"{folder.name}/{file.key}", file.path, label, SETS[folder.name], None))
            else:
                left_out[expression] += 1
        notes = (*notes, *odd)
        if unlabelled:
            notes = (*notes, f"Left out, since there is no annotation: {named(unlabelled)}.")
    if left_out:
        counts = ", ".join(f"{label} {left_out[label]:,}" for label in CODES if left_out[label])
        notes = (*notes, f"Left out, since they show none of the seven expressions: {counts}.")
    if not rows:
        raise _wrong_layout(root, name)
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), notes


def _expressions(folder: Path, numbers: list[str], name: str) -> list[str | None]:
    """What each image's annotation says, None where there is none."""
    codes = ", ".join(f"{code} {label}" for code, label in enumerate(CODES))

    def read(number: Source) -> str | None:
        path = folder / f"{number}_exp.npy"
        try:
            with path.open("rb") as handle:
                text = str(np.load(handle, allow_pickle=False).item()).strip()
        except FileNotFoundError:
            return None
        except Exception as error:  # of damaged headers numpy raises whatever comes up
            raise DatasetError(
                f"{name}: {path} cannot be read as an array of text or numbers: {error}. Unpack the dataset again."
            ) from None
        if text not in {str(code) for code in range(len(CODES))}:
            raise DatasetError(f"{name}: {path} holds {text[:20]!r}. Wanted: one of {codes}.")
        return CODES[int(text)]

    return in_threads(read, list(numbers))


def make_fake(
    root: Path, *, per_class: int = 4, sets: tuple[str, ...] = tuple(SETS), images: FakeImages = texture
) -> Path:
    """Write a tiny AffectNet for tests, with contempt, and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        per_class: images of each expression in each set.
        sets: the set folders to write.
        images: (label in the order of `EXPRESSIONS`, 7 for contempt; running number) -> uint8 (H, W) or (H, W, 3). The
            number is different for every image.
    """
    number = 0
    for set_name in sets:
        for folder in ("images", "annotations"):
            (root / set_name / folder).mkdir(parents=True, exist_ok=True)
        for label, shown in enumerate((*EXPRESSIONS, "contempt")):
            for _ in range(per_class):
                image = Image.fromarray(images(label, number))
                image.save(root / set_name / "images" / f"{number}.jpg", quality=95)
                np.save(
                    root / set_name / "annotations" / f"{number}_exp.npy", np.array(str(CODES.index(shown)))
                )
                number += 1
    return root
