"""RAF-DB, basic expressions (Li, Deng, Du, "Reliable crowdsourcing", CVPR 2017): official files or their mirror."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import Layout
from occlufer.datasets.csv_rows import BadRow, read_lines, usable_rows, words
from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.rafdb_occlusions import only_occluded
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import FolderMap, read_tree, subfolders
from occlufer.datasets.vocabulary import USUAL_SPLITS, is_split
from occlufer.types import EXPRESSIONS, DatasetError

CODES: dict[str, str] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happiness",
    "5": "sadness",
    "6": "anger",
    "7": "neutral",
}
"""Label or folder number -> expression."""

LABEL_FILES: tuple[str, ...] = ("list_patition_label.txt", "list_partition_label.txt")
"""The label file as it is spelled in the official archive, and as some spell it."""

PUBLISHED: dict[str, dict[str, int]] = {
    "train": dict(zip(CODES.values(), (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)),
    "test": dict(zip(CODES.values(), (329, 74, 160, 1185, 478, 162, 680), strict=True)),
}
"""Faces of the 12,271 for training and the 3,068 for testing."""

_ORDER = ", ".join(f"{code} {expression}" for code, expression in CODES.items())
_NAME = re.compile(r"(train|test)_\d+(?=_aligned$|$)")


@final
@dataclass(kw_only=True, eq=False, repr=False)
class RAFDB(StoredFaces):
    """RAF-DB's basic expressions, aligned 100x100 colour faces, from the official files or from the mirror's folders.

    Labels are RAF-DB's numbers 1 to 7 and mean what `CODES` says. Train and test are the published ones, and
    validation is carved out of train. Keys are the names in the label file without an ending
    (`train_00001`), in both layouts. People are not known.

    Args:
        root: the folder `basic` or the one that holds it; the mirror's `DATASET` or the one that holds it.
        occlusions: the list of test faces with real occlusions (Wang et al., "Region attention networks", 2020;
            `rafdb_occlusion_list.txt`); the test part is then these faces only. Its labels are checked against the
            dataset's. The type of occlusion, 1 to 4, becomes the manifest's column `occlusion_type`
            (0 elsewhere).

    Labels that disagree between folders and tables, and class sizes of another label order, are a `DatasetError`.
    """

    name: str = "rafdb"
    occlusions: str | Path | None = None
    title = "RAF-DB"
    option = "rafdb"
    wanted = (
        "RAF-DB's basic expressions: the official folder basic/ with EmoLabel/list_patition_label.txt and "
        "Image/aligned/, or the mirror's DATASET/train/ and DATASET/test/ with folders 1 to 7, or the folder that "
        "holds one of them"
    )
    layouts = (
        Layout(
            "RAF-DB's official layout", option, ("basic/EmoLabel/list_pa*tition_label.txt", "basic/Image")
        ),
        Layout("RAF-DB's official layout", option, ("EmoLabel/list_pa*tition_label.txt", "Image")),
        Layout("RAF-DB's mirror layout", option, ("DATASET/train/1", "DATASET/train/7")),
        Layout("RAF-DB's mirror layout", option, ("train/1/train_*.*", "train/7")),
    )

    def locate(self, root: Path) -> Path | None:
        """The folder with EmoLabel/, or that with the mirror's split folders."""
        for place in (root / "basic", root):
            if _label_file(place):
                return place
        for place in (root / "DATASET", root):
            if place.is_dir() and any(_is_mirror_split(folder) for folder in subfolders(place)):
                return place
        return None

    def list_faces(self, root: Path) -> Listing:
        """The faces that the label file lists, or those in the mirror's folders."""
        labels = _label_file(root)
        frame, notes = (
            _read_official(root, labels, self.name, self.unreadable)
            if labels
            else _read_mirror(root, self.name, self.unreadable)
        )
        for split in PUBLISHED:
            if split not in set(frame["split"]):
                raise DatasetError(f"{self.name}: {root} holds no {split} faces. Wanted: {self.wanted}.")
        notes = (*notes, *self.count_notes(frame, PUBLISHED))
        if self.occlusions is not None:
            path = Path(self.occlusions).expanduser()
            frame, more = only_occluded(frame, path, name=self.name, codes=CODES, unreadable=self.unreadable)
            notes = (*notes, *more)
        return Listing(frame, FileStore(root), notes)


def _label_file(place: Path) -> Path | None:
    files = (place / "EmoLabel" / spelling for spelling in LABEL_FILES)
    return next((path for path in files if path.is_file()), None)


def _is_mirror_split(folder: Path) -> bool:
    numbers = {below.name for below in subfolders(folder)} if is_split(folder.name) else set()
    return {"1", "7"} <= numbers and "0" not in numbers  # others number their classes from 0


def _read_official(
    root: Path, labels: Path, name: str, unreadable: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    images = root / "Image" / "aligned"
    try:
        present = {path.name for path in images.iterdir()}
    except OSError:
        present = set()

    def parse(text: str, where: str) -> tuple[str, str, int, str, None]:
        name, code = words(text, 2, "train_00001.jpg 5")
        key = Path(name).stem.removesuffix("_aligned")
        match = _NAME.fullmatch(key)
        if match is None:
            raise BadRow(f"{name!r} is no name of RAF-DB, such as train_00001.jpg or test_0001.jpg")
        return key, f"Image/aligned/{key}_aligned.jpg", _label(code, where), match.group(1), None

    rows, bad = usable_rows(labels, read_lines(labels), parse, policy=unreadable)
    frame = pd.DataFrame(list(filter(None, rows)), columns=list(COLUMNS), dtype=object)
    listed = {Path(source).name for source in frame["source"]}
    missing = sorted(listed - present)
    if (unreadable == "error" and missing) or 2 * len(missing) > len(listed) or not listed:
        raise DatasetError(
            f"{name}: {len(missing):,} of the {len(listed):,} images that {labels.name} lists are not in {images}: "
            f"{named(missing) or 'it lists none'}. Unpack aligned.zip of the official archive there."
        )
    others = sorted(entry for entry in present - listed if Path(entry).suffix.lower() in EXTENSIONS)
    notes = (f"Images left out because {labels.name} does not list them: {named(others)}.",) if others else ()
    if missing:
        notes = (
            *notes,
            f"Rows of {labels.name} left out because their images are not there: {named(missing)}.",
        )
        frame = frame[[Path(source).name in present for source in frame["source"]]]
    return frame, (*bad, *notes)


def _label(code: str, where: str) -> int:
    if not code:
        raise BadRow("no label. Was the file cut off?")
    if code not in CODES:
        hint = " Labels from 0 to 6 are another dataset's or a derived list." if code == "0" else ""
        raise DatasetError(f"{where}: {code[:20]!r} is not a label of RAF-DB. Wanted: {_ORDER}.{hint}")
    return EXPRESSIONS.index(CODES[code])


def _read_mirror(root: Path, name: str, unreadable: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    tree = read_tree(
        root,
        name=name,
        classes=FolderMap("class", CODES, {}, tuple(CODES)),
        splits=FolderMap("split", {}, USUAL_SPLITS),
    )
    frame = tree.frame
    stems = [Path(source).stem for source in frame["source"]]
    matches = [_NAME.match(stem) for stem in stems]
    strange = [key for key, match in zip(frame["key"], matches, strict=True) if match is None]
    if strange:
        raise DatasetError(
            f"{name}: images under {root} do not have RAF-DB's names, such as train_00001_aligned.jpg: "
            f"{named(strange)}. Take them away, or read the tree by dataset=image_folder with a class map."
        )
    frame["key"] = [match.group(0) for match in matches if match]
    moved = frame["source"][[match.group(1) for match in matches if match] != frame["split"]]
    if len(moved):
        raise DatasetError(
            f"{name}: images of one part lie in the folder of another: {named(moved)}. Their names say where "
            "they belong."
        )
    notes = tree.notes
    for split in PUBLISHED:
        for place in (root, root.parent):
            table = place / f"{split}_labels.csv"
            if table.is_file():
                notes = (*notes, *_check_table(frame, table, name, unreadable))
                break
    return frame, notes


def _check_table(frame: pd.DataFrame, table: Path, name: str, unreadable: str) -> tuple[str, ...]:
    """Refuse a mirror whose folders and table of labels disagree: one of them has another label order."""
    label_of = dict(zip(frame["key"], frame["label"], strict=True))
    wrong: list[str] = []
    absent: list[str] = []

    def parse(text: str, where: str) -> None:
        cells = [cell.strip() for cell in re.split(r"[,;\t]", text.replace('"', ""))]
        match = _NAME.match(Path(cells[0]).stem)
        if match is None:
            if where.endswith("line 1"):  # names of columns
                return
            raise BadRow(f"{cells[0]!r} is no name of RAF-DB")
        key, code = match.group(0), cells[-1] if cells[1:] else ""
        label = _label(code, where)
        if key not in label_of:
            absent.append(key)
        elif label != label_of[key]:
            folder = EXPRESSIONS[label_of[key]]
            wrong.append(f"{key} {code} {EXPRESSIONS[label]}, folder {folder}")

    _, notes = usable_rows(table, read_lines(table), parse, policy=unreadable)
    if wrong:
        raise DatasetError(
            f"{name}: {table.name} and the folders disagree: {named(wrong)}. Wanted, in both: {_ORDER}. Unpack "
            "the dataset again."
        )
    return (*notes, *([f"{table.name} lists images that are not there: {named(absent)}."] if absent else []))
