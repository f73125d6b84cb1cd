"""From a resolved configuration to its faces and their landmarks; without torch, so that mistakes are told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from occlufer.analysis.core.words import count
from occlufer.building import build
from occlufer.console import progress, say
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.crops import CroppedFaces, check_crop
from occlufer.datasets.extra import WithExtra
from occlufer.datasets.folds import Fold
from occlufer.datasets.manifest import named
from occlufer.datasets.near_duplicates import near_duplicate_notes, pairs_path, read_pairs
from occlufer.landmarks.build import BuildReport, build_landmarks
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.crops import crop_path, crops_folder, cut_faces
from occlufer.settings import Protocol
from occlufer.types import DatasetError

Config = Mapping[str, Any]

NEAR_DUPLICATES = "near_duplicates"
"""The folder of the cache in which `prepare` keeps the near-duplicates that it found."""


def make_faces(config: Config) -> FaceDataset:
    """The dataset of a run, cropped, parted by fold and with `dataset.extra` where asked for; says what it left out."""
    node = dict(config["dataset"])
    extra, crop = node.pop("extra", None), check_crop(node.pop("crop", None))
    faces: FaceDataset = build(node)
    if crop:
        faces = _cropped(config, faces)
    if config.get("fold") is not None:
        faces = Fold(faces, fold=config["fold"], count=config["fold_count"], seed=config["fold_seed"],
                     honest=not Protocol.of(config).parts_subjects)  # fmt: skip
    if extra is not None:
        faces = WithExtra(faces, extra)
    folder = Path(config["paths"]["cache"]) / NEAR_DUPLICATES
    # Reading all pixels is too dear for every start: what `prepare` has found of these images and splits is said.
    pairs = read_pairs(pairs_path(folder, faces)) if folder.is_dir() else None
    for note in faces.notes:
        say(note)
    if pairs is not None:
        # For the record; `prepare` has said it, and not every command need say it again.
        faces.notes = (*faces.notes, *near_duplicate_notes(pairs))
    faces.near_duplicates = pairs
    return faces


def _cropped(config: Config, faces: FaceDataset) -> CroppedFaces:
    settings = build(config["landmarks"])
    folder = crops_folder(Path(config["paths"]["cache"]), settings)
    with progress("Cutting faces out of photographs") as update:
        crops = cut_faces(faces, folder, settings=settings, on_progress=update, on_message=say)
    return CroppedFaces(
        faces,
        {
            photo: (crop_path(folder, photo) if crop.box else None, crop.box, crop.others)
            for photo, crop in crops.items()
        },
    )


def prepare_landmarks(
    config: Config, faces: FaceDataset, *, verify: bool = False
) -> tuple[LandmarkCache, BuildReport]:
    """Find the landmarks that the cache lacks; raises `DatasetError` when no face at all was found.

    In faces that are covered already none are looked for. `verify` reads all points that were found before.
    """
    settings = build(config["landmarks"])
    cache = LandmarkCache(Path(config["paths"]["cache"]) / "landmarks", settings.fingerprint())
    if faces.covered:
        say(f"{faces.name}: its faces are covered already, no landmarks are looked for in them.")
        return cache, BuildReport({"covered already": len(faces)}, 0, 0, 0.0, 0, ())
    with progress("Finding landmarks") as update:
        report = build_landmarks(
            faces,
            cache,
            settings=settings,
            workers=settings.workers,
            on_progress=update,
            on_message=say,
            verify=verify,
        )
    for told in _odd_faces(faces, report):
        say(told)
    for note in report.notes[:5]:
        say(note)
    if len(report.notes) > 5:
        say(f"... and {count(len(report.notes) - 5, 'more image')} that cannot be read.")
    if report.found == 0:
        raise DatasetError(
            f"{faces.name}: no face was found in {count(report.total, 'image')} ({report.missed}). Are these "
            "uncovered faces, at least 48 pixels wide? Where they are small in ordinary photographs, add "
            "dataset.crop=face."
        )
    return cache, report


def _odd_faces(faces: FaceDataset, report: BuildReport) -> Iterator[str]:
    turned, several = (named(faces.manifest.keys[list(found)]) for found in (report.turned, report.several))
    if report.turned:
        yield (
            f"{len(report.turned):,} {'face looks' if len(report.turned) == 1 else 'faces look'} turned by 90 degrees "
            f"or more; left out of all conditions: {turned}. Turn the files upright to use them."
        )
    if report.several:
        yield (
            f"{len(report.several):,} {'image shows' if len(report.several) == 1 else 'images show'} several faces, of "
            f"which the largest central one is taken: {several}."
        )
