"""KDEF (Lundqvist, Flykt, Öhman, "The Karolinska Directed Emotional Faces", 1998): posed, from five angles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.filenames import NamedFile, known_names, named_files
from occlufer.datasets.layouts import wrong_layout
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
_WANTED = "KDEF unpacked: a folder with images named like AF01ANS.JPG, in KDEF/AF01/ or in any folders"


@final
class KDEF(StoredFaces):
    """KDEF: 4,900 photographs of 70 people, seven expressions in two sessions from five angles.

    A file name such as AF01ANS.JPG says all: session A, female, person 01, angry, straight. The files may lie in any
    folders. Images with other names are left out and counted.

    KDEF brings no splits: test and validation are carved out by subject, which is sex and number (`F01`), so that
    both sessions of a person stay together.

    Keys are file names without their ending (`AF01ANS`).

    Args:
        root: a folder above the images; None raises with the way to give one.
        name: short name for caches and run folders.
        angles: the angles to use, of S (straight), HL, HR (half left and right), FL, FR (full profile, in which Face
            Mesh finds hardly a face).
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, no image with a name of KDEF, an unknown angle, leaks under
            `duplicates=error`, unreadable files under `unreadable=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "kdef",
        angles: Sequence[str] = ("S", "HL", "HR"),
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
        chosen = known_names("angle", angles, ANGLES)
        self.name = name
        self.root = existing_root(root, name=name, wanted=_WANTED)
        files, odd = named_files(self.root, _NAME, like="AF01ANS.JPG") if self.root.is_dir() else ([], ())
        if not files:
            raise wrong_layout(self.root, name=name, title="KDEF", option="kdef", wanted=_WANTED)
        frame = _frame(files)
        counts = check_counts(frame.assign(split="all"), _PUBLISHED, name=name, title="KDEF")
        frame = frame[frame["angle"].isin(chosen)]
        if frame.empty:
            raise DatasetError(
                f"{name}: none of the {len(files)} images of KDEF shows an angle of dataset.angles={list(chosen)}. "
                f"Give others of {', '.join(ANGLES)}."
            )
        self._assemble(assembly, frame, FileStore(self.root), notes=(*odd, *counts))


def _frame(files: list[NamedFile]) -> pd.DataFrame:
    """The columns of a manifest, and `angle`."""
    rows = []
    for file in files:
        _, sex, number, code, angle = file.parts
        label = EXPRESSIONS.index(CODES[code])
        rows.append((file.key, file.path, label, "train", sex + number, angle))
    return pd.DataFrame(rows, columns=[*COLUMNS, "angle"], dtype=object)


def make_fake(
    root: Path,
    *,
    people: int = 4,
    angles: Sequence[str] = ("S", "HL"),
    sessions: Sequence[str] = ("A", "B"),
    images: FakeImages = texture,
) -> Path:
    """Write a tiny KDEF for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        people: half of them, rounded up, are women.
        angles, sessions: each person shows each expression once in each session from each angle.
        images: (label, running number) -> uint8 (H, W) or (H, W, 3); the number is different for every image.
    """
    number = 0
    for person in range(people):
        who = f"{'FM'[person % 2]}{1 + person // 2:02d}"
        for session in sessions:
            folder = root / "KDEF" / f"{session}{who}"
            folder.mkdir(parents=True, exist_ok=True)
            for code, expression in CODES.items():
                for angle in angles:
                    image = Image.fromarray(images(EXPRESSIONS.index(expression), number))
                    image.save(folder / f"{session}{who}{code}{angle}.JPG", "JPEG", quality=95)
                    number += 1
    return root
