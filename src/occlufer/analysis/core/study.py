"""A study: the run folders under one folder, which of them can be compared, and on which faces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from occlufer.analysis.core.blocks import assign_blocks, missing_fold_notes, without_repeats
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.scored import Block, ScoredRun, SharedNames, packages_of, read_run, threads_of
from occlufer.analysis.core.selection import Choice, choose
from occlufer.analysis.core.words import count
from occlufer.runs import Run, find_runs
from occlufer.types import RunError

__all__ = ["Block", "LeftOut", "ScoredRun", "Study", "cut_to", "load_study"]

# What a damaged JSON, YAML or parquet file can raise once it has been parsed.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError)


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
        not_chosen: runs of a grid search whose setting was not chosen, on the same faces.
        choices: every setting that a grid search tried.
        left_out: runs that cannot be used, with the reason.
        warnings: sentences that a reader of the numbers must know.
    """

    folder: Path
    found: tuple[Run, ...]
    runs: tuple[ScoredRun, ...]
    not_chosen: tuple[ScoredRun, ...]
    choices: tuple[Choice, ...]
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
        """The runs of a block, by train condition, seed and fold."""
        runs = [run for run in self.runs if run.block == block]
        order = condition_order(run.summary.condition for run in runs)
        return sorted(
            runs, key=lambda run: (order.index(run.summary.condition), run.training.place, run.run.name)
        )


def load_study(folder: Path) -> Study:
    """Read the run folders of a study. Nothing is written.

    Unfinished, failed, damaged and older runs are put aside with the reason; so is a run that shares less than half
    of its test faces with the others, and one that repeats another's design, seed and fold. The rest is cut down to
    the faces that all runs on that dataset share. Of a grid search, one setting a model and train condition is kept
    (see `selection.choose`).

    Raises:
        RunError: there is no such folder, or no run folder in it.
    """
    found = find_runs(folder)
    runs: list[ScoredRun] = []
    left_out: list[LeftOut] = []
    shared = SharedNames()
    for run in found:
        try:
            runs.append(read_run(run, shared))
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
    blocks, notes = assign_blocks(compared)
    blocks, repeated = without_repeats(blocks)
    left_out += [LeftOut(name, reason) for name, reason in repeated]
    chosen, others, choices = choose(blocks)
    chosen.sort(key=lambda run: run.run.name)
    warnings += notes + missing_fold_notes(chosen) + _version_notes(blocks) + _drawing_notes(blocks)
    left_out.sort(key=lambda item: item.name)
    return Study(
        folder, tuple(found), tuple(chosen), tuple(others), tuple(choices), tuple(left_out), tuple(warnings)
    )


def _on_shared_faces(runs: list[ScoredRun]) -> tuple[list[ScoredRun], list[LeftOut], list[str]]:
    """The runs of one dataset on the faces common to all; runs that share too few; what was cut."""
    known = all(run.predictions["content"].notna().all() for run in runs)  # older runs do not say
    own = {run.run.name: _faces(run, with_content=known) for run in runs}
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
    most = max(len({face[0] for face in own[run.run.name]}) for run in kept) if kept else 0
    whole = {run.run.name for run in kept if len(run.predictions) == len(shared) * len(run.conditions)}
    if len(whole) < len(kept):
        notes.append(
            f"The runs on {kept[0].summary.dataset} were not all scored on the same test faces: only the "
            f"{len(shared)} faces that every run and condition shares (of up to {most}) are compared."
        )
    keys = {face[0] for face in shared}
    kept.sort(key=lambda run: run.run.name)
    return [run if run.run.name in whole else cut_to(run, keys) for run in kept], strange, notes


def _faces(run: ScoredRun, *, with_content: bool) -> set[tuple[Any, ...]]:
    """What tells the faces that occur under every condition of the run: key, label and, if asked for, content."""
    names = ["key", "label", *(["content"] if with_content else [])]
    first, *others = (run.rows(condition)[names].reset_index(drop=True) for condition in run.conditions)
    if all(first.equals(other) for other in others):  # the usual case, and much faster
        return set(zip(*(first[name].tolist() for name in names), strict=True))
    counts = run.predictions.groupby(names).size()
    return set(counts[counts == run.predictions["condition"].nunique()].index)


def cut_to(run: ScoredRun, keys: set[str]) -> ScoredRun:
    """The run on these faces alone, in the same order."""
    rows = run.predictions
    here = rows["key"].isin(keys)
    return run if here.all() else replace(run, predictions=rows[here].reset_index(drop=True))


def _drawing_notes(runs: Sequence[ScoredRun]) -> list[str]:
    """That occluders looked different from run to run, if they did."""
    drawn = Counter(run.summary.drawing for run in runs)
    if len(drawn) < 2:
        return []
    parts = ", ".join(f"{count(drawn[version], 'run')} by version {version}" for version in sorted(drawn))
    return [
        f"The occluders of these runs were drawn by different versions ({parts}): artwork, placement and light differ, "
        "so that runs of one version are not averaged with those of another. CHANGELOG.md says what moved."
    ]


def _version_notes(runs: Sequence[ScoredRun]) -> list[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        for package, version in packages_of(run.run).items():
            versions[package].add(version)
    mixed = [f"{name} {' / '.join(sorted(found))}" for name, found in versions.items() if len(found) > 1]
    notes = [f"The runs were made with different versions: {'; '.join(mixed)}."] if mixed else []
    threads = {count for run in runs if (count := threads_of(run.run)) is not None}
    if len(threads) > 1:
        notes.append(
            f"The runs were trained with different numbers of threads ({', '.join(map(str, sorted(threads)))}), on "
            "which the last bits of a training depend."
        )
    return notes
