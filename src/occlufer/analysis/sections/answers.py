"""Precision, F1 and the share of answers beside recall, and the largest confusions in one direction."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from occlufer.analysis.core.cells import by_cell
from occlufer.analysis.core.intervals import interval, recall_interval
from occlufer.analysis.core.metrics import recall_of, records
from occlufer.analysis.core.statistics import exact_at_ends
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Details, Entry, Grid, Text, bounds, named
from occlufer.types import EXPRESSIONS

_MOST = 3  # confusions of each cell


class Answers(Section):
    """A class that is answered for many faces is found more often: recall alone misleads."""

    anchor, title, nav = "answers", "Precision, F1 and the share of answers", "Answers"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        answers, confused = [], []
        for block, items in self.core.counted.items():
            for (train, test), cells in by_cell(items).items():
                name = asdict(block) | {"train": train, "test": test}
                answers_R7 = np.array([cell.observed_77.sum(axis=0) for cell in cells.values()])
                answers_7 = np.where(answers_R7 > 0, answers_R7, answers_R7.max(axis=0)).min(axis=0)
                scores = {kind: interval(statistic, cells) for kind, statistic in _STATISTICS.items()} | {
                    "recall": recall_interval(cells),
                    "precision": exact_at_ends(interval(precision_of, cells), answers_7),
                }
                counts_77 = np.sum([cell.observed_77 for cell in cells.values()], axis=0)
                faces_7 = counts_77.sum(axis=1)
                for place, expression in enumerate(EXPRESSIONS):
                    row = name | {"expression": expression, "truth_share": faces_7[place] / faces_7.sum()}
                    for kind, found in scores.items():
                        row |= {kind: found.value[place], f"{kind}_low": found.low[place],
                                f"{kind}_high": found.high[place]}  # fmt: skip
                    answers.append(row)
                largest = one_directional(counts_77)[:_MOST]
                bounds_P = interval(functools.partial(_excess_of, pairs=largest), cells)
                confused += [
                    name | row | {"excess_low": bounds_P.low[place], "excess_high": bounds_P.high[place]}
                    for place, row in enumerate(largest)
                ]
        return {"answers": pd.DataFrame(answers), "one_directional": pd.DataFrame(confused)}

    def block_parts(self, block: Block) -> list[Any]:
        answers, confused = self.of("answers", block), self.of("one_directional", block)
        if not len(answers):
            return []
        words = (
            "Recall rises also when a class is answered more often; precision then falls. Precision is the mean over "
            "the trainings that answer the class at all."
        )
        parts: list[Any] = [Text(words)]
        first, *others = [
            answers_grid(
                rows, f"Trained on {condition_phrase(str(train))}, tested on {condition_phrase(str(test))}"
            )
            for (train, test), rows in answers.groupby(["train", "test"], sort=False)
        ]
        parts.append(first)
        if others:
            parts.append(Details(f"The other trainings and conditions ({len(others)})", others))
        if len(confused):
            parts.append(
                Details(
                    f"The largest confusions in one direction ({len(confused)})", [confused_grid(confused)]
                )
            )
        return parts


def precision_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Precision of each class of confusion counts (..., 7, 7): float64 (..., 7), NaN for a class never answered."""
    return recall_of(np.swapaxes(np.asarray(matrices), -1, -2))


def f1_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """F1 of each class of confusion counts (..., 7, 7): float64 (..., 7), NaN for one that is nowhere."""
    counts = np.asarray(matrices, dtype=np.float64)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2)
    hits = 2 * np.diagonal(counts, axis1=-2, axis2=-1)
    return np.asarray(np.divide(hits, seen, out=np.full_like(seen, np.nan), where=seen > 0))


def answered_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Share of all answers that name each class, of confusion counts (..., 7, 7): float64 (..., 7)."""
    counts = np.asarray(matrices, dtype=np.float64)
    return np.asarray(counts.sum(axis=-2) / counts.sum(axis=(-2, -1))[..., None])


_STATISTICS = {"f1": f1_of, "answered_share": answered_of}


def one_directional(counts_77: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Pairs of classes by how much more often the first is taken for the second than the other way round.

    Shares are of the true class; `excess` = share there minus share back, only those above zero.
    """
    faces_71 = counts_77.sum(axis=1, keepdims=True)
    shares_77 = np.divide(counts_77, faces_71, out=np.zeros(counts_77.shape), where=faces_71 > 0)
    excess_77 = shares_77 - shares_77.T
    order = np.dstack(np.unravel_index(np.argsort(-excess_77, axis=None, kind="stable"), excess_77.shape))[0]
    return [
        {"truth": EXPRESSIONS[one], "answer": EXPRESSIONS[two], "share": shares_77[one, two],
         "share_back": shares_77[two, one], "excess": excess_77[one, two]}
        for one, two in order
        if excess_77[one, two] > 0
    ]  # fmt: skip


def _excess_of(matrices: ArrayLike, pairs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """`excess` of P pairs of classes, of confusion counts (..., 7, 7): float64 (..., P), NaN without faces."""
    counts = np.asarray(matrices, dtype=np.float64)
    faces = counts.sum(axis=-1, keepdims=True)
    shares = np.divide(counts, faces, out=np.full_like(counts, np.nan), where=faces > 0)
    one, two = ([EXPRESSIONS.index(pair[side]) for pair in pairs] for side in ("truth", "answer"))
    return np.asarray(shares[..., one, two] - shares[..., two, one])


def answers_grid(rows: pd.DataFrame, caption: str) -> Grid:
    """One cell of the matrix, class by class."""
    lines = []
    for row in records(rows):
        line = [Entry(row["expression"]), Entry(percent(row["truth_share"]))]
        for kind in ("answered_share", "recall", "precision", "f1"):
            line.append(Entry(percent(row[kind]), bounds(row[f"{kind}_low"], row[f"{kind}_high"])))
        lines.append(line)
    header = ["expression", "share of faces", "share of answers", "recall", "precision", "F1"]
    return Grid(f"{caption}. With 95 % intervals over faces and trainings.", header, lines, "answers")


def confused_grid(rows: pd.DataFrame) -> Grid:
    """The largest confusions in one direction, cell by cell."""
    lines = [
        [*named(row["train"], row["test"]), Entry(f"{row['truth']} → {row['answer']}"),
         Entry(percent(row["share"])), Entry(percent(row["share_back"])),
         Entry(signed(row["excess"]),
               "" if math.isnan(row["excess_low"]) else points(row["excess_low"], row["excess_high"]))]
        for row in records(rows)
    ]  # fmt: skip
    header = ["trained on", "tested on", "taken for", "share of the class", "the other way", "excess, points"]
    caption = (
        f"The {_MOST} largest confusions in one direction under each condition, all trainings together, with 95 % "
        "intervals over faces and trainings. They were picked as the largest, so that others would come out smaller."
    )
    return Grid(caption, header, lines, "one_directional", heads=2, words=(2,))
