"""From a node of the configuration to the object that its `_target_` names."""

from __future__ import annotations

from typing import Any

import hydra
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from occlufer.types import ConfigError, OccluferError


def plain(config: Any) -> Any:
    """A resolved copy in plain dicts and lists; raises `ConfigError` naming a key without value."""
    if not OmegaConf.is_config(config):
        return config
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


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
