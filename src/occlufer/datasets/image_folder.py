"""Any `split/class/` or `class/` tree of image files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import DEFAULT_CLASSES, DEFAULT_SPLITS, FolderMap, read_tree
from occlufer.types import EXPRESSIONS, DatasetError

_WANTED = (
    "a folder with split folders (train, validation, test) that hold class folders, or with class folders"
)


@final
class ImageFolder(StoredFaces):
    """Faces in folders named after expressions, with or without split folders above them.

    Keys are paths below the root (`train/happy/0001.jpg`). Where there is no validation folder, validation is
    carved out of train; where there are no split folders at all, test too. Class folders may nest further.

    Args:
        root: the folder; None raises with the way to give one.
        name: short name for caches and run folders.
        classes: `{folder name: expression, or null to leave the folder out}`, matched without regard to case
            and laid over the usual spellings (`occlufer.datasets.trees.DEFAULT_CLASSES`). Folders that are
            named here must exist.
        splits: the same for split folders: train, validation, test, or null.
        subject_pattern: regular expression with one group, searched in each path below the class folder; the
            group names the subject, and splits are then carved by subject. Example: `^(S\\d+)_` for CK+48.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, another layout, an unknown or empty class folder, no images, leaks under
            `duplicates=error`, unreadable files under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "image_folder",
        classes: Mapping[str, str | None] | None = None,
        splits: Mapping[str, str | None] | None = None,
        subject_pattern: str | None = None,
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
        self.name = name
        self.root = existing_root(root, name=name, wanted=_WANTED)
        if not self.root.is_dir():
            raise DatasetError(
                f"{name}: dataset.root={root} is a file. Give dataset.root=DIR, where DIR is {_WANTED}."
            )
        tree = read_tree(
            self.root,
            name=name,
            classes=FolderMap.over_defaults("class", classes, DEFAULT_CLASSES),
            splits=FolderMap.over_defaults("split", splits, DEFAULT_SPLITS),
            subject_pattern=subject_pattern,
        )
        absent = [expression for expression in EXPRESSIONS if expression not in tree.classes]
        without = (f"There is no folder for {', '.join(absent)}.",) if absent else ()
        self._assemble(
            assembly, tree.frame, FileStore(self.root), classes=tree.classes, notes=(*tree.notes, *without)
        )


def make_fake(
    root: Path,
    *,
    per_class: int = 4,
    splits: tuple[str, ...] = ("train", "validation", "test"),
    classes: tuple[str, ...] = EXPRESSIONS,
    images: FakeImages = texture,
) -> Path:
    """Write a tiny tree of PNG files for tests and return its root.

    Args:
        root: made if it is not there.
        per_class: images in each class folder.
        splits: split folders; empty for a `class/` tree.
        classes: class folders, named after expressions.
        images: (label, running number) -> uint8 (H, W) or (H, W, 3); the number is different for every image.
    """
    number = 0
    for split in splits or ("",):
        for expression in classes:
            folder = root / split / expression
            folder.mkdir(parents=True, exist_ok=True)
            for _ in range(per_class):
                image = images(EXPRESSIONS.index(expression), number)
                Image.fromarray(image).save(folder / f"{expression}_{number:04d}.png")
                number += 1
    return root
