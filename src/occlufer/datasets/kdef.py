"""KDEF (Lundqvist, Flykt, Öhman, "The Karolinska Directed Emotional Faces", 1998): posed, from five angles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces, left_by
from occlufer.datasets.base import Layout
from occlufer.datasets.filenames import NamedFile, known_names, named_files
from occlufer.datasets.manifest import COLUMNS
from occlufer.datasets.stores import FileStore
from occlufer.types import EXPRESSIONS, DatasetError

CODES: dict[str, str] = {
    "AF": "fear",  # afraid
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
"""Third part of a file name -> expression."""

ANGLES: tuple[str, ...] = ("S", "HL", "HR", "FL", "FR")
"""Straight, half left, half right, full left, full right."""

_NAME = r"([AB])([FM])(\d\d)(AF|AN|DI|HA|NE|SA|SU)(S|HL|HR|FL|FR)"
_PUBLISHED = {"all": dict.fromkeys(EXPRESSIONS, 700)}  # 70 people, two sessions, five angles


@final
@dataclass(kw_only=True, eq=False, repr=False)
class KDEF(StoredFaces):
    """KDEF: 4,900 photographs of 70 people, seven expressions in two sessions from five angles.

    A file name such as AF01ANS.JPG says all: session A, female, person 01, angry, straight. The files may lie in any
    folders. Images with other names are left out and counted.

    KDEF brings no splits: test and validation are carved out by subject, which is sex and number (`F01`), so that
    both sessions of a person stay together.

    Keys are file names without their ending (`AF01ANS`).

    Args:
        angles: the angles to use, of S (straight), HL, HR (half left and right), FL, FR (full profile, in which Face
            Mesh finds hardly a face).
    """

    name: str = "kdef"
    angles: Sequence[str] = ("S", "HL", "HR")
    title = "KDEF"
    option = "kdef"
    wanted = "KDEF unpacked: a folder with images named like AF01ANS.JPG, in KDEF/AF01/ or in any folders"
    layouts = (Layout(title, option, ("KDEF/?F01",)), Layout(title, option, ("?F01/?F01??*.jpg",)))

    def check(self) -> None:
        """Refuse unknown angles too."""
        super().check()
        known_names("angle", self.angles, ANGLES)

    def locate(self, root: Path) -> Path | None:
        """The images may lie in any folders."""
        return root if root.is_dir() else None

    def list_faces(self, root: Path) -> Listing:
        """The files with names of KDEF that show a wanted angle."""
        files, odd = named_files(root, _NAME, like="AF01ANS.JPG")
        if not files:
            raise self.not_found(root)
        frame = _frame(files)
        counts = self.count_notes(frame.assign(split="all"), _PUBLISHED)
        frame = frame[frame["angle"].isin(list(self.angles))]
        others = left_by("angles", len(files), len(frame))
        if frame.empty:
            raise DatasetError(
                f"{self.name}: none of the {len(files)} images of KDEF shows an angle of "
                f"dataset.angles={list(self.angles)}. Give others of {', '.join(ANGLES)}."
            )
        return Listing(frame, FileStore(root), (*odd, *counts, *others))


def _frame(files: list[NamedFile]) -> pd.DataFrame:
    """The columns of a manifest, and `angle`."""
    rows = []
    for file in files:
        _, sex, number, code, angle = file.parts
        label = EXPRESSIONS.index(CODES[code])
        rows.append((file.key, file.path, label, "train", sex + number, angle))
    return pd.DataFrame(rows, columns=[*COLUMNS, "angle"], dtype=object)
