"""RAF-DB, basic expressions (Li, Deng, Du, "Reliable crowdsourcing", CVPR 2017): official files or their mirror."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.rafdb_occlusions import only_occluded, rows_of_words
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import DEFAULT_SPLITS, FolderMap, read_tree, subfolders
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
_WANTED = (
    "RAF-DB's basic expressions: the official folder basic/ with EmoLabel/list_patition_label.txt and "
    "Image/aligned/, or the mirror's DATASET/train/ and DATASET/test/ with folders 1 to 7, or the folder that "
    "holds one of them"
)
_NAME = re.compile(r"(train|test)_\d+(?=_aligned$|$)")


@final
class RAFDB(StoredFaces):
    """RAF-DB's basic expressions, aligned 100x100 colour faces, from the official files or from the mirror's folders.

    Labels are RAF-DB's numbers 1 to 7 and mean what `CODES` says. Train and test are the published ones, and
    validation is carved out of train. Keys are the names in the label file without an ending
    (`train_00001`), in both layouts. People are not known.

    Args:
        root: the folder `basic` or the one that holds it; the mirror's `DATASET` or the one that holds it; None
            raises with the way to give one.
        occlusions: the list of test faces with real occlusions (Wang et al., "Region attention networks", 2020;
            `rafdb_occlusion_list.txt`); the test part is then these faces only. Its labels are checked against the
            dataset's. The type of occlusion, 1 to 4, becomes the manifest's column `occlusion_type`
            (0 elsewhere).
        name: short name for caches and run folders.
        validation_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, another layout, a bad row in a label file or list (the line is named),
            labels that disagree, class sizes of another label order, leaks under `duplicates=error`,
            unreadable files under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        occlusions: str | Path | None = None,
        name: str = "rafdb",
        validation_share: float = 0.1,
        split_seed: int = 0,
        duplicates: str = "drop",
        unreadable: str = "skip",
        limit: int | None = None,
    ) -> None:
        assembly = Assembly(
            validation_share=validation_share,
            test_share=0.1,  # never carved: both layouts bring their test part
            split_seed=split_seed,
            duplicates=duplicates,
            unreadable=unreadable,
            limit=limit,
        )
        self.name = name
        given = existing_root(root, name=name, wanted=_WANTED)
        self.root, labels = _locate(given, name)
        frame, notes = _read_official(self.root, labels, name) if labels else _read_mirror(self.root, name)
        for split in PUBLISHED:
            if split not in set(frame["split"]):
                raise DatasetError(f"{name}: {self.root} holds no {split} faces. Wanted: {_WANTED}.")
        notes = (*notes, *check_counts(frame, PUBLISHED, name=name, title="RAF-DB"))
        if occlusions is not None:
            frame, more = only_occluded(frame, Path(occlusions).expanduser(), name=name, codes=CODES)
            notes = (*notes, *more)
        self._assemble(assembly, frame, FileStore(self.root), notes=notes)


def _locate(root: Path, name: str) -> tuple[Path, Path | None]:
    """Where the images lie below, and the official label file, None for the mirror."""
    for place in (root / "basic", root):
        for spelling in LABEL_FILES:
            if (place / "EmoLabel" / spelling).is_file():
                return place, place / "EmoLabel" / spelling
    for place in (root / "DATASET", root):
        if place.is_dir() and any(_is_mirror_split(folder) for folder in subfolders(place)):
            return place, None
    raise wrong_layout(root, name=name, title="RAF-DB", option="rafdb", wanted=_WANTED)


def _is_mirror_split(folder: Path) -> bool:
    numbers = {below.name for below in subfolders(folder)} if folder.name.lower() in DEFAULT_SPLITS else set()
    return {"1", "7"} <= numbers and "0" not in numbers  # others number their classes from 0


def _read_official(root: Path, labels: Path, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    images = root / "Image" / "aligned"
    try:
        present = {path.name for path in images.iterdir()}
    except OSError:
        present = set()
    rows = []
    for line, cells in rows_of_words(labels):
        if len(cells) != 2:
            raise DatasetError(f"{labels}, line {line}: {len(cells)} words, wanted two: train_00001.jpg 5.")
        key = Path(cells[0]).stem.removesuffix("_aligned")
        match = _NAME.fullmatch(key)
        if match is None:
            raise DatasetError(
                f"{labels}, line {line}: {cells[0]!r} is no name of RAF-DB, such as train_00001.jpg or test_0001.jpg."
            )
        source = f"Image/aligned/{key}_aligned.jpg"
        rows.append((key, source, _label(cells[1], f"{labels}, line {line}"), match.group(1), None))
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    listed = {Path(source).name for source in frame["source"]}
    missing = sorted(listed - present)
    if missing or not listed:
        raise DatasetError(
            f"{name}: {len(missing):,} of the {len(listed):,} images that {labels.name} lists are not in {images}: "
            f"{named(missing) or 'it lists none'}. Unpack aligned.zip of the official archive there."
        )
    others = sorted(entry for entry in present - listed if entry.endswith(".jpg"))
    notes = (f"Images left out because {labels.name} does not list them: {named(others)}.",) if others else ()
    return frame, notes


def _label(code: str, where: str) -> int:
    if code not in CODES:
        hint = " Labels from 0 to 6 are another dataset's or a derived list." if code == "0" else ""
        raise DatasetError(f"{where}: {code[:20]!r} is not a label of RAF-DB. Wanted: {_ORDER}.{hint}")
    return EXPRESSIONS.index(CODES[code])


def _read_mirror(root: Path, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    tree = read_tree(
        root,
        name=name,
        classes=FolderMap("class", CODES, tuple(CODES)),
        splits=FolderMap("split", DEFAULT_SPLITS, ()),
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
    for split in PUBLISHED:
        for place in (root, root.parent):
            table = place / f"{split}_labels.csv"
            if table.is_file():
                _check_table(frame, table, name)
                break
    return frame, tree.notes


def _check_table(frame: pd.DataFrame, table: Path, name: str) -> None:
    """Refuse a mirror whose folders and table of labels disagree: one of them has another label order."""
    label_of = dict(zip(frame["key"], frame["label"], strict=True))
    wrong = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as handle:
            for line, row in enumerate(csv.reader(handle), start=1):
                match = _NAME.match(Path(row[0]).stem) if row else None
                if match is None and line > 1 and row:
                    raise DatasetError(f"{table}, line {line}: {row[0]!r} is no name of RAF-DB.")
                if match is None or match.group(0) not in label_of:
                    continue
                label = _label(row[-1].strip(), f"{table}, line {line}")
                if label != label_of[match.group(0)]:
                    folder = EXPRESSIONS[label_of[match.group(0)]]
                    wrong.append(f"{match.group(0)} {row[-1].strip()} {EXPRESSIONS[label]}, folder {folder}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read: {error}. Unpack the dataset again.") from None
    if wrong:
        raise DatasetError(
            f"{name}: {table.name} and the folders disagree: {named(wrong)}. Wanted, in both: {_ORDER}. Unpack "
            "the dataset again."
        )


def make_fake(
    root: Path,
    *,
    layout: str = "official",
    per_class: int = 4,
    label_file: str = LABEL_FILES[0],
    images: FakeImages = texture,
) -> Path:
    """Write a tiny RAF-DB for tests, with `rafdb_occlusion_list.txt` beside it, and return what to give as `root`.

    The list names every second test face and, as the real one, ends its lines by CR LF and has a row twice.

    Args:
        root: a folder, made if it is not there.
        layout: "official" or "mirror".
        per_class: images of each expression in each part.
        label_file: the spelling of the official label file.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3). The number is
            different for every image.
    """
    codes = {expression: code for code, expression in CODES.items()}
    rows: dict[str, list[tuple[str, str]]] = {split: [] for split in PUBLISHED}
    number = 0
    for split, named_faces in rows.items():
        for label, expression in enumerate(EXPRESSIONS):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:0{5 if split == 'train' else 4}d}"
                within = Path("basic/Image/aligned")
                if layout == "mirror":
                    within = Path("DATASET") / split / codes[expression]
                (root / within).mkdir(parents=True, exist_ok=True)
                Image.fromarray(images(label, number)).save(root / within / f"{stem}_aligned.jpg", quality=95)
                named_faces.append((stem, codes[expression]))
    if layout == "mirror":
        for split, faces in rows.items():
            lines = ["image,label", *(f"{stem}_aligned.jpg,{code}" for stem, code in faces)]
            (root / f"{split}_labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        (root / "basic/EmoLabel").mkdir()
        lines = [f"{stem}.jpg {code}" for faces in rows.values() for stem, code in faces]
        (root / "basic/EmoLabel" / label_file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    occluded = [f"{stem}_aligned {int(code) - 1} {1 + place % 4}"
                for place, (stem, code) in enumerate(rows["test"][::2])]  # fmt: skip
    (root / "rafdb_occlusion_list.txt").write_bytes("\r\n".join([*occluded, occluded[-1], ""]).encode())
    return root
