"""A tiny affectnet on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.datasets.affectnet import CODES, SETS
from occlufer.types import EXPRESSIONS


def make_fake(
    root: Path, *, per_class: int = 4, sets: tuple[str, ...] = tuple(SETS), images: FakeImages = texture
) -> Path:
    """Write a tiny AffectNet for tests, with contempt, and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        per_class: images of each expression in each set.
        sets: the set folders to write.
        images: (label in the order of `EXPRESSIONS`, 7 for contempt; running number) -> uint8 (H, W) or (H, W, 3). The
            number is different for every image.
    """
    number = 0
    for set_name in sets:
        for folder in ("images", "annotations"):
            (root / set_name / folder).mkdir(parents=True, exist_ok=True)
        for label, shown in enumerate((*EXPRESSIONS, "contempt")):
            for _ in range(per_class):
                image = Image.fromarray(images(label, number))
                image.save(root / set_name / "images" / f"{number}.jpg", quality=95)
                np.save(
                    root / set_name / "annotations" / f"{number}_exp.npy", np.array(str(CODES.index(shown)))
                )
                number += 1
    return root
