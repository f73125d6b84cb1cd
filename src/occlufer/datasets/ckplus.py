"""CK+ (Lucey et al., "The extended Cohn-Kanade dataset", 2010): the official tree, CK+48, or ckextended.csv."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces, whole
from occlufer.datasets.base import Layout
from occlufer.datasets.ckplus_trees import (
    IMAGES_FOLDER,
    LABEL_FOLDERS,
    Recording,
    faces_of,
    folder_named,
    has_class_folders,
    read_class_folders,
    read_official,
)
from occlufer.datasets.fer2013_csv import CSV_LABELS, read_csv
from occlufer.datasets.stores import ArrayStore, FileStore
from occlufer.datasets.trees import subfolders
from occlufer.types import EXPRESSIONS, DatasetError, seeded_rng

CSV_NAME = "ckextended.csv"

_SEQUENCES = {"anger": 45, "disgust": 59, "fear": 25, "happiness": 69, "sadness": 28, "surprise": 83}
_ALL_SEQUENCES = 593


@final
@dataclass(kw_only=True, eq=False, repr=False)
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
        root: the folder or csv file. A folder may hold the set one level down.
        neutral_frames: frames at the beginning of each sequence that are taken for neutral, 0 for none; official
            tree only.
        apex_frames: frames at the end of each labelled sequence that are taken for its expression, at least 1;
            official tree and CK+48, which has three.
        one_per_subject_and_class: keep one face of each subject and expression, as study B does. Which one is drawn
            from `split_seed` and the names of subject and expression, so that it does not depend on other faces.
    """

    name: str = "ckplus"
    neutral_frames: int = 1
    apex_frames: int = 3
    one_per_subject_and_class: bool = False
    title = "CK+"
    option = "ckplus"
    wanted = (
        "CK+ unpacked: a folder with cohn-kanade-images/ and Emotion/, or CK+48 with its class folders (anger, "
        f"contempt, disgust, fear, happy, sadness, surprise; images like S010_004_00000017.png), or {CSV_NAME}"
    )
    layouts = (
        Layout("CK+'s official layout", option, ("cohn-kanade-images/S*", "Emotion/S*")),
        Layout("CK+48's class folders", option, ("CK+48/anger",)),
        Layout("CK+48's class folders", option, ("anger/S???_???_*.png", "contempt/S???_???_*.png")),
        Layout("CK+'s csv file", option, (CSV_NAME,)),
    )

    def check(self) -> None:
        """Refuse odd numbers of frames too."""
        super().check()
        whole("neutral_frames", self.neutral_frames, 0)
        whole("apex_frames", self.apex_frames, 1)

    def locate(self, root: Path) -> Path | None:
        """The csv file, or the folder that holds one of the two trees."""
        if root.is_file():
            return root if root.suffix.lower() == ".csv" else None
        for folder in (root, *subfolders(root)):
            if folder_named(folder, (IMAGES_FOLDER,)):
                if folder_named(folder, LABEL_FOLDERS):
                    return folder
                raise DatasetError(
                    f"{self.name}: {folder} holds {IMAGES_FOLDER}/ but no labels. Unzip Emotion_labels.zip beside it, "
                    "which makes the folder Emotion/."
                )
            if (folder / CSV_NAME).is_file():
                return folder / CSV_NAME
            if has_class_folders(folder):
                return folder
        return None

    def list_faces(self, root: Path) -> Listing:
        """The wanted frames of the sequences, or the rows of the csv file."""
        listing, published = self._from_csv(root) if root.is_file() else self._from_sequences(root)
        frame = listing.frame
        notes = (*listing.notes, *self.count_notes(frame.assign(split="all"), {"all": published}))
        if self.one_per_subject_and_class:
            frame = _one_per_subject_and_class(frame, self.split_seed, self.name)
            kept = f"One face of each subject and expression: {len(frame)} of {len(listing.frame)} kept."
            notes = (*notes, kept)
        classes = tuple(expression for expression in EXPRESSIONS if expression in published)
        return Listing(frame, listing.store, notes, classes)

    def _from_sequences(self, root: Path) -> tuple[Listing, dict[str, int]]:
        """What the trees hold, and the published number of faces by expression."""
        neutral_frames, apex_frames = self.neutral_frames, self.apex_frames
        official = folder_named(root, (IMAGES_FOLDER,)) is not None
        recordings, notes = (
            read_official(root, self.name) if official else read_class_folders(root, self.name)
        )
        if not recordings:
            raise self.not_found(root)
        if not official:
            notes = (*notes, "CK+48 has no neutral faces: six expressions are left.")
            neutral_frames, apex_frames = 0, min(apex_frames, 3)
        frame = faces_of(recordings, neutral_frames=neutral_frames, apex_frames=apex_frames)
        published = {expression: apex_frames * count for expression, count in _SEQUENCES.items()}
        if neutral_frames:
            published["neutral"] = neutral_frames * _ALL_SEQUENCES
        bare = sum(recording.expression is None for recording in recordings)
        if bare:
            notes = (*notes, f"{bare:,} sequences have no label: only their first, neutral frames are used.")
        return Listing(frame, FileStore(root), (*notes, *_contempt_of(recordings))), published

    def _from_csv(self, path: Path) -> tuple[Listing, dict[str, int]]:
        table = read_csv(path, labels=(*CSV_LABELS, None), unreadable=self.unreadable)
        notes = (
            f"{path.name} names no subjects: people stand in several splits, so that figures are too good. The "
            "official tree and CK+48 are split by subject.",
            *_left_out(table.unlabelled, "row"),
            *table.notes,
        )
        listing = Listing(table.frame, ArrayStore(table.images_NHW), notes)
        return listing, {**_SEQUENCES, "neutral": _ALL_SEQUENCES}


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
