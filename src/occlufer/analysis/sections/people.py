"""For whom: accuracy by pose and skin type where the data know them, and how far people differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_cell, by_training, training_bootstrap
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import FaceBootstrap, percentile
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import count, joined, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Details, Entry, Grid, Text, bounds, named

_TURNED = ((0, 15, "turned by less than 15°"), (15, 30, "15° to 30°"), (30, np.inf, "30° and more"))
# Drawn faces have types with decimals.
_SKIN = ((-np.inf, 2.5, "types I and II"), (2.5, 4.5, "types III and IV"), (4.5, np.inf, "types V and VI"))
_OVERLAP = {
    "near_duplicate": (
        "near-duplicates of training or validation images",
        "test faces without near-duplicates",
    ),
    "person_in_training": (
        "of people who are also in training or validation data",
        "test faces of other people",
    ),
}
"""Column of faces.csv -> what its faces are, and what the others are called."""
_LEAST = 10
"""Faces of a group below which nothing is said."""


class People(Section):
    """Accuracy by group of faces, and between people."""

    anchor, title, nav = "people", "For whom: pose, skin and person", "For whom"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        groups, people = [], []
        for block, items in self.core.counted.items():
            faces, known = self.core.faces[block.dataset]
            named_N = groups_of(items[0]) if items else {}
            for train, test in by_cell(items):
                name = asdict(block) | {"train": train, "test": test}
                cell = list(by_training(items, train, test).values())
                groups += [name | row for row in _group_rows(cell, named_N, faces)]
                if known is not None:
                    people.append(name | between_people(cell, faces.units_N))
        return {"groups": pd.DataFrame(groups), "people": pd.DataFrame(people)}

    def opening(self) -> list[Any]:
        return [Text("Gap: accuracy on the group minus that on all other faces of the same condition. Pose and skin "
                     "type (Fitzpatrick) are those that the dataset states.")]  # fmt: skip

    def cautions(self, block: Block) -> list[str]:
        groups = self.of("groups", block)
        first = self.core.counted[block][0] if self.core.counted[block] else None
        facts = first.run.facts if first else None
        if first is None or facts is None:
            return []
        facts = facts.reindex(first.run.rows(first.test)["key"])
        return [
            f"{int(facts[column].sum())} of {len(facts)} test faces are {what}{_without(groups, others)}."
            for column, (what, others) in _OVERLAP.items()
            if column in facts and facts[column].sum() > 0
        ]

    def closing(self) -> list[Any]:
        known = [run.facts for run in self.core.study.runs if run.facts is not None]
        if not known:
            return []
        looked = all("near_duplicate" in facts for facts in known)
        none = looked and not any(facts["near_duplicate"].any() for facts in known)
        return [] if looked and not none else [Text(
            "No test face is a near-duplicate of a training or validation image." if none
            else "Near-duplicates across splits were not looked for; occlufer prepare does, before a training."
        )]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        groups, people = self.of("groups", block), self.of("people", block)
        parts: list[Any] = [people_grid(people)] if len(people) else []
        for by in dict.fromkeys(groups["by"]) if len(groups) else ():
            rows = groups[groups["by"] == by]
            parts.append(Details(f"By {by} ({len(rows)})", [groups_grid(rows)], open=len(rows) <= 12))
        items = self.core.counted[block]
        return [*parts, *(_left_out(items[0]) if items else [])]


def groups_of(item: Counted) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """(what, group) -> which test faces are in it, bool (N,), by the facts that the run recorded of them."""
    return {name: inside for name, inside in _all_groups(item).items() if _enough(inside)}


def _all_groups(item: Counted) -> dict[tuple[str, str], NDArray[np.bool_]]:
    facts, keys = item.run.facts, item.run.rows(item.test)["key"]
    if facts is None:
        return {}
    facts = facts.reindex(keys)
    found: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for by, column, bins in (("pose (yaw)", "yaw", _TURNED), ("skin type", "skin_type", _SKIN)):
        if column in facts and pd.api.types.is_numeric_dtype(facts[column]):
            values = facts[column].abs().to_numpy()
            found |= {(by, name): (values >= low) & (values < high) for low, high, name in bins}
    for column, (_, others) in _OVERLAP.items():
        if column in facts:
            found["overlap", others] = facts[column].to_numpy() == 0
    return found


def _enough(inside_N: NDArray[np.bool_]) -> bool:
    return bool(_LEAST <= inside_N.sum() <= len(inside_N) - _LEAST)


def _left_out(item: Counted) -> list[Text]:
    """Which groups are too small, or hold all but a few faces."""
    few = [
        f"{group} ({count(int(inside_N.sum()), 'face')} of {len(inside_N)})"
        for (by, group), inside_N in _all_groups(item).items()
        if by != "overlap" and not _enough(inside_N)
    ]
    what = f"{count(len(few), 'group')} with fewer than {_LEAST} faces, or with fewer outside"
    return [Text(f"Left out: {what}: {joined(few)}.")] if few else []


def _without(groups: pd.DataFrame, others: str) -> str:
    """The score without them, of networks trained and tested on bare faces."""
    rows = records(groups[groups["group"] == others]) if len(groups) else []
    row = next((row for row in rows if row["train"] == row["test"] == "none"), None)
    if row is None:
        return ""
    return (
        f"; without them, networks trained and tested on bare faces reach {percent(row['accuracy'])} "
        f"({bounds(row['accuracy_low'], row['accuracy_high'])})"
    )


def _group_rows(
    cell: Sequence[Counted], named_N: dict[tuple[str, str], NDArray[np.bool_]], faces: FaceBootstrap
) -> Iterator[dict[str, Any]]:
    """Accuracy on each group of faces, and the gap to all others."""
    if not named_N:
        return
    trainings = training_bootstrap(cell)
    side_NH = np.stack([side for inside_N in named_N.values() for side in (inside_N, ~inside_N)], axis=1)
    correct_NR = np.stack([item.cell.correct_N for item in cell], axis=1)
    right_NRH = correct_NR[:, :, None] & side_NH[:, None]
    drawn_BK = faces.sums(np.concatenate([side_NH, right_NRH.reshape(len(side_NH), -1)], axis=1))
    groups = side_NH.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn_BRH = drawn_BK[:, groups:].reshape(-1, *right_NRH.shape[1:]) / drawn_BK[:, None, :groups]
    share_RH = right_NRH.sum(axis=0) / side_NH.sum(axis=0)
    for place, ((by, group), inside_N) in enumerate(named_N.items()):
        row: dict[str, Any] = {"by": by, "group": group, "n": int(inside_N.sum()), "trainings": len(cell)}
        here, there = 2 * place, 2 * place + 1
        for name, share_R, drawn_BR in (
            ("accuracy", share_RH[:, here], drawn_BRH[:, :, here]),
            ("gap", share_RH[:, here] - share_RH[:, there], drawn_BRH[:, :, here] - drawn_BRH[:, :, there]),
        ):
            found = {item.training: (share_R[r], drawn_BR[:, r]) for r, item in enumerate(cell)}
            interval = percentile(*trainings.mix(found))
            row |= {name: float(interval.value), f"{name}_low": float(interval.low),
                    f"{name}_high": float(interval.high)}  # fmt: skip
        yield row


def between_people(cell: Sequence[Counted], units_N: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy of each person, all trainings together: mean, standard deviation, and the worst tenth of the people."""
    correct_N = np.mean([item.cell.correct_N for item in cell], axis=0)
    of_person = np.bincount(units_N, correct_N) / np.bincount(units_N)
    return {"people": len(of_person), "faces_a_person": len(units_N) / len(of_person), "mean": float(of_person.mean()),
            "sd": float(of_person.std(ddof=1)), "tenth": float(np.quantile(of_person, 0.1)),
            "least": float(of_person.min())}  # fmt: skip


def people_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the table of people."""
    lines = [
        [*named(row["train"], row["test"]), Entry(str(row["people"])),
         *(Entry(percent(row[name])) for name in ("mean", "sd", "tenth", "least"))]
        for row in records(rows)
    ]  # fmt: skip
    few = rows["faces_a_person"].iloc[0]
    caption = (
        f"Accuracy person by person ({few:.1f} faces each on average, so that part of the spread is chance), all "
        "trainings together. Worst tenth: accuracy that nine in ten people exceed."
    )
    header = ["trained on", "tested on", "people", "mean", "standard deviation", "worst tenth", "least"]
    return Grid(caption, header, lines, "people", heads=2)


def groups_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the table of groups that one fact makes."""
    lines = [
        [*named(row["train"], row["test"]), Entry(row["group"]), Entry(str(row["n"])),
         Entry(percent(row["accuracy"]), bounds(row["accuracy_low"], row["accuracy_high"])),
         Entry(signed(row["gap"]), points(row["gap_low"], row["gap_high"]))]
        for row in records(rows)
    ]  # fmt: skip
    header = ["trained on", "tested on", "group", "faces", "accuracy", "gap, points"]
    return Grid(
        "With 95 % intervals over test faces (or people) and trainings.", header, lines, "groups", heads=3
    )
