"""The nearest spelling of an override that Hydra refused."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence

import hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from occlufer.commands.options import group_options
from occlufer.settings import conf_folder


def spelling_hint(config_name: str, words: Sequence[str]) -> str | None:
    """A sentence on the first override that names no group, option or key; None when all are known.

    Args:
        config_name: the command's file in the conf folder.
        words: the command line without the program's name; flags and words that begin with + or ~ are passed over.
    """
    pairs = [word.partition("=") for word in words if "=" in word and word[0] not in "-+~"]
    groups = {str(path.relative_to(conf_folder())) for path in conf_folder().rglob("*") if path.is_dir()}
    chosen = []
    for name, _, value in pairs:
        if name not in groups or "," in value or value == "null":
            continue
        if value not in (known := group_options(name)):
            return _hint(f"option of {name}", value, known)
        chosen.append(f"{name}={value}")
    with contextlib.suppress(Exception):  # what cannot be composed for another reason was told by Hydra
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
            keys = {*groups, *_keys(hydra.compose(config_name, chosen))}
        for name, _, _ in pairs:
            if name not in keys and not name.startswith("hydra"):
                return _hint("setting", name, keys)
    return None


def _keys(node: DictConfig, above: str = "") -> Iterator[str]:
    """Dotted names of a configuration's groups and values."""
    for key in node:
        name = f"{above}{key!s}"
        yield name
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not OmegaConf.is_missing(node, key) and not child._is_none():
            yield from _keys(child, f"{name}.")


def _hint(what: str, found: str, known: Sequence[str] | set[str]) -> str:
    near = difflib.get_close_matches(found, sorted(known), n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {what} {found!r}.{meant} `--help` lists the groups, `--cfg job` every setting."
