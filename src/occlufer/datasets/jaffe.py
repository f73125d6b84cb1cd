"""JAFFE (Lyons, Akamatsu, Kamachi, Gyoba, "Coding facial expressions with Gabor wavelets", 1998): ten women, posed."""

from __future__ import annotations

from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.filenames import named_files
from occlufer.datasets.layouts import wrong_layout
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
_WANTED = "JAFFE unpacked: a folder with images named like KA.AN1.39.tiff, directly or in any folders"


@final
class JAFFE(StoredFaces):
    """JAFFE: 213 grey photographs of ten women, 256x256 pixels, seven posed expressions.

    A file name such as KA.AN1.39.tiff says all: person KA, angry, first take, number 39. The files may lie in any
    folders; images with other names are left out and counted. Labels are the poses that were asked for, not the
    ratings that come with the set.

    JAFFE brings no splits: test and validation are carved out by subject, the initials. With ten people a fifth is two
    of them: figures of one split say little; use cross-validation.

    Keys are file names without their ending (`KA.AN1.39`).

    Args:
        root: a folder above the images; None raises with the way to give one.
        name: short name for caches and run folders.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, no image with a name of JAFFE, leaks under `duplicates=error`, unreadable files
            under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "jaffe",
        validation_share: float = 0.2,
        test_share: float = 0.2,
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
        files, odd = named_files(self.root, _NAME, like="KA.AN1.39.tiff") if self.root.is_dir() else ([], ())
        if not files:
            raise wrong_layout(self.root, name=name, title="JAFFE", option="jaffe", wanted=_WANTED)
        rows = [
            (file.key, file.path, EXPRESSIONS.index(CODES[code]), "train", person)
            for file in files
            for person, code in [file.parts]
        ]
        frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
        counts = check_counts(frame.assign(split="all"), _PUBLISHED, name=name, title="JAFFE")
        self._assemble(assembly, frame, FileStore(self.root), notes=(*odd, *counts))


def make_fake(root: Path, *, per_class: int = 1, images: FakeImages = texture) -> Path:
    """Write a tiny JAFFE for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        per_class: images of each expression of each of the ten people.
        images: (label, running number) -> uint8 (H, W) or (H, W, 3), made grey; the number is different for every
            image.
    """
    root.mkdir(parents=True, exist_ok=True)
    number = 0
    for person in PEOPLE:
        for code, expression in CODES.items():
            for take in range(1, per_class + 1):
                image = Image.fromarray(images(EXPRESSIONS.index(expression), number)).convert("L")
                number += 1
                image.save(root / f"{person}.{code}{take}.{number}.tiff")
    return root
