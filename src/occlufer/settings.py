"""What tells runs apart: one list of settings that cannot change a result, for a run's hash and the report's groups."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from occlufer.types import ConfigError, unknown_name


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an experiment deals with validation and test faces: the choices behind the setting `protocol`.

    Attributes:
        scored: which checkpoint is tested: the best one by validation macro F1, or that of the last epoch.
        chosen_by: which scores decide between the settings of a grid.
        parts_subjects: whether folds are cut by image, so that the faces of one person, and copies of one image, may
            lie in training and in validation.
        duplicates: what becomes of images that stand in two splits, in datasets whose YAML file asks for it with
            `${protocol:duplicates}`.
        contradictions: what becomes of images that stand under more than one label.
    """

    scored: Literal["best", "last"]
    chosen_by: Literal["validation", "test"]
    parts_subjects: bool
    duplicates: Literal["drop", "keep"]
    contradictions: Literal["drop", "keep"]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Protocol:
        """That of a configuration, honest where it names none; raises `ConfigError` for an unknown one."""
        name = config.get("protocol", "honest")
        if name not in PROTOCOLS:
            raise ConfigError(unknown_name("protocol", str(name), PROTOCOLS))
        return PROTOCOLS[name]


PROTOCOLS: Mapping[str, Protocol] = {
    "honest": Protocol("best", "validation", parts_subjects=False, duplicates="drop", contradictions="drop"),
    "published": Protocol("last", "test", parts_subjects=True, duplicates="keep", contradictions="keep"),
}
"""honest: what this project recommends; published: what the two published studies did, faults included."""

DRAWING = 3
"""Version of what occluders draw: to be raised when artwork, placement or light change what a face looks like.

It is a setting of every training, `drawing`, that nobody gives by hand. Runs that lack it were drawn by version 1.
"""

NEUTRAL: Mapping[str, str] = {
    "paths": "where files lie",
    "study": "the name of a folder",
    "published": "the study whose printed figures the report sets beside these",
    "retry": "which runs of a sweep are started",
    "weights": "counts where a network reads it, as model.pretrained",
    "logger": "a mirror of the record",
    "names": "how the dataset, condition and network are called; they are columns of every table",
    "loader.num_workers": "a sample is drawn from (seed, epoch, key), in whatever process",
    "loader.pin_memory": "how a batch reaches the device",
    "landmarks.workers": "landmarks are found image by image",
    "dataset.cache": "where drawn faces are kept",
    "dataset.workers": "a face is drawn from (seed, index), in whatever process",
    "trainer.enable_progress_bar": "what is seen on the terminal",
}
"""Setting, or group of settings -> why it cannot change a result."""

REPLICATE = ("seed", "fold")
"""What may differ between runs that are averaged; how folds are cut (`fold_count`, `fold_seed`) may not."""

COMPARED: Mapping[str, str] = {
    "conditions": "test conditions are columns of every table; what covers a face under one is in condition_occluders",
    "dataset.root": "where the images lie; test faces are compared by their content",
}
"""Setting -> why runs that differ in it may be averaged, though each is a run of its own."""

MOVED: Mapping[str, str] = {
    "occlufer.data.eye_strip.EyeStrip": "occlufer.studies.views.EyeStrip",
    "occlufer.data.view_study_a.MeshCorner": "occlufer.studies.views.MeshCorner",
    "occlufer.occlusion.study.CentredPicture": "occlufer.studies.placements.CentredPicture",
    "occlufer.occlusion.study.SixPointMask": "occlufer.studies.placements.SixPointMask",
    "occlufer.learning.models.dense_head.dense_head_network": "occlufer.studies.dense_head.dense_head_network",
    "occlufer.learning.models.maskthefer.maskthefer": "occlufer.studies.maskthefer.maskthefer",
    "occlufer.learning.models.uniform.UniformClassifier": "occlufer.studies.uniform.UniformClassifier",
    "occlufer.learning.schedules.plateau_with_decay": "occlufer.studies.schedules.plateau_with_decay",
}
"""Name of a class or function in configurations of earlier versions -> its name today."""


def rename_moved(stored: Any) -> None:
    """Give the `_target_`s of a stored configuration that have moved since (`MOVED`) their names of today, in place."""
    seen, waiting = set(), [stored]
    while (
        waiting
    ):  # no recursion: YAML aliases may repeat a node very often, and nest deeper than Python's stack
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, dict | list):
            continue
        seen.add(id(node))
        if isinstance(node, list):
            waiting += node
            continue
        if isinstance(name := node.get("_target_"), str):
            node["_target_"] = MOVED.get(name, name)
        waiting += node.values()


_PACKAGE = Path(__file__).resolve().parent


def conf_folder() -> Path:
    """The conf folder: beside the package in a wheel, at the top of the repository in a checkout."""
    shipped = _PACKAGE / "conf"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "conf"


def is_below(name: str, groups: Iterable[str]) -> bool:
    """Whether a dotted name is one of `groups`, or lies below one."""
    return any(name == group or name.startswith(f"{group}.") for group in groups)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name, such as `optimizer.lr`; lists stay values."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def design_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that tell designs apart, by dotted name: all but what is neutral, a replicate, or compared anyway.

    A fold is a replicate, so `fold` says only which cross-validation it was, if any.
    """
    flat = flatten(config)
    count, seed = flat.pop("fold_count", None), flat.pop("fold_seed", None)
    kept = {
        name: value for name, value in flat.items() if not is_below(name, (*NEUTRAL, *REPLICATE, *COMPARED))
    }
    kept.setdefault("drawing", 1)
    kept["fold"] = "none" if config.get("fold") is None else f"one of {count} (seed {seed})"
    return kept


def config_hash(config: Mapping[str, Any]) -> str:
    """8 hex digits of all that can change a result: equal configurations are the same run.

    How folds are cut does not count where there is none.
    """
    unused = ("fold_count", "fold_seed") if config.get("fold") is None else ()
    identity = without(config, (*NEUTRAL, *unused))
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def without(config: Mapping[str, Any], dotted_names: tuple[str, ...]) -> dict[str, Any]:
    """The configuration but for some keys, given as `group` or `group.key`."""
    heads = {name for name in dotted_names if "." not in name}
    kept: dict[str, Any] = {}
    for key, value in config.items():
        if key in heads:
            continue
        nested = tuple(name.split(".", 1)[1] for name in dotted_names if name.startswith(f"{key}."))
        kept[key] = without(value, nested) if nested and isinstance(value, Mapping) else value
    return kept


def run_folder(config: Mapping[str, Any]) -> Path:
    """Where the run of a resolved configuration lies: `paths.outputs`/study/`run_folder_name`, absolute."""
    outputs = Path(config["paths"]["outputs"]).expanduser()
    return (outputs / str(config["study"]) / run_folder_name(config)).resolve()


def run_folder_name(config: Mapping[str, Any]) -> str:
    """A readable name that ends in the short config hash, such as `mask_vgg16_seed0_fold2_1a2b3c4d`."""
    names = config["names"]
    readable = f"{names['occlusion']}_{names['model']}_seed{config['seed']}"
    if config.get("fold") is not None:
        readable += f"_fold{config['fold']}"
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", readable)
    return f"{readable}_{config_hash(config)}"
