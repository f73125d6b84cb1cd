"""Paired tests of single trainings: the appendix to the effects over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.conditions import condition_order, mask_and_headset
from occlufer.analysis.core.intervals import difference
from occlufer.analysis.core.metrics import accuracy_of
from occlufer.analysis.core.paired import clustered_test, paired_test
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.analysis.core.words import condition_phrase, count, p_value, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Details,
    Entry,
    Grid,
    Text,
    fold_text,
    without_folds,
)

ALPHA = 0.05
KINDS: dict[str, str] = {
    "cover": "same network, tested on two conditions",
    "train": "same test condition, networks trained on two conditions",
    "own": "each network tested on the condition that it was trained on",
}


class Comparisons(Section):
    """Exact McNemar tests, one network at a time."""

    anchor, title, nav = "tests", "Appendix: paired tests of single trainings", "Paired tests"
    lasting = ("comparisons",)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        people = {
            name: None if number is None else faces.units_N
            for name, (faces, number) in self.core.faces.items()
        }
        return {"comparisons": comparisons_table(self.core.counted, people)}

    def opening(self) -> list[Any]:
        return [Text("Two conditions are compared face by face, one training at a time: the exact McNemar test asks "
                     "whether more faces are classified correctly under one only than under the other only. The "
                     "p values "
                     "are corrected together for all tests of this table (Holm).")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        compared = self.of("comparisons", block)
        grids = [(words, comparisons_grid(compared, kind)) for kind, words in KINDS.items()
                 if len(compared) and (compared["kind"] == kind).any()]  # fmt: skip
        if not grids:
            return [Text("No two conditions share a seed and fold, so there is nothing to pair.")]
        return [Details(f"{words.capitalize()} ({len(grid.rows)})", [grid]) for words, grid in grids]

    def cautions(self, block: Block) -> list[str]:
        compared = self.of("comparisons", block)
        known = compared[compared["p_clustered"].notna()] if len(compared) else compared
        if not len(known):
            return []
        changed = int(((known["p_holm"] < ALPHA) != (known["p_clustered_holm"] < ALPHA)).sum())
        return [
            f"In {changed} of {count(len(known), 'test')} of single trainings the verdict changes when the faces of a "
            "person are taken together (clustered McNemar test), as they should be."
        ] if changed else []  # fmt: skip

    def terms(self) -> list[tuple[str, str]]:
        return [(
            "Paired test of single trainings",
            "Exact McNemar test (McNemar, Psychometrika 12, 1947) on each seed and fold by itself; p values "
            "corrected by "
            "Holm's method (Scandinavian Journal of Statistics 6, 1979). It speaks of these networks on such faces; it "
            "does not test whether another training would differ. Where the data say who is shown, p (people) takes "
            "the faces of a person together (Durkalski et al., Statistics in Medicine 22, 2003). Odds: faces that "
            "only the second classified correctly for each that only the first did, with exact bounds.",
        )]  # fmt: skip


def comparisons_table(
    counted: dict[Block, list[Counted]], people: Mapping[str, NDArray[np.int64] | None]
) -> pd.DataFrame:
    """Paired comparisons on the same faces, one row a training: exact McNemar test, interval of the difference.

    `kind` is a key of `KINDS`; difference = accuracy of the second minus the first; `odds` is the matched
    odds ratio with exact bounds. `p_clustered` takes the faces of a person together (`paired.clustered_test`), NaN
    where people are not known; `p_holm` and `p_clustered_holm` are corrected for all rows.

    Args:
        people: dataset -> int (faces,), who is shown; None where that is not known.
    """
    rows = []
    for block, items in counted.items():
        units_N = people[block.dataset]
        for kind, first, second in _pairs(items):
            test = paired_test(first.cell.correct_N, second.cell.correct_N)
            change = difference(accuracy_of, {first.training: first.cell}, {second.training: second.cell})
            rows.append(
                asdict(block)
                | {
                    "kind": kind,
                    "seed": first.training.seed,
                    "fold": first.training.fold,
                    "train_first": first.train,
                    "test_first": first.test,
                    "train_second": second.train,
                    "test_second": second.test,
                    "n": len(first.cell.correct_N),
                    "accuracy_first": first.cell.correct_N.mean(),
                    "accuracy_second": second.cell.correct_N.mean(),
                    "difference": float(change.value),
                    "low": float(change.low),
                    "high": float(change.high),
                    "only_first_right": test.only_first,
                    "only_second_right": test.only_second,
                    "odds": test.odds,
                    "odds_low": test.odds_low,
                    "odds_high": test.odds_high,
                    "p": test.p,
                    "p_clustered": np.nan
                    if units_N is None
                    else clustered_test(first.cell.correct_N, second.cell.correct_N, units_N),
                }
            )
    columns = [*Block.__slots__, "kind", "seed", "fold", "p", "p_clustered"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    known = table["p_clustered"].notna()
    table = table.assign(p_holm=holm(table["p"].tolist()), p_clustered_holm=np.nan)
    table.loc[known, "p_clustered_holm"] = holm(table.loc[known, "p_clustered"].tolist())
    return table.astype({"fold": "Int64"})


def _pairs(items: Sequence[Counted]) -> Iterator[tuple[str, Counted, Counted]]:
    """What is worth comparing: against none, and a mask against the headset of its family (the question of study A)."""
    order = condition_order([*(item.train for item in items), *(item.test for item in items)])
    wanted = [("none", name) for name in order if name != "none"]
    wanted += mask_and_headset(order)
    # Two runs of one design and training (a warning of the study names them): the first by name is compared.
    grid: dict[tuple[Training, str, str], Counted] = {}
    for item in items:
        grid.setdefault((item.training, item.train, item.test), item)
    for training in in_order(training for training, _, _ in grid):
        pairs = [("cover", (train, one), (train, two)) for train in order for one, two in wanted]
        pairs += [
            ("train", (one, test), (two, test)) for test in order for one, two in wanted if one == "none"
        ]
        pairs += [("own", (one, one), (two, two)) for one, two in wanted]
        for kind, one, two in pairs:
            if (first := grid.get((training, *one))) and (second := grid.get((training, *two))):
                yield kind, first, second


def comparisons_grid(comparisons: pd.DataFrame, kind: str) -> Grid:
    """Paired comparisons of one kind (a key of `tables.KINDS`)."""
    rows = []
    clustered = bool(comparisons["p_clustered"].notna().any())
    for _, row in comparisons[comparisons["kind"] == kind].iterrows():
        first, second = (_side(row, suffix, kind) for suffix in ("first", "second"))
        where = {"cover": row["train_first"], "train": row["test_first"], "own": "own"}[kind]
        place = where if kind == "own" else condition_phrase(where)
        rows.append([
            Entry(place), Entry(f"{first} → {second}"), Entry(str(row["seed"])), Entry(fold_text(row["fold"])),
            Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            Entry(f"{row['only_first_right']} / {row['only_second_right']}"),
            Entry(_odds(row["odds"]), _odds_bounds(row)), Entry(p_value(row["p"])), Entry(p_value(row["p_holm"])),
            *([Entry(p_value(row["p_clustered_holm"]))] if clustered else []),
        ])  # fmt: skip
    first_column = {"cover": "trained on", "train": "tested on", "own": "trained and tested on"}[kind]
    second_column = {"cover": "tested on", "train": "trained on", "own": "condition"}[kind]
    header = [
        first_column,
        second_column,
        "seed",
        "fold",
        "accuracy, %",
        "difference, points",
        "only one correct",
        "odds",
        "p",
        "p (Holm)",
        *(["p (people, Holm)"] if clustered else []),
    ]
    caption = f"Paired on the same faces: {KINDS[kind]}. "
    caption += "Only one correct: faces that only the first / only the second classified correctly."
    if kind == "own":
        header, rows = header[1:], [row[1:] for row in rows]
    header, rows = without_folds(header, rows)
    return Grid(caption, header, rows, "comparisons", heads=1 if kind == "own" else 2)


def _odds(value: float) -> str:
    return "–" if np.isnan(value) else "∞" if np.isinf(value) else f"{value:.2f}"


def _odds_bounds(row: Any) -> str:
    return "" if np.isnan(row["odds"]) else f"{_odds(row['odds_low'])}–{_odds(row['odds_high'])}"


def _side(row: Any, suffix: str, kind: str) -> str:
    return condition_phrase(row[f"train_{suffix}"] if kind == "train" else row[f"test_{suffix}"])
