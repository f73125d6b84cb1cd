"""Tables as people read them: long tables pivoted, rounded to what the data support, ready for the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from occlufer.analysis.comparisons import KINDS
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.trainings import spread_words
from occlufer.analysis.findings import p_value, percent, points, signed
from occlufer.analysis.tables import sort_conditions
from occlufer.types import EXPRESSIONS, SPLITS


@dataclass(frozen=True, slots=True)
class Entry:
    """One table cell: the text, a second smaller line, and whether it is `own` (train = test) and stands out."""

    text: str
    small: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of the page.

    The first `heads` columns name the row; the others hold numbers unless in `words`, under the common title `over`.
    """

    caption: str
    header: list[str]
    rows: list[list[Entry]]
    csv: str
    heads: int = 1
    words: tuple[int, ...] = ()
    over: str = ""


def matrix_grid(matrix: pd.DataFrame, metric: str) -> Grid:
    """Train x test condition of `accuracy` or `f1_macro`, per cent, from one block of the matrix table."""
    tests = condition_order(matrix["test"])
    rows = []
    for train in condition_order(matrix["train"]):
        cells = {str(row["test"]): row for _, row in matrix[matrix["train"] == train].iterrows()}
        rows.append(
            [Entry(train), *(_matrix_entry(cells.get(test), metric, train == test) for test in tests)]
        )
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}[metric]
    baseline = ""
    if metric == "accuracy":
        baseline = f" Always answering the largest class: {percent(matrix['majority_accuracy'].iloc[0])}."
    caption = (
        f"{name} in per cent: {spread_words(matrix)}; below, the 95 % interval over {resampled_words(matrix)}."
        f"{baseline}"
    )
    return Grid(caption, ["trained on", *tests], rows, "matrix", over="tested on")


def resampled_words(matrix: pd.DataFrame) -> str:
    """What the intervals of one block resample: `210 test faces`, or `the 42 people of 210 test faces`."""
    faces, people = matrix["n"].iloc[0], matrix["people"].iloc[0]
    return f"{faces} test faces" if pd.isna(people) else f"the {people} people of {faces} test faces"


def severity_grid(severity: pd.DataFrame) -> Grid:
    """Scores along the dials of one block, from `severity.severity_table`."""
    rows = []
    for row in records(severity):
        place = "" if row["test"] == "none" else f"dial at {row['severity']:g}"
        line = [
            Entry(row["train"]),
            Entry(row["occluder"]),
            Entry(row["test"], place),
            Entry(percent(row["covered_share"])),
        ]
        for name in ("accuracy", "f1_macro", *(f"recall_{name}" for name in EXPRESSIONS)):
            value = row[name]
            line.append(
                Entry("–") if math.isnan(value)
                else Entry(f"{100 * value:.1f}", _bounds(row[f"{name}_low"], row[f"{name}_high"]))
            )  # fmt: skip
        rows.append(line)
    caption = (
        "Per cent, averaged over trainings, with 95 % intervals. Covered share: mean over the test faces of the share "
        "of the face oval under the occluder, as measured when it was drawn. From anger on: recall by class."
    )
    header = ["trained on", "occluder", "tested on", "covered share", "accuracy", "macro F1", *EXPRESSIONS]
    return Grid(caption, header, rows, "severity", heads=3)


def _matrix_entry(row: Any, metric: str, own: bool) -> Entry:
    if row is None:
        return Entry("–")
    sd = row[f"{metric}_sd"]
    text = f"{100 * row[f'{metric}_mean']:.1f}" + ("" if math.isnan(sd) else f" ± {100 * sd:.1f}")
    return Entry(text, _bounds(row[f"{metric}_low"], row[f"{metric}_high"]), own)


def recall_grid(recall: pd.DataFrame, train: str) -> Grid:
    """Recall by class of the networks of one train condition, with the change from the uncovered face."""
    rows_of = recall[recall["train"] == train]
    tests = condition_order(rows_of["test"])
    rows = []
    for name in EXPRESSIONS:
        found = {str(row["test"]): row for _, row in rows_of[rows_of["expression"] == name].iterrows()}
        faces = next(iter(found.values()))["n"]
        line = [Entry(name), Entry(str(faces))]
        for test in tests:
            row = found[test]
            if math.isnan(row["recall"]):
                line.append(Entry("–"))
            elif math.isnan(row["change"]):
                line.append(Entry(f"{100 * row['recall']:.1f}", _bounds(row["low"], row["high"])))
            else:
                change = f"{signed(row['change'])} ({points(row['change_low'], row['change_high'])})"
                line.append(Entry(f"{100 * row['recall']:.1f}", change))
        rows.append(line)
    caption = (
        f"Recall in per cent, trained on {train}. Small print: under none the 95 % interval; under an occluder the "
        "change from none in points with its paired 95 % interval."
    )
    return Grid(caption, ["expression", "faces", *tests], rows, "recall", heads=2, over="tested on")


def comparisons_grid(comparisons: pd.DataFrame, kind: str) -> Grid:
    """Paired comparisons of one kind (a key of `tables.KINDS`)."""
    rows = []
    for _, row in comparisons[comparisons["kind"] == kind].iterrows():
        first, second = (_side(row, suffix, kind) for suffix in ("first", "second"))
        where = {"cover": row["train_first"], "train": row["test_first"], "own": "own"}[kind]
        rows.append([
            Entry(str(where)), Entry(f"{first} → {second}"), Entry(str(row["seed"])), Entry(fold_text(row["fold"])),
            Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            Entry(f"{row['only_first_right']} / {row['only_second_right']}"),
            Entry(p_value(row["p"])), Entry(p_value(row["p_holm"])),
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
        "only one right",
        "p",
        "p (Holm)",
    ]
    caption = f"Paired on the same faces: {KINDS[kind]}. "
    caption += "Only one right: faces that the first / the second alone got right."
    if kind == "own":
        header, rows = header[1:], [row[1:] for row in rows]
    header, rows = without_folds(header, rows)
    return Grid(caption, header, rows, "comparisons", heads=1 if kind == "own" else 2)


def _side(row: Any, suffix: str, kind: str) -> str:
    return str(row[f"train_{suffix}"] if kind == "train" else row[f"test_{suffix}"])


def dropped_grid(dropped: pd.DataFrame, dataset: str) -> Grid:
    """Faces without landmarks by expression and split of one dataset: dropped of faces, and their share."""
    table = dropped[dropped["dataset"] == dataset]
    found = [str(name) for name in table["split"].unique()]
    splits = [name for name in SPLITS if name in found] + [name for name in found if name not in SPLITS]
    rows = []
    for name in [*dict.fromkeys(table["expression"]), "all"]:
        part = table if name == "all" else table[table["expression"] == name]
        line = [Entry(str(name))]
        for split in splits:
            sums = part[part["split"] == split][["faces", "dropped"]].sum()
            share = percent(sums["dropped"] / sums["faces"]) if sums["faces"] else "–"
            line.append(Entry(f"{int(sums['dropped'])} of {int(sums['faces'])}", share))
        rows.append(line)
    caption = (
        f"{dataset}: faces left out of every condition as no landmarks were found, of all faces in the split."
    )
    return Grid(caption, ["expression", *splits], rows, "dropped")


def runs_grid(runs: pd.DataFrame) -> Grid:
    """The finished runs that are in the numbers."""
    rows = []
    for _, row in sort_conditions(runs[runs["reason"] == ""]).iterrows():
        rows.append([
            Entry(row["run"]), Entry(row["train"]), Entry(row["model"], f"{row['parameters']:,} weights"),
            Entry(str(row["seed"])), Entry(fold_text(row["fold"])),
            Entry(str(row["epochs"]), f"scored: {row['best_epoch'] + 1}"),
            Entry(percent(row["validation_f1_macro"])), Entry(_duration(row["seconds"])),
        ])  # fmt: skip
    caption = (
        "Runs in the numbers. Epochs are counted from 1 here; the one that was scored is the best by validation macro "
        "F1, or with protocol=published the last."
    )
    header = ["run", "trained on", "model", "seed", "fold", "epochs", "validation macro F1", "time"]
    header, rows = without_folds(header, rows)
    return Grid(caption, header, rows, "runs", words=(1, 2))


def scores_grid(scores: pd.DataFrame) -> Grid:
    """The metrics of every run and test condition."""
    names = {"accuracy": "accuracy", "precision_macro": "precision, macro", "recall_macro": "recall, macro",
             "f1_macro": "F1, macro", "precision_weighted": "precision, weighted",
             "f1_weighted": "F1, weighted"}  # fmt: skip
    rows = []
    for _, row in scores.iterrows():
        line = [
            Entry(row["train"], row["run"]),
            Entry(row["test"]),
            Entry(str(row["seed"])),
            Entry(fold_text(row["fold"])),
        ]
        line += [Entry(f"{100 * row[name]:.1f}") for name in names]
        rows.append([*line, Entry(f"{row['confusion_entropy_bits']:.2f}")])
    caption = "All metrics of every run in per cent, entropy in bits. Weighted recall is accuracy."
    header, rows = without_folds(
        ["trained on", "tested on", "seed", "fold", *names.values(), "entropy, bits"], rows
    )
    return Grid(caption, header, rows, "scores", heads=2)


def fold_text(fold: Any) -> str:
    """A fold of a table, empty without one."""
    return "" if pd.isna(fold) else str(fold)


def without_folds(header: list[str], rows: list[list[Entry]]) -> tuple[list[str], list[list[Entry]]]:
    """The columns without `fold`, where no row has one."""
    place = header.index("fold")
    if any(row[place].text for row in rows):
        return header, rows
    return header[:place] + header[place + 1 :], [row[:place] + row[place + 1 :] for row in rows]


def _bounds(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{100 * low:.1f}–{100 * high:.1f}"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
