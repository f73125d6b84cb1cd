"""What a stored run may build: reading somebody's run must not run their code."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from occlufer.building import conf_folders
from occlufer.reading import read_json
from occlufer.runs import Run
from occlufer.settings import rename_moved
from occlufer.types import RunError

PACKAGES: tuple[str, ...] = (
    *(f"occlufer.{room}" for room in ("data", "landmarks", "learning", "occlusion", "studies")),
    "torch.nn",
    "torch.optim",
)
"""Their classes may be built; of their functions only those that a file of conf names."""
DATASETS = "occlufer.datasets"
"""Only the group `dataset` itself may name one of these: some write a cache, and `evaluate` sets the folder of that."""
_NOT_BUILT = ("trainer", "logger", "hydra", "paths", "objective", "optimizer", "scheduler")  # for trainings
_FROM_THE_NET = re.compile(r"^(hf[_-]hub|local-dir|https?|file):", re.IGNORECASE)

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_TARGET = re.compile(r"^\s*_target_:\s*([\w.]+)", re.MULTILINE)


def stored_settings(run: Run, *, trusted: Sequence[str]) -> dict[str, Any]:
    """config.yaml of a run folder, checked by `check_settings`; raises `RunError` when damaged or not to be trusted."""
    config = run.config()
    check_settings(config, f"{run.folder}/config.yaml", trusted=trusted)
    return config


def stored_conditions(run: Run, *, trusted: Sequence[str]) -> dict[str, Any]:
    """conditions.json of a run folder, the occluder of each test condition; checked as `stored_settings`."""
    path = run.folder / "conditions.json"
    content = read_json(path)
    rename_moved(content)
    if not isinstance(content, dict):
        raise RunError(f"{path} does not hold the occluders of the test conditions.")
    check_targets(content, str(path), trusted=trusted)
    return content


def check_settings(config: Mapping[str, Any], where: str, *, trusted: Sequence[str] = ()) -> None:
    """Check what a run's configuration would build when it is used again, group by group; see `check_targets`."""
    for name, node in config.items():
        if name == "model":
            check_network(node, where, trusted=trusted)
        elif name not in _NOT_BUILT:
            check_targets(node, where, trusted=trusted, is_dataset=name == "dataset")


def check_network(node: Any, where: str, *, trusted: Sequence[str] = ()) -> None:
    """Check the node of a network, from whatever file: as `check_targets`, and that nothing is looked up elsewhere."""
    check_targets(node, where, trusted=trusted)
    _check_sources(node, where, trusted)


def _check_sources(node: Any, where: str, trusted: Sequence[str]) -> None:
    """Refuse a network that would be fetched from the internet: the request would carry the user's access token."""
    if isinstance(node, Mapping):
        for value in node.values():
            _check_sources(value, where, trusted)
    elif isinstance(node, str) and _FROM_THE_NET.match(node) and "hf_hub" not in trusted:
        raise RunError(
            f"{where} asks for the network {node!r}, which would be looked up outside this machine. If you trust who "
            "made it, say trusted=[hf_hub]."
        )


def check_targets(config: Any, where: str, *, trusted: Sequence[str] = (), is_dataset: bool = False) -> None:
    """Refuse a stored configuration that would build more than the parts of a run.

    Args:
        config: a configuration in plain dicts and lists.
        where: what to call it in the message.
        trusted: packages of the user's own whose classes and functions may be built too.
        is_dataset: whether the outermost node may be a dataset.

    Raises:
        RunError: it names anything else to build, or holds an interpolation (`${...}`): a stored configuration is
            resolved, and an interpolation could read environment variables here.
    """
    if isinstance(config, Mapping):
        target = config.get("_target_")
        if target is not None and not _may_build(target, trusted, (DATASETS,) if is_dataset else PACKAGES):
            if _is_gone(target):
                raise RunError(
                    f"{where} asks to build {target!r}, which this version of occlufer does not have: an older version "
                    "wrote it (environment.json names that version), or the file was edited."
                )
            raise RunError(
                f"{where} asks to build {target!r}; a stored run may only build classes of {', '.join(PACKAGES)} and "
                "what conf names. If you trust who made it, say trusted=[PACKAGE], the first part of that name."
            )
        for value in config.values():
            check_targets(value, where, trusted=trusted)
    elif isinstance(config, list | tuple):
        for value in config:
            check_targets(value, where, trusted=trusted)
    elif isinstance(config, str) and "${" in config:
        raise RunError(
            f"{where} holds the interpolation {config!r}; runs are stored with their values, so the file was edited. "
            "Write the value itself, or train the run again."
        )


def _may_build(target: object, trusted: Sequence[str], packages: Sequence[str]) -> bool:
    if not isinstance(target, str) or not _NAME.fullmatch(target):
        return False
    _, *own = folders = conf_folders()
    if target.split(".")[0] in trusted or target in _named_in(tuple(own)):
        return True
    inside = target.startswith(tuple(f"{package}." for package in packages))
    return inside and (target in _named_in((folders[0],)) or _is_own_class(target))


@functools.cache
def _named_in(folders: tuple[Path, ...]) -> frozenset[str]:
    files = (path for folder in folders for path in folder.rglob("*.yaml"))
    return frozenset(name for path in files for name in _TARGET.findall(path.read_text(encoding="utf-8")))


def _is_gone(target: object) -> bool:
    """Whether the name lies in our package but leads to nothing there."""
    if not isinstance(target, str) or not target.startswith("occlufer.") or not _NAME.fullmatch(target):
        return False
    found: Any = importlib.import_module("occlufer")
    for part in target.split(".")[1:]:
        try:
            found = importlib.import_module(f"{found.__name__}.{part}")
        except ImportError:  # no module of that name: what is it in the last one?
            return not hasattr(found, part)
    return False


def _is_own_class(target: str) -> bool:
    """Whether the name leads to a class of `PACKAGES` where it is defined: `ours.module.os.system` leads elsewhere."""
    module_name, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError):
        return False
    return isinstance(found, type) and found.__module__ == module_name
