"""Reading `split/class/` and `class/` trees of image files into a table of faces."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.layouts import nearest_layout
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.types import EXPRESSIONS, SPLITS, DatasetError, unknown_name

_SPELLINGS: dict[str, tuple[str, ...]] = {
    "anger": ("anger", "angry"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful", "afraid", "scared"),
    "happiness": ("happiness", "happy", "joy"),
    "neutral": ("neutral", "neutrality"),
    "sadness": ("sadness", "sad"),
    "surprise": ("surprise", "surprised"),
}
DEFAULT_CLASSES: dict[str, str | None] = {
    spelling: expression for expression, spellings in _SPELLINGS.items() for spelling in spellings
}
"""Folder name, lower case -> expression."""

DEFAULT_SPLITS: dict[str, str | None] = {
    "train": "train",
    "training": "train",
    "train_set": "train",
    "training_set": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "val_set": "validation",
    "validation_set": "validation",
    "test": "test",
    "testing": "test",
    "test_set": "test",
}
"""Folder name, lower case -> split."""

_JUNK_FOLDERS = frozenset({"__macosx", "@eadir", "lost+found"})


@dataclass(frozen=True, slots=True)
class FolderMap:
    """Folder names and what they stand for; matched without regard to case.

    Attributes:
        what: "class" or "split".
        names: lower-case folder name -> expression or split, or None to leave the folder out.
        declared: the lower-case names that must be there.
        argument: the setting that takes more names, None when there is none.
    """

    what: str
    names: Mapping[str, str | None]
    declared: tuple[str, ...]
    argument: str | None = None

    @classmethod
    def over_defaults(
        cls, what: str, given: Mapping[str, str | None] | None, defaults: Mapping[str, str | None]
    ) -> FolderMap:
        """The user's entries laid over the defaults; `DatasetError` for a target that does not exist."""
        known = EXPRESSIONS if what == "class" else SPLITS
        names = dict(defaults)
        declared = []
        for folder, target in (given or {}).items():
            if target is not None and target not in known:
                kind = "expression" if what == "class" else "split"
                raise DatasetError(
                    f"{what} map, folder {str(folder)!r}: {unknown_name(kind, str(target), known)} "
                    "Use null to leave the folder out."
                )
            names[str(folder).lower()] = target
            declared.append(str(folder).lower())
        argument = "dataset.classes" if what == "class" else "dataset.splits"
        return cls(what, names, tuple(declared), argument)

    def knows(self, folder: Path) -> bool:
        """True when the folder's name is in the map, be it to be left out."""
        return folder.name.lower() in self.names

    def target(self, folder: Path) -> str | None:
        """What the folder stands for, None if left out; `DatasetError` when the map does not know it."""
        if not self.knows(folder):
            known = [name for name, target in self.names.items() if target is not None]
            advice = "Remove the folder, or use dataset=image_folder, which can map it or leave it out."
            if self.argument is not None:
                setting = f"+{self.argument}.{folder.name}"
                advice = f"To map it say {setting}=NAME; to leave it out say {setting}=null."
            raise DatasetError(
                f"{folder}: {unknown_name(f'{self.what} folder', folder.name, known)} {advice}"
            )
        return self.names[folder.name.lower()]


@dataclass(frozen=True, slots=True)
class Tree:
    """What a tree holds.

    Attributes:
        frame: the columns of a manifest; `split` is "train" throughout when the tree has no split folders.
        classes: the expressions that have a folder.
        split_folders: the splits that have a folder, empty for a `class/` tree.
        notes: sentences about what was left out.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    split_folders: tuple[str, ...]
    notes: tuple[str, ...]


def read_tree(
    root: Path, *, name: str, classes: FolderMap, splits: FolderMap, subject_pattern: str | None = None
) -> Tree:
    """List the images of a `split/class/` or `class/` tree, at any depth; no image is opened.

    Args:
        root: an existing folder.
        name: the dataset's name, for messages.
        classes, splits: what the folders stand for.
        subject_pattern: regular expression with one group, searched in each path below the class folder; the
            group is the subject. None when subjects are not known.

    Raises:
        DatasetError: a layout that is neither, an unknown folder, a declared folder that is not there, no
            images, a path in which the subject pattern finds nothing.
    """
    folders = subfolders(root)
    by_split = any(map(splits.knows, folders))
    split_folders = {folder: splits.target(folder) for folder in folders} if by_split else {}
    if not by_split and not any(map(classes.knows, folders)):
        raise _wrong_layout(root, name, folders, classes, splits)
    class_folders = [(folder, "train") for folder in folders]
    if by_split:
        class_folders = [(below, split) for folder, split in split_folders.items() if split is not None
                         for below in subfolders(folder)]  # fmt: skip
    listing = _Listing(root, _compiled(subject_pattern))
    listing.left_out.update(folder.name for folder, split in split_folders.items() if split is None)
    for folder, split in class_folders:
        expression = classes.target(folder)
        if expression is None:
            listing.left_out.add(folder.name)
        else:
            listing.add(folder, split, expression)
    for parent in [folder for folder, split in split_folders.items() if split is not None] or [root]:
        listing.add_loose(parent)
    _check_declared(root, name, classes, [folder for folder, _ in class_folders])
    return listing.finish(name, tuple(dict.fromkeys(split for split in split_folders.values() if split)))


def _compiled(subject_pattern: str | None) -> re.Pattern[str] | None:
    if subject_pattern is None:
        return None
    try:
        pattern = re.compile(subject_pattern)
    except re.error as error:
        raise DatasetError(
            f"dataset.subject_pattern {subject_pattern!r} is no regular expression: {error}."
        ) from None
    if pattern.groups != 1:
        raise DatasetError(
            f"dataset.subject_pattern {subject_pattern!r} has {pattern.groups} groups; wanted one, which is the "
            "subject, such as '^(S[0-9]+)_'."
        )
    return pattern


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones and those that archive tools leave behind."""
    try:
        found = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be listed: {error.strerror or error}. Make the folder readable."
        ) from None
    return [path for path in found if path.name[0] != "." and path.name.lower() not in _JUNK_FOLDERS]


class _Listing:
    """Rows and what was left out, gathered while walking."""

    def __init__(self, root: Path, subject_pattern: re.Pattern[str] | None) -> None:
        self.root = root
        self.subject_pattern = subject_pattern
        self.rows: list[tuple[str, str, int, str, str | None]] = []
        self.classes: set[str] = set()
        self.left_out: set[str] = set()
        self.others: list[str] = []
        self.loose: list[str] = []
        self.nameless: list[str] = []

    def add(self, folder: Path, split: str, expression: str) -> None:
        """List one class folder."""
        self.classes.add(expression)
        label = EXPRESSIONS.index(expression)
        prefix = folder.relative_to(self.root).as_posix()
        for below in files_below(folder):
            key = f"{prefix}/{below}"
            if os.path.splitext(below)[1].lower() not in EXTENSIONS:  # noqa: PTH122 - ten times faster than Path
                self.others.append(key)
                continue
            self.rows.append((key, key, label, split, self._subject(key, below)))

    def add_loose(self, parent: Path) -> None:
        """Note the images that lie beside class folders and so have no label."""
        loose = [path for path in parent.iterdir() if path.suffix.lower() in EXTENSIONS and path.is_file()]
        self.loose.extend(sorted(path.relative_to(self.root).as_posix() for path in loose))

    def _subject(self, key: str, below: str) -> str | None:
        if self.subject_pattern is None:
            return None
        match = self.subject_pattern.search(below)
        if match is None or not match.group(1):
            self.nameless.append(key)
            return None
        return match.group(1)

    def finish(self, name: str, split_folders: tuple[str, ...]) -> Tree:
        """The tree, once every folder has been listed."""
        if self.nameless:
            assert self.subject_pattern is not None
            raise DatasetError(
                f"{name}: dataset.subject_pattern {self.subject_pattern.pattern!r} finds no subject in "
                f"{named(self.nameless)}. Its one group must match in every path below a class folder."
            )
        if not self.rows:
            raise DatasetError(
                f"{name}: no images under {self.root}: looked for {', '.join(sorted(EXTENSIONS))} in the "
                f"class folders, found {len(self.others)} other files. Point dataset.root=DIR at the images."
            )
        notes = []
        if self.left_out:
            notes.append(
                f"Folders left out by dataset.classes or dataset.splits: {named(sorted(self.left_out))}."
            )
        if self.others:
            notes.append(f"Files left out because their names are not those of images: {named(self.others)}.")
        if self.loose:
            notes.append(f"Images left out because they lie in no class folder: {named(self.loose)}.")
        frame = pd.DataFrame(self.rows, columns=list(COLUMNS), dtype=object)
        classes = tuple(expression for expression in EXPRESSIONS if expression in self.classes)
        return Tree(frame, classes, split_folders, tuple(notes))


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, POSIX text relative to it, sorted; hidden ones do not count."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if name[0] != "." and name.lower() not in _JUNK_FOLDERS]
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        found.extend(f"{prefix}{name}" for name in files if name[0] != ".")
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise DatasetError(f"{error.filename} cannot be listed: {error.strerror}. Make the folder readable.")


def _check_declared(root: Path, name: str, classes: FolderMap, folders: Sequence[Path]) -> None:
    present = {folder.name.lower() for folder in folders}
    missing = [
        folder for folder in classes.declared if classes.names[folder] is not None and folder not in present
    ]
    if missing:
        raise DatasetError(
            f"{name}: the class map declares folders that are not under {root}: {named(missing)}. "
            f"Found: {named(sorted(present))}."
        )


def _wrong_layout(
    root: Path, name: str, folders: Sequence[Path], classes: FolderMap, splits: FolderMap
) -> DatasetError:
    inner = [path for path in folders if any(splits.knows(x) or classes.knows(x) for x in subfolders(path))]
    hint = nearest_layout(root, "image_folder") or (
        "Point dataset.root=DIR at the folder that holds them, or map yours by dataset.classes."
    )
    if len(inner) == 1:
        hint = f"Did you mean dataset.root={inner[0]}?"
    found = f"the folders {named(path.name for path in folders)}" if folders else "no folders"
    return DatasetError(
        f"{name}: {root} has neither split folders (train, validation, test) nor class folders "
        f"({', '.join(_SPELLINGS)}, or usual spellings); found {found}. {hint}"
    )
