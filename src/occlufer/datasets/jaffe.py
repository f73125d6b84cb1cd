"""JAFFE (Lyons, Akamatsu, Kamachi, Gyoba, "Coding facial expressions with Gabor wavelets", 1998): ten women, posed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import Layout
from occlufer.datasets.filenames import named_files
from occlufer.datasets.manifest import COLUMNS
from occlufer.datasets.stores import FileStore
from occlufer.types import EXPRESSIONS

CODES: dict[str, str] = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
"""Second part of a file name, without its digit -> expression."""

PEOPLE: tuple[str, ...] = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")

_NAME = r"([A-Z]{2})\.(AN|DI|FE|HA|NE|SA|SU)\d+\.\d+"
_PUBLISHED = {
    "all": {
        "anger": 30,
        "disgust": 29,
        "fear": 32,
        "happiness": 31,
        "neutral": 30,
        "sadness": 31,
        "surprise": 30,
    }
}


@final
@dataclass(kw_only=True, eq=False, repr=False)
class JAFFE(StoredFaces):
    """JAFFE: 213 grey photographs of ten women, 256x256 pixels, seven posed expressions.

    A file name such as KA.AN1.39.tiff says all: person KA, angry, first take, number 39. The files may lie in any
    folders; images with other names are left out and counted. Labels are the poses that were asked for, not the
    ratings that come with the set.

    JAFFE brings no splits: test and validation are carved out by subject, the initials. With ten people a fifth is two
    of them: figures of one split say little; use cross-validation.

    Keys are file names without their ending (`KA.AN1.39`).

    """

    name: str = "jaffe"
    validation_share: float = 0.2
    test_share: float = 0.2
    title = "JAFFE"
    option = "jaffe"
    wanted = "JAFFE unpacked: a folder with images named like KA.AN1.39.tiff, directly or in any folders"
    layouts = (Layout(title, option, ("??.??*.*.tiff",)),)

    def locate(self, root: Path) -> Path | None:
        """The images may lie in any folders."""
        return root if root.is_dir() else None

    def list_faces(self, root: Path) -> Listing:
        """The files with names of JAFFE."""
        files, odd = named_files(root, _NAME, like="KA.AN1.39.tiff")
        if not files:
            raise self.not_found(root)
        rows = [
            (file.key, file.path, EXPRESSIONS.index(CODES[code]), "train", person)
            for file in files
            for person, code in [file.parts]
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
        counts = self.count_notes(frame.assign(split="all"), _PUBLISHED)
        return Listing(frame, FileStore(root), (*odd, *counts))
