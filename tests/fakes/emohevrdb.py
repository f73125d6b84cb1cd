"""A tiny emohevrdb on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.datasets.emohevrdb import CAMERAS, EMOTIONS, SETS
from occlufer.types import EXPRESSIONS


def make_fake(root: Path, *, per_class: int = 1, people: int = 2, images: FakeImages = texture) -> Path:
    """Write a tiny EmoHeVRDB-SI for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        per_class: moments of each expression of each person; both cameras see each.
        people: people in each set.
        images: (label, running number) -> uint8 (H, W) or (H, W, 3); the number is different for every image.
    """
    number = 0
    for set_number, set_name in enumerate(SETS):
        for emotion_number, emotion in enumerate(EMOTIONS):
            folder = root / "emoji-hero-vr-db-si" / set_name / emotion
            folder.mkdir(parents=True, exist_ok=True)
            for moment in range(per_class * people):
                person = 1 + people * set_number + moment % people
                for camera in range(len(CAMERAS)):
                    image = Image.fromarray(images(EXPRESSIONS.index(emotion.lower()), number))
                    stamp = 1_695_000_000_000 + number
                    file_name = f"{stamp}-{set_number}-{person}-1-{moment}-{emotion_number}-{camera}.jpg"
                    image.save(folder / file_name, quality=95)
                    number += 1
    return root
