"""Model x condition: the crossed cells of a study."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import STUDY_METRICS, records
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order

OWN = "own condition"


Cell = dict[Training, Counted]


Key = tuple[str, str]
"""Model and condition."""


@dataclass(frozen=True, slots=True)
class Factors:
    """Cells of model x condition on one dataset, each with its trainings.

    Attributes:
        dataset, variant: of the blocks.
        tested: `OWN` (each network on the condition that it was trained on), or `trained on X` (networks of one train
            condition on several test conditions).
        models, conditions: the levels, in report order.
        cells: (model, condition) -> trainings; a missing cell is not there.
    """

    dataset: str
    variant: str
    tested: str
    models: tuple[str, ...]
    conditions: tuple[str, ...]
    cells: dict[Key, Cell]

    @property
    def identity(self) -> dict[str, str]:
        """The columns that name it in a table."""
        return {"dataset": self.dataset, "variant": self.variant, "tested": self.tested}

    @property
    def keys(self) -> list[Key]:
        """All (model, condition), model by model."""
        return list(itertools.product(self.models, self.conditions))

    def shared_trainings(self, keys: Sequence[Key]) -> list[Training]:
        """The trainings that all these cells have; none when a cell is missing."""
        return in_order(set.intersection(*(set(self.cells.get(key, {})) for key in keys)))

    def right_answers(self, keys: Sequence[Key], trainings: Sequence[Training]) -> NDArray[np.bool_]:
        """Bool (faces, trainings, cells): was the face read rightly."""
        cells = [
            np.stack([self.cells[key][training].cell.correct_N for training in trainings], axis=1)
            for key in keys
        ]
        return np.stack(cells, axis=-1)


def crossed_cells(counted: dict[Block, list[Counted]]) -> list[Factors]:
    """The model x condition designs of a study: those with two models or more, and re-runs of a published study.

    Baselines that learn nothing are no level of the factor: their distance to all networks would be its whole effect.
    """
    groups: dict[tuple[str, str], list[Counted]] = {}
    for block, items in counted.items():
        if networks := [item for item in items if item.run.learns]:
            groups.setdefault((block.dataset, block.variant), []).extend(networks)
    found = []
    for (dataset, variant), items in groups.items():
        models = tuple(sorted({item.run.block.model for item in items}))
        if len(models) == 1 and not any(item.run.config.get("published") for item in items):
            continue
        for tested, columns in _sides(items).items():
            cells = {
                (model, test): cell
                for model, (train, test) in itertools.product(models, columns)
                if (
                    cell := by_training(
                        [item for item in items if item.run.block.model == model], train, test
                    )
                )
            }
            if len(models) * len(columns) > 1:
                conditions = tuple(test for _, test in columns)
                found.append(Factors(dataset, variant, tested, models, conditions, cells))
    return found


def _sides(items: Sequence[Counted]) -> dict[str, list[tuple[str, str]]]:
    """What `condition` means: name -> (train, test) conditions; each network's own one where there are two or more."""
    own = condition_order(item.train for item in items if item.train == item.test)
    if len(own) > 1:
        return {OWN: [(name, name) for name in own]}
    return {
        f"trained on {train}": [
            (train, test) for test in condition_order(item.test for item in items if item.train == train)
        ]
        for train in condition_order(item.train for item in items)
    }


def scores_of(factors: Factors, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and training: model, condition, seed, fold, and `STUDY_METRICS` from the scores table."""
    by_run = {(row["run"], row["test"]): row for row in records(scores)}
    rows = [
        {"model": model, "condition": condition, "seed": training.seed, "fold": training.fold}
        | {name: float(by_run[item.run.run.name, item.test][name]) for name in STUDY_METRICS}
        for (model, condition), cell in factors.cells.items()
        for training, item in cell.items()
    ]
    return pd.DataFrame(rows, columns=["model", "condition", "seed", "fold", *STUDY_METRICS])
