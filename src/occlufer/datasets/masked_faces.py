"""MaskedFER2023 and MaskedCK+ (Jiang et al., "MaskTheFER", DICTA 2023; doi 10.17632/sp3xssmzbg.1), as published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.fakes import FakeImages, grey48, texture
from occlufer.datasets.fer2013 import FOLDERS
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.manifest import named
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import DEFAULT_SPLITS, FolderMap, read_tree, subfolders
from occlufer.types import EXPRESSIONS, DatasetError, ImageError, unknown_name

COLLECTIONS: dict[str, str] = {"M-FER2013": "masked_fer2023", "M-CK+": "masked_ckplus"}
"""Folder of the published archive -> option of the group dataset."""

STRIP = (48, 24)
"""Width and height in pixels of the cropped version's images: the region of the eyes."""

_SUBJECT = re.compile(r"(S\d+)_")

# The sets are what was left of FER2013 when faces had been found: no class can have more. Its train part, and its
# PublicTest and PrivateTest together.
_FER2013 = {
    "train": dict(zip(FOLDERS.values(), (3995, 436, 4097, 7215, 4965, 4830, 3171), strict=True)),
    "test": dict(zip(FOLDERS.values(), (958, 111, 1024, 1774, 1233, 1247, 831), strict=True)),
}


@final
class MaskedFaces(StoredFaces):
    """FER2013 or CK+ with masks drawn on the faces by MaskTheFace, as the authors of study B published them.

    The faces are covered already (`covered`): no landmarks are looked for, and no occluder is placed. The cropped
    version holds the eye region alone, grey strips of 48x24 pixels.

    Expressions come from the class folders' names. In MaskedCK+ the beginning of a file's name (`S010_`) is the
    subject, by which validation is carved; the published train and test parts may share subjects, which the notes
    say and `resplit` mends. FER2013 names no people.

    Keys are paths below the collection's folder (`train/happy/S010_006_00000015.png`). How many images the published
    sets hold is not known here: for MaskedFER2023 a note says when a class has more than FER2013 itself.

    Args:
        root: the folder that holds the collection's folder, or that folder itself; None raises with the way to
            give one.
        collection: "M-FER2013" or "M-CK+", the beginning of the folder's name.
        name: short name for caches and run folders.
        cropped: use the cropped version (`M-CK+_cropped`), or the whole faces (`M-CK+`).
        resplit: throw the published train and test parts together and split anew, by subject where they are known;
            figures are then not comparable with published ones.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`; `test_share` counts where there is no test folder or under
            `resplit`.

    Raises:
        DatasetError: an unknown collection, a missing root, another layout, an unknown or empty class folder, a file
            of MaskedCK+ without a subject in its name, leaks under `duplicates=error`, unreadable files under
            `unreadable=error`.
    """

    covered = True

    def __init__(
        self,
        *,
        root: str | Path | None,
        collection: str,
        name: str,
        cropped: bool = True,
        resplit: bool = False,
        validation_share: float = 0.1,
        test_share: float = 0.2,
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
        if collection not in COLLECTIONS:
            raise DatasetError(unknown_name("dataset.collection", str(collection), COLLECTIONS))
        self.name = name
        wanted = _wanted(collection, cropped)
        self.root = _locate(existing_root(root, name=name, wanted=wanted), collection, cropped, name)
        tree = read_tree(
            self.root,
            name=name,
            classes=FolderMap("class", FOLDERS, tuple(FOLDERS)),
            splits=FolderMap("split", DEFAULT_SPLITS, ()),
        )
        store = FileStore(self.root)
        frame, notes = tree.frame, [*tree.notes, *_size_notes(store, tree.frame, cropped)]
        if collection == "M-CK+":
            frame = _with_subjects(frame, name)
        else:
            notes.extend(_more_than_fer2013(frame))
        if resplit and tree.split_folders:
            frame = frame.assign(split="train")
            notes.append(
                "The published train and test parts were thrown together and split anew (dataset.resplit)."
            )
        self._assemble(assembly, frame, store, notes=notes)


def _folder(collection: str, cropped: bool) -> str:
    return collection + "_cropped" * cropped


def _wanted(collection: str, cropped: bool) -> str:
    return (
        f"a folder {_folder(collection, cropped)} with train/ and test/ (class folders {', '.join(FOLDERS)}), or the "
        "folder that holds it"
    )


def _locate(root: Path, collection: str, cropped: bool, name: str) -> Path:
    """The collection's folder that `root` means."""
    folder, other = _folder(collection, cropped), _folder(collection, not cropped)
    there = {place.name.lower(): place for place in (*subfolders(root), root)} if root.is_dir() else {}
    if folder.lower() in there:
        return there[folder.lower()]
    if other.lower() in there:
        raise DatasetError(
            f"{name}: {root} holds {other}, the {'whole faces' if cropped else 'cropped version'}, and no {folder}. "
            f"Say dataset.cropped={str(not cropped).lower()}, or unpack {folder} too."
        )
    option, wanted = COLLECTIONS[collection], _wanted(collection, cropped)
    raise wrong_layout(root, name=name, title=folder, option=option, wanted=wanted)


def _with_subjects(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    matches = [_SUBJECT.match(Path(source).name) for source in frame["source"]]
    nameless = [source for source, match in zip(frame["source"], matches, strict=True) if match is None]
    if nameless:
        raise DatasetError(
            f"{name}: no subject in the names of {named(nameless)}. Wanted: names that begin with CK+'s subject, such "
            "as S010_004_00000017.png."
        )
    return frame.assign(subject=[match.group(1) for match in matches if match])


def _size_notes(store: FileStore, frame: pd.DataFrame, cropped: bool) -> Iterator[str]:
    """A sentence when the first image has not the shape of the version that was asked for."""
    first = str(frame["source"].iloc[0])
    try:
        height, width = store.load(first).shape[:2]
    except ImageError:
        return  # what cannot be read is left out and counted later
    if cropped != ((width, height) == STRIP):
        told = "strips of 48x24 pixels" if cropped else "whole faces"
        yield f"The images are not {told}: {first} has {width}x{height} pixels."


def _more_than_fer2013(frame: pd.DataFrame) -> Iterator[str]:
    """A sentence when a class is larger than it can be: its folder may hold another class."""
    sizes = frame.groupby(["split", "label"]).size()
    larger = [
        f"{expression} in {split} {sizes[split, EXPRESSIONS.index(expression)]:,} for {most:,}"
        for split, classes in _FER2013.items()
        for expression, most in classes.items()
        if sizes.get((split, EXPRESSIONS.index(expression)), 0) > most
    ]
    if larger:
        yield (
            f"More faces than FER2013 has, from which they were made: {', '.join(larger)}. Do the class folders hold "
            "what their names say?"
        )


def make_fake(
    root: Path, *, collection: str, cropped: bool = True, per_class: int = 4, images: FakeImages = texture
) -> Path:
    """Write a tiny published set for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        collection: "M-FER2013" or "M-CK+".
        cropped: the version.
        per_class: images of each expression in train and in test. Of M-CK+, each is another subject's, and the
            two parts share none.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey, and
            48x24 or 48x48 pixels. The number is different for every image.
    """
    folder_of = {expression: folder for folder, expression in FOLDERS.items()}
    number = 0
    for split, first in (("train", 10), ("test", 500)):
        for label, expression in enumerate(EXPRESSIONS):
            within = root / _folder(collection, cropped) / split / folder_of[expression]
            within.mkdir(parents=True, exist_ok=True)
            for place in range(per_class):
                image = Image.fromarray(grey48(images(label, number)))
                stem = f"S{first + place:03d}_{label:03d}_{number:08d}"
                if collection == "M-FER2013":
                    stem = f"{'Training' if split == 'train' else 'PublicTest'}_{number:08d}"
                image.resize(STRIP if cropped else (48, 48)).save(within / f"{stem}.png")
                number += 1
    return root
