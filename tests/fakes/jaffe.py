"""A tiny jaffe on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.datasets.jaffe import CODES, PEOPLE
from occlufer.types import EXPRESSIONS


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
