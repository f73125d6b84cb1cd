"""What can be refused before any work starts: values of the wrong kind, keys that nothing reads, odd folder names."""

from __future__ import annotations

import functools
import hashlib
import math
import os
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig

from occlufer.building import build
from occlufer.commands.app import condition_configs, settings_of
from occlufer.settings import DRAWING, Protocol, conf_folder
from occlufer.types import ConfigError, unknown_name

_ADDED = {"condition_occluders", "drawing", "extra_digest"}  # by `training_settings`
_MOST_SEED = 2**32 - 1  # numpy's and Lightning's bound
_PLACES = ("root", "table", "votes", "occlusions")  # what a dataset is read from
_MOST_SIDE = 4096  # pixels; a batch of larger images fits no machine


def check_train(settings: Mapping[str, Any]) -> None:
    """Refuse a request for a training that cannot work; raises `ConfigError`."""
    _check_keys(settings)
    _check_study(settings["study"])
    check_folders(settings)
    for name in ("seed", "evaluation_seed"):
        check_seed(name, settings[name])
    _check_size("image.size", _of(settings, "image", "size"))
    # Batch normalisation cannot learn from a single face.
    whole("loader.batch_size", _of(settings, "loader", "batch_size"), 2)
    whole("loader.num_workers", _of(settings, "loader", "num_workers"), 0)
    whole("trainer.max_epochs", _of(settings, "trainer", "max_epochs"), 1)
    whole("trainer.accumulate_grad_batches", _of(settings, "trainer", "accumulate_grad_batches"), 1)
    if settings["retry"] not in (None, "failed"):
        raise ConfigError(
            f"retry must be null (all that is not finished) or failed, found {settings['retry']!r}."
        )
    rate = _group(settings, "optimizer").get("lr", 0)
    if not _is_number(rate) or not 0 <= rate < math.inf:
        raise ConfigError(
            f"optimizer.lr must be a number, at least 0; found {rate!r}. Example: optimizer.lr=0.001"
        )
    if (patience := _of(settings, "early_stopping", "patience")) is not None:
        whole("early_stopping.patience", patience, 1)
    _check_protocol(settings)


def training_settings(config: DictConfig) -> dict[str, Any]:
    """What `train` is asked for: plain, resolved, dataset paths absolute, with the occluders of its conditions.

    A sweep's parent process asks it too, to know the run folder of each job before it starts.
    """
    settings = settled(anchored(settings_of(config)))
    settings["condition_occluders"] = condition_configs(settings["conditions"])
    settings["drawing"] = DRAWING
    if (extra := settings["dataset"].get("extra")) is not None:
        settings["extra_digest"] = _images_digest(Path(str(extra)))
    return settings


def _images_digest(folder: Path) -> str:
    """8 hex digits of the list, the names and the sizes of extra images: a folder that grew makes another run."""
    from occlufer.datasets.extra import LIST_NAME
    from occlufer.datasets.images import EXTENSIONS

    images = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file()
    )
    found: list[object] = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in images]
    if (listed := folder / LIST_NAME).is_file():
        found.append(listed.read_bytes())
    return hashlib.sha256(repr(found).encode()).hexdigest()[:8]


def check_preview(settings: Mapping[str, Any]) -> None:
    """Refuse a sheet that cannot be drawn; raises `ConfigError`."""
    check_folders(settings)
    check_seed("seed", settings["seed"])
    for name, least in (("count", 1), ("columns", 1), ("draws", 1), ("score_count", 1), ("tile", 16)):
        whole(name, settings[name], least, _MOST_SIDE)
    if settings["size"] is not None:
        _check_size("size", settings["size"])
    if not isinstance(settings["output"], str) or not settings["output"].lower().endswith(".png"):
        raise ConfigError(f"output must be the path of a .png file, found {settings['output']!r}.")


def check_augment(settings: Mapping[str, Any]) -> None:
    """Refuse what no images can be made from; raises `ConfigError`."""
    check_folders(settings)
    check_seed("seed", settings["seed"])
    if settings["method"] not in (known := ("deocclude", "frontal")):
        raise ConfigError(unknown_name("method", str(settings["method"]), known))
    target = settings["target"]
    if not _is_number(target) or not 0 < target <= 10:
        raise ConfigError(
            f"target must be over 0 and at most 10, times the most frequent expression; found {target!r}."
        )
    _check_frontal(settings["frontal"])
    network = settings["deoccluder"]
    whole("deoccluder.num_workers", network["num_workers"], 0)
    if not _is_number(network["lr"]) or not 0 < network["lr"] < math.inf:
        raise ConfigError(f"deoccluder.lr must be a number over 0, found {network['lr']!r}.")
    for name in ("epochs", "batch_size"):
        whole(f"deoccluder.{name}", network[name], 1)
    widths = network["widths"]
    if not isinstance(widths, list) or not widths:
        raise ConfigError(f"deoccluder.widths must be a list of channels, found {widths!r}.")
    for width in widths:
        whole("deoccluder.widths", width, 1)
    whole("deoccluder.side", network["side"], 16, _MOST_SIDE)
    if network["side"] % (step := 2 ** (len(widths) - 1)):
        raise ConfigError(
            f"deoccluder.side must be divisible by {step}, since each of deoccluder.widths but the first halves it; "
            f"found {network['side']}."
        )


def _check_frontal(frontal: Mapping[str, Any]) -> None:
    fill, yaw_range = frontal["fill"], frontal["yaw_range"]
    if not _is_number(fill) or not 0 <= fill <= 1:
        raise ConfigError(f"frontal.fill must be a share from 0 to 1, found {fill!r}.")
    if not isinstance(yaw_range, list) or len(yaw_range) != 2 or not all(map(_is_number, yaw_range)):
        raise ConfigError(
            f"frontal.yaw_range must be two numbers of degrees, found {yaw_range!r}. Example: frontal.yaw_range=[5,45]"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_dataset(settings: Mapping[str, Any]) -> None:
    """Let a dataset whose folder or list is not there refuse itself before the seconds that torch takes to load."""
    node = dict(settings["dataset"])
    given = [node[name] for name in _PLACES if node.get(name)]
    if not all(map(is_there, given)) or ("root" in node and not node["root"]):
        build({name: value for name, value in node.items() if name not in ("crop", "extra")})


def is_there(path: object) -> bool:
    """Whether it names a file or folder; one whose name is too long, or that may not be looked for, is not there."""
    return isinstance(path, str) and os.path.exists(os.path.expanduser(path))  # noqa: PTH110, PTH111


def check_folders(settings: Mapping[str, Any]) -> None:
    """`paths.outputs` and `paths.cache` must be paths; raises `ConfigError`."""
    for name in ("outputs", "cache"):
        found = _of(settings, "paths", name)
        if not isinstance(found, str) or not found.strip():
            raise ConfigError(
                f"paths.{name} must be a folder, found {found!r}. Example: paths.{name}=/data/{name}"
            )


def check_seed(name: str, value: object) -> None:
    """A seed must be one that numpy and torch both take; raises `ConfigError`."""
    whole(name, value, 0, _MOST_SEED)


def whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raise `ConfigError` unless `value` is a whole number within the bounds."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most and value > most):
        bounds = f"at least {least}" + (f" and at most {most}" if most else "")
        raise ConfigError(
            f"{name} must be a whole number, {bounds}; found {value!r}. Example: {name}={max(least, 1)}"
        )


def _check_size(name: str, value: object) -> None:
    """A side in pixels, or [height, width]; raises `ConfigError`."""
    for side in value if isinstance(value, list) and len(value) == 2 else [value]:
        whole(name, side, 16, _MOST_SIDE)


def anchored(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with absolute paths in the dataset: a run is evaluated from other folders than it was trained in."""
    dataset = dict(_group(settings, "dataset"))
    for name in (*_PLACES, "extra"):
        path = dataset.get(name)
        if isinstance(path, str) and path:
            dataset[name] = str(Path(path).expanduser().absolute())
    return settings | {"dataset": dataset}


def settled(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a run; for a network that has nothing to learn, those that cannot change it are set to one value.

    So a sweep over optimisers trains such a network once: its other jobs find a finished run.
    """
    if settings["learns"] is not False:
        return settings
    return settings | {
        "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.0},
        "scheduler": {"_target_": "occlufer.learning.schedules.constant", "_partial_": True},
        "trainer": {**_group(settings, "trainer"), "max_epochs": 1},
    }


def _check_protocol(settings: Mapping[str, Any]) -> None:
    Protocol.of(settings)
    if (published := settings["published"]) is not None and published not in (names := _published_names()):
        raise ConfigError(unknown_name("published study", str(published), names))
    if not isinstance(settings["learns"], bool):
        raise ConfigError(f"learns must be true or false, found {settings['learns']!r}.")
    if settings["fold"] is not None:
        from occlufer.datasets.folds import check_fold  # with pandas, which a sweep's parent does without

        check_fold(settings["fold"], settings["fold_count"], settings["fold_seed"])


def _published_names() -> tuple[str, ...]:
    """The studies whose figures the report knows; read here, as its own reader brings pandas along."""
    text = resources.files("occlufer.studies").joinpath("published.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text))


def _of(settings: Mapping[str, Any], group: str, name: str) -> Any:
    node = settings[group]
    if not isinstance(node, Mapping) or name not in node:
        raise ConfigError(f"{group} must hold {name}, found {node!r}. Set {group}.{name}=VALUE.")
    return node[name]


def _check_study(study: object) -> None:
    name = str(study)
    odd = (
        name.strip() != name
        or name in {"", ".", ".."}
        or any(mark in name for mark in "/\\")
        or not name.isprintable()
    )
    if study is None or odd:
        raise ConfigError(
            f"study must be the name of one folder under paths.outputs, found {study!r}. Give study=NAME, and the "
            "folder above it as paths.outputs=DIR."
        )


def _check_keys(settings: Mapping[str, Any]) -> None:
    """Hydra takes any `+key=value`: one that nothing reads would only make another run of the same name."""
    stated = _stated()
    groups = [group for entry in stated["defaults"] if isinstance(entry, Mapping) for group in entry]
    known = {group for group in groups if " " not in group} | set(stated) | _ADDED
    _refuse_unknown("setting", settings, known - {"hydra", "experiment", "defaults"})
    for name, keys in (
        *((name, stated[name]) for name in ("early_stopping", "names")),
        ("paths", ("outputs", "cache")),
    ):
        _refuse_unknown(f"{name} setting", _group(settings, name), keys)


@functools.cache
def _stated() -> dict[str, Any]:
    """The contents of train.yaml."""
    content: dict[str, Any] = yaml.safe_load((conf_folder() / "train.yaml").read_text(encoding="utf-8"))
    return content


def _group(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    node = settings[name]
    if not isinstance(node, Mapping):
        raise ConfigError(f"{name} must be a group of settings, found {node!r}. Set {name}.KEY=VALUE.")
    return node


def _refuse_unknown(what: str, found: Iterable[str], known: Iterable[str]) -> None:
    for name in found:
        if name not in set(known):
            raise ConfigError(unknown_name(what, str(name), sorted(known)))
