"""Is it the place or the area? Every occluder against a box anywhere on the face that covers as much of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.conditions import condition_order, dial, is_partial
from occlufer.analysis.core.effects import Contrast, effects
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.analysis.core.words import condition_phrase, p_value, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Entry, Grid, Text, named

CONTROL = "box_random"
ALPHA = 0.05


class Area(Section):
    """Accuracy under an occluder minus that under the control at the same covered share."""

    anchor, title, nav = "area", "Place or area: a box that covers as much", "Equal area"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        rows = []
        for block, items in self.core.every.items():
            rows += area_rows(block, items, self.core.faces[block.dataset][0].units_N)
        return {"area_matched": pd.DataFrame(rows)}

    def opening(self) -> list[Any]:
        return [Text(
            "The control is a black box of equal covered share at a random place of the face (the condition "
            f"{CONTROL} and places of its dial; between two places its answers are weighted). What an occluder costs "
            "beyond it is the price of where it lies and how it looks, not of how much it covers.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("area_matched", block)
        return [area_grid(rows)] if len(rows) else []

    def findings(self, block: Block) -> list[str]:
        rows = self.of("area_matched", block)
        return [
            f"Networks trained on bare faces classify {condition_phrase(row['test'])} correctly "
            f"{signed(abs(row['difference'])).removeprefix('+')} points {'less' if row['difference'] < 0 else 'more'} "
            "often than faces under a box of equal area at a random place (95 % interval "
            f"{points(row['low'], row['high'])})."
            for row in (records(rows[rows["train"] == "none"]) if len(rows) else [])
            if row["p_holm"] < ALPHA
        ]


def area_rows(block: Block, items: Sequence[Counted], units_N: NDArray[np.int64]) -> list[dict[str, Any]]:
    """One row a train condition and occluder whose covered share lies within the control's."""
    found = list(_matched(items))
    results = effects([contrast for contrast, _ in found], units_N)
    rows = [asdict(block) | named | asdict(result) for (_, named), result in zip(found, results, strict=True)]
    for row, p in zip(rows, holm([1.0 if np.isnan(row["p"]) else row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    return rows


def _matched(items: Sequence[Counted]) -> Iterator[tuple[Contrast, dict[str, Any]]]:
    for train in condition_order(item.train for item in items):
        tests = condition_order(item.test for item in items if item.train == train)
        controls = sorted(
            (_share(items, train, test), test) for test in tests if test == "none" or dial(test)[0] == CONTROL
        )
        for test in tests:
            share = _share(items, train, test)
            if test == "none" or is_partial(test) or dial(test)[0] == CONTROL or np.isnan(share):
                continue
            around = [(one, two) for one, two in itertools.pairwise(controls) if one[0] <= share <= two[0]]
            if not around:
                continue
            (low, first), (high, second) = around[0]
            weight = (share - low) / (high - low) if high > low else 0.0
            shared = tuple(in_order(set.intersection(*(
                {*by_training(items, train, name)} for name in (test, first, second)
            ))))  # fmt: skip
            if not shared:
                continue
            here, one, two = (_correct(items, train, name, shared) for name in (test, first, second))
            control = (1 - weight) * one + weight * two
            yield Contrast((train, CONTROL), (train, test), shared, here - control), {
                "train": train, "test": test, "covered_share": share, "control_below": first, "control_above": second,
                "weight": weight, "trainings": len(shared), "accuracy": float(here.mean()),
                "accuracy_control": float(control.mean()),
            }  # fmt: skip


def _share(items: Sequence[Counted], train: str, test: str) -> float:
    """Mean covered share of the test faces, as measured when the occluder was drawn."""
    cell = by_training(items, train, test)
    return float(np.mean([item.run.rows(test)["covered_share"].mean() for item in cell.values()]))


def _correct(
    items: Sequence[Counted], train: str, test: str, trainings: Sequence[Training]
) -> NDArray[np.float64]:
    cell = by_training(items, train, test)
    return np.stack([cell[training].cell.correct_N for training in trainings], axis=1).astype(np.float64)


def area_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the table of equal areas."""
    lines = [
        [*named(row["train"], row["test"]), Entry(percent(row["covered_share"])),
         Entry(f"{100 * row['accuracy']:.1f}"), Entry(f"{100 * row['accuracy_control']:.1f}"),
         Entry(signed(row["difference"]), points(row["low"], row["high"])), Entry(p_value(row["p_holm"]))]
        for row in records(rows)
    ]  # fmt: skip
    header = ["trained on", "tested on", "covered share", "accuracy, %", "box of equal area, %", "difference, points",
              "p (Holm)"]  # fmt: skip
    caption = "With 95 % intervals over test faces (or people) and trainings; p corrected for the rows of this table."
    return Grid(caption, header, lines, "area_matched", heads=2)
