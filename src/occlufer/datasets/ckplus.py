"""CK+ (Lucey et al., "The extended Cohn-Kanade dataset", 2010): the official tree, CK+48, or ckextended.csv."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.ckplus_trees import (
    CODES,
    IMAGES_FOLDER,
    LABEL_FOLDERS,
    Recording,
    faces_of,
    folder_named,
    has_class_folders,
    read_class_folders,
    read_official,
)
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, grey48, texture
from occlufer.datasets.fer2013_csv import CSV_LABELS, read_csv, write_csv
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.stores import ArrayStore, FileStore, ImageStore
from occlufer.datasets.trees import subfolders
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array, seeded_rng, unknown_name

CSV_NAME = "ckextended.csv"

_SEQUENCES = {"anger": 45, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
_ALL_SEQUENCES = 593
_WANTED = (
    "CK+ unpacked: a folder with cohn-kanade-images/ and Emotion/, or CK+48 with its class folders (anger, contempt, "
    f"disgust, fear, happy, sadness, surprise; images like S010_004_00000017.png), or {CSV_NAME}"
)


@dataclass(frozen=True, slots=True)
class _Copy:
    """What a copy of CK+ holds.

    Attributes:
        frame: the columns of a manifest.
        store: where the images are.
        published: the published number of faces, by expression.
        notes: sentences about what was left out.
    """

    frame: pd.DataFrame
    store: ImageStore
    published: dict[str, int]
    notes: tuple[str, ...]


@final
class CKPlus(StoredFaces):
    """CK+: posed expressions of 123 people, from the neutral face to the apex, in any of three layouts.

    Official tree: 593 sequences in `cohn-kanade-images/S005/001/`, 327 of them labelled in `Emotion/`. The last frames
    of a labelled sequence show its expression, the first frames of every sequence are neutral.

    CK+48: class folders with the last three frames of the 327 labelled sequences, cut to 48x48; **no neutral faces**,
    so that the manifest has six classes.

    `ckextended.csv`: one frame a sequence as 48x48 pixels, with the first frames of all sequences as neutral; it names
    no subjects, so that people stand in all its splits.

    Contempt is left out and counted. Where subjects are known (the number after S), validation and test are carved out
    by subject; the csv file brings its splits.

    Keys are file names without their ending (`S005_001_00000011`), the same in both trees, or usage and row of the csv
    file (`Training_00017`).

    Args:
        root: the folder or csv file; None raises with the way to give one. A folder may hold the set one level down.
        name: short name for caches and run folders.
        neutral_frames: frames at the beginning of each sequence that are taken for neutral, 0 for none; official
            tree only.
        apex_frames: frames at the end of each labelled sequence that are taken for its expression, at least 1;
            official tree and CK+48, which has three.
        one_per_subject_and_class: keep one face of each subject and expression, as study B does. Which one is drawn
            from `split_seed` and the names of subject and expression, so that it does not depend on other faces.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, another layout, a bad label file, a bad row of the csv file (the line is
            named), `one_per_subject_and_class` without subjects, leaks under `duplicates=error`, unreadable files
            under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "ckplus",
        neutral_frames: int = 1,
        apex_frames: int = 3,
        one_per_subject_and_class: bool = False,
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
        for key, frames, least in (("neutral_frames", neutral_frames, 0), ("apex_frames", apex_frames, 1)):
            if not isinstance(frames, int) or frames < least:
                raise DatasetError(f"dataset.{key}={frames}: wanted a whole number, {least} or more.")
        self.name = name
        self.root = _locate(existing_root(root, name=name, wanted=_WANTED), name)
        copy = _read(self.root, name, neutral_frames, apex_frames)
        whole = copy.frame.assign(split="all")
        notes = (*copy.notes, *check_counts(whole, {"all": copy.published}, name=name, title="CK+"))
        frame = copy.frame
        if one_per_subject_and_class:
            frame = _one_per_subject_and_class(frame, split_seed, name)
            notes = (
                *notes,
                f"One face of each subject and expression: {len(frame)} of {len(copy.frame)} kept.",
            )
        classes = tuple(expression for expression in EXPRESSIONS if expression in copy.published)
        self._assemble(assembly, frame, copy.store, classes=classes, notes=notes)


def _locate(root: Path, name: str) -> Path:
    """The csv file, or the folder that holds one of the two trees, that `root` means."""
    if root.is_file():
        if root.suffix.lower() != ".csv":
            raise _wrong_layout(root, name)
        return root
    for folder in (root, *subfolders(root)):
        if folder_named(folder, (IMAGES_FOLDER,)):
            if folder_named(folder, LABEL_FOLDERS):
                return folder
            raise DatasetError(
                f"{name}: {folder} holds {IMAGES_FOLDER}/ but no labels. Unzip Emotion_labels.zip beside it, which "
                "makes the folder Emotion/."
            )
        if (folder / CSV_NAME).is_file():
            return folder / CSV_NAME
        if has_class_folders(folder):
            return folder
    raise _wrong_layout(root, name)


def _wrong_layout(root: Path, name: str) -> DatasetError:
    return wrong_layout(root, name=name, title="CK+", option="ckplus", wanted=_WANTED)


def _read(root: Path, name: str, neutral_frames: int, apex_frames: int) -> _Copy:
    if root.is_file():
        return _read_table(root)
    official = folder_named(root, (IMAGES_FOLDER,)) is not None
    recordings, notes = read_official(root, name) if official else read_class_folders(root, name)
    if not recordings:
        raise _wrong_layout(root, name)
    if not official:
        notes = (*notes, "CK+48 has no neutral faces: six expressions are left.")
        neutral_frames = 0
        apex_frames = min(apex_frames, 3)
    frame = faces_of(recordings, neutral_frames=neutral_frames, apex_frames=apex_frames)
    published = {expression: apex_frames * count for expression, count in _SEQUENCES.items()}
    if neutral_frames:
        published["neutral"] = neutral_frames * _ALL_SEQUENCES
    return _Copy(frame, FileStore(root), published, (*notes, *_contempt_of(recordings)))


def _read_table(path: Path) -> _Copy:
    table = read_csv(path, labels=(*CSV_LABELS, None))
    contempt = len(table.images_NHW) - len(table.frame)
    notes = (
        f"{path.name} names no subjects: people stand in several splits, so that figures are too good. The official "
        "tree and CK+48 are split by subject.",
        *_left_out(contempt, "row"),
    )
    published = {**_SEQUENCES, "neutral": _ALL_SEQUENCES}
    return _Copy(table.frame, ArrayStore(table.images_NHW), published, notes)


def _contempt_of(recordings: list[Recording]) -> tuple[str, ...]:
    return _left_out(sum(recording.expression == "contempt" for recording in recordings), "sequence")


def _left_out(count: int, what: str) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"Contempt is none of the seven expressions: {count} {what}{'s' * (count > 1)} left out.",)


def _one_per_subject_and_class(frame: pd.DataFrame, seed: int, name: str) -> pd.DataFrame:
    if frame["subject"].isna().any():
        raise DatasetError(
            f"{name}: dataset.one_per_subject_and_class=true needs subjects, and {CSV_NAME} names none. Give the "
            "official tree or CK+48 as dataset.root."
        )
    kept = []
    for _, faces in frame.groupby(["subject", "label"], sort=True):
        first = faces.iloc[0]
        draw = seeded_rng(seed, zlib.crc32(f"{first['subject']}/{EXPRESSIONS[first['label']]}".encode()))
        kept.append(faces["key"].sort_values().index[int(draw.integers(len(faces)))])
    return frame.loc[sorted(kept)]


def make_fake(
    root: Path, *, layout: str = "official", subjects: int = 6, images: FakeImages = texture
) -> Path:
    """Write a tiny CK+ for tests and return what to give as `root`.

    Each subject shows each of the six expressions and contempt once. In the official tree, sequences have six frames,
    the first three neutral, and each subject has one more sequence without a label.

    Args:
        root: a folder, made if it is not there.
        layout: "official", "CK+48" or "ckextended.csv"; in the last, the last two subjects are
            PublicTest and PrivateTest.
        subjects: people.
        images: (label in the order of `EXPRESSIONS`, 7 for contempt; running number) -> uint8 (H, W) or (H, W, 3). The
            number is different for every image.
    """
    writers = {"official": _fake_official, "CK+48": _fake_class_folders, CSV_NAME: _fake_table}
    if layout not in writers:
        raise DatasetError(unknown_name("layout of CK+", layout, writers))
    root.mkdir(parents=True, exist_ok=True)
    writers[layout](root, subjects, images)
    return root


_SHOWN = (*EXPRESSIONS, "contempt")
_POSED = tuple(expression for expression in _SHOWN if expression != "neutral")


def _fake_official(root: Path, subjects: int, images: FakeImages) -> None:
    number = 0
    for person in range(subjects):
        for sequence, expression in enumerate((*_POSED, None), start=1):
            below = f"S{10 + person:03d}/{sequence:03d}"
            stem = below.replace("/", "_")
            for frame in range(1, 7):
                shown = expression if expression and frame > 3 else "neutral"
                path = root / IMAGES_FOLDER / below / f"{stem}_{frame:08d}.png"
                _write(path, images(_SHOWN.index(shown), number))
                number += 1
            if expression is not None:
                path = root / "Emotion" / below / f"{stem}_{frame:08d}_emotion.txt"
                path.parent.mkdir(parents=True)
                path.write_text(f"   {CODES.index(expression):.7e}\n")


def _fake_class_folders(root: Path, subjects: int, images: FakeImages) -> None:
    number = 0
    for person in range(subjects):
        for sequence, expression in enumerate(_POSED, start=1):
            folder = root / "CK+48" / {"happiness": "happy"}.get(expression, expression)
            for frame in range(10, 13):
                path = folder / f"S{10 + person:03d}_{sequence:03d}_{frame:08d}.png"
                _write(path, grey48(images(_SHOWN.index(expression), number)))
                number += 1


def _write(path: Path, image: UInt8Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _fake_table(root: Path, subjects: int, images: FakeImages) -> None:
    usages = ["Training"] * (subjects - 2) + ["PublicTest", "PrivateTest"]
    rows = [
        (usage, label, grey48(images(label, len(_SHOWN) * person + label)))
        for person, usage in enumerate(usages)
        for label in range(len(_SHOWN))
    ]
    write_csv(root / CSV_NAME, rows, labels=(*CSV_LABELS, "contempt"), names=_SHOWN)
