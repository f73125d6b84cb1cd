"""From a resolved configuration to the parts of a training: data module, objective, classifier."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch

from occlufer.building import build
from occlufer.data.datamodule import FaceDataModule, LoaderSettings
from occlufer.data.image_format import ImageFormat
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.learning.module import ExpressionClassifier
from occlufer.types import EXPRESSIONS, ConfigError, OccluferError

Config = Mapping[str, Any]
MadeT = TypeVar("MadeT")

_UNEQUAL = 3  # times as many faces in the largest class as in the smallest
_LOOKED_AT = 8  # images
_GREY_WITHIN = 3.0  # the mean spread of a grey image's channels, which JPEG rounds apart


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


def data_advice(config: Config, data: FaceDataModule) -> Iterator[str]:
    """What the training faces are like, where a setting goes with it: unequal classes, grey or colour."""
    sizes = {name: count for name, count in zip(EXPRESSIONS, data.class_counts(), strict=True) if count}
    most, fewest = max(sizes, key=sizes.__getitem__), min(sizes, key=sizes.__getitem__)
    if sizes[most] >= _UNEQUAL * sizes[fewest] and config["objective"].get("class_weights", ()) is None:
        yield (
            f"Training faces are unequal: {most} {sizes[most]:,}, {fewest} {sizes[fewest]:,}; "
            "objective.class_weights=balanced weighs them."
        )
    if data.image.channels == 1 and _in_colour(data):
        yield "The faces are in colour, and the network is shown them in grey; model.in_chans=3 shows colours."
    elif data.image.channels == 3 and not _in_colour(data):
        yield "The faces are grey, and the network is shown them in three equal channels; model.in_chans=1 shows one."


def _in_colour(data: FaceDataModule) -> bool:
    """Whether any of a few training faces has colours."""
    for index in data.indices["train"][:: max(len(data.indices["train"]) // _LOOKED_AT, 1)][:_LOOKED_AT]:
        image_HWC = data.faces.load_image(int(index))
        if np.ptp(image_HWC.astype(np.int16), axis=2).mean() > _GREY_WITHIN:
            return True
    return False


def check_data_parts(config: Config) -> None:
    """Build what stands between a dataset and the network, and drop it; raises as `check_parts`."""
    for group in ("landmarks", "view", "occlusion", "augmentation"):
        build(config[group])
    _image(config)
    _made(LoaderSettings, "loader", config["loader"])


def check_parts(config: Config) -> torch.nn.Module | None:
    """Build every part of a run but its data, and drop it: what cannot be built fails before any work starts.

    Returns:
        The teacher of an objective that has one, for `make_classifier`: it need not be read twice.

    Raises:
        ConfigError: a setting that a part refuses, or does not know.
    """
    check_data_parts(config)
    node = config["objective"].get("teacher")
    teacher = build(node) if isinstance(node, Mapping) else None
    _objective(config, [1] * len(EXPRESSIONS), teacher)
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
    return teacher


def _objective(config: Config, class_counts: list[int], teacher: torch.nn.Module | None) -> Any:
    known = {} if teacher is None else {"teacher": teacher}
    return build(config["objective"], class_counts=class_counts, **known)


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


def make_classifier(
    config: Config, class_counts: list[int], teacher: torch.nn.Module | None = None
) -> ExpressionClassifier:
    """The network of a run's configuration with its objective, optimiser and schedule.

    `teacher`: what `check_parts` gave; None: it is loaded here, where the objective has one.
    """
    return ExpressionClassifier(
        network=build(config["model"], num_classes=len(EXPRESSIONS)),
        objective=_objective(config, class_counts, teacher),
        optimizer=build(config["optimizer"]),
        scheduler=build(config["scheduler"]),
        classes=len(EXPRESSIONS),
        seed=int(config["seed"]),
        channels_last=bool(config["channels_last"]),
        flip=bool(config["flip_test"]),
        config=config,
    )
