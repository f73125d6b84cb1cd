"""A tiny fer2013 on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from fakes.fer2013_csv import write_csv
from fakes.textures import FakeImages, grey48, texture
from occlufer.datasets.fer2013 import FOLDERS
from occlufer.types import EXPRESSIONS, UInt8Array


def make_fake(
    root: Path,
    *,
    layout: str = "folders",
    per_class: int = 4,
    private_test: bool = False,
    images: FakeImages = texture,
) -> Path:
    """Write a tiny FER2013 for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        layout: "folders", "fer2013.csv", "icml_face_data.csv" or "train.csv".
        per_class: images of each expression in each part (Training, PublicTest, and PrivateTest if asked
            for).
        private_test: write PrivateTest too.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey
            and 48x48. The number is different for every image.
    """
    usages = ("Training", "PublicTest", "PrivateTest")[: 3 if private_test else 2]
    faces: list[tuple[str, int, UInt8Array]] = []
    for usage in usages if layout != "train.csv" else ("Training",):
        for label in range(len(EXPRESSIONS)):
            for _ in range(per_class):
                faces.append((usage, label, grey48(images(label, len(faces)))))
    root.mkdir(parents=True, exist_ok=True)
    if layout != "folders":
        return write_csv(root / layout, faces)
    folder_of: Mapping[str, str] = {expression: folder for folder, expression in FOLDERS.items()}
    for number, (usage, label, image) in enumerate(faces):
        folder = root / ("train" if usage == "Training" else "test") / folder_of[EXPRESSIONS[label]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{usage}_{number:08d}.jpg", quality=95)
    return root
