"""Retention, recovery and price: what is kept under an occluder, what training wins back, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training, training_bootstrap
from occlufer.analysis.core.conditions import condition_order, is_partial
from occlufer.analysis.core.metrics import accuracy_of, records
from occlufer.analysis.core.statistics import percentile
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Entry, Grid, Text, bounds

Drawn = tuple[NDArray[np.float64], NDArray[np.float64]]
"""A number as observed, and in every resample."""


class Recovery(Section):
    """Three numbers for each train condition and occluder."""

    anchor, title, nav = "recovery", "Retention, recovery and price", "Recovery"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        rows = [row for block, items in self.core.counted.items() for row in _rows(block, items)]
        return {"recovery": pd.DataFrame(rows)}

    def opening(self) -> list[Any]:
        return [Text(
            "Kept: accuracy above always answering the largest class, as a share of what networks trained and "
            "tested on "
            "bare faces have. Won back: the part of the loss that training under an occluder regains. Price: "
            "what it costs "
            "on bare faces.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("recovery", block)
        return [recovery_grid(rows)] if len(rows) else []

    def findings(self, block: Block) -> list[str]:
        rows = self.of("recovery", block)
        return [
            f"Training on {condition_phrase(row['train'])} wins back {percent(row['recovery'])} of what "
            f"{condition_phrase(row['test'])} lose (95 % interval "
            f"{bounds(row['recovery_low'], row['recovery_high'])}), at "
            f"a price of {signed(row['price'])} points on bare faces."
            for row in (records(rows[rows["meant"]]) if len(rows) else [])
            if not np.isnan(row["recovery"]) and not np.isnan(row["price"])
        ]


def _rows(block: Block, items: Sequence[Counted]) -> list[dict[str, Any]]:
    """Retention, recovery and price of each cell under an occluder, where networks trained on bare faces are there."""
    bare = by_training(items, "none", "none")
    if not bare:
        return []
    bootstrap = training_bootstrap(items)

    def drawn(train: str, test: str) -> Drawn | None:
        cells = by_training(items, train, test)
        if not cells:
            return None
        return bootstrap.average(accuracy_of, {training: item.cell for training, item in cells.items()})

    cell = next(iter(bare.values())).cell
    majority: Drawn = _majority(cell.observed_77), _majority(cell.resampled_B77)
    clean = bootstrap.average(accuracy_of, {training: item.cell for training, item in bare.items()})
    trains, tests = (condition_order(getattr(item, name) for item in items) for name in ("train", "test"))
    rows = []
    for test in (test for test in tests if test != "none" and not is_partial(test)):
        plain = drawn("none", test)
        for train in trains:
            if (here := drawn(train, test)) is None:
                continue
            row = asdict(block) | {"train": train, "test": test, "meant": train == test or train not in tests}
            row |= _share("retention", here, majority, clean)
            uncovered = drawn(train, "none")
            row |= (
                _share("recovery", here, plain, clean) if plain and train != "none" else _nothing("recovery")
            )
            row |= _change("price", clean, uncovered) if train != "none" and uncovered else _nothing("price")
            rows.append(row)
    return rows


def _majority(counts: Any) -> NDArray[np.float64]:
    faces = np.asarray(counts, dtype=np.float64).sum(axis=-1)
    return np.asarray(faces.max(axis=-1) / faces.sum(axis=-1))


def _nothing(name: str) -> dict[str, float]:
    return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}


def _share(name: str, here: Drawn, low: Drawn, high: Drawn) -> dict[str, float]:
    """(here - low) / (high - low) with its interval; NaN where the observed difference below is not above zero."""
    if not high[0] > low[0]:
        return _nothing(name)
    above, below = (tuple(a - b for a, b in zip(x, low, strict=True)) for x in (here, high))
    drawn_B = np.divide(above[1], below[1], out=np.full_like(above[1], np.nan), where=below[1] > 0)
    found = percentile(np.asarray(above[0] / below[0]), drawn_B)
    return {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}


def _change(name: str, first: Drawn, second: Drawn) -> dict[str, float]:
    found = percentile(np.asarray(second[0] - first[0]), second[1] - first[1])
    return {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}


def recovery_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the recovery table, per cent and points."""
    lines = []
    for row in records(rows):
        line = [Entry(row["test"]), Entry(row["train"])]
        line += [Entry(percent(row[name]), bounds(row[f"{name}_low"], row[f"{name}_high"]))
                 for name in ("retention", "recovery")]  # fmt: skip
        price = "" if np.isnan(row["price"]) else points(row["price_low"], row["price_high"])
        lines.append([*line, Entry(signed(row["price"]), price)])
    caption = "With 95 % intervals over test faces (or people) and trainings."
    return Grid(
        caption, ["tested on", "trained on", "kept", "won back", "price, points"], lines, "recovery", heads=2
    )
