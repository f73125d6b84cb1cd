"""Small stand-ins: a dataset in memory, a filled landmark cache, and a FER2013 on disk that needs no mediapipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fakes.fer2013 import make_fake as fake_fer2013
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.manifest import Manifest
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings
from occlufer.landmarks.records import CacheRecord
from occlufer.landmarks.topology import mean_mesh
from occlufer.types import EXPRESSIONS, FloatArray, UInt8Array, seeded_rng


def frontal_landmarks(side: int) -> FloatArray:
    """The mean face, looking at us from the middle of a square image, float32 (468, 3)."""
    mesh = mean_mesh() * np.float32(0.5 * side)
    return (mesh + np.array([0.5 * side, 0.42 * side, 0], np.float32)).astype(np.float32)


def striped_face(label: int, number: int) -> UInt8Array:
    """Stripes whose direction tells the label, with noise: uint8 (48, 48, 3); a network can learn it in seconds."""
    rng = seeded_rng(label, number)
    y, x = np.mgrid[0:48, 0:48] / 48
    angle = np.pi * label / len(EXPRESSIONS)
    wave = np.sin(2 * np.pi * 4 * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
    grey = 128 + 80 * wave + rng.normal(0, 12, wave.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def marked(label: int, number: int) -> UInt8Array:
    """A picture that tells its label (`marked_label`); the number makes it unique: uint8 (48, 48)."""
    image = np.full((48, 48), 30 * label, np.uint8)
    image[24:36], image[36:] = number % 256, number // 256
    return image


def marked_label(image_HWC: UInt8Array) -> int:
    """The label of a `marked` picture, also after JPEG compression."""
    return round(int(image_HWC[10, 10, 1]) / 30)


class MemoryFaces(FaceDataset):
    """`per_class` faces of each expression and split, in memory."""

    def __init__(self, *, per_class: int = 2) -> None:
        self.name = "memory"
        rows = [
            (f"{split}_{expression}_{number}", label, split)
            for split in ("train", "validation", "test")
            for label, expression in enumerate(EXPRESSIONS)
            for number in range(per_class)
        ]
        frame = pd.DataFrame(rows, columns=["key", "label", "split"])
        frame["source"] = range(len(frame))
        frame["subject"] = None
        self.manifest = Manifest.from_frame(frame, name=self.name)

    def load_image(self, index: int) -> UInt8Array:
        return striped_face(self.manifest.row(index).label, index)

    def content_digest(self, index: int) -> bytes:
        return index.to_bytes(16, "little")


def fill_cache(cache: LandmarkCache, faces: FaceDataset, *, without: tuple[int, ...] = ()) -> LandmarkCache:
    """Give every face the mean landmarks, but for the indices in `without`, in which no face was found."""
    records = []
    for index in range(len(faces)):
        landmarks = None if index in without else frontal_landmarks(48)
        stage = "missed: no face" if index in without else "wide border"
        records.append(CacheRecord(faces.content_digest(index), landmarks, stage, (48, 48)))
    with cache.writing():
        cache.append(records)
    return cache


def tiny_fer2013(folder: Path, *, per_class: int = 4) -> list[str]:
    """A FER2013 of stripes in `folder` with its landmarks in the cache; returns the overrides that find them.

    One test face has no landmarks, so that the number of test faces is odd.
    """
    root = fake_fer2013(folder / "fer2013", per_class=per_class, images=striped_face)
    faces = FER2013(root=str(root))
    cache = LandmarkCache(folder / "cache" / "landmarks", DetectorSettings().fingerprint())
    dropped = int(faces.manifest.indices("test")[0])
    assert per_class % 2 == 0, "so that the number of test faces is odd"
    fill_cache(cache, faces, without=(dropped,))
    return [
        "dataset=fer2013",
        f"dataset.root={root}",
        f"paths.outputs={folder / 'outputs'}",
        f"paths.cache={folder / 'cache'}",
    ]


TINY_TRAINING = [
    "view=full",
    "image.size=32",
    "model=timm",
    "model.backbone=test_resnet",
    "model.drop_rate=0.2",
    "loader.batch_size=8",
    "loader.num_workers=0",
    "logger=csv",
    "trainer.max_epochs=2",
    "trainer.enable_progress_bar=false",
]
"""Overrides of `train` for a run of a second or two."""
