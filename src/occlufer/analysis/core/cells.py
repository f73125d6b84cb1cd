"""Every run and test condition of a study, counted once on shared bootstrap resamples."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.conditions import condition_order, set_aside
from occlufer.analysis.core.statistics import RESAMPLES, Cell, FaceBootstrap, TrainingBootstrap
from occlufer.analysis.core.study import Block, ScoredRun, Study
from occlufer.analysis.core.trainings import Training, in_order

BOOTSTRAP_SEED = 20240325
"""Any fixed number: the same study gives the same intervals."""
_AT_ONCE = 16  # cells that are counted together


@dataclass(frozen=True, slots=True)
class Counted:
    """One run on one test condition, counted on the shared resamples of its dataset's faces.

    Attributes:
        people: how many people were resampled; None where faces were.
    """

    run: ScoredRun
    test: str
    cell: Cell
    people: int | None = None

    @property
    def train(self) -> str:
        """The train condition."""
        return self.run.summary.condition

    @property
    def training(self) -> Training:
        """Seed and fold."""
        return self.run.training


def study_faces(study: Study, *, resamples: int = RESAMPLES) -> dict[str, tuple[FaceBootstrap, int | None]]:
    """Dataset -> bootstrap resamples of its test faces with a fixed seed, and how many people were resampled.

    People are resampled where every test face says who is shown; else faces, and the number is None.
    """
    found = {}
    for dataset in sorted({block.dataset for block in study.blocks}):
        runs = [run for run in study.runs if run.summary.dataset == dataset]
        labels_N = runs[0].rows(runs[0].conditions[0])["label"].to_numpy()
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        people_N = people_of([run.rows(run.conditions[0])["subject"] for run in runs])
        people = None if people_N is None else int(people_N.max()) + 1
        found[dataset] = FaceBootstrap(labels_N, people_N=people_N, rng=rng, resamples=resamples), people
    return found


def resampled_faces(
    labels_N: Iterable[int], people_N: Iterable[int] | None, *, seed: int, resamples: int
) -> FaceBootstrap:
    """A `FaceBootstrap` of these faces, or people; drawn once for cells that have the same ones."""
    return _resampled(tuple(labels_N), None if people_N is None else tuple(people_N), seed, resamples)


@functools.lru_cache(maxsize=4)
def _resampled(
    labels_N: tuple[int, ...], people_N: tuple[int, ...] | None, seed: int, resamples: int
) -> FaceBootstrap:
    return FaceBootstrap(labels_N, people_N=people_N, rng=np.random.default_rng(seed), resamples=resamples)


def count_cells(
    study: Study, faces: dict[str, tuple[FaceBootstrap, int | None]]
) -> dict[Block, list[Counted]]:
    """Count every run and test condition on the resamples of its dataset's faces."""
    counted: dict[Block, list[Counted]] = {block: [] for block in study.blocks}
    for dataset, (bootstrap, people) in faces.items():
        asked = [
            (run, test) for run in study.runs if run.summary.dataset == dataset for test in run.conditions
        ]
        for start in range(0, len(asked), _AT_ONCE):
            part = asked[start : start + _AT_ONCE]
            cells = bootstrap.cells([run.rows(test)["prediction"] for run, test in part])
            for (run, test), cell in zip(part, cells, strict=True):
                counted[run.block].append(Counted(run, test, cell, people))
    return counted


def people_of(subjects: Sequence[pd.Series]) -> NDArray[np.int64] | None:
    """Which person each test face shows, int (N,) from 0; None unless all runs name two or more, and the same ones."""
    found = [names.to_numpy() for names in subjects]
    if pd.isna(found[0]).any() or any((found[0] != other).any() for other in found[1:]):
        return None
    people_N, names = pd.factorize(found[0])
    return people_N.astype(np.int64) if len(names) > 1 else None


def in_matrix(counted: dict[Block, list[Counted]]) -> dict[Block, list[Counted]]:
    """Without the places of dials that stand beside the severity figure alone (`conditions.set_aside`)."""
    aside = {block: set_aside((item.train, item.test) for item in items) for block, items in counted.items()}
    return {
        block: [item for item in items if item.test not in aside[block]] for block, items in counted.items()
    }


def by_cell(counted: Sequence[Counted]) -> dict[tuple[str, str], dict[Training, Cell]]:
    """(train, test) -> the cells of its trainings, both in report order."""
    order = condition_order([*(item.train for item in counted), *(item.test for item in counted)])
    there = {(item.train, item.test) for item in counted}
    return {
        (train, test): {training: item.cell for training, item in by_training(counted, train, test).items()}
        for train in order
        for test in order
        if (train, test) in there
    }


def by_training(counted: Sequence[Counted], train: str, test: str) -> dict[Training, Counted]:
    """One cell of the matrix by training, in order; of two runs of one design and training, the first by name."""
    here = [item for item in counted if item.train == train and item.test == test]
    found: dict[Training, Counted] = {}
    for item in sorted(here, key=lambda item: item.run.run.name):
        found.setdefault(item.training, item)
    return {training: found[training] for training in in_order(found)}


def training_bootstrap(counted: Sequence[Counted]) -> TrainingBootstrap:
    """Resamples of the trainings of some cells, as many as their faces were resampled; fixed seed."""
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    trainings = in_order(item.training for item in counted)
    return TrainingBootstrap(trainings, rng=rng, resamples=len(counted[0].cell.resampled_B77))
