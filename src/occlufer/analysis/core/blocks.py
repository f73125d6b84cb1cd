"""Runs that may be averaged together: blocks by their settings, one setting of a grid, and what is odd about them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.grouping import (
    design,
    in_groups,
    is_tuned,
    setting_text,
    telling_apart,
    variant_text,
)
from occlufer.analysis.core.scored import Block, ScoredRun
from occlufer.analysis.core.trainings import Training, missing_folds


def assign_blocks(runs: Iterable[ScoredRun]) -> tuple[list[ScoredRun], list[str]]:
    """Give each run its block, and the tuned settings of a grid search; returns also sentences for the reader.

    Settings that differ between runs of one train condition tell blocks apart. In a re-run of a published study,
    optimiser and schedule are a grid to choose from rather than designs to compare, so they become `setting`.
    """
    groups: dict[Block, list[ScoredRun]] = defaultdict(list)
    for run in runs:
        groups[run.block].append(run)
    assigned: list[ScoredRun] = []
    notes: list[str] = []
    for block, members in groups.items():
        designs = [design(run.summary.condition, run.training, run.config) for run in members]
        within, across = telling_apart(designs)
        if across:
            notes.append(
                f"{block.title}: the train conditions differ in more than the occlusion: {in_groups(across)}."
            )
        grid = any(run.config.get("published") for run in members)
        tuned = [name for name in within if grid and is_tuned(name)]
        others = [name for name in within if name not in tuned]
        for run, item in zip(members, designs, strict=True):
            variant = variant_text(item, others, designs)
            setting = setting_text(item, tuned, designs)
            assigned.append(replace(run, block=replace(block, variant=variant), setting=setting))
    return assigned, notes


def without_repeats(runs: Iterable[ScoredRun]) -> tuple[list[ScoredRun], list[tuple[str, str]]]:
    """One run a design, seed and fold: the one tested under most conditions, the newest of these.

    Returns:
        The runs that are kept, and the name of each other one with the reason why it is left out.
    """
    cells: dict[tuple[Block, str, str, Training], list[ScoredRun]] = defaultdict(list)
    for run in runs:
        cells[run.block, run.setting, run.summary.condition, run.training].append(run)
    kept: list[ScoredRun] = []
    repeated: list[tuple[str, str]] = []
    for (_, _, condition, training), members in cells.items():
        first, *others = sorted(
            members, key=lambda run: (len(run.conditions), run.summary.finished, run.run.name), reverse=True
        )
        kept.append(first)
        what = f"the same design, train condition ({condition}) and {training.label}"
        repeated += [
            (run.run.name, f"It repeats {first.run.name}: {what}. One of them counts.") for run in others
        ]
    return kept, repeated


def missing_fold_notes(runs: Iterable[ScoredRun]) -> list[str]:
    """Sentences that name the folds which cells of a cross-validation lack."""
    cells: dict[tuple[Block, str], list[ScoredRun]] = defaultdict(list)
    for run in runs:
        if run.training.fold is not None:
            cells[run.block, run.summary.condition].append(run)
    missing: dict[tuple[Block, int, int, tuple[int, ...]], list[str]] = defaultdict(list)
    for (block, train), members in cells.items():
        count = members[0].config.get("fold_count")
        if isinstance(count, int):
            for seed, folds in missing_folds((run.training for run in members), count).items():
                missing[block, count, seed, tuple(folds)].append(train)
    return [
        f"{block.title}, trained on {', '.join(condition_order(trains))}, seed {seed}: fold{'s' * (len(folds) > 1)} "
        f"{', '.join(map(str, folds))} of 0 to {count - 1} {'are' if len(folds) > 1 else 'is'} missing, and the mean "
        "rests on the others."
        for (block, count, seed, folds), trains in missing.items()
    ]
