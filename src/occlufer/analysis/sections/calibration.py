"""Calibration: how well confidence tells accuracy, and what abstaining would buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from occlufer.analysis.core.cells import Counted, by_cell, by_training, training_bootstrap
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import FaceBootstrap, Interval, percentile
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    MARKERS,
    NORMAL,
    WIDTH,
    Theme,
    add_legend,
    panels,
    series_places,
)  # fmt: skip
from occlufer.analysis.sections.parts import Details, Drawing, Entry, Grid, Text, bounds
from occlufer.runs import PROBABILITY_COLUMNS

BINS = 15
COVERAGES = tuple(np.round(np.arange(0.1, 1.01, 0.1), 1))
_TOO_SURE = 0.1  # confidence minus accuracy that the first screen names
_LEAST = 1e-12  # probability of the true class, for the logarithm


class Calibration(Section):
    """ECE, negative log-likelihood, reliability, and risk against coverage."""

    anchor, title, nav = "calibration", "Calibration and abstention", "Calibration"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        summary, bins, risk = [], [], []
        for block, items in self.core.counted.items():
            bootstrap, _ = self.core.faces[block.dataset]
            for train, test in by_cell(items):
                name = asdict(block) | {"train": train, "test": test}
                cell = by_training(items, train, test)
                rows = [item.run.rows(test) for item in cell.values()]
                if any(part[list(PROBABILITY_COLUMNS)].isna().any(axis=None) for part in rows):
                    continue
                summary.append(name | _summary(list(cell.values()), rows, bootstrap))
                bins += [name | row for row in reliability(pd.concat(rows))]
                risks = np.mean([risk_at(*_confidence(part)) for part in rows], axis=0)
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
        return [
            calibration_grid(rows),
            Drawing(lambda theme: reliability_figure(bins, theme), f"reliability{suffix}",
                    "Reliability diagram; reliability.csv holds the numbers.",
                    "Accuracy against confidence, all trainings together; on the dotted line they agree."),
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
        ]

    def terms(self) -> list[tuple[str, str]]:
        return [(
            "Expected calibration error (ECE)",
            f"Mean of |accuracy − confidence| over {BINS} bins of equal width, weighted by their faces (Guo et "
            f"al., ICML "
            "2017). On few faces it is above zero also for a calibrated network, and its bootstrap interval "
            "lies too high.",
        )]  # fmt: skip


def _confidence(rows: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence (the largest probability) and whether the answer is correct, face by face."""
    confidence_N = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64).max(axis=1)
    return confidence_N, (rows["label"] == rows["prediction"]).to_numpy()


def bin_of(confidence_N: ArrayLike) -> NDArray[np.int64]:
    """Which of the bins (0, 1/15], (1/15, 2/15], ... a confidence lies in."""
    places = np.ceil(np.asarray(confidence_N) * BINS).astype(np.int64) - 1
    return np.asarray(np.clip(places, 0, BINS - 1), dtype=np.int64)


def _summary(items: Sequence[Counted], parts: Sequence[pd.DataFrame], faces: FaceBootstrap) -> dict[str, Any]:
    """ECE and NLL with intervals over faces (or people) and trainings."""
    trainings = training_bootstrap(items)
    values: dict[str, dict[Any, tuple[float, NDArray[np.float64]]]] = {"ece": {}, "nll": {}}
    shares = []
    for item, rows in zip(items, parts, strict=True):
        confidence_N, correct_N = _confidence(rows)
        gap_NK = np.zeros((len(rows), BINS))
        gap_NK[np.arange(len(rows)), bin_of(confidence_N)] = correct_N - confidence_N
        probability_NK = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
        true_N = probability_NK[np.arange(len(rows)), rows["label"]]
        loss_N = -np.log(np.clip(true_N, _LEAST, None))
        sums_BK = faces.sums(np.column_stack([gap_NK, loss_N, np.ones(len(rows))]))
        drawn_B = np.abs(sums_BK[:, :BINS]).sum(axis=1) / sums_BK[:, -1]
        values["ece"][item.training] = float(np.abs(gap_NK.sum(axis=0)).sum() / len(rows)), drawn_B
        values["nll"][item.training] = float(loss_N.mean()), sums_BK[:, -2] / sums_BK[:, -1]
        shares.append((confidence_N.mean(), correct_N.mean()))
    row: dict[str, Any] = {"trainings": len(items)}
    row |= dict(zip(("confidence", "accuracy"), np.mean(shares, axis=0).tolist(), strict=True))
    for name, found in values.items():
        interval: Interval = percentile(*trainings.mix(found))
        row |= {name: float(interval.value), f"{name}_low": float(interval.low),
                f"{name}_high": float(interval.high)}  # fmt: skip
    return row


def reliability(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The bins that hold faces: their number, mean confidence and accuracy."""
    confidence_N, correct_N = _confidence(rows)
    table = pd.DataFrame({"bin": bin_of(confidence_N), "confidence": confidence_N, "accuracy": correct_N})
    found = table.groupby("bin").agg(
        faces=("bin", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    return records(found.reset_index())


def risk_at(confidence_N: NDArray[np.float64], correct_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of wrong answers among the most confident 10 %, 20 %, ... of the faces (ties in the order of the faces)."""
    wrong_N = ~correct_N[np.argsort(-confidence_N, kind="stable")]
    counts = [max(1, round(coverage * len(wrong_N))) for coverage in COVERAGES]
    return np.array([wrong_N[:count].mean() for count in counts])


def calibration_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the calibration table."""
    lines = [
        [Entry(row["train"]), Entry(row["test"]), Entry(percent(row["confidence"])), Entry(percent(row["accuracy"])),
         Entry(f"{100 * row['ece']:.1f}", bounds(row["ece_low"], row["ece_high"])),
         Entry(f"{row['nll']:.2f}", f"{row['nll_low']:.2f}–{row['nll_high']:.2f}")]
        for row in records(rows)
    ]  # fmt: skip
    header = ["trained on", "tested on", "confidence", "accuracy", "ECE, points", "NLL, nats"]
    caption = "Means over trainings, with 95 % intervals over test faces (or people) and trainings."
    return Grid(caption, header, lines, "calibration", heads=2)


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
    figure, drawn = panels(len(trains), WIDTH, 2.5, theme)
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
            marks.setdefault(f"tested on {test}", line)
        axes.set_title(f"trained on {train}", loc="left", fontsize=NORMAL, color=theme.ink)
        axes.set_xlabel(across)
        axes.grid(color=theme.rule, linewidth=0.6)
    drawn[0].set_ylabel(up)
    add_legend(figure, list(marks.values()), list(marks), theme)
    return figure
