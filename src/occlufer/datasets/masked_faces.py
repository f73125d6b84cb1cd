"""MaskedFER2023 and MaskedCK+ (Jiang et al., "MaskTheFER", DICTA 2023; doi 10.17632/sp3xssmzbg.1), as published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces, one_of
from occlufer.datasets.base import Layout
from occlufer.datasets.fer2013 import FOLDERS
from occlufer.datasets.manifest import named
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import FolderMap, read_tree, subfolders
from occlufer.datasets.vocabulary import USUAL_SPLITS
from occlufer.types import EXPRESSIONS, DatasetError, ImageError

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
@dataclass(kw_only=True, eq=False, repr=False)
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
        root: the folder that holds the collection's folder, or that folder itself.
        collection: "M-FER2013" or "M-CK+", the beginning of the folder's name.
        cropped: use the cropped version (`M-CK+_cropped`), or the whole faces (`M-CK+`).
        resplit: throw the published train and test parts together and split anew, by subject where they are known;
            figures are then not comparable with published ones. `test_share` counts there, and where there is no test
            folder.
    """

    collection: str
    cropped: bool = True
    resplit: bool = False
    test_share: float = 0.2
    covered = True
    layouts = (
        Layout("MaskedFER2023", "masked_fer2023", ("M-FER2013*",)),
        Layout("MaskedCK+", "masked_ckplus", ("M-CK+*",)),
    )

    def check(self) -> None:
        """Refuse unknown collections too; from here on it is known what the set is called."""
        super().check()
        one_of("collection", self.collection, COLLECTIONS)
        self.option = COLLECTIONS[self.collection]
        self.title = _folder(self.collection, self.cropped)
        self.wanted = (
            f"a folder {self.title} with train/ and test/ (class folders {', '.join(FOLDERS)}), or the folder that "
            "holds it"
        )

    def locate(self, root: Path) -> Path | None:
        """The collection's folder."""
        other = _folder(self.collection, not self.cropped)
        there = {place.name.lower(): place for place in (*subfolders(root), root)} if root.is_dir() else {}
        if self.title.lower() not in there and other.lower() in there:
            raise DatasetError(
                f"{self.name}: {root} holds {other}, the {'whole faces' if self.cropped else 'cropped version'}, and "
                f"no {self.title}. Say dataset.cropped={str(not self.cropped).lower()}, or unpack {self.title} too."
            )
        return there.get(self.title.lower())

    def list_faces(self, root: Path) -> Listing:
        """The images of the tree, with CK+'s subjects."""
        tree = read_tree(
            root,
            name=self.name,
            classes=FolderMap("class", FOLDERS, {}, tuple(FOLDERS)),
            splits=FolderMap("split", {}, USUAL_SPLITS),
        )
        store = FileStore(root)
        frame, notes = tree.frame, [*tree.notes, *_size_notes(store, tree.frame, self.cropped)]
        if self.collection == "M-CK+":
            frame = _with_subjects(frame, self.name)
        else:
            notes.extend(_more_than_fer2013(frame))
        if self.resplit and tree.split_folders:
            frame = frame.assign(split="train")
            notes.append(
                "The published train and test parts were thrown together and split anew (dataset.resplit)."
            )
        return Listing(frame, store, tuple(notes))


def _folder(collection: str, cropped: bool) -> str:
    return collection + "_cropped" * cropped


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
