"""Reading `split/class/` and `class/` trees of image files into a table of faces."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.layouts import nearest_layout
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.vocabulary import (
    USUAL_CLASSES,
    USUAL_SPLITS,
    Targets,
    as_list,
    folded,
    is_contempt,
    numbers_advice,
    targets,
    unknown_advice,
    usual,
)
from occlufer.types import EXPRESSIONS, DatasetError, did_you_mean, override

_PARTS_OF_NAMES = (("val", "validation"), ("dev", "validation"), ("test", "test"))
_JUNK_FOLDERS = frozenset({"__macosx", "@eadir", "lost+found"})


@dataclass(frozen=True, slots=True)
class FolderMap:
    """Folder names and what they stand for; matched without regard to case, accents and marks between words.

    Attributes:
        what: "class" or "split".
        given: folder name -> expression or split, or None to leave the folder out.
        usual: further names, which are looked up as `vocabulary.usual` does.
        must_be_there: the names of `given` for which there must be a folder.
        setting: the setting that takes more names, empty when there is none.
    """

    what: str
    given: Mapping[str, str | None]
    usual: Mapping[str, str | None]
    must_be_there: tuple[str, ...] = ()
    setting: str = ""

    @classmethod
    def of_setting(cls, what: str, given: Targets) -> FolderMap:
        """What the user says by `dataset.classes` or `dataset.splits`, before the usual names; see `targets`."""
        setting, usual_names = (
            ("dataset.classes", USUAL_CLASSES) if what == "class" else ("dataset.splits", USUAL_SPLITS)
        )
        names = targets(setting, given)
        declared = () if isinstance(given, str) else tuple(name for name, target in names.items() if target)
        return cls(what, names, usual_names, declared, setting)

    def find(self, name: str) -> tuple[bool, str | None]:
        """Whether a folder's name is known, and what it stands for, None where the folder is left out."""
        for known, target in self.given.items():
            if folded(known) == folded(name):
                return True, target
        known_as_usual, target = usual(name, self.usual)
        return (True, target) if known_as_usual else (is_contempt(name) and self.what == "class", None)

    def knows(self, folder: Path) -> bool:
        """True when the folder's name is known, be it to be left out."""
        return self.find(folder.name)[0]

    def sort(self, folders: Sequence[Path]) -> list[tuple[Path, str | None]]:
        """Each folder and what it stands for; raises `DatasetError` that names all that are not known."""
        found = {folder: self.find(folder.name) for folder in folders}
        unknown = [folder for folder, (known, _) in found.items() if not known]
        if unknown:
            siblings = [found[folder] for folder in folders if folder.parent == unknown[0].parent]
            raise self._unknown(unknown, {target for known, target in siblings if known and target})
        return [(folder, target) for folder, (_, target) in found.items()]

    def _unknown(self, folders: Sequence[Path], there: set[str]) -> DatasetError:
        names = list(dict.fromkeys(folder.name for folder in folders))
        told = f"{folders[0].parent}: unknown {self.what} folder{'s' * (len(names) > 1)} {named(names)}."
        if self.setting == "dataset.classes" and all(name.isdecimal() for name in names):
            return DatasetError(f"{told} {numbers_advice(names)}")
        # A name whose like is there already is another thing, and no slip.
        candidates = [name for name, target in {**self.usual, **self.given}.items() if target not in there]
        meant = did_you_mean(names[0].lower(), candidates) if len(names) == 1 else ""
        if not self.setting:
            return DatasetError(
                f"{told}{meant} Remove the folder, or use dataset=image_folder, which can map it or leave it out."
            )
        return DatasetError(f"{told}{meant} {unknown_advice(self.setting, names, self.given)}")


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
    split_folders = dict(splits.sort(folders)) if by_split else {}
    numbered = len(folders) > 1 and all(folder.name.isdecimal() for folder in folders)
    if not by_split and not numbered and not any(map(classes.knows, folders)):
        raise _wrong_layout(root, name, folders, classes, splits)
    parents = [(folder, split) for folder, split in split_folders.items() if split]
    parents = parents if by_split else [(root, "train")]
    class_folders = [(folder, split) for parent, split in parents for folder in subfolders(parent)]
    expressions = classes.sort([folder for folder, _ in class_folders])
    listing = _Listing(root, _compiled(subject_pattern))
    for folder in (folder for folder, split in split_folders.items() if split is None):
        listing.leave_out(folder)
    for (folder, split), (_, expression) in zip(class_folders, expressions, strict=True):
        if expression is None:
            listing.leave_out(folder)
        else:
            listing.add(folder, split, expression)
    for parent in dict.fromkeys([root, *(parent for parent, _ in parents)]):
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
        self.left_out: dict[str, int] = {}
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

    def leave_out(self, folder: Path) -> None:
        """Count what lies in a folder that is not used."""
        images = sum(PurePosixPath(below).suffix.lower() in EXTENSIONS for below in files_below(folder))
        self.left_out[folder.relative_to(self.root).as_posix()] = images

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
            contempt = [folder for folder in self.left_out if is_contempt(PurePosixPath(folder).name)]
            for why, folders in (
                ("by dataset.classes or dataset.splits", [x for x in self.left_out if x not in contempt]),
                ("as contempt is none of the seven expressions", contempt),
            ):
                if folders:
                    counts = ", ".join(f"{folder} ({self.left_out[folder]:,})" for folder in folders)
                    notes.append(f"Folders left out {why}, with their images: {counts}.")
        if self.others:
            notes.append(f"Files left out because their names are not those of images: {named(self.others)}.")
        if self.loose:
            notes.append(f"Images left out because they lie in no class folder: {named(self.loose)}.")
        frame = pd.DataFrame(self.rows, columns=list(COLUMNS), dtype=object)
        classes = tuple(expression for expression in EXPRESSIONS if expression in self.classes)
        return Tree(frame, classes, split_folders, tuple(notes))


def files_below(folder: Path) -> list[str]:
    """Paths of all files below a folder, POSIX text relative to it, sorted; hidden ones do not count.

    Links to folders are followed, but for those that lead back to a folder in which they lie.
    """
    found: list[str] = []
    for parent, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "." and name.lower() not in _JUNK_FOLDERS
                      and not _leads_back(Path(parent, name))]  # fmt: skip
        below = Path(parent).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        found.extend(f"{prefix}{name}" for name in files if name[0] != ".")
    return sorted(found)


def _leads_back(folder: Path) -> bool:
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _refuse(error: OSError) -> None:
    raise DatasetError(f"{error.filename} cannot be listed: {error.strerror}. Make the folder readable.")


def _check_declared(root: Path, name: str, classes: FolderMap, folders: Sequence[Path]) -> None:
    present = {folded(folder.name) for folder in folders}
    missing = [folder for folder in classes.must_be_there if folded(folder) not in present]
    if missing:
        raise DatasetError(
            f"{name}: the class map declares folders that are not under {root}: {named(missing)}. "
            f"Found: {named(sorted({folder.name for folder in folders}))}."
        )


def _wrong_layout(
    root: Path, name: str, folders: Sequence[Path], classes: FolderMap, splits: FolderMap
) -> DatasetError:
    inner = [path for path in folders if any(splits.knows(x) or classes.knows(x) for x in subfolders(path))]
    hint = nearest_layout(root, "image_folder") or (
        "Point dataset.root=DIR at the folder that holds them, or map yours by dataset.classes."
    )
    if len(inner) == 1:
        hint = f"Did you mean {override('dataset.root', str(inner[0]))}?"
    elif inner:
        parts = as_list("dataset.splits", {path.name: _likely_split(path.name) for path in inner})
        hint = f"Several of them hold class folders. Say which part of the set each one is, as here: {parts}"
    found = f"the folders {named(path.name for path in folders)}" if folders else "no folders"
    return DatasetError(
        f"{name}: {root} has neither split folders (train, validation, test) nor class folders "
        f"({', '.join(EXPRESSIONS)}, or usual names); found {found}. {hint}"
    )


def _likely_split(name: str) -> str:
    return next((split for part, split in _PARTS_OF_NAMES if part in name.lower()), "train")
