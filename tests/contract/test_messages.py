"""Every setting that a message names is one, as Hydra reads it, and what stands in a message was quoted for it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

_ROOT = Path(__file__).resolve().parents[2]
_CONF = _ROOT / "conf"
_WORD = re.compile(
    r"(?<![\w./=`'\"\-\[{(])([+~]{0,2}[a-z][a-z_0-9]*(?:[./][a-z_0-9]+)*=(?:\"[^\"]*\"|\[[^\]]*\]|[^\s`'\",;)]+))"
)
_FOREIGN = {
    "charset",
    "mediapipe",
    "s",
    "key",
    "hydra.mode",
    "hydra.searchpath",
    "hydra.job.id",
    "hydra.job.num",
}
_MADE_FOR_PROGRAMS = {"launchers/jobs.py"}  # words that are handed to Hydra, not to a reader


@functools.cache
def _messages() -> list[tuple[str, str]]:
    """(file, text) of every text of the package but docstrings, `{}` standing for what is filled in."""
    return list(_texts())


def _texts() -> Iterator[tuple[str, str]]:
    for path in sorted((_ROOT / "src" / "occlufer").rglob("*.py")):
        name = path.relative_to(_ROOT / "src" / "occlufer").as_posix()
        if name in _MADE_FOR_PROGRAMS:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield (
                    name,
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
                    ),
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts | prose:
                yield name, node.value


def _words() -> list[tuple[str, str]]:
    found = {(name, word.rstrip(".:?")) for name, text in _messages() for word in _WORD.findall(text)}
    return sorted((name, word) for name, word in found if word.partition("=")[0].lstrip("+~") not in _FOREIGN)


def _keys(node: object, above: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, below in node.items():
            yield f"{above}{key}"
            yield from _keys(below, f"{above}{key}.")


def _settings() -> set[str]:
    """Every group, and every key of every option and command."""
    found = {"dataset.extra", "objective.teacher.run"}  # see conf/train.yaml; made by a resolver
    for path in _CONF.rglob("*.yaml"):
        group = path.parent.relative_to(_CONF).as_posix()
        above = "" if group in (".", "experiment") else f"{group.replace('/', '.')}."
        found |= {group, *_keys(yaml.safe_load(path.read_text(encoding="utf-8")), above)}
    return found


def test_messages_name_settings_in_the_grammar_of_hydra():
    parser, wrong = OverridesParser.create(), []
    words = _words()
    assert len(words) > 60, "no messages are found any more"
    for name, word in words:
        setting, _, value = word.partition("=")
        alternatives = value.split("|") if "[" not in value else [value]
        for one in alternatives:
            try:
                parser.parse_override(f"{setting}={one.replace('{}', 'x').replace('...', 'x') or 'x'}")
            except Exception as error:
                wrong.append(f"{name}: {word}: {error}")
    assert not wrong


def test_settings_that_messages_name_are_there():
    known = _settings()
    wrong = [f"{name}: {word}" for name, word in _words() if word.partition("=")[0].lstrip("+~") not in known]
    assert not wrong


# What was found is said again, and refused: nothing to copy.
_ECHOES = (" is a file", " does not exist", " {} dataset.root=DIR")


@pytest.mark.parametrize(
    "setting", ["dataset.root", "dataset.table", "run", "study", "paths.outputs", "paths.cache"]
)
def test_paths_and_names_in_messages_are_quoted(setting: str):
    """By `occlufer.types.override`: a folder may be called `faces (1)`."""
    raw = [
        f"{name}: {text}"
        for name, text in _messages()
        for found in re.finditer(rf"(?<![\w.]){re.escape(setting)}=\{{\}}", text)
        if not text[found.end() :].startswith(_ECHOES)
    ]
    assert not raw
