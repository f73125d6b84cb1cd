"""What every command shares: the Hydra entry point, and turning configuration into objects and errors into words."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.errors import CompactHydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from occlufer.commands.options import conf_folder, group_options
from occlufer.types import ConfigError, OccluferError, RunError, unknown_name

ResultT = TypeVar("ResultT")

TRUSTED: tuple[str, ...] = (
    *(f"occlufer.{room}." for room in ("data", "datasets", "landmarks", "learning", "occlusion", "tracking")),
    "torch.nn.",
    "torch.optim.",
)
"""A stored run may only build what these names begin: reading somebody's run must not run their code."""


def command(config_name: str) -> Callable[[Callable[[DictConfig], ResultT]], Callable[[], None]]:
    """Make a Hydra app of a function; a user's error is printed as its sentence, without a traceback."""

    def decorate(task: Callable[[DictConfig], ResultT]) -> Callable[[], None]:
        @functools.wraps(task)
        def guarded(config: DictConfig) -> ResultT:
            _quiet()
            try:
                return task(config)
            except (OccluferError, OmegaConfBaseException) as error:
                raise CompactHydraException(f"Error: {error}") from error

        app: Callable[[], None] = hydra.main(
            version_base="1.3", config_path=str(conf_folder()), config_name=config_name
        )(guarded)
        return app

    return decorate


def _quiet() -> None:
    """Keep other libraries' notices out of a user's terminal; their warnings of consequence stay."""
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
    warnings.filterwarnings(
        "ignore", message=".*The number of training batches .* is smaller than the logging.*"
    )
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    warnings.filterwarnings("ignore", message=".*Error fetching version info.*")


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


def condition_configs(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The occlusion group's node of each test condition, resolved; raises `ConfigError` for an unknown name."""
    listed = isinstance(names, Sequence) and not isinstance(names, str)
    if not listed or not names or len({str(name) for name in names}) != len(names):
        raise ConfigError(
            f"conditions must be a list that names at least one occlusion, each once; found {names!r}. "
            "Example: conditions=[none,mask,headset]"
        )
    nodes = {}
    for name in names:
        if name not in (known := group_options("occlusion")):
            raise ConfigError(unknown_name("condition", name, known))
        composed = hydra.compose(config_name=f"occlusion/{name}")
        nodes[name] = plain(composed)["occlusion"]
    return nodes


def check_targets(config: Any, where: str) -> None:
    """Refuse a stored configuration that would build anything but what `TRUSTED` names."""
    if isinstance(config, Mapping):
        target = config.get("_target_")
        if target is not None and not str(target).startswith(TRUSTED):
            raise RunError(
                f"{where} asks to build {target!r}; a stored run may only build objects of "
                f"{', '.join(TRUSTED)}. Do not evaluate it unless you trust who made it."
            )
        for value in config.values():
            check_targets(value, where)
    elif isinstance(config, list | tuple):
        for value in config:
            check_targets(value, where)


def study_folder(config: DictConfig) -> Path:
    """The folder of `study`: a path that exists as given, else a name under `paths.outputs`."""
    given = Path(str(config.study)).expanduser()
    return given if given.is_dir() else Path(config.paths.outputs).expanduser() / str(config.study)
