"""95 % intervals of the scores of a cell: what other faces (or people) and other trainings would have given."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from occlufer.analysis.core.cells import BOOTSTRAP_SEED
from occlufer.analysis.core.metrics import accuracy_of, recall_of
from occlufer.analysis.core.statistics import Cell, Interval, Statistic, TrainingBootstrap, exact_at_ends
from occlufer.analysis.core.trainings import Training, in_order

Cells = Mapping[Training, Cell]
"""One cell of the matrix: its networks by training, counted on the shared resamples of the faces."""


def interval(statistic: Statistic, cells: Cells) -> Interval:
    """A statistic averaged over the trainings of a cell, with its interval over faces and trainings."""
    return _trainings(cells).interval(statistic, cells)


def difference(statistic: Statistic, first: Cells, second: Cells) -> Interval:
    """Second minus first, with an interval that is paired by faces, and by trainings where both have them."""
    return _trainings(first, second).difference(statistic, [first], [second])


def accuracy_interval(cells: Cells) -> Interval:
    """Accuracy (), averaged over trainings, with exact bounds where it is 0 or 1."""
    return exact_at_ends(interval(accuracy_of, cells), _one(cells).units)


def recall_interval(cells: Cells) -> Interval:
    """Recall by class (7,), averaged over trainings, with exact bounds where it is 0 or 1."""
    return exact_at_ends(interval(recall_of, cells), _one(cells).units_7)


def _trainings(*cells: Cells) -> TrainingBootstrap:
    """Resamples of the trainings of some cells; those of cells with equally many trainings are the same."""
    rng, trainings = np.random.default_rng(BOOTSTRAP_SEED), in_order(name for cell in cells for name in cell)
    return TrainingBootstrap(trainings, rng=rng, resamples=len(_one(cells[0]).resampled_B77))


def _one(cells: Cells) -> Cell:
    return next(iter(cells.values()))
