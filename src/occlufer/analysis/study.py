"""A study: the run folders under one folder, which of them can be compared, and on which faces."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from occlufer.analysis.metrics import condition_order, score
from occlufer.analysis.settings import Design, design, telling_apart, value_of
from occlufer.runs import Run, RunSummary, find_runs
from occlufer.types import RunError

# What a damaged JSON, YAML or parquet file can raise once it has been parsed.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """Runs that differ only in train condition and seed: one matrix each.

    `variant` names the settings that tell this block from others with the same dataset and model, or is empty.
    """

    dataset: str
    model: str
    variant: str = ""

    @property
    def title(self) -> str:
        """Such as `resnet18 on fer2013 (optimizer.lr=0.01)`."""
        return f"{self.model} on {self.dataset}" + (f" ({self.variant})" if self.variant else "")


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A finished run with its predictions, cut down to the faces that are compared, sorted by condition and key."""

    run: Run
    summary: RunSummary
    predictions: pd.DataFrame
    block: Block

    @property
    def conditions(self) -> list[str]:
        """Test conditions, in report order."""
        return condition_order(self.predictions["condition"].unique())

    def rows(self, condition: str) -> pd.DataFrame:
        """The rows of one condition, by key."""
        return self.predictions[self.predictions["condition"] == condition]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A run that is in no number, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Study:
    """What `load_study` found.

    Attributes:
        folder: the study's folder; its name is the study's name.
        found: every run folder, by name.
        runs: the runs that are compared. Runs on one dataset hold the same faces.
        left_out: the other runs, with the reason.
        warnings: sentences that a reader of the numbers must know.
    """

    folder: Path
    found: tuple[Run, ...]
    runs: tuple[ScoredRun, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def blocks(self) -> list[Block]:
        """The blocks, by name."""
        return sorted({run.block for run in self.runs})

    @property
    def conditions(self) -> list[str]:
        """Every condition trained or tested under, in report order."""
        return condition_order(name for run in self.runs for name in [run.summary.condition, *run.conditions])

    def of(self, block: Block) -> list[ScoredRun]:
        """The runs of a block, by train condition and seed."""
        runs = [run for run in self.runs if run.block == block]
        order = condition_order(run.summary.condition for run in runs)
        return sorted(
            runs, key=lambda run: (order.index(run.summary.condition), run.summary.seed, run.run.name)
        )


def load_study(folder: Path) -> Study:
    """Read the run folders of a study. Nothing is written.

    Unfinished, failed, damaged and older runs are put aside with the reason; so is a run that shares less than half
    of its test faces with the others. The rest is cut down to the faces that all runs on that dataset share.

    Raises:
        RunError: there is no such folder, or no run folder in it.
    """
    found = find_runs(folder)
    runs: list[ScoredRun] = []
    left_out: list[LeftOut] = []
    for run in found:
        try:
            runs.append(_read(run))
        except RunError as error:
            left_out.append(LeftOut(run.name, str(error)))
        except _DAMAGE as error:
            left_out.append(LeftOut(run.name, f"Damaged ({type(error).__name__}: {error}). Train it again."))
    warnings: list[str] = []
    compared: list[ScoredRun] = []
    for dataset in sorted({run.summary.dataset for run in runs}):
        kept, strange, notes = _on_shared_faces([run for run in runs if run.summary.dataset == dataset])
        compared += kept
        left_out += strange
        warnings += notes
    if len(datasets := sorted({run.summary.dataset for run in compared})) > 1:
        warnings.append(
            f"This study holds several datasets ({', '.join(datasets)}). Numbers are compared within one dataset only."
        )
    blocks, notes = _assign_blocks(compared)
    warnings += notes + _version_notes(blocks)
    left_out.sort(key=lambda item: item.name)
    return Study(folder, tuple(found), tuple(blocks), tuple(left_out), tuple(warnings))


def _read(run: Run) -> ScoredRun:
    if not run.finished:
        raise RunError(run.state())
    summary = run.summary()
    _check_types(run, summary)
    predictions = run.predictions()
    predictions = predictions[predictions["split"] == "test"]
    if predictions.empty:
        raise RunError("Its predictions.parquet holds no test rows. Run `occlufer evaluate` on this run.")
    if predictions[["key", "condition"]].isna().any(axis=None):
        raise RunError(
            "Its predictions.parquet has rows without key or condition. Run `occlufer evaluate` on it."
        )
    if (repeated := int(predictions.duplicated(["key", "condition"]).sum())) > 0:
        raise RunError(
            f"{repeated} rows of its predictions.parquet repeat a face and condition. Run `occlufer evaluate` on it."
        )
    score(predictions)  # refuses labels and predictions that are no expression
    predictions = predictions.astype({"label": "int64", "prediction": "int64", "condition": str})
    return ScoredRun(run, summary, predictions, Block(summary.dataset, summary.model))


def _check_types(run: Run, summary: RunSummary) -> None:
    wanted: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "float": (int, float),
        "dict[str, int]": dict,
    }
    for field in fields(summary):
        kind = wanted.get(str(field.type))
        if kind is not None and not isinstance(value := getattr(summary, field.name), kind):
            raise RunError(f"{run.folder / 'run.json'}: {field.name} must be {field.type}, found {value!r}.")


def _on_shared_faces(runs: list[ScoredRun]) -> tuple[list[ScoredRun], list[LeftOut], list[str]]:
    """The runs of one dataset on the faces common to all; runs that share too few; what was cut."""
    own = {run.run.name: _faces(run) for run in runs}
    runs = sorted(runs, key=lambda run: (-len(own[run.run.name]), run.run.name))
    shared = own[runs[0].run.name]
    kept, strange = [], []
    for run in runs:
        common = shared & own[run.run.name]
        if not common or 2 * len(common) < len(own[run.run.name]):
            strange.append(LeftOut(run.run.name, f"It shares only {len(common)} of its {len(own[run.run.name])} test "
                                   f"faces with the other runs on {run.summary.dataset}."))  # fmt: skip
        else:
            shared = common
            kept.append(run)
    notes = []
    most = max(len({key for key, _ in own[run.run.name]}) for run in kept) if kept else 0
    if kept and any(len(own[run.run.name]) > len(shared) or _uneven(run) for run in kept):
        notes.append(
            f"The runs on {kept[0].summary.dataset} were not all scored on the same test faces: only the "
            f"{len(shared)} faces that every run and condition shares (of up to {most}) are compared."
        )
    keys = {key for key, _ in shared}
    return [_cut(run, keys) for run in sorted(kept, key=lambda run: run.run.name)], strange, notes


def _faces(run: ScoredRun) -> set[tuple[str, int]]:
    """The (key, label) pairs that occur under every condition of the run."""
    counts = run.predictions.groupby(["key", "label"]).size()
    whole = counts[counts == run.predictions["condition"].nunique()]
    return {(str(key), int(label)) for key, label in whole.index}


def _uneven(run: ScoredRun) -> bool:
    return len(_faces(run)) < run.predictions["key"].nunique()


def _cut(run: ScoredRun, keys: set[str]) -> ScoredRun:
    rows = run.predictions[run.predictions["key"].astype(str).isin(keys)]
    return replace(run, predictions=rows.sort_values(["condition", "key"], ignore_index=True))


def _assign_blocks(runs: list[ScoredRun]) -> tuple[list[ScoredRun], list[str]]:
    """Give each run its block: settings that differ between runs of one train condition are told apart."""
    groups: dict[Block, list[ScoredRun]] = defaultdict(list)
    for run in runs:
        groups[run.block].append(run)
    assigned: list[ScoredRun] = []
    notes: list[str] = []
    for block, members in groups.items():
        designs = [_design(run) for run in members]
        within, across = telling_apart(designs)
        if across:
            notes.append(
                f"{block.title}: the train conditions differ in more than the occlusion: {', '.join(across)}."
            )
        for run, item in zip(members, designs, strict=True):
            variant = ", ".join(f"{name}={value_of(item, name)}" for name in within)
            assigned.append(replace(run, block=replace(block, variant=variant)))
    return assigned, notes + _repeat_notes(assigned)


def _design(run: ScoredRun) -> Design:
    try:
        config = run.run.config()
    except RunError:  # no number depends on it
        config = {}
    return design(run.summary.condition, run.summary.seed, config)


def _repeat_notes(runs: Iterable[ScoredRun]) -> list[str]:
    cells: dict[tuple[Block, str, int], list[str]] = defaultdict(list)
    for run in runs:
        cells[run.block, run.summary.condition, run.summary.seed].append(run.run.name)
    return [
        f"{' and '.join(names)} have the same train condition and seed: they count as {len(names)} trainings."
        for names in cells.values()
        if len(names) > 1
    ]


def environment_of(run: Run) -> dict[str, Any]:
    """environment.json; empty when it is missing or damaged, as no number depends on it."""
    try:
        content = json.loads((run.folder / "environment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def packages_of(run: Run) -> dict[str, str]:
    """Package name -> version, as recorded by the run."""
    packages = environment_of(run).get("packages")
    if not isinstance(packages, dict):
        return {}
    return {str(name): str(version) for name, version in packages.items() if version}


def _version_notes(runs: Iterable[ScoredRun]) -> list[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for package, version in packages_of(run.run).items():
            versions[package].add(version)
    mixed = [f"{name} {' / '.join(sorted(found))}" for name, found in versions.items() if len(found) > 1]
    return [f"The runs were made with different versions: {'; '.join(mixed)}."] if mixed else []
