"""From a resolved configuration to the objects of a run: faces, landmarks, data module, classifier."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch

from occlufer.building import build
from occlufer.console import progress, say
from occlufer.data.datamodule import FaceDataModule, LoaderSettings, coverage_table, usable_faces
from occlufer.data.image_format import ImageFormat
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.extra import WithExtra
from occlufer.datasets.folds import Fold
from occlufer.datasets.manifest import named
from occlufer.datasets.near_duplicates import near_duplicate_notes, pairs_path, read_pairs
from occlufer.landmarks.build import BuildReport, build_landmarks
from occlufer.landmarks.cache import LandmarkCache
from occlufer.learning.module import ExpressionClassifier
from occlufer.settings import Protocol
from occlufer.types import EXPRESSIONS, ConfigError, DatasetError, OccluferError

Config = Mapping[str, Any]
MadeT = TypeVar("MadeT")

NEAR_DUPLICATES = "near_duplicates"
"""The folder of the cache in which `prepare` keeps the near-duplicates that it found."""


def make_faces(config: Config) -> FaceDataset:
    """The dataset of a run, parted by fold and with `dataset.extra` where asked for; says what it left out."""
    node = dict(config["dataset"])
    extra = node.pop("extra", None)
    faces: FaceDataset = build(node)
    if config.get("fold") is not None:
        faces = Fold(faces, fold=config["fold"], count=config["fold_count"], seed=config["fold_seed"],
                     honest=not Protocol.of(config).parts_subjects)  # fmt: skip
    if extra is not None:
        faces = WithExtra(faces, extra)
    folder = Path(config["paths"]["cache"]) / NEAR_DUPLICATES
    # Reading all pixels is too dear for every start: what `prepare` has found of these images and splits is said.
    pairs = read_pairs(pairs_path(folder, faces)) if folder.is_dir() else None
    if pairs is not None:
        faces.notes = (*faces.notes, *near_duplicate_notes(pairs))
    for note in faces.notes:
        say(note)
    return faces


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
        say(f"... and {len(report.notes) - 5} more images that cannot be read.")
    if report.found == 0:
        raise DatasetError(
            f"{faces.name}: no face was found in any of its {report.total} images ({report.missed}). Are these "
            "photographs of uncovered faces, at least 48 pixels wide? Look at them with "
            "`occlufer preview view=full occlusion=none`, or lower landmarks.min_face_share if the faces are small."
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


def landmark_coverage(faces: FaceDataset, cache: LandmarkCache) -> pd.DataFrame:
    """See `occlufer.data.datamodule.coverage_table`."""
    return coverage_table(faces, usable_faces(faces, cache))


def make_datamodule(
    config: Config, faces: FaceDataset, cache: LandmarkCache, conditions: Mapping[str, Config]
) -> FaceDataModule:
    """The data module of a run's configuration, testing under the given occluder nodes."""
    return FaceDataModule(
        faces=faces,
        cache=cache,
        view=build(config["view"]),
        occluder=build(config["occlusion"]),
        conditions={name: build(node) for name, node in conditions.items()},
        augmentation=build(config["augmentation"]),
        image=_image(config),
        loader=_made(LoaderSettings, "loader", config["loader"]),
        seed=int(config["seed"]),
        evaluation_seed=int(config["evaluation_seed"]),
    )


def check_data_parts(config: Config) -> None:
    """Build what stands between a dataset and the network, and drop it; raises as `check_parts`."""
    for group in ("landmarks", "view", "occlusion", "augmentation"):
        build(config[group])
    _image(config)
    _made(LoaderSettings, "loader", config["loader"])


def check_parts(config: Config) -> None:
    """Build every part of a run but its data, and drop it: what cannot be built fails before any work starts.

    Raises:
        ConfigError: a setting that a part refuses, or does not know.
    """
    check_data_parts(config)
    build(config["objective"], class_counts=[1] * len(EXPRESSIONS))
    build(config["model"], num_classes=len(EXPRESSIONS))
    try:
        optimizer = build(config["optimizer"])([torch.nn.Parameter(torch.zeros(1))])
        build(config["scheduler"])(optimizer, 10)
    except OccluferError:
        raise
    except (TypeError, ValueError) as error:  # torch's own words for an odd value
        raise ConfigError(
            f"The optimizer or scheduler cannot be made with these settings: {error}."
        ) from error


def _image(config: Config) -> ImageFormat:
    return _made(ImageFormat.create, "image", config["image"], channels=config["model"].get("in_chans", 1))


def _made(make: Callable[..., MadeT], group: str, values: Config, **more: Any) -> MadeT:
    """`make(**values)`, where the names of `values` come from the user: odd ones are a `ConfigError`."""
    try:
        bound = inspect.signature(make).bind(**values, **more)
    except TypeError as error:
        raise ConfigError(
            f"The settings of {group} do not fit: {error}. Found: {', '.join(values)}."
        ) from error
    return make(*bound.args, **bound.kwargs)


def make_classifier(config: Config, class_counts: list[int]) -> ExpressionClassifier:
    """The network of a run's configuration with its objective, optimiser and schedule."""
    return ExpressionClassifier(
        network=build(config["model"], num_classes=len(EXPRESSIONS)),
        objective=build(config["objective"], class_counts=class_counts),
        optimizer=build(config["optimizer"]),
        scheduler=build(config["scheduler"]),
        classes=len(EXPRESSIONS),
        seed=int(config["seed"]),
        channels_last=bool(config["channels_last"]),
        flip=bool(config["flip_test"]),
        config=config,
    )
