"""Every run and test condition of a study, counted once on shared bootstrap resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from occlufer.analysis.metrics import condition_order
from occlufer.analysis.statistics import RESAMPLES, Cell, FaceBootstrap, TrainingBootstrap
from occlufer.analysis.study import Block, ScoredRun, Study
from occlufer.analysis.trainings import Training, in_order

BOOTSTRAP_SEED = 20240325
"""Any fixed number: the same study gives the same intervals."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One run on one test condition, counted on the shared resamples of its dataset's faces."""

    run: ScoredRun
    test: str
    cell: Cell

    @property
    def train(self) -> str:
        """The train condition."""
        return self.run.summary.condition

    @property
    def training(self) -> Training:
        """Seed and fold."""
        return self.run.training


def count_cells(study: Study, *, resamples: int = RESAMPLES) -> dict[Block, list[Counted]]:
    """Count every run and test condition on bootstrap resamples: one set of resamples a dataset, fixed seed."""
    counted: dict[Block, list[Counted]] = {block: [] for block in study.blocks}
    for dataset in sorted({block.dataset for block in study.blocks}):
        runs = [run for run in study.runs if run.summary.dataset == dataset]
        labels = runs[0].rows(runs[0].conditions[0])["label"]
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        faces = FaceBootstrap(labels.to_numpy(), rng=rng, resamples=resamples)
        for run in runs:
            for test in run.conditions:
                cell = faces.cell(run.rows(test)["prediction"].to_numpy())
                counted[run.block].append(Counted(run, test, cell))
    return counted


def by_cell(counted: Sequence[Counted]) -> dict[tuple[str, str], list[Cell]]:
    """(train, test) -> the cells of its trainings, in report order."""
    order = condition_order([*(item.train for item in counted), *(item.test for item in counted)])
    cells: dict[tuple[str, str], list[Cell]] = {}
    for train in order:
        for test in order:
            if found := [item.cell for item in counted if (item.train, item.test) == (train, test)]:
                cells[train, test] = found
    return cells


def by_training(counted: Sequence[Counted], train: str, test: str) -> dict[Training, Counted]:
    """One cell of the matrix by training, in order; of two runs of one design and training, the first by name."""
    found: dict[Training, Counted] = {}
    for item in sorted(counted, key=lambda item: item.run.run.name):
        if (item.train, item.test) == (train, test):
            found.setdefault(item.training, item)
    return {training: found[training] for training in in_order(found)}


def training_bootstrap(counted: Sequence[Counted]) -> TrainingBootstrap:
    """Resamples of the trainings of some cells, as many as their faces were resampled; fixed seed."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    trainings = in_order(item.training for item in counted)
    return TrainingBootstrap(trainings, rng=rng, resamples=len(counted[0].cell.resampled_B77))
