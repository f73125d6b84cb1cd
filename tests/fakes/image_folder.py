"""A tiny image_folder on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.types import EXPRESSIONS


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
