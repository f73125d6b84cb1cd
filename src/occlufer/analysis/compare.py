"""`compare.html`: several studies side by side, cell by cell of their matrices, with differences to the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.cells import BOOTSTRAP_SEED, Counted, by_training, people_of
from occlufer.analysis.core.conditions import condition_order, set_aside
from occlufer.analysis.core.metrics import accuracy_of, records
from occlufer.analysis.core.scores import intervals_table, matrix_table, scores_table
from occlufer.analysis.core.statistics import RESAMPLES, FaceBootstrap, TrainingBootstrap, percentile
from occlufer.analysis.core.study import Block, ScoredRun, Study, cut_to, load_study
from occlufer.analysis.core.words import condition_phrase, count, points, signed
from occlufer.analysis.report import environment, write_csv
from occlufer.analysis.sections.matrix import matrix_grid
from occlufer.analysis.sections.parts import Entry, Grid, named
from occlufer.files import write_text
from occlufer.types import RunError

_COLUMNS = ["train", "test", "first", "second", "accuracy_first", "accuracy_second", "difference", "low", "high",
            "trainings_first", "trainings_second", "faces_first", "faces_second", "same_faces"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arm:
    """One block of one study: what stands in one column of the comparison.

    Attributes:
        faces: which resamples of faces its cells were counted on: arms with the same number meet the same faces.
    """

    name: str
    block: Block
    counted: tuple[Counted, ...]
    faces: int


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Write `compare.html` and `tables/compare.csv` about several studies into `output`; returns the page's path.

    Studies on the same dataset are compared on the faces that all of them tested, face by face; others with their own
    faces, as independent samples.

    Raises:
        RunError: a folder is no study, or holds no finished run.
        StorageError: the files cannot be written.
    """
    studies = [load_study(folder) for folder in folders]
    for study in studies:
        if not study.runs:
            raise RunError(f"{study.folder} holds no finished run, so there is nothing to compare.")
    arms = make_arms(studies)
    table = comparison_table(arms)
    write_csv(table, output / "tables" / "compare.csv")
    # Without a link: a study's own matrix, in its own folder, is not cut down to the shared faces.
    matrices = [(arm.name, replace(matrix_grid(_matrix(arm), "accuracy"), csv="")) for arm in arms]
    notes = [f"{study.name}: {text}" for study in studies for text in study.warnings]
    notes += [
        f"{study.name}: {item.name} is left out. {item.reason}"
        for study in studies
        for item in study.left_out
    ]
    page = environment().get_template("compare.html.j2").render(
        title=" beside ".join(study.name for study in studies), answers=answers(table), matrices=matrices, notes=notes,
        grid=comparison_grid(table, arms[0].name, [arm.name for arm in arms[1:]]) if len(table) else None,
    )  # fmt: skip
    write_text(output / "compare.html", page)
    return output / "compare.html"


def make_arms(studies: Sequence[Study], *, resamples: int = RESAMPLES) -> list[Arm]:
    """Every block of every study, in their order, counted on shared resamples where its dataset's faces are shared."""
    shared = _shared_faces(studies)
    found: list[Arm] = []
    drawn: dict[str, tuple[int, FaceBootstrap]] = {}
    names = [study.name for study in studies]
    for place, study in enumerate(studies):
        name = (
            study.name
            if names.count(study.name) == 1
            else f"{study.folder.resolve().parent.name}/{study.name}"
        )
        for block in study.blocks:
            keys = shared.get(block.dataset)
            runs = [cut_to(run, keys) if keys else run for run in study.of(block)]
            group = block.dataset if keys else f"{place} {block.dataset}"
            if group not in drawn:
                drawn[group] = len(drawn), _bootstrap(runs, len(drawn), resamples)
            number, faces = drawn[group]
            people = int(faces.units_N.max()) + 1 if people_of(_subjects(runs)) is not None else None
            aside = set_aside((run.summary.condition, test) for run in runs for test in run.conditions)
            counted = tuple(
                Counted(run, test, faces.cell(run.rows(test)["prediction"].to_numpy()), people)
                for run in runs
                for test in run.conditions
                if test not in aside
            )
            title = name if len(study.blocks) == 1 else f"{name}: {block.title}"
            found.append(Arm(title, block, counted, number))
    return found


def _shared_faces(studies: Sequence[Study]) -> dict[str, set[str]]:
    """Dataset -> keys of the test faces that all studies on it have, where these are at least half of each's."""
    found: dict[str, list[set[tuple[str, int]]]] = {}
    for study in studies:
        for dataset in {block.dataset for block in study.blocks}:
            run = next(run for run in study.runs if run.summary.dataset == dataset)
            rows = run.rows(run.conditions[0])
            found.setdefault(dataset, []).append(set(zip(rows["key"], rows["label"], strict=True)))
    shared = {name: set.intersection(*sets) for name, sets in found.items()}
    return {
        name: {key for key, _ in faces}
        for name, faces in shared.items()
        if faces and all(2 * len(faces) >= len(own) for own in found[name])
    }


def _subjects(runs: Sequence[ScoredRun]) -> list[pd.Series]:
    return [run.rows(run.conditions[0])["subject"] for run in runs]


def _bootstrap(runs: Sequence[ScoredRun], number: int, resamples: int) -> FaceBootstrap:
    labels_N = runs[0].rows(runs[0].conditions[0])["label"].to_numpy()
    rng = np.random.default_rng([BOOTSTRAP_SEED, number])
    return FaceBootstrap(labels_N, people_N=people_of(_subjects(runs)), rng=rng, resamples=resamples)


def comparison_table(arms: Sequence[Arm]) -> pd.DataFrame:
    """One row a cell that the first arm shares with another: both accuracies, second minus first with its interval.

    The interval is a percentile bootstrap over faces (or people), the same ones on both sides where `same_faces`, and
    over the trainings of each side, independently.
    """
    rows: list[dict[str, Any]] = []
    first = arms[0]
    for second in arms[1:]:
        cells = {(item.train, item.test) for item in first.counted} & {
            (item.train, item.test) for item in second.counted
        }
        for train, test in _in_order(cells):
            sides = [_accuracy(arm, train, test, place) for place, arm in enumerate((first, second))]
            change = percentile(sides[1][0] - sides[0][0], sides[1][1] - sides[0][1])
            row: dict[str, Any] = {"train": train, "test": test, "first": first.name, "second": second.name}
            row |= {"difference": float(change.value), "low": float(change.low), "high": float(change.high),
                    "same_faces": first.faces == second.faces}  # fmt: skip
            for name, arm, (value, _) in zip(("first", "second"), (first, second), sides, strict=True):
                cell = by_training(arm.counted, train, test)
                row |= {f"accuracy_{name}": float(value), f"trainings_{name}": len(cell),
                        f"faces_{name}": len(next(iter(cell.values())).cell.correct_N)}  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS)


def _accuracy(arm: Arm, train: str, test: str, side: int) -> tuple[Any, Any]:
    """Accuracy of a cell, as observed and in every resample of faces and trainings; each side draws its trainings."""
    cell = by_training(arm.counted, train, test)
    resamples = len(next(iter(cell.values())).cell.resampled_B77)
    rng = np.random.default_rng([BOOTSTRAP_SEED, 1, side])
    trainings = TrainingBootstrap(list(cell), rng=rng, resamples=resamples)
    return trainings.average(accuracy_of, {training: item.cell for training, item in cell.items()})


def _in_order(cells: set[tuple[str, str]]) -> list[tuple[str, str]]:
    order = condition_order(name for cell in cells for name in cell)
    return sorted(cells, key=lambda cell: (order.index(cell[0]), order.index(cell[1])))


def _matrix(arm: Arm) -> pd.DataFrame:
    """The matrix of an arm, on its compared faces."""
    runs = {item.run.run.name: item.run for item in arm.counted}
    matrix = matrix_table(scores_table([replace(run, block=arm.block) for run in runs.values()]))
    intervals = intervals_table({arm.block: list(arm.counted)})
    return matrix.merge(intervals, how="left", on=[*Block.__slots__, "train", "test"])


def answers(table: pd.DataFrame) -> list[str]:
    """A sentence on each other study: in how many cells it differs from the first one, and where most."""
    found = []
    for second, cells in table.groupby("second", sort=False):
        beyond = cells[(cells["low"] > 0) | (cells["high"] < 0)]
        text = (
            f"{second} differs from {cells['first'].iloc[0]} in {len(beyond)} of {count(len(cells), 'cell')}"
        )
        if len(beyond):
            row = max(records(beyond), key=lambda row: abs(float(row["difference"])))
            text += (
                f", most on {condition_phrase(row['test'])} after training on {condition_phrase(row['train'])}: "
                f"{signed(row['difference'])} points (95 % interval {points(row['low'], row['high'])})"
            )
        one = min(cells["trainings_first"].min(), cells["trainings_second"].min()) == 1
        text += ". A cell differs where its interval, by itself, lies beyond 0"
        found.append(text + ("; one training says nothing of others." if one else "."))
    return found


def comparison_grid(table: pd.DataFrame, first: str, others: Sequence[str]) -> Grid:
    """A column a study; differences to the first one in small print."""
    lines = []
    for train, test in table[["train", "test"]].drop_duplicates().itertuples(index=False):
        rows = {
            row["second"]: row for row in records(table[(table["train"] == train) & (table["test"] == test)])
        }
        one = next(iter(rows.values()))
        line = [
            *named(train, test),
            Entry(f"{100 * one['accuracy_first']:.1f}", count(one["trainings_first"], "training")),
        ]
        for name in others:
            if name not in rows:
                line.append(Entry("–"))
                continue
            row = rows[name]
            change = f"{signed(row['difference'])} ({points(row['low'], row['high'])})"
            line.append(Entry(f"{100 * row['accuracy_second']:.1f}", change))
        lines.append(line)
    caption = (
        f"Accuracy in per cent; small print: difference to {first} in points, with its 95 % bootstrap interval over "
        "faces (or people) and trainings. "
    )
    caption += (
        "All studies meet the same faces."
        if table["same_faces"].all()
        else "Studies on other faces are compared as independent samples."
    )
    return Grid(caption, ["trained on", "tested on", first, *others], lines, "compare", heads=2)
