"""Any `split/class/` or `class/` tree of image files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import Layout
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import FolderMap, read_tree
from occlufer.datasets.vocabulary import Targets
from occlufer.types import EXPRESSIONS, DatasetError


@final
@dataclass(kw_only=True, eq=False, repr=False)
class ImageFolder(StoredFaces):
    """Faces in folders named after expressions, with or without split folders above them.

    Keys are paths below the root (`train/happy/0001.jpg`). Where there is no validation folder, validation is
    carved out of train; where there are no split folders at all, test too. Class folders may nest further.

    Args:
        classes: `{folder name: expression, or null to leave the folder out}`, or a list of `"folder: expression"`,
            before the usual names of many languages (`occlufer.datasets.vocabulary`); folders that are named here must
            exist. Or the name of an order in which sets number the expressions (`vocabulary.READINGS`).
        splits: the first two for split folders: train, validation, test, or null.
        subject_pattern: regular expression with one group, searched in each path below the class folder; the
            group names the subject, and splits are then carved by subject. Example: `^(S\\d+)_` for CK+48.
    """

    name: str = "image_folder"
    classes: Targets = None
    splits: Targets = None
    subject_pattern: str | None = None
    title = "tree of class folders"
    option = "image_folder"
    wanted = (
        "a folder with split folders (train, validation, test) that hold class folders, or with class folders"
    )
    layouts = (
        Layout("a tree of split and class folders", option, ("*train*/hap*",)),
        Layout("a tree of class folders", option, ("hap*",)),
    )

    def locate(self, root: Path) -> Path | None:
        """The root itself."""
        if not root.is_dir():
            raise DatasetError(
                f"{self.name}: dataset.root={root} is a file. Give dataset.root=DIR, where DIR is {self.wanted}."
            )
        return root

    def list_faces(self, root: Path) -> Listing:
        """The images of the tree."""
        tree = read_tree(
            root,
            name=self.name,
            classes=FolderMap.of_setting("class", self.classes),
            splits=FolderMap.of_setting("split", self.splits),
            subject_pattern=self.subject_pattern,
        )
        absent = [expression for expression in EXPRESSIONS if expression not in tree.classes]
        without = (f"There is no folder for {', '.join(absent)}.",) if absent else ()
        return Listing(tree.frame, FileStore(root), (*tree.notes, *without), tree.classes)
