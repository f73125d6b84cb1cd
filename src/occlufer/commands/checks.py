"""What can be refused before any work starts: values of the wrong kind, keys that nothing reads, odd folder names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from occlufer.commands.options import conf_folder
from occlufer.types import ConfigError, unknown_name

_MOST_SEED = 2**32 - 1  # numpy's and Lightning's bound
_MOST_SIDE = 4096  # pixels; a batch of larger images fits no machine


def check_train(settings: Mapping[str, Any]) -> None:
    """Refuse a request for a training that cannot work; raises `ConfigError`."""
    _check_keys(settings)
    _check_study(settings["study"])
    check_folders(settings)
    for name in ("seed", "evaluation_seed"):
        check_seed(name, settings[name])
    whole("image.size", _of(settings, "image", "size"), 16, _MOST_SIDE)
    # Batch normalisation cannot learn from a single face.
    whole("loader.batch_size", _of(settings, "loader", "batch_size"), 2)
    whole("loader.num_workers", _of(settings, "loader", "num_workers"), 0)
    whole("trainer.max_epochs", _of(settings, "trainer", "max_epochs"), 1)
    whole("trainer.accumulate_grad_batches", _of(settings, "trainer", "accumulate_grad_batches"), 1)
    if (patience := _of(settings, "early_stopping", "patience")) is not None:
        whole("early_stopping.patience", patience, 1)


def check_preview(settings: Mapping[str, Any]) -> None:
    """Refuse a sheet that cannot be drawn; raises `ConfigError`."""
    check_folders(settings)
    check_seed("seed", settings["seed"])
    for name, least in (("count", 1), ("columns", 1), ("tile", 16)):
        whole(name, settings[name], least, _MOST_SIDE)
    if settings["size"] is not None:
        whole("size", settings["size"], 16, _MOST_SIDE)
    if not isinstance(settings["output"], str) or not settings["output"].lower().endswith(".png"):
        raise ConfigError(f"output must be the path of a .png file, found {settings['output']!r}.")


def check_folders(settings: Mapping[str, Any]) -> None:
    """`paths.outputs` and `paths.cache` must be paths; raises `ConfigError`."""
    for name in ("outputs", "cache"):
        found = settings["paths"][name]
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


def anchored(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with an absolute `dataset.root`: a run is evaluated from other folders than it was trained in."""
    root = settings["dataset"].get("root")
    if not isinstance(root, str) or not root:
        return settings
    return settings | {"dataset": settings["dataset"] | {"root": str(Path(root).expanduser().absolute())}}


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
    stated = yaml.safe_load((conf_folder() / "train.yaml").read_text(encoding="utf-8"))
    groups = [group for entry in stated.pop("defaults") if isinstance(entry, Mapping) for group in entry]
    known = {group for group in groups if " " not in group} | set(stated) | {"condition_occluders"}
    _refuse_unknown("setting", settings, known - {"hydra", "experiment"})
    for name in ("early_stopping", "names"):
        _refuse_unknown(f"{name} setting", settings[name], stated[name])
    _refuse_unknown("paths setting", settings["paths"], ("outputs", "cache"))


def _refuse_unknown(what: str, found: Iterable[str], known: Iterable[str]) -> None:
    for name in found:
        if name not in set(known):
            raise ConfigError(unknown_name(what, str(name), sorted(known)))
