"""A tiny ckplus on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.fer2013_csv import write_csv
from fakes.textures import FakeImages, grey48, texture
from occlufer.datasets.ckplus import CSV_NAME
from occlufer.datasets.ckplus_trees import (
    CODES,
    IMAGES_FOLDER,
)
from occlufer.datasets.fer2013_csv import CSV_LABELS
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array, unknown_name


def make_fake(
    root: Path, *, layout: str = "official", subjects: int = 6, images: FakeImages = texture
) -> Path:
    """Write a tiny CK+ for tests and return what to give as `root`.

    Each subject shows each of the six expressions and contempt once. In the official tree, sequences have six frames,
    the first three neutral, and each subject has one more sequence without a label.

    Args:
        root: a folder, made if it is not there.
        layout: "official", "CK+48" or "ckextended.csv"; in the last, the last two subjects are
            PublicTest and PrivateTest.
        subjects: people.
        images: (label in the order of `EXPRESSIONS`, 7 for contempt; running number) -> uint8 (H, W) or (H, W, 3). The
            number is different for every image.
    """
    writers = {"official": _fake_official, "CK+48": _fake_class_folders, CSV_NAME: _fake_table}
    if layout not in writers:
        raise DatasetError(unknown_name("layout of CK+", layout, writers))
    root.mkdir(parents=True, exist_ok=True)
    writers[layout](root, subjects, images)
    return root


_SHOWN = (*EXPRESSIONS, "contempt")
_POSED = tuple(expression for expression in _SHOWN if expression != "neutral")


def _fake_official(root: Path, subjects: int, images: FakeImages) -> None:
    number = 0
    for person in range(subjects):
        for sequence, expression in enumerate((*_POSED, None), start=1):
            below = f"S{10 + person:03d}/{sequence:03d}"
            stem = below.replace("/", "_")
            for frame in range(1, 7):
                shown = expression if expression and frame > 3 else "neutral"
                path = root / IMAGES_FOLDER / below / f"{stem}_{frame:08d}.png"
                _write(path, images(_SHOWN.index(shown), number))
                number += 1
            if expression is not None:
                path = root / "Emotion" / below / f"{stem}_{frame:08d}_emotion.txt"
                path.parent.mkdir(parents=True)
                path.write_text(f"   {CODES.index(expression):.7e}\n")


def _fake_class_folders(root: Path, subjects: int, images: FakeImages) -> None:
    number = 0
    for person in range(subjects):
        for sequence, expression in enumerate(_POSED, start=1):
            folder = root / "CK+48" / {"happiness": "happy"}.get(expression, expression)
            for frame in range(10, 13):
                path = folder / f"S{10 + person:03d}_{sequence:03d}_{frame:08d}.png"
                _write(path, grey48(images(_SHOWN.index(expression), number)))
                number += 1


def _write(path: Path, image: UInt8Array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _fake_table(root: Path, subjects: int, images: FakeImages) -> None:
    usages = ["Training"] * (subjects - 2) + ["PublicTest", "PrivateTest"]
    rows = [
        (usage, label, grey48(images(label, len(_SHOWN) * person + label)))
        for person, usage in enumerate(usages)
        for label in range(len(_SHOWN))
    ]
    write_csv(root / CSV_NAME, rows, labels=(*CSV_LABELS, "contempt"), names=_SHOWN)
