"""What a large set costs before the first step: many_faces.py FOLDER [--faces 45000] [--profile FILE].

Makes tiny images in class folders, with their meshes in a cache, unless FOLDER holds them (10 kB of disk a face), and
prints CPU seconds and the peak of memory after each step of what `occlufer train` does before its first batch.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import hashlib
import io
import resource
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from occlufer.building import build
from occlufer.data.datamodule import FaceDataModule
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.records import CacheRecord
from occlufer.notebook import settings
from occlufer.synthesis.faces import draw_face
from occlufer.tasks.assemble import make_datamodule
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.types import EXPRESSIONS

_BATCH = 5_000


def main() -> None:
    """Make what is missing, and print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--faces", type=int, default=45_000)
    parser.add_argument("--profile", type=Path, help="where cProfile's figures go")
    given = parser.parse_args()
    words = settings(
        "dataset=image_folder", f"dataset.root={given.folder / 'images'}", f"paths.cache={given.folder / 'cache'}",
        "occlusion=mask", "loader.num_workers=4",
    )  # fmt: skip
    if not (given.folder / "images").is_dir():
        _make(given.folder, given.faces, words)
    _tell("imports")
    profile = cProfile.Profile() if given.profile else None
    with profile or contextlib.nullcontext():
        _open(words)
    if profile is not None:
        profile.dump_stats(given.profile)


def _open(words: dict[str, Any]) -> None:
    faces = make_faces(words)
    _tell(f"{len(faces):,} faces listed, digested and split")
    cache, _ = prepare_landmarks(words, faces)
    _tell("landmarks looked up")
    data: FaceDataModule = make_datamodule(words, faces, cache, words["condition_occluders"])
    _tell(f"{int(data.usable.sum()):,} judged to be usable")
    next(iter(data.train_dataloader()))
    _tell("first batch, by four workers")


def _make(folder: Path, count: int, words: dict[str, Any]) -> None:
    """One drawn face with other bytes behind it in each file: decoders do not look there."""
    face = draw_face(0, seed=0, difficulty="default", size=48)
    with io.BytesIO() as buffer:
        Image.fromarray(face.image_HWC).save(buffer, format="JPEG")
        content = buffer.getvalue()
    folders = [folder / "images" / name for name in EXPRESSIONS]
    for place in folders:
        place.mkdir(parents=True)
    cache = LandmarkCache(folder / "cache" / "landmarks", build(words["landmarks"]).fingerprint())
    mesh_N3 = np.asarray(face.landmarks_N3, np.float32)
    with cache.writing():
        for start in range(0, count, _BATCH):
            records = []
            for number in range(start, min(start + _BATCH, count)):
                mine = content + number.to_bytes(8, "big")
                (folders[number % len(folders)] / f"{number:07d}.jpg").write_bytes(mine)
                digest = hashlib.blake2b(mine, digest_size=16).digest()
                records.append(CacheRecord(digest, mesh_N3, "wide border", (48, 48)))
            cache.append(records)


def _tell(what: str) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{used.ru_utime + used.ru_stime:7.1f} CPU s  {used.ru_maxrss / 1e6:.2f} GB  {what}", flush=True)


if __name__ == "__main__":
    main()
