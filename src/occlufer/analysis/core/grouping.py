"""Which settings tell the runs of a study apart, so that unlike runs are never averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from occlufer.analysis.core.trainings import Training
from occlufer.settings import design_settings, is_below

EXTRA = "dataset.extra"
"""A folder of extra training images."""

TUNED = ("optimizer", "scheduler")
"""Groups of settings that a grid search runs through, to keep one of them."""


@dataclass(frozen=True, slots=True)
class Design:
    """What one run was asked to do: its train condition, which repetition it is, and its settings by dotted name."""

    condition: str
    training: Training
    settings: Mapping[str, Any]


def design(condition: str, training: Training, config: Mapping[str, Any]) -> Design:
    """The design of a resolved configuration: its settings by dotted name, see `settings.design_settings`."""
    settings = design_settings(config)
    settings[EXTRA] = str(settings.get(EXTRA) or "none")
    return Design(condition, training, settings)


def telling_apart(designs: Sequence[Design]) -> tuple[list[str], list[str]]:
    """Names of settings that differ between runs of one dataset and model.

    Returns:
        Those that differ between runs of the same train condition (such runs must not be averaged), and those that
        differ only from one train condition to another (the comparison is about more than the occlusion).
        A setting that repeats the seed or the fold is in neither. What covers a test face counts where two runs both
        say so, and the occluder of the training only within one train condition.
    """
    within, across = [], []
    for name in sorted({name for item in designs for name in item.settings}):
        if _repeats_the_training(designs, name):
            continue
        tested = is_below(name, ("condition_occluders",))
        values: dict[str, set[str]] = defaultdict(set)
        for item in designs:
            if not tested or name in item.settings:
                values[item.condition].add(value_of(item, name))
        if any(len(found) > 1 for found in values.values()):
            within.append(name)
        elif len(set().union(*values.values())) > 1 and not is_below(name, ("occlusion",)):
            across.append(name)
    return within, across


def value_of(item: Design, name: str) -> str:
    """A setting as text, `unset` where the run does not have it."""
    return str(item.settings.get(name, "unset"))


def is_tuned(name: str) -> bool:
    """Whether a setting is one that a grid search runs through."""
    return name.split(".")[0] in TUNED


def variant_text(item: Design, names: Sequence[str], designs: Sequence[Design]) -> str:
    """The settings `names` of a run as `name=value, ...`; a folder of extra images by its last name, if that tells."""
    parts = []
    for name in names:
        value = value_of(item, name)
        if name == EXTRA:
            folders = {value_of(other, name) for other in designs}
            short = {PurePath(folder).name for folder in folders}
            value = PurePath(value).name if len(short) == len(folders) else value
        parts.append(f"{name}={value}")
    return ", ".join(parts)


def setting_text(item: Design, names: Sequence[str], designs: Sequence[Design]) -> str:
    """The tuned settings `names` of a run as people say them: `SGD, lr 0.01`.

    Settings that follow from the optimiser's class, such as its default momentum, are left out.
    """
    kinds = [name for name in names if name.endswith("._target_")]
    parts = [value_of(item, name).rsplit(".", 1)[-1] for name in kinds]
    alike = [
        other for other in designs if all(value_of(other, kind) == value_of(item, kind) for kind in kinds)
    ]
    for name in (name for name in names if name not in kinds):
        if name.endswith(".lr") or len({value_of(other, name) for other in alike}) > 1:
            parts.append(f"{name.split('.', 1)[1]} {value_of(item, name)}")
    return ", ".join(parts)


def in_groups(names: Sequence[str]) -> str:
    """Settings for one line: those of a group that has more than two of them as `objective (11 settings)`."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.split(".")[0]].append(name)
    return ", ".join(
        f"{group} ({len(found)} settings)" if len(found) > 2 else ", ".join(found)
        for group, found in groups.items()
    )


def _repeats_the_training(designs: Sequence[Design], name: str) -> bool:
    """Whether a seed or fold of another part follows the run's own, so that it is a replicate too."""
    last = name.rpartition(".")[2]
    if name == "evaluation_seed" or not ("seed" in last or "fold" in last):
        return False
    having = [
        item for item in designs if name in item.settings
    ]  # a teacher's seed is a setting of distillation only
    if all(item.settings[name] == item.training.seed for item in having):
        return True
    folds = [item.training.fold for item in having]
    return None not in folds and all(
        item.settings[name] == fold for item, fold in zip(having, folds, strict=True)
    )
