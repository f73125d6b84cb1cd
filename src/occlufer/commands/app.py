"""What every command shares: the Hydra entry point, errors as sentences, and the nodes of test conditions."""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from occlufer.building import conf_folders, plain, with_own_pictures
from occlufer.commands.held import hold, let_go
from occlufer.commands.hints import readable, search_words, spelling_hint
from occlufer.commands.libraries import library_advice
from occlufer.commands.options import group_options
from occlufer.reading import printable
from occlufer.settings import Protocol, conf_folder
from occlufer.types import ConfigError, OccluferError, unknown_name

ResultT = TypeVar("ResultT")


def _choice_of_protocol(choice: str, *, _root_: DictConfig) -> Any:
    return getattr(Protocol.of({"protocol": _root_.get("protocol", "honest")}), choice)


# In a configuration, `${protocol:duplicates}` is that choice of the protocol; commands without a protocol are honest.
OmegaConf.register_new_resolver("protocol", _choice_of_protocol, replace=True)


def command(config_name: str) -> Callable[[Callable[[DictConfig], ResultT]], Callable[[], None]]:
    """Make a Hydra app of a function; a user's error is printed as its sentence, without a traceback."""

    def decorate(task: Callable[[DictConfig], ResultT]) -> Callable[[], None]:
        begun = False  # then Hydra has understood the words

        @functools.wraps(task)
        def guarded(config: DictConfig) -> ResultT:
            nonlocal begun
            begun = True
            _quiet()
            _let_import(conf_folders())
            try:
                return task(config)
            except (OccluferError, OmegaConfBaseException) as error:
                raise _ending(printable(f"Error: {error}")) from error
            except ImportError as error:
                if (advice := library_advice(error)) is None:
                    raise
                raise _ending(f"Error: {advice}") from error

        app: Callable[[], None] = hydra.main(
            version_base="1.3", config_path=str(conf_folder()), config_name=config_name
        )(guarded)

        @functools.wraps(app)
        def hinted() -> None:
            hint = None
            try:
                sys.argv[1:] = readable(sys.argv[1:])
                hold()
                app()
            except ConfigError as error:
                raise SystemExit(f"Error: {error}") from None
            except SystemExit as error:
                if error.code and not begun and (hint := spelling_hint(config_name, sys.argv[1:])):
                    raise SystemExit(f"Error: {hint}") from None
                raise
            finally:
                let_go(drop=hint is not None)  # Hydra's words on the same mistake

        return hinted

    return decorate


def _ending(told: str) -> BaseException:
    """What ends a command with that sentence: Hydra would set its own lines around it, and does so in a sweep."""
    alone = HydraConfig.get().mode == RunMode.RUN and os.environ.get("HYDRA_FULL_ERROR") != "1"
    return SystemExit(told) if alone else CompactHydraException(told)


def _let_import(folders: Sequence[Path]) -> None:
    """Python files that lie in a conf folder of one's own can be named by its options."""
    for folder in folders:
        if folder != conf_folder() and str(folder) not in sys.path:
            sys.path.append(str(folder))


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
    warnings.filterwarnings("ignore", message=".*The `srun` command is available.*")


def settings_of(config: DictConfig) -> dict[str, Any]:
    """A command's configuration, plain and resolved; pictures beside the YAML file of one's own occluder are found."""
    settings: dict[str, Any] = plain(config)
    return settings | {"occlusion": with_own_pictures(settings["occlusion"], conf_folders())}


def condition_configs(
    names: Sequence[str], folders: Sequence[Path] | None = None
) -> dict[str, dict[str, Any]]:
    """The occlusion group's node of each test condition, resolved; raises `ConfigError` for an unknown name.

    `NAME@SEVERITY`, such as mask@0.5, is the occluder with its dial at that place. They are looked for in the conf
    `folders`; None: in those of the running command.
    """
    listed = isinstance(names, Sequence) and not isinstance(names, str)
    if not listed or not names or len({str(name) for name in names}) != len(names):
        raise ConfigError(
            f"conditions must be a list that names at least one occlusion, each once; found {names!r}. "
            "Example: conditions=[none,mask,headset]"
        )
    searched = tuple(conf_folders() if folders is None else folders)
    return {name: _condition(name, searched) for name in map(str, names)}


def conditions_alone(
    names: Sequence[str], folders: Sequence[Path] | None = None
) -> dict[str, dict[str, Any]]:
    """As `condition_configs`, for a command that is no Hydra app; None: the shipped folder alone."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return condition_configs(names, folders)


def with_own(folder: str | None) -> list[Path]:
    """Our conf folder and the one of `--config-dir`, whose Python files can be imported from now on.

    Raises `ConfigError` where it is no folder. For commands that are no Hydra apps.
    """
    found = [conf_folder()]
    if folder is not None:
        found.append(Path(folder).expanduser().resolve())
        if not found[-1].is_dir():
            raise ConfigError(
                f"--config-dir {folder}: there is no such folder. Give one that holds occlusion/NAME.yaml."
            )
    _let_import(found)
    return found


@contextlib.contextmanager
def composing(config_name: str, overrides: Sequence[str]) -> Iterator[DictConfig]:
    """A command's configuration without its Hydra app, as in a notebook; what Hydra held before, it holds again.

    Raises:
        ConfigError: in Hydra's words, for an override that fits nothing.
    """
    held, running = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
            try:
                config = hydra.compose(config_name, readable(list(overrides)), return_hydra_config=True)
            except (HydraException, OmegaConfBaseException) as error:
                hint = spelling_hint(config_name, overrides)
                raise ConfigError(f"{' '.join(str(error).split())} {hint or ''}".strip()) from error
            HydraConfig.instance().set_config(config)
            _let_import(conf_folders())
            with open_dict(config):
                del config["hydra"]
            yield config
    finally:
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = held, running


@functools.cache
def _occlusion(option: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """The node of an option, composed once: every job of a sweep asks for the same few."""
    composed = plain(hydra.compose(overrides=[*search_words(folders), f"+occlusion={option}"]))
    node: dict[str, Any] = with_own_pictures(composed["occlusion"], folders)
    return node


def _condition(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """The node of `NAME` or `NAME@SEVERITY`."""
    option, _, severity = name.partition("@")
    if option not in (known := group_options("occlusion", folders)):
        raise ConfigError(unknown_name("condition", option, known))
    node = copy.deepcopy(_occlusion(option, folders))
    if "@" not in name:
        return node
    if "severity_range" not in node:
        own = "" if option in group_options("occlusion", (conf_folder(),)) else (
            ", or write `severity_range: [1, 1]` into its YAML file, where its class takes one"
        )  # fmt: skip
        raise ConfigError(
            f"The condition {name!r} asks for a severity, and {option} has no dial. Use {option}{own}."
        )
    try:
        place = float(severity)
    except ValueError:
        place = -1.0
    if not 0 <= place <= 1:
        raise ConfigError(
            f"The condition {name!r} must have a severity of 0 to 1 after the @. Example: {option}@0.5"
        )
    return node | {"severity_range": [place, place]}


def study_folder(config: DictConfig) -> Path:
    """The folder of `study`, see `named_folder`."""
    return named_folder(config, str(config.study))


def named_folder(config: DictConfig, name: str) -> Path:
    """The folder of a study: a name under `paths.outputs`, else a path that exists as given.

    In this order: a folder of pictures or settings beside the outputs may have the same name.
    """
    given = Path(name).expanduser()
    named = Path(config.paths.outputs).expanduser() / given
    return given if given.is_dir() and not named.is_dir() else named
