"""Retention, recovery and price: what is kept under an occluder, what training wins back, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.conditions import condition_order, is_partial
from occlufer.analysis.core.effects import Contrast, Place, balance, contrast_between, effects, pool_of
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import FaceBootstrap, Interval
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.analysis.core.words import condition_phrase, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Entry, Grid, Text, bounds
from occlufer.types import EXPRESSIONS

Sides = tuple[str, str]
"""First and second of `here` (the cell), `plain` (trained on bare faces, same test), `clean`, and `chance`."""

CLEAN: Place = ("none", "none")
_SHARES: dict[str, tuple[Sides, Sides]] = {
    "retention": (("chance", "here"), ("chance", "clean")),
    "retention_balanced": (("chance", "here"), ("chance", "clean")),
    "recovery": (("plain", "here"), ("plain", "clean")),
}
_BALANCED = ("retention_balanced",)  # of the mean recall of the classes
_MOST = 3  # trainings that the first screen names for each occluder


class Recovery(Section):
    """Three numbers for each train condition and occluder."""

    anchor, title, nav = "recovery", "Retention, recovery and price", "Recovery"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        rows = [
            row
            for block, items in self.core.counted.items()
            for row in _rows(block, items, self.core.faces[block.dataset][0])
        ]
        return {"recovery": pd.DataFrame(rows)}

    def opening(self) -> list[Any]:
        return [Text(
            "Kept: what is left of the score that networks trained and tested on bare faces have above chance. Chance "
            "is what a network reaches that does not look at the face: in accuracy the share of the largest class, "
            "which it could always answer; in balanced accuracy (the mean recall of the classes) one divided by their "
            "number, whatever it answers. Won back: the part of the lost accuracy that training under an occluder "
            "regains. Price: what it costs on bare faces.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("recovery", block)
        return [recovery_grid(rows)] if len(rows) else []

    def answers(self, block: Block) -> list[tuple[str, str]]:
        rows = self.of("recovery", block)
        meant = records(rows[rows["meant"] & rows["recovery"].notna()]) if len(rows) else []
        by_test = [
            [row for row in meant if row["test"] == test] for test in {row["test"]: None for row in meant}
        ]
        return [("What wins it back", " ".join(map(_won_back, by_test)))] if meant else []


def _whole(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")


def _won_back(rows: list[dict[str, Any]]) -> str:
    """Every training that was meant for one test condition, the best first."""
    parts = []
    order = sorted(rows, key=lambda row: -row["recovery"])
    for place, row in enumerate(order[:_MOST]):
        train, share = condition_phrase(row["train"]), row["recovery"]
        loss = " of the loss" if place == 0 else ""
        if share >= 0:
            part = f"training on {train} wins back {_whole(share)}{loss}"
        else:
            part = f"training on {train} wins nothing back, the loss grows by {_whole(-share)}"
        low, high = row["recovery_low"], row["recovery_high"]
        part += f" (95 % interval {_whole(low)} to {_whole(high)})" if not np.isnan(low) else ""
        if not np.isnan(row["price"]):
            size = signed(abs(row["price"])).removeprefix("+")
            part += f" and {'costs' if row['price'] < 0 else 'adds'} {size} points on bare faces"
        parts.append(part)
    if len(order) > _MOST:
        parts.append(f"{len(order) - _MOST} other{'s' * (len(order) > _MOST + 1)} less")
    return f"On {condition_phrase(rows[0]['test'])}, {'; '.join(parts)}."


def _rows(block: Block, items: Sequence[Counted], faces: FaceBootstrap) -> list[dict[str, Any]]:
    """Retention, recovery and price of each cell under an occluder, where networks trained on bare faces are there."""
    labels_N = items[0].run.rows(items[0].test)["label"].to_numpy() if items else np.empty(0, dtype=np.int64)
    family = _Family(items, faces.units_N, labels_N)
    if not family.has(CLEAN):
        return []
    trains, tests = (condition_order(getattr(item, name) for item in items) for name in ("train", "test"))
    cells = [
        (train, test)
        for test in tests
        for train in trains
        if test != "none" and not is_partial(test) and family.has((train, test))
    ]
    rows = {
        place: asdict(block)
        | {"train": place[0], "test": place[1], "meant": place[0] == place[1] or place[0] not in tests}
        for place in cells
    }
    for name, (numerator, denominator) in _SHARES.items():
        found = family.shares(name, cells, numerator, denominator)
        for place in cells:
            rows[place] |= _columns(name, found.get(place))
    prices = family.prices([train for train in trains if train != "none"])
    for place in cells:
        rows[place] |= _columns("price", prices.get(place[0]))
    return list(rows.values())


class _Family:
    """The cells of a block, and how far means of them would differ with other people and other trainings.

    Shares of two differences are linearised (the delta method: Casella & Berger, *Statistical Inference*, 2002,
    section 5.5.4), and then stand on the same crossed random effects, with trainings pooled, as `effects`.
    """

    def __init__(
        self, items: Sequence[Counted], units_N: NDArray[np.int64], labels_N: NDArray[np.int64]
    ) -> None:
        self._items, self._units_N = items, units_N
        faces_K = np.bincount(labels_N, minlength=len(EXPRESSIONS)).astype(np.float64)
        self._largest_N = (labels_N == faces_K.argmax()).astype(np.float64)
        self._balance_N = balance(labels_N)
        self._classes = int((faces_K > 0).sum())

    def has(self, place: Place) -> bool:
        return bool(by_training(self._items, *place))

    def shares(
        self, name: str, cells: Sequence[Place], numerator: Sides, denominator: Sides
    ) -> dict[Place, Interval]:
        """(numerator) / (denominator), each second minus first of `_SHARES`; only where the denominator is above 0."""
        asked: list[tuple[Place, Contrast]] = []
        values: dict[Place, tuple[float, float]] = {}
        for place in cells:
            train, test = place
            if name == "recovery" and train == "none":
                continue
            places = {"here": place, "plain": ("none", test), "clean": CLEAN}
            shared = self._shared([places[side] for side in (*numerator, *denominator) if side in places])
            if not shared:
                continue
            above, below = (
                self._of(places, second, shared, name) - self._of(places, first, shared, name)
                for first, second in (numerator, denominator)
            )
            if not below.mean() > 0:
                continue
            ratio = above.mean() / below.mean()
            values[place] = ratio, below.mean()
            first = places["plain"] if name == "recovery" else CLEAN
            pool = pool_of(self._items, first, place, shared) if name == "recovery" else ""
            asked.append((place, Contrast(first, place, shared, above - ratio * below, pool)))
        found = effects([contrast for _, contrast in asked], self._units_N)
        return {
            place: _interval(values[place][0], effect.low / values[place][1], effect.high / values[place][1])
            for (place, _), effect in zip(asked, found, strict=True)
        }

    def prices(self, trains: Sequence[str]) -> dict[str, Interval]:
        """Accuracy on bare faces minus that of networks trained on them."""
        asked = {train: contrast_between(self._items, CLEAN, (train, "none")) for train in trains}
        there = {train: contrast for train, contrast in asked.items() if contrast}
        found = effects(list(there.values()), self._units_N)
        return {
            train: Interval(*(np.asarray(value) for value in (effect.difference, effect.low, effect.high)))
            for train, effect in zip(there, found, strict=True)
        }

    def _shared(self, places: Sequence[Place]) -> tuple[Training, ...]:
        return tuple(in_order(set.intersection(*({*by_training(self._items, *place)} for place in places))))

    def _of(
        self, places: dict[str, Place], side: str, trainings: Sequence[Training], name: str
    ) -> NDArray[np.float64]:
        """Float (faces, trainings) whose mean is the score of one side."""
        if side == "chance":
            one_N = np.full(len(self._largest_N), 1 / self._classes) if name in _BALANCED else self._largest_N
            return np.repeat(one_N[:, None], len(trainings), axis=1)
        cell = by_training(self._items, *places[side])
        correct_NR = np.stack([cell[training].cell.correct_N for training in trainings], axis=1)
        return correct_NR * (self._balance_N if name in _BALANCED else np.ones(len(correct_NR)))[:, None]


def _interval(value: float, low: float, high: float) -> Interval:
    """An interval around a value, from bounds around zero."""
    return Interval(np.asarray(value), np.asarray(value + low), np.asarray(value + high))


def _columns(name: str, found: Interval | None) -> dict[str, float]:
    value, low, high = (found.value, found.low, found.high) if found else (np.nan,) * 3
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def recovery_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the recovery table, per cent and points."""
    lines = []
    for row in records(rows):
        line = [Entry(condition_phrase(row[side])) for side in ("test", "train")]
        line += [Entry(percent(row[name]), bounds(row[f"{name}_low"], row[f"{name}_high"]))
                 for name in ("retention", "retention_balanced", "recovery")]  # fmt: skip
        price = "" if np.isnan(row["price"]) else points(row["price_low"], row["price_high"])
        lines.append([*line, Entry(signed(row["price"]), price)])
    caption = (
        "With 95 % t intervals over test faces (or people) and trainings, whose spread is pooled over the rows; shares "
        "by the delta method."
    )
    return Grid(
        caption,
        ["tested on", "trained on", "kept", "kept, balanced", "won back", "price, points"],
        lines,
        "recovery",
        heads=2,
    )
