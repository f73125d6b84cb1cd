"""A tiny kdef on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.datasets.kdef import CODES
from occlufer.types import EXPRESSIONS


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
