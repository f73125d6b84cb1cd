"""Repetitions of one design: seeds and folds, how they are named, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd


class Training(NamedTuple):
    """Which repetition a run is: its seed, and the fold that it held out for validation (None without folds)."""

    seed: int
    fold: int | None

    @property
    def place(self) -> tuple[int, int]:
        """For sorting: by seed, then by fold."""
        return self.seed, -1 if self.fold is None else self.fold

    @property
    def label(self) -> str:
        """`seed 0` or `seed 0, fold 3`."""
        return f"seed {self.seed}" + ("" if self.fold is None else f", fold {self.fold}")


def in_order(trainings: Iterable[Training]) -> list[Training]:
    """The trainings without repeats, by seed and fold."""
    return sorted(set(trainings), key=lambda training: training.place)


def repetitions(trainings: int, seeds: int, folds: int) -> str:
    """How many trainings stand behind a number: `one seed`, `2 seeds`, `5 folds`, `10 trainings (2 seeds x 5 folds)`.

    Args:
        trainings: how many runs there are.
        seeds: how many different seeds they have.
        folds: how many different folds they have; 0 without folds.
    """
    if trainings == 1:
        return "one fold" if folds else "one seed"
    if not folds:
        return f"{trainings} seeds"
    if seeds == 1:
        return f"{trainings} folds"
    product = f"{seeds} seeds × {folds} folds"
    return f"{trainings} trainings ({product if seeds * folds == trainings else f'of {product}'})"


def missing_folds(trainings: Iterable[Training], fold_count: int) -> dict[int, list[int]]:
    """Seed -> the folds of 0..fold_count-1 that have no run, for seeds that have some fold."""
    found: dict[int, set[int]] = {}
    for training in trainings:
        if training.fold is not None:
            found.setdefault(training.seed, set()).add(training.fold)
    absent = {seed: sorted(set(range(fold_count)) - folds) for seed, folds in sorted(found.items())}
    return {seed: folds for seed, folds in absent.items() if folds}


def spread_words(matrix: pd.DataFrame) -> str:
    """What the cells of a matrix rest on: `one seed`, `mean ± sd over 5 folds`, `mean ± sd over 1 to 2 seeds`."""
    low, high = int(matrix["trainings"].min()), int(matrix["trainings"].max())
    seeds, folds = int(matrix["seeds"].max()), int(matrix["folds"].max())
    words = repetitions(high, seeds, folds)
    if high == 1:
        return words
    if low < high:
        words = f"{low} to {high} {'folds' if folds and seeds == 1 else 'trainings' if folds else 'seeds'}"
    return f"mean ± sd over {words}"
