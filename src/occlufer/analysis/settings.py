"""Which settings tell the runs of a study apart, so that unlike runs are never averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Settings that may differ between runs of one design: what is compared anyway, and what cannot change a result.
_NOT_A_CHOICE = ("seed", "names", "paths", "study", "logger", "loader", "landmarks", "dataset", "model", "conditions",
                 "enable_progress_bar", "hydra", "experiment")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Design:
    """What one run was asked to do: its train condition, its seed, and its settings by dotted name."""

    condition: str
    seed: int
    settings: Mapping[str, Any]


def design(condition: str, seed: int, config: Mapping[str, Any]) -> Design:
    """The design of a resolved configuration: nested settings become dotted names, such as `optimizer.lr`."""
    return Design(condition, seed, _flatten(config))


def telling_apart(designs: list[Design]) -> tuple[list[str], list[str]]:
    """Names of settings that differ between runs of one dataset and model.

    Returns:
        Those that differ between runs of the same train condition (such runs must not be averaged), and those that
        differ only from one train condition to another (the comparison is about more than the occlusion).
        A setting that repeats the seed, and what describes the occlusion itself, is in neither.
    """
    within, across = [], []
    for name in sorted({name for item in designs for name in item.settings}):
        if _is_compared_anyway(name) or all(item.settings.get(name) == item.seed for item in designs):
            continue
        values: dict[str, set[str]] = defaultdict(set)
        for item in designs:
            values[item.condition].add(value_of(item, name))
        if any(len(found) > 1 for found in values.values()):
            within.append(name)
        elif len(set().union(*values.values())) > 1:
            across.append(name)
    return within, across


def value_of(item: Design, name: str) -> str:
    """A setting as text, `unset` where the run does not have it."""
    return str(item.settings.get(name, "unset"))


def _is_compared_anyway(name: str) -> bool:
    return any(part in _NOT_A_CHOICE or "occlu" in part for part in name.split("."))


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
