"""A tiny masked_faces on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, grey48, texture
from occlufer.datasets.fer2013 import FOLDERS
from occlufer.datasets.masked_faces import STRIP, _folder
from occlufer.types import EXPRESSIONS


def make_fake(
    root: Path, *, collection: str, cropped: bool = True, per_class: int = 4, images: FakeImages = texture
) -> Path:
    """Write a tiny published set for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        collection: "M-FER2013" or "M-CK+".
        cropped: the version.
        per_class: images of each expression in train and in test. Of M-CK+, each is another subject's, and the
            two parts share none.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey, and
            48x24 or 48x48 pixels. The number is different for every image.
    """
    folder_of = {expression: folder for folder, expression in FOLDERS.items()}
    number = 0
    for split, first in (("train", 10), ("test", 500)):
        for label, expression in enumerate(EXPRESSIONS):
            within = root / _folder(collection, cropped) / split / folder_of[expression]
            within.mkdir(parents=True, exist_ok=True)
            for place in range(per_class):
                image = Image.fromarray(grey48(images(label, number)))
                stem = f"S{first + place:03d}_{label:03d}_{number:08d}"
                if collection == "M-FER2013":
                    stem = f"{'Training' if split == 'train' else 'PublicTest'}_{number:08d}"
                image.resize(STRIP if cropped else (48, 48)).save(within / f"{stem}.png")
                number += 1
    return root
