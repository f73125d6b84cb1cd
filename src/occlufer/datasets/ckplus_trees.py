"""The two layouts of CK+ that hold sequences of frames: the official tree, and the class folders of CK+48."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import pandas as pd

from occlufer.datasets.filenames import NamedFile, named_files
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.trees import FolderMap, files_below, subfolders
from occlufer.datasets.vocabulary import USUAL_CLASSES
from occlufer.types import EXPRESSIONS, DatasetError

CODES: tuple[str, ...] = (
    "neutral",
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "sadness",
    "surprise",
)
"""Expression of each code 0..7 in a label file of the official tree."""

IMAGES_FOLDER = "cohn-kanade-images"
LABEL_FOLDERS = ("emotion", "emotion_labels")  # the folder in the archive, and the archive's name
LIKE = "S005_001_00000011.png"

_FRAME = r"(S\d+)_(\d+)_(\d+)"
_LOOKED_AT = 100  # files of a class folder, to tell CK+48 from other trees
_LABEL_ENDING = "_emotion.txt"
_CLASSES = FolderMap(
    "class", {}, {name: target for name, target in USUAL_CLASSES.items() if target != "neutral"}
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One sequence, from the neutral face to the apex of an expression, or what a copy has kept of it.

    Attributes:
        subject: `S005`.
        frames: paths of its images below the root, in order of time; their names are unique in the set.
        expression: an expression or "contempt"; None where there is no label.
    """

    subject: str
    frames: tuple[str, ...]
    expression: str | None


def folder_named(folder: Path, names: Sequence[str]) -> Path | None:
    """The folder in `folder` that has one of these lower-case names, in any case; None when there is none."""
    return next((below for below in subfolders(folder) if below.name.lower() in names), None)


def has_class_folders(folder: Path) -> bool:
    """Whether a folder holds class folders of CK+48: their names, with images that are named like frames."""
    class_folders = filter(_CLASSES.knows, subfolders(folder))
    return any(
        re.fullmatch(_FRAME, path.stem)
        for below in class_folders
        for path in islice(below.iterdir(), _LOOKED_AT)
    )


def read_official(root: Path, name: str) -> tuple[list[Recording], tuple[str, ...]]:
    """All sequences of the official tree, labelled or not, and sentences about what was left out.

    Args:
        root: the folder that holds cohn-kanade-images/ and Emotion/.
        name: the dataset's name, for messages.

    Raises:
        DatasetError: a label file that does not hold one number from 0 to 7.
    """
    images, labels = folder_named(root, (IMAGES_FOLDER,)), folder_named(root, LABEL_FOLDERS)
    assert images is not None
    assert labels is not None
    files, odd = named_files(root, _FRAME, like=LIKE, under=images.name)
    expressions = _read_labels(labels, name)
    recordings = []
    for sequence, group in _by_sequence(files).items():
        frames = tuple(file.path for file in group)
        recordings.append(Recording(sequence[0], frames, expressions.pop(sequence, None)))
    if expressions:
        absent = named("_".join(sequence) for sequence in expressions)
        odd = (*odd, f"Labels of sequences whose images are not there: {absent}.")
    return recordings, odd


def read_class_folders(root: Path, name: str) -> tuple[list[Recording], tuple[str, ...]]:
    """The sequences of which CK+48 has kept the last frames, and sentences about what was left out.

    Args:
        root: the folder that holds anger/, contempt/ and so on.
        name: the dataset's name, for messages.

    Raises:
        DatasetError: a folder that is no class, a sequence that lies in two class folders.
    """
    recordings: list[Recording] = []
    notes: tuple[str, ...] = ()
    folder_of: dict[tuple[str, str], str] = {}
    for folder, known_as in _CLASSES.sort(subfolders(root)):
        expression = known_as or "contempt"
        files, odd = named_files(root, _FRAME, like=LIKE, under=folder.name)
        notes = (*notes, *odd)
        for sequence, group in _by_sequence(files).items():
            if folder_of.setdefault(sequence, folder.name) != folder.name:
                raise DatasetError(
                    f"{name}: the sequence {'_'.join(sequence)} lies in {folder_of[sequence]}/ and in {folder.name}/, "
                    "but shows one expression. Unpack the dataset again."
                )
            frames = tuple(file.path for file in group)
            recordings.append(Recording(sequence[0], frames, expression))
    return recordings, notes


def _by_sequence(files: list[NamedFile]) -> dict[tuple[str, str], list[NamedFile]]:
    """(subject, sequence) -> its files in order of time."""
    groups: dict[tuple[str, str], list[NamedFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: (file.parts[0], file.parts[1], int(file.parts[2]))):
        groups[file.parts[0], file.parts[1]].append(file)
    return groups


def _read_labels(folder: Path, name: str) -> dict[tuple[str, str], str]:
    """(subject, sequence) -> expression or contempt."""
    found = {}
    for key in files_below(folder):
        file_name = key.rsplit("/", 1)[-1]
        if file_name.lower().endswith(_LABEL_ENDING):
            subject, sequence, *_ = file_name.upper().split("_")
            found[subject, sequence] = _read_label(folder / key, name)
    if not found:
        raise DatasetError(
            f"{name}: no label file in {folder}. Wanted: files like Emotion/S005/001/S005_001_00000011_emotion.txt. "
            "Unzip Emotion_labels.zip again."
        )
    return found


def _read_label(path: Path, name: str) -> str:
    text = path.read_bytes()[:100].decode("ascii", errors="replace").strip()
    try:
        code = float(text)  # as in "   3.0000000e+00"
    except ValueError:
        code = -1.0
    if code not in range(len(CODES)):
        codes = ", ".join(f"{number} {expression}" for number, expression in enumerate(CODES))
        raise DatasetError(f"{name}: {path} holds {text[:20]!r}. Wanted: one number of {codes}.")
    return CODES[int(code)]


def faces_of(recordings: list[Recording], *, neutral_frames: int, apex_frames: int) -> pd.DataFrame:
    """The columns of a manifest: the first frames of each sequence as neutral, the last as its expression.

    A frame of a short sequence that is both counts as the expression. Contempt and sequences without a label give
    their first frames only.
    """
    rows = []
    for recording in recordings:
        apex = recording.frames[-apex_frames:] if recording.expression is not None else ()
        neutral = [frame for frame in recording.frames[:neutral_frames] if frame not in apex]
        labelled = [(frame, "neutral") for frame in neutral]
        labelled += [(frame, recording.expression) for frame in apex if recording.expression in EXPRESSIONS]
        for frame, expression in labelled:
            label = EXPRESSIONS.index(str(expression))
            rows.append((PurePosixPath(frame).stem, frame, label, "train", recording.subject))
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
