"""More training images of rare expressions, made from the dataset's own faces."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from occlufer.analysis.core.words import count
from occlufer.building import build
from occlufer.console import out, progress, say, table
from occlufer.data.pairs import OccludedPairs
from occlufer.data.rendered import FaceRenderer
from occlufer.data.usable import usable_faces
from occlufer.data.view import SquareView
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.extra import LIST_NAME
from occlufer.files import atomic_path, locked, write_text
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.geometry import head_pose
from occlufer.restoration.frontal import Frontalizer
from occlufer.settings import without
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.tasks.restoring import quality, restorer, trained_deoccluder
from occlufer.types import EXPRESSIONS, ConfigError, DatasetError, IntArray, UInt8Array, seeded_rng

Make = Callable[[int, int], UInt8Array | None]
"""(row of the manifest, number of the image of that face) -> the image, uint8 RGB, or None where none can be made."""

_SCORED = 500  # held-out faces on which the de-occluder is compared with the plain fills


def augment(settings: dict[str, Any]) -> None:
    """See `occlufer.commands.augment`; `settings` are those of conf/augment.yaml, checked."""
    folder = Path(settings["output"]).expanduser()
    faces = make_faces(settings)
    view = build(settings["view"])
    _check_parts(faces, view, settings)
    cache, _ = prepare_landmarks(settings, faces)

    renderer = FaceRenderer(faces, cache, view, build(settings["occlusion"]), settings["seed"])

    def pairs(split: str, *, fixed: bool) -> OccludedPairs:
        indices, side = _usable(faces, cache, split), settings["deoccluder"]["side"]
        return OccludedPairs(renderer=renderer, indices=indices, side=side, fixed=fixed)

    with locked(folder / "augment", on_wait=say):
        _check_same(folder, settings)
        train = pairs("train", fixed=False)
        orders, wanted = _plan(train, seed=settings["seed"], target=settings["target"])
        say(_sentence(wanted))
        if not any(wanted.values()):
            return
        if settings["method"] == "frontal":
            make = _frontal(train, settings["frontal"])
        else:
            held_out = pairs("validation", fixed=True)
            make = _deoccluded(train, held_out, settings["deoccluder"], settings["seed"], folder)
        rows = _written(folder, train, orders, wanted, make)
    say(f"{count(rows, 'image')} in {folder}. Train with them: dataset.extra={folder}")


def _check_parts(faces: FaceDataset, view: object, settings: Mapping[str, Any]) -> None:
    """Refuse faces that nothing can be learned from, and views without a square; raises `ConfigError`."""
    if faces.covered:
        raise ConfigError(
            f"The faces of {faces.name} are covered already, and no image shows what lies beneath. Choose a dataset of "
            "bare faces."
        )
    if not isinstance(view, SquareView):
        raise ConfigError(
            f"augment works on square pictures, and {settings['view']['_target_']} gives others. Give view=full or "
            "view=face; the images are trained on under any view."
        )


def _usable(faces: FaceDataset, cache: LandmarkCache, split: str) -> IntArray:
    indices = faces.manifest.indices(split)
    kept = indices[usable_faces(faces, cache)[indices]]
    if not len(kept):
        raise DatasetError(
            f"{faces.name}: the {split} split has no face with landmarks, and augment needs some."
        )
    return kept


def _check_same(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a folder with images of another configuration (`ConfigError`): a mixture could not be reproduced."""
    ours = without(settings, ("paths", "output", "target", "deoccluder.num_workers", "landmarks.workers",
                              "dataset.cache", "dataset.workers"))  # fmt: skip
    stated = json.dumps(ours, indent=2, sort_keys=True, default=str)
    path = folder / "augment.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, stated)
    elif path.read_text(encoding="utf-8", errors="replace") != stated:
        raise ConfigError(
            f"{folder} holds images that were made with other settings (augment.json says which; only target may "
            "change). Give another output=DIR, or delete that folder."
        )


def _plan(train: OccludedPairs, *, seed: int, target: float) -> tuple[dict[int, IntArray], dict[int, int]]:
    """For each label its training faces in random order, and how many images it lacks."""
    labels = train.renderer.faces.manifest.labels[train.indices]
    orders = {
        int(label): seeded_rng(seed, int(label)).permutation(train.indices[labels == label])
        for label in np.unique(labels)
    }
    most = max(map(len, orders.values()))
    goal = math.ceil(target * most)
    return orders, {label: max(goal - len(order), 0) for label, order in orders.items()}


def _sentence(wanted: Mapping[int, int]) -> str:
    parts = [f"{EXPRESSIONS[label]} {count:,}" for label, count in wanted.items() if count]
    return f"Images to make: {', '.join(parts) or 'none, the target is reached without any'}."


def _frontal(train: OccludedPairs, settings: Mapping[str, Any]) -> Make:
    """One image of each face whose yaw lies in the range; `settings` are `frontal` of conf/augment.yaml."""
    turn = Frontalizer(fill=settings["fill"])
    low, high = settings["yaw_range"]

    def make(index: int, number: int) -> UInt8Array | None:
        if number:
            return None  # a face has one frontal image
        face = train.renderer(index, hw=None)
        assert face.landmarks_N3 is not None, "only faces with landmarks are asked for"
        turned = low <= abs(head_pose(face.landmarks_N3).yaw) <= high
        return turn(face.clean_HWC, face.landmarks_N3).image_HWC if turned else None

    return make


def _deoccluded(
    train: OccludedPairs, validation: OccludedPairs, settings: Mapping[str, Any], seed: int, folder: Path
) -> Make:
    """Train the de-occluder and print its scores; the function covers and restores a face, each time anew."""
    network = trained_deoccluder(train, validation, settings, seed=seed, folder=folder / "deoccluder")
    scores = quality(network, validation, most=_SCORED)
    write_text(folder / "quality.json", json.dumps(scores.to_dict("records"), indent=2))
    out.print(table(scores.round(4), "Held-out faces, inside the mask"))
    restore = restorer(network, settings["side"])

    def make(index: int, number: int) -> UInt8Array | None:
        face = train.renderer(index, number, hw=None)
        return restore(face) if float(face.alpha_HW.max()) > 0 else None

    return make


def _written(
    folder: Path,
    train: OccludedPairs,
    orders: Mapping[int, IntArray],
    wanted: Mapping[int, int],
    make: Make,
) -> int:
    """Make what is wanted and not there yet, and list it; returns the number of images."""
    rows: list[tuple[str, str, str]] = []
    total = sum(wanted.values())
    with progress("Making images") as update:
        for label, order in orders.items():
            made = _of_expression(folder / EXPRESSIONS[label], train, order, make)
            mine = []
            for key, path in itertools.islice(made, wanted[label]):
                mine.append((path.relative_to(folder).as_posix(), key, EXPRESSIONS[label]))
                update(len(rows) + len(mine), total)
            rows += mine
            if len(mine) < wanted[label]:
                lacking = f"{EXPRESSIONS[label]}: {len(mine):,} of {wanted[label]:,}"
                say(f"{lacking}; no face is left that could serve for more.")
    with atomic_path(folder / LIST_NAME) as temporary:
        pd.DataFrame(rows, columns=["path", "source", "expression"]).to_csv(temporary, index=False)
    return len(rows)


def _of_expression(
    folder: Path, train: OccludedPairs, order: IntArray, make: Make
) -> Iterator[tuple[str, Path]]:
    """Pairs (key of a face, an image of it), face after face and round after round, until a round makes none."""
    for number in itertools.count():
        made_any = False
        for index in map(int, order):
            key = train.renderer.faces.manifest.row(index).key
            path = folder / f"{hashlib.blake2b(key.encode(), digest_size=6).hexdigest()}_{number}.png"
            if not path.is_file():
                image_HWC = make(index, number)
                if image_HWC is None:
                    continue
                with atomic_path(path) as temporary:
                    Image.fromarray(image_HWC).save(temporary, format="PNG")
            made_any = True
            yield key, path
        if not made_any:
            return
