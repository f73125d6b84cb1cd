"""Plain sentences on what a study found, built from its tables. Significance is claimed only from the paired test."""

from __future__ import annotations

import math

import pandas as pd

from occlufer.analysis.core.conditions import condition_order, is_partial, mask_and_headset
from occlufer.analysis.core.metrics import records

ALPHA = 0.05
_FEW_TRAININGS = 3
_FEW_PEOPLE = 20


def condition_phrase(name: str) -> str:
    """`uncovered faces`, `faces under mask`, ..."""
    return "uncovered faces" if name == "none" else f"faces under {name}"


def percent(share: float) -> str:
    """A share as `71.2 %`; `–` for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def points(low: float, high: float) -> str:
    """An interval of a change in percentage points, with signs: `−12.1 to −8.0`."""
    return f"{signed(low)} to {signed(high)}"


def signed(share: float) -> str:
    """A change in percentage points with a true minus sign; `–` for NaN."""
    if math.isnan(share):
        return "–"
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def p_value(p: float) -> str:
    """`< .001` or three decimals."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"


Cells = dict[tuple[str, str], float]
"""(train, test) -> accuracy, averaged over trainings."""


def findings(matrix: pd.DataFrame, recall: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """Sentences for one block (one dataset, model and variant) from its rows of `tables.study_tables`."""
    matrix = matrix[~matrix["test"].map(is_partial)]  # of a dial's places, the full one says enough
    cells: Cells = {(row["train"], row["test"]): row["accuracy_mean"] for row in records(matrix)}
    if not cells:
        return []
    sentences = _baseline(matrix)
    for test in [name for name in condition_order(matrix["test"]) if name != "none"]:
        sentences += _cost(cells, comparisons, test)
        sentences += _hardest_hit(recall, test)
        sentences += _won_back(cells, comparisons, test)
    return sentences + _own_cost(cells, comparisons) + _mask_or_headset(cells, comparisons)


def _baseline(matrix: pd.DataFrame) -> list[str]:
    rows = records(matrix)
    own = [row for row in rows if row["train"] == row["test"]]
    parts = [f"{percent(row['accuracy_mean'])} on {condition_phrase(row['test'])}" for row in own]
    majority = percent(rows[0]["majority_accuracy"])
    sentences = []
    if parts:
        sentences.append(
            f"Trained and tested on the same condition, accuracy was {_join(parts)} ({rows[0]['n']} test faces; "
            f"always answering the largest class would reach {majority})."
        )
    sentences += [
        f"Trained on {condition_phrase(row['train'])}, networks are no better on "
        f"{condition_phrase(row['test'])} ({percent(row['accuracy_mean'])}) than always answering the largest "
        f"class ({majority})."
        for row in rows
        if row["accuracy_mean"] <= row["majority_accuracy"]
    ]
    return sentences


def _cost(cells: Cells, comparisons: pd.DataFrame, test: str) -> list[str]:
    before, after = cells.get(("none", "none")), cells.get(("none", test))
    if before is None or after is None:
        return []
    verdict = _verdict(_select(comparisons, "cover", ("none", "none"), ("none", test)))
    if after >= before:
        return [
            f"Trained on uncovered faces, networks did not fall under {test} ({percent(before)} uncovered, "
            f"{percent(after)} covered): {verdict}."
        ]
    return [
        f"Trained on uncovered faces, networks fell from {percent(before)} to {percent(after)} under {test}, "
        f"{signed(after - before)} points: {verdict}."
    ]


def _hardest_hit(recall: pd.DataFrame, test: str) -> list[str]:
    rows = recall[(recall["train"] == "none") & (recall["test"] == test)]
    # Only falls whose whole interval lies below zero are named.
    falls = rows[rows["change_high"] < 0].sort_values("change").head(2)
    parts = [
        f"{row['expression']} (recall {percent(row['recall'] - row['change'])} to {percent(row['recall'])}; "
        f"95 % interval of the change {points(row['change_low'], row['change_high'])} points)"
        for row in records(falls)
    ]
    return [f"What falls most under {test} is {_join(parts)}."] if parts else []


def _won_back(cells: Cells, comparisons: pd.DataFrame, test: str) -> list[str]:
    before = cells.get(("none", test))
    if before is None:
        return []
    # The network trained on the condition itself says it; without one, every other train condition does.
    trains = [train for train, tested in cells if tested == test and train != "none"]
    sentences = []
    for train in [test] if test in trains else trains:
        after = cells[train, test]
        verdict = _verdict(_select(comparisons, "train", ("none", test), (train, test)))
        sentences.append(
            f"Trained on {condition_phrase(train)}, they reached {percent(after)} on {condition_phrase(test)}, "
            f"{signed(after - before)} points against training on uncovered faces: {verdict}."
        )
    return sentences


def _own_cost(cells: Cells, comparisons: pd.DataFrame) -> list[str]:
    """Where networks were tested on their own train condition alone: each occluder against uncovered faces."""
    own = [train for train, test in cells if train == test]
    if "none" not in own or any(train != test for train, test in cells):
        return []
    sentences = []
    for name in own:
        if name != "none":
            verdict = _verdict(_select(comparisons, "own", ("none", "none"), (name, name)))
            change = signed(cells[name, name] - cells["none", "none"])
            sentences.append(
                f"Networks trained and tested on {condition_phrase(name)} stand at {change} points against those "
                f"trained and tested on uncovered faces: {verdict}."
            )
    return sentences


def _mask_or_headset(cells: Cells, comparisons: pd.DataFrame) -> list[str]:
    own = [train for train, test in cells if train == test]
    sentences = []
    for mask, headset in mask_and_headset(own):
        before, after = cells[mask, mask], cells[headset, headset]
        verdict = _verdict(_select(comparisons, "own", (mask, mask), (headset, headset)))
        sentences.append(
            f"Each occluder with networks trained for it: {percent(before)} under {mask}, {percent(after)} under "
            f"{headset}, {signed(after - before)} points: {verdict}."
        )
    return sentences


def cautions(matrix: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    """What a reader of the findings of one block must keep in mind: what "significant" means, few seeds or people."""
    sentences = []
    if len(comparisons):
        sentences.append(
            "“Significant” means p < .05 in the exact McNemar test on the same faces, Holm-corrected for all tests "
            "of the study, for one network at a time."
        )
    sentences += _people_caution(matrix)
    few = int(matrix["trainings"].min())
    folds = int(matrix["folds"].max()) > 0
    noun = "fold" if folds else "seed"
    if few == 1:
        where = "Every cell rests" if int(matrix["trainings"].max()) == 1 else "Some cells rest"
        sentences.append(
            f"{where} on one {noun} only: how much a second training would differ is not known, and the intervals "
            "tell of other test faces, not of other trainings."
        )
    elif few < _FEW_TRAININGS:
        sentences.append(f"With {few} {noun}s a cell, the spread over trainings is known only roughly.")
    if folds:
        sentences.append(
            "Folds of one split share most of their training faces, so their spread is narrower than that of trainings "
            "on fresh data."
        )
    return sentences


def _people_caution(matrix: pd.DataFrame) -> list[str]:
    people, faces = matrix["people"].iloc[0], int(matrix["n"].iloc[0])
    if pd.isna(people) or people == faces:
        return []
    few = " With so few people the intervals are still too narrow." if people < _FEW_PEOPLE else ""
    return [
        f"The {faces} test faces show {people} people. The intervals resample people with all their faces, but the "
        f"tests take every face by itself: where a network is right on all faces of a person or on none, their p "
        f"values are too small. Where interval and test disagree, believe the interval.{few}"
    ]


def _select(
    comparisons: pd.DataFrame, kind: str, first: tuple[str, str], second: tuple[str, str]
) -> pd.DataFrame:
    if not len(comparisons):
        return comparisons
    keep = comparisons["kind"] == kind
    for (train, test), suffix in ((first, "first"), (second, "second")):
        keep &= (comparisons[f"train_{suffix}"] == train) & (comparisons[f"test_{suffix}"] == test)
    return comparisons[keep]


def _verdict(rows: pd.DataFrame) -> str:
    """What the paired tests say, one a training: never more than "in k of n"."""
    noun = "fold" if len(rows) and rows["fold"].notna().all() else "seed"
    if not len(rows):
        return "no paired test was possible, as no seed or fold has both"
    hits = rows["p_holm"] < ALPHA
    worst = float(rows["p_holm"].max())
    found = f"p {p_value(worst)}" if worst < 0.001 else f"p = {p_value(worst)}"
    if len(rows) == 1:
        verdict = "significant" if hits.all() else "not shown to differ"
        return f"{verdict} ({found}; one {noun})"
    if rows.loc[hits, "difference"].gt(0).nunique() > 1:
        return f"the {noun}s disagree on the direction"
    count = (
        f"{len(rows)} {noun}s" if noun == "seed" or rows["seed"].nunique() == 1 else f"{len(rows)} trainings"
    )
    if hits.all():
        return f"significant with each of the {count} (largest {found})"
    if not hits.any():
        return f"not shown to differ with any of the {count}"
    return f"significant with {int(hits.sum())} of {count} only"


def _join(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
