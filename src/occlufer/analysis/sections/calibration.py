"""Calibration: how well confidence tells accuracy, and what abstaining would buy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from occlufer.analysis.core import temperature
from occlufer.analysis.core.cells import Counted, by_cell, by_training, training_bootstrap
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import FaceBootstrap, Interval, TrainingBootstrap, percentile
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training
from occlufer.analysis.core.words import condition_phrase, joined, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    MARKERS,
    NORMAL,
    Theme,
    add_legend,
    panels,
    series_places,
)  # fmt: skip
from occlufer.analysis.sections.parts import Details, Drawing, Entry, Grid, Text, bounds, named
from occlufer.runs import PROBABILITY_COLUMNS

BINS = 15
COVERAGES = tuple(np.round(np.arange(0.1, 1.01, 0.1), 1))
_FEW = 10  # faces of a bin, below which its accuracy is mostly chance: it is in the table, and not drawn
_TOO_SURE = 0.1  # confidence minus accuracy that the first screen names


class Calibration(Section):
    """ECE, negative log-likelihood, reliability, and risk against coverage."""

    anchor, title, nav = "calibration", "Calibration and abstention", "Calibration"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        summary, bins, risk = [], [], []
        fitted = {
            run.run.name: temperature.fit(run.validation[list(PROBABILITY_COLUMNS)], run.validation["label"])
            for run in self.core.study.runs
            if run.validation is not None
        }
        for block, items in self.core.counted.items():
            bootstrap, _ = self.core.faces[block.dataset]
            for train, test in by_cell(items):
                name = asdict(block) | {"train": train, "test": test}
                cell = by_training(items, train, test)
                answers = [Answers.of(item) for item in cell.values()]
                if any(np.isnan(one.probability_NK).any() for one in answers):
                    continue
                row = name | _summary(answers, bootstrap, training_bootstrap(list(cell.values())), fitted)
                row["temperature"] = float(np.mean([fitted.get(one.run, np.nan) for one in answers]))
                row["answered_as_bare"] = _answered_as_bare(answers, by_training(items, train, "none"), test)
                summary.append(row)
                together = (np.concatenate([getattr(one, name) for one in answers])
                            for name in ("confidence_N", "correct_N"))  # fmt: skip
                bins += [name | row for row in reliability(*together)]
                risks = np.mean([risk_at(one.confidence_N, one.correct_N) for one in answers], axis=0)
                risk += [name | {"coverage": c, "risk": r} for c, r in zip(COVERAGES, risks, strict=True)]
        tables = {"calibration": summary, "reliability": bins, "risk_coverage": risk}
        return {name: pd.DataFrame(rows) for name, rows in tables.items()}

    def opening(self) -> list[Any]:
        return [Text("A network is calibrated when, of the answers given with 80 % confidence, 80 % are correct. Risk: "
                     "share of wrong answers among the faces that are answered when the least sure ones are "
                     "left out.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("calibration", block)
        if not len(rows):
            return []
        bins, risk, suffix = (
            self.of("reliability", block),
            self.of("risk_coverage", block),
            self.core.suffix(block),
        )
        enough = bins["faces"] >= _FEW
        drawn = bins.assign(accuracy=bins["accuracy"].where(enough))
        small = f" {(~enough).sum()} of {len(bins)} bins hold fewer than {_FEW} faces and are not drawn."
        return [
            calibration_grid(rows),
            Drawing(lambda theme: reliability_figure(drawn, theme), f"reliability{suffix}",
                    "Reliability diagram; reliability.csv holds the numbers.",
                    "Accuracy against confidence, all trainings together; on the dotted line they agree."
                    + small * (not enough.all())),
            Details("Risk against coverage", [
                Drawing(lambda theme: risk_figure(risk, theme), f"risk_coverage{suffix}",
                        "Risk against coverage; risk_coverage.csv holds the numbers.",
                        "Share of wrong answers among the most confident faces.")]),
        ]  # fmt: skip

    def findings(self, block: Block) -> list[str]:
        rows = self.of("calibration", block)
        return [
            f"Trained on bare faces, networks answer on {condition_phrase(row['test'])} with "
            f"{percent(row['confidence'])} confidence and "
            f"{percent(row['accuracy'])} accuracy: too sure."
            for row in (records(rows[rows["train"] == "none"]) if len(rows) else [])
            if row["confidence"] - row["accuracy"] > _TOO_SURE
        ] + temperature_sentence(rows)

    def terms(self) -> list[tuple[str, str]]:
        return [(
            "Expected calibration error (ECE)",
            f"Mean of |accuracy − confidence| over {BINS} bins of equal width, weighted by their faces (Guo et "
            f"al., ICML "
            "2017). On few faces it is above zero also for a calibrated network, and its bootstrap interval "
            "lies too high. Temperature: one number by which the logits are divided, fitted on the bare validation "
            "faces of each network by likelihood.",
        )]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answers:
    """What one network answers under one condition.

    Attributes:
        run: the run's name.
        training: its seed and fold.
        label_N: int64, the truth.
        probability_NK: float64 (N, 7).
        confidence_N: float64, the largest probability.
        correct_N: bool, whether the answer is the truth.
    """

    run: str
    training: Training
    label_N: NDArray[np.int64]
    probability_NK: NDArray[np.float64]
    confidence_N: NDArray[np.float64]
    correct_N: NDArray[np.bool_]

    @classmethod
    def of(cls, item: Counted) -> Answers:
        """Those of one cell's network."""
        rows = item.run.rows(item.test)
        probability_NK = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
        return cls(item.run.run.name, item.training, rows["label"].to_numpy(), probability_NK,
                   probability_NK.max(axis=1), item.cell.correct_N)  # fmt: skip


def _answered_as_bare(answers: Sequence[Answers], bare: Mapping[Training, Counted], test: str) -> float:
    """`answered_at` the error that the same networks make on bare faces, averaged; NaN without bare faces."""
    if test == "none" or not {one.training for one in answers} <= set(bare):
        return float("nan")
    return float(np.mean([
        answered_at(one.confidence_N, one.correct_N, 1 - float(bare[one.training].cell.correct_N.mean()))
        for one in answers
    ]))  # fmt: skip


def bin_of(confidence_N: ArrayLike) -> NDArray[np.int64]:
    """Which of the bins (0, 1/15], (1/15, 2/15], ... a confidence lies in."""
    places = np.ceil(np.asarray(confidence_N) * BINS).astype(np.int64) - 1
    return np.asarray(np.clip(places, 0, BINS - 1), dtype=np.int64)


def _summary(
    answers: Sequence[Answers],
    faces: FaceBootstrap,
    trainings: TrainingBootstrap,
    fitted: Mapping[str, float],
) -> dict[str, Any]:
    """ECE and NLL with intervals over faces (or people) and trainings, before and after the temperature of each run."""
    columns, named = [], []
    for one in answers:
        sets = {"": one.probability_NK}
        if one.run in fitted:
            sets["_scaled"] = temperature.scaled(one.probability_NK, fitted[one.run])
        for suffix, probability_NK in sets.items():
            columns.append(_error_columns(probability_NK, one.label_N, one.correct_N))
            named.append((suffix, one.training))
    values = _errors(np.column_stack(columns), named, faces)
    row: dict[str, Any] = {"trainings": len(answers)}
    for name, shares in (("confidence", [one.confidence_N.mean() for one in answers]),
                         ("accuracy", [one.correct_N.mean() for one in answers])):  # fmt: skip
        row[name] = float(np.mean(shares))
    for name in ("ece", "nll", "ece_scaled", "nll_scaled"):
        of_name = values.get(name, {})
        missing = Interval(*(np.asarray(np.nan),) * 3)
        interval = percentile(*trainings.mix(of_name)) if len(of_name) == len(answers) else missing
        row |= {name: float(interval.value), f"{name}_low": float(interval.low),
                f"{name}_high": float(interval.high)}  # fmt: skip
    return row


def _error_columns(
    probability_NK: NDArray[np.float64], label_N: NDArray[np.int64], correct_N: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Float (N, BINS + 1): correct minus confidence in the column of its bin, and the loss. Sums give both errors."""
    confidence_N = probability_NK.max(axis=1)
    columns = np.zeros((len(label_N), BINS + 1))
    columns[np.arange(len(label_N)), bin_of(confidence_N)] = correct_N - confidence_N
    columns[:, BINS] = temperature.loss(probability_NK, label_N)
    return columns


def _errors(
    columns_NK: NDArray[np.float64], named: Sequence[tuple[str, Training]], faces: FaceBootstrap
) -> dict[str, dict[Any, tuple[float, NDArray[np.float64]]]]:
    """ECE and NLL by suffix and training, each as observed and in every resample of the faces.

    Args:
        columns_NK: `_error_columns` of each of `named`, side by side.
    """
    drawn_BK = faces.sums(np.column_stack([columns_NK, np.ones(len(columns_NK))]))
    sides = ((columns_NK.sum(axis=0), len(columns_NK)), (drawn_BK[:, :-1], drawn_BK[:, -1]))
    found: dict[str, dict[Any, tuple[float, NDArray[np.float64]]]] = {}
    for place, (suffix, training) in enumerate(named):
        part = slice(place * (BINS + 1), (place + 1) * (BINS + 1))
        gaps, losses = (
            (np.abs(sums[..., part][..., :BINS]).sum(axis=-1) / count, sums[..., part][..., BINS] / count)
            for sums, count in sides
        )
        found.setdefault(f"ece{suffix}", {})[training] = float(gaps[0]), losses[0]
        found.setdefault(f"nll{suffix}", {})[training] = float(gaps[1]), losses[1]
    return found


def answered_at(confidence_N: NDArray[np.float64], correct_N: NDArray[np.bool_], risk: float) -> float:
    """The largest share of faces, most confident first, that can be answered with at most this share of errors."""
    wrong_N = ~correct_N[np.argsort(-confidence_N, kind="stable")]
    risks_N = np.cumsum(wrong_N) / np.arange(1, len(wrong_N) + 1)
    within = np.flatnonzero(risks_N <= risk)
    return float((within[-1] + 1) / len(wrong_N)) if len(within) else 0.0


def reliability(confidence_N: NDArray[np.float64], correct_N: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """The bins that hold faces: their number, mean confidence and accuracy."""
    bin_N = bin_of(confidence_N)
    faces, confidence, correct = (np.bincount(bin_N, weights) for weights in (None, confidence_N, correct_N))
    return [
        {"bin": int(place), "faces": int(faces[place]), "confidence": confidence[place] / faces[place],
         "accuracy": correct[place] / faces[place]}
        for place in np.flatnonzero(faces)
    ]  # fmt: skip


def risk_at(confidence_N: NDArray[np.float64], correct_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of wrong answers among the most confident 10 %, 20 %, ... of the faces (ties in the order of the faces)."""
    wrong_N = ~correct_N[np.argsort(-confidence_N, kind="stable")]
    counts = [max(1, round(coverage * len(wrong_N))) for coverage in COVERAGES]
    return np.array([wrong_N[:count].mean() for count in counts])


def calibration_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the calibration table."""
    suffixes = ["", "_scaled"] if rows["temperature"].notna().any() else [""]
    lines = [
        [*named(row["train"], row["test"]), Entry(percent(row["confidence"])), Entry(percent(row["accuracy"])),
         *(entry for suffix in suffixes for entry in _error_entries(row, suffix)),
         Entry(percent(row["answered_as_bare"]))]
        for row in records(rows)
    ]  # fmt: skip
    header = ["trained on", "tested on", "confidence", "accuracy", "ECE, points", "NLL, nats",
              *(["ECE, temperature", "NLL, temperature"] if len(suffixes) > 1 else []),
              "answered as well as bare"]  # fmt: skip
    caption = (
        "Means over trainings, with 95 % intervals over test faces (or people) and trainings. Answered as well as "
        "bare: share of faces, the most confident first, that can be answered with no more errors than all bare faces."
    )
    return Grid(caption, header, lines, "calibration", heads=2)


def _error_entries(row: dict[str, Any], suffix: str) -> list[Entry]:
    ece, nll = f"ece{suffix}", f"nll{suffix}"
    if math.isnan(row[ece]):
        return [Entry("–"), Entry("–")]
    return [
        Entry(f"{100 * row[ece]:.1f}", bounds(row[f"{ece}_low"], row[f"{ece}_high"])),
        Entry(f"{row[nll]:.2f}", f"{row[f'{nll}_low']:.2f}–{row[f'{nll}_high']:.2f}"),
    ]


def temperature_sentence(rows: pd.DataFrame) -> list[str]:
    """What a temperature fitted on bare validation faces does to networks trained on bare faces, there and covered."""
    plain = {row["test"]: row for row in (records(rows[rows["train"] == "none"]) if len(rows) else [])}
    bare = plain.pop("none", None)
    if bare is None or math.isnan(bare["temperature"]) or not plain:
        return []

    def change(row: dict[str, Any]) -> str:
        return f"from {100 * row['ece']:.1f} to {100 * row['ece_scaled']:.1f} points"

    covered = joined([f"{condition_phrase(test)} {change(row)}" for test, row in plain.items()])
    return [
        f"A temperature fitted on bare validation faces ({bare['temperature']:.2f}) takes their calibration error on "
        f"bare test faces {change(bare)}, on {covered}."
    ]


def reliability_figure(bins: pd.DataFrame, theme: Theme) -> Figure:
    """One panel a train condition: accuracy against confidence."""
    return _curves(bins, "confidence", "accuracy", "confidence, %", "accuracy, %", theme, diagonal=True)


def risk_figure(risk: pd.DataFrame, theme: Theme) -> Figure:
    """One panel a train condition: risk against coverage."""
    return _curves(risk, "coverage", "risk", "coverage, %", "risk, %", theme)


def _curves(
    table: pd.DataFrame, x: str, y: str, across: str, up: str, theme: Theme, *, diagonal: bool = False
) -> Figure:
    trains, tests = condition_order(table["train"]), condition_order(table["test"])
    places = series_places(tests)
    figure, drawn, across_row = panels(len(trains), 2.5, theme)
    marks: dict[str, Any] = {}
    for axes, train in zip(drawn, trains, strict=True):
        if diagonal:
            axes.plot([0, 100], [0, 100], ":", color=theme.muted, linewidth=0.8)
        for test in tests:
            rows = table[(table["train"] == train) & (table["test"] == test)]
            (line,) = axes.plot(
                100 * rows[x], 100 * rows[y], MARKERS[places[test] % len(MARKERS)] + "-", markersize=3,
                linewidth=1.1, color=theme.series[places[test] % len(theme.series)],
            )  # fmt: skip
            marks.setdefault(f"tested on {condition_phrase(test)}", line)
        axes.set_title(f"trained on {condition_phrase(train)}", loc="left", fontsize=NORMAL, color=theme.ink)
        axes.set_xlabel(across)
        axes.grid(color=theme.rule, linewidth=0.6)
    for axes in drawn[::across_row]:
        axes.set_ylabel(up)
    add_legend(figure, list(marks.values()), list(marks), theme)
    return figure
