"""What is wrong with an override that Hydra cannot read or does not know, and how to write it."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from occlufer.commands.options import given_folders, group_options
from occlufer.settings import conf_folder
from occlufer.types import ConfigError, did_you_mean, override, unknown_name

_WITH_VALUE = (
    "--config-dir",
    "-cd",
    "--config-path",
    "-cp",
    "--config-name",
    "-cn",
    "--package",
    "-p",
    "--cfg",
    "-c",
)
_FLAGS = (*_WITH_VALUE, "--info", "--experimental-rerun")
_LISTS = "`--help` lists the groups, `--cfg job` every setting."
_SEARCHES = (
    " OccluFER has no search over an objective, as Hydra's plugin for Optuna is not kept up: docs/scaling.md shows how "
    "to search with Optuna itself, or with a wandb sweep."
)


def readable(words: Sequence[str]) -> list[str]:
    """A command line as Hydra wants it: overrides before flags, and `~` at the begin of a value is the home folder.

    Raises:
        ConfigError: an override that Hydra's grammar cannot read; it says how to write it.
    """
    parser, overrides, flags = OverridesParser.create(), [], []
    for at, (before, word) in enumerate(zip(("", *words), words, strict=False)):
        name, equals, value = word.partition("=")
        if equals and name.startswith("--") and name not in _FLAGS and before not in _WITH_VALUE:
            raise ConfigError(
                f"{word} begins with dashes, and settings have none: {name[2:]}={value}. A wandb sweep writes them so "
                "with ${args_no_hyphens} in its command: [occlufer, train, '${args_no_hyphens}']."
            )
        if word.startswith("-") or before in _WITH_VALUE:
            flags.append(word)
            continue
        if not equals and not word.startswith("~"):
            parts = itertools.takewhile(lambda part: "=" not in part and part[:1] != "-", words[at:])
            raise ConfigError(f"{word!r} is no setting (NAME=VALUE). {_advice_on_spaces(before, parts)}")
        if value.startswith("~"):
            value = str(Path(value).expanduser())
            word = f'{name}="{value}"' if _reads(parser, f'{name}="{value}"') else word
        if not _reads(parser, word):
            raise ConfigError(f"{word} cannot be read. {_advice(parser, name, value)}")
        overrides.append(word)
    return [*overrides, *flags]


def _advice_on_spaces(before: str, parts: Iterable[str]) -> str:
    """What words without = may belong to: a shell parts `dataset.root=/my photos` at its space."""
    name, equals, value = before.partition("=")
    if not equals or name.startswith("-"):
        return _LISTS
    return f"If it belongs to the word before it, put them into quotes: {override(name, ' '.join([value, *parts]))}"


def _reads(parser: OverridesParser, word: str) -> bool:
    try:
        parser.parse_override(word)
    except HydraException:
        return False
    return True


def _advice(parser: OverridesParser, name: str, value: str) -> str:
    if not _reads(parser, f"{name}=1"):
        if (found := re.fullmatch(r"\+{0,2}(dataset\.(?:classes|splits))\.(.+)", name)) is not None:
            return f"Write {override(found[1], [f'{found[2]}: {value}'])}"
        return (
            f"{name} cannot be the name of a setting: Hydra has no way to write its marks in one. Put it into "
            "a YAML file in a folder of your own, and add --config-dir DIR."
        )
    if value[:1] in "[{":
        return (
            "Wanted a list [a,b] or a table {a:1,b:2}, closed, in quotes for the shell; what has spaces, brackets or "
            f"letters beyond a to z stands in quotes of its own: '{name}=[\"a (1)\",b]'."
        )
    return f"Its value has marks that mean something else to Hydra. Write {override(name, value)}"


def spelling_hint(config_name: str, words: Sequence[str]) -> str | None:
    """A sentence on the first override that names no group, option or key; None when all are known.

    Args:
        config_name: the command's file in the conf folder.
        words: the command line without the program's name; flags and words that begin with + or ~ are passed over.
    """
    pairs = [word.partition("=") for word in words if "=" in word and word[0] not in "-+~"]
    folders = given_folders(words)
    groups = {
        str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*") if path.is_dir()
    }
    chosen = []
    for name, _, value in pairs:
        if name not in groups or value == "null":
            continue
        known = (*group_options(name, folders), *(("basic",) if name.startswith("hydra/") else ()))
        for option in value.split(","):  # of a sweep
            if option not in (*known, "null") and not set(option) & set("[]{}()"):
                return unknown_name(f"option of {name}", option, known) + _SEARCHES * (
                    name == "hydra/sweeper"
                )
        chosen.append(f"{name}={value.split(',')[0]}")
    with contextlib.suppress(Exception):  # what cannot be composed for another reason was told by Hydra
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
            keys = {*groups, *_keys(hydra.compose(config_name, [*search_words(folders), *chosen]))}
        for name, _, _ in pairs:
            if name not in keys and not name.startswith("hydra"):
                return f"Unknown setting {name!r}.{did_you_mean(name, keys)} {_LISTS}"
    return None


def search_words(folders: Sequence[Path]) -> list[str]:
    """What makes Hydra look into the conf folders of one's own, too."""
    own = [f'"file://{folder.absolute()}"' for folder in folders if folder != conf_folder()]
    return [f"hydra.searchpath=[{','.join(own)}]"] if own else []


def _keys(node: DictConfig, above: str = "") -> Iterator[str]:
    """Dotted names of a configuration's groups and values."""
    for key in node:
        name = f"{above}{key!s}"
        yield name
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not OmegaConf.is_missing(node, key) and not child._is_none():
            yield from _keys(child, f"{name}.")
