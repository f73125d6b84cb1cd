"""Reading files of a run folder, which anybody may have written: bounded in size, depth and numbers, without code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from occlufer.types import RunError

MOST_BYTES = {".json": 16_000_000, ".yaml": 1_000_000, ".csv": 64_000_000}
"""Ending -> the most bytes that are read. What a run writes is far smaller, so a larger file is not one of its own."""
_MOST_VALUES = 200_000
_DEEPEST = 60
_LARGEST = 2**63  # of whole numbers: what pandas and numpy hold
_LOADER = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # PyYAML may lack libyaml, which reads nine times as fast
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # all but tab and line feed


def printable(text: str) -> str:
    """The text with a replacement character in place of each control character: these can steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def check_size(path: Path) -> None:
    """Raise `RunError` where a file is larger than any that a run writes, or does not exist."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error}).") from error
    if size > (most := MOST_BYTES[path.suffix]):
        raise RunError(f"{path} cannot be read (it has {size:,} bytes; at most {most:,} can be a run's own).")


def read_json(path: Path) -> Any:
    """The values of a JSON file, texts as `printable`.

    Raises:
        RunError: it is missing, damaged, too large, nested too deep, or holds a number beyond 64 bits.
    """
    check_size(path)
    try:
        return _checked(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: no JSON, or no UTF-8
        raise RunError(f"{path} cannot be read ({error}).") from error


def read_yaml(path: Path) -> Any:
    """The values of a YAML file, as `read_json`; aliases count as often as they are used."""
    check_size(path)
    try:
        return _checked(yaml.load(path.read_text(encoding="utf-8"), _LOADER))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:  # ValueError: no UTF-8
        raise RunError(f"{path} cannot be read ({error}).") from error


def _checked(content: Any) -> Any:
    """A copy in which nothing is shared; raises `ValueError` where it would be too large, too deep or too big."""
    left = _MOST_VALUES

    def copy(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEPEST:
            raise ValueError(f"more than {_MOST_VALUES:,} values, or more than {_DEEPEST} levels")
        if isinstance(value, dict):
            return {copy(name, depth + 1): copy(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list):
            return [copy(item, depth + 1) for item in value]
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise ValueError("a number of more than 64 bits")
        return value

    return copy(content, 0)
