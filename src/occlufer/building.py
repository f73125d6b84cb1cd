"""Builds objects from the configuration, by the `_target_` of a node, and finds the conf folders that it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError

from occlufer.settings import conf_folder
from occlufer.types import ConfigError, OccluferError


def plain(config: Any) -> Any:
    """A resolved copy in plain dicts and lists; raises `ConfigError` naming a key without value."""
    if not OmegaConf.is_config(config):
        return config
    try:
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except InterpolationResolutionError as error:
        inner = error.__context__
        while inner is not None and not isinstance(inner, OccluferError):
            inner = inner.__context__
        if inner is None:
            raise
        raise inner from None  # of `${protocol:...}`: its own sentence says more


def build(config: Any, **more: Any) -> Any:
    """Instantiate a node by its `_target_`; an error inside is raised as itself, not wrapped in Hydra's words."""
    node = OmegaConf.create(plain(config)) if not isinstance(config, DictConfig) else config
    try:
        return hydra.utils.instantiate(node, **more, _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OccluferError):
                raise cause from None
            cause = cause.__cause__
        target = node.get("_target_") if isinstance(node, DictConfig) else None
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(
            f"{target} cannot be made with these settings: {reason.removesuffix('.')}. Compare them with the file "
            "in conf that names it."
        ) from error


def conf_folders(config: DictConfig | None = None) -> list[Path]:
    """The conf folders that a configuration is read from: ours, then the user's (--config-dir, hydra.searchpath).

    `config` is a configuration with its node `hydra`; by default that of the running command, or where none runs, what
    Hydra was initialised with.
    """
    if config is None and HydraConfig.initialized():
        config = HydraConfig.instance().cfg
    if config is not None:
        found = [(source.schema, source.path) for source in config.hydra.runtime.config_sources]
    else:
        loader = GlobalHydra.instance().config_loader() if GlobalHydra.instance().is_initialized() else None
        found = [(source.scheme(), source.path) for source in (loader.get_sources() if loader else [])]
    own = [Path(path) if schema == "file" else files(path) for schema, path in found
           if schema == "file" or (schema == "pkg" and path != "hydra.conf")]  # fmt: skip
    return list(dict.fromkeys([conf_folder(), *(Path(str(path)) for path in own)]))


def with_own_pictures(node: Any, folders: Sequence[Path]) -> Any:
    """An occlusion's node with the files of `picture:` and `config:` that lie beside a YAML file of one's own.

    They get absolute paths: a run is evaluated from other folders. A path that is there from the working directory
    stays as it is, and so does one that is nowhere.
    """
    if isinstance(node, Mapping):
        return {
            key: _found(value, folders)
            if key in ("picture", "config") and isinstance(value, str)
            else with_own_pictures(value, folders)
            for key, value in node.items()
        }
    return [with_own_pictures(part, folders) for part in node] if isinstance(node, list) else node


def _found(path: str, folders: Sequence[Path]) -> str:
    beside = [place / path for folder in folders for place in (folder / "occlusion", folder)]
    there = [str(file.absolute()) for file in beside if file.is_file()]
    return path if Path(path).is_file() or not there else there[0]
