"""FER2013 (Goodfellow et al., "Challenges in representation learning", 2013): class folders or csv."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces, one_of
from occlufer.datasets.base import Layout
from occlufer.datasets.counts import Counts
from occlufer.datasets.fer2013_csv import CSV_NAMES, read_csv
from occlufer.datasets.manifest import named
from occlufer.datasets.stores import ArrayStore, FileStore
from occlufer.datasets.trees import FolderMap, read_tree, subfolders
from occlufer.datasets.vocabulary import USUAL_SPLITS, is_split
from occlufer.types import EXPRESSIONS

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

_CARVED_TEST = (
    "This copy of FER2013 has no test part: it was carved out of train, so that figures cannot be compared "
    "with published ones."
)


@final
@dataclass(kw_only=True, eq=False, repr=False)
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
        root: the folder or csv file. A folder may hold it one level down in a folder `fer2013`.
        public_test: "validation", or "test": then both halves of the published test part are tested on, and
            validation is carved out of train.
    """

    name: str = "fer2013"
    public_test: str = "validation"
    title = "FER2013"
    option = "fer2013"
    wanted = (
        "FER2013 unpacked: a folder with train/ and test/ (class folders angry, disgust, fear, happy, neutral, "
        "sad, surprise), or one of the files fer2013.csv, icml_face_data.csv, train.csv, or the "
        "folder that holds it"
    )
    layouts = (
        Layout("FER2013's csv file", option, ("fer2013.csv",)),
        Layout("FER2013's csv file", option, ("icml_face_data.csv",)),
        Layout("FER2013's folders", option, ("train/angry/Training_*", "test/angry")),
    )

    def check(self) -> None:
        """Refuse other parts for PublicTest too."""
        super().check()
        one_of("public_test", self.public_test, ("validation", "test"))

    def locate(self, root: Path) -> Path | None:
        """The csv file, or the folder that holds train/, that `root` means."""
        if root.is_file():
            return root if root.suffix.lower() == ".csv" else None
        inner = [folder for folder in subfolders(root) if folder.name.lower() == "fer2013"]
        for folder in (root, *inner):
            if any(is_split(below.name) for below in subfolders(folder)):
                return folder
            for csv_name in CSV_NAMES:
                if (folder / csv_name).is_file():
                    return folder / csv_name
        return None

    def list_faces(self, root: Path) -> Listing:
        """The rows of the csv file, or the images of the tree."""
        listing = self._from_csv(root) if root.is_file() else self._from_folders(root)
        frame = listing.frame
        carved = (_CARVED_TEST,) if set(frame["split"]) == {"train"} else ()
        counts = self.count_notes(frame, _published(frame))
        beside = sorted(
            path.name for path in (root.parent if root.is_file() else root).glob("*.csv") if path != root
        )
        unread = (f"Files beside the faces that were not read: {named(beside)}.",) if beside else ()
        return Listing(frame, listing.store, (*listing.notes, *carved, *counts, *unread))

    def _from_csv(self, path: Path) -> Listing:
        table = read_csv(path, unreadable=self.unreadable)
        table.frame["split"] = table.frame["split"].replace("validation", self.public_test)
        return Listing(table.frame, ArrayStore(table.images_NHW), table.notes)

    def _from_folders(self, root: Path) -> Listing:
        tree = read_tree(
            root,
            name=self.name,
            classes=FolderMap("class", FOLDERS, {}, tuple(FOLDERS)),
            splits=FolderMap("split", {}, USUAL_SPLITS),
        )
        frame = tree.frame
        file_name = frame["source"].str.rsplit("/", n=1).str[-1]
        in_test = frame["split"] == "test"
        if (
            "validation" not in tree.split_folders
            and (in_test & file_name.str.startswith("PrivateTest")).any()
        ):
            frame.loc[in_test & file_name.str.startswith("PublicTest"), "split"] = self.public_test
        return Listing(frame, FileStore(root), tree.notes)


def _published(frame: pd.DataFrame) -> Counts:
    """The published counts of the parts that a copy of FER2013 is in."""
    if "validation" in set(frame["split"]):
        return {"train": _TRAIN, "validation": _PUBLIC, "test": _PRIVATE}
    both = {expression: _PUBLIC[expression] + _PRIVATE[expression] for expression in EXPRESSIONS}
    return {"train": _TRAIN, "test": both}
