"""A tiny set of images with a table of their labels."""

from __future__ import annotations

import csv
from pathlib import Path

from PIL import Image

from fakes.textures import texture
from occlufer.types import EXPRESSIONS


def make_fake(root: Path, *, per_class: int = 4, more: tuple[tuple[str, str], ...] = ()) -> Path:
    """Write `images/NUMBER.png` and `labels.csv` (file, label), and return the root.

    Args:
        root: made if it is not there.
        per_class: images of each expression; number n has the label n modulo 7, in the order of `EXPRESSIONS`.
        more: further rows, (file, label).
    """
    (root / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(7 * per_class):
        Image.fromarray(texture(number % 7, number)).save(root / "images" / f"{number:03d}.png")
        rows.append((f"images/{number:03d}.png", EXPRESSIONS[number % 7]))
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("file", "label"), *rows, *more])
    return root
