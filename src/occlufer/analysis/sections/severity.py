"""Accuracy along an occluder's dial: what networks still read when more and more of the face is covered."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.conditions import condition_order, dial, dial_lines
from occlufer.analysis.core.intervals import accuracy_interval, interval, recall_interval
from occlufer.analysis.core.metrics import f1_macro_of, informedness_of, records
from occlufer.analysis.core.statistics import Cell
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training
from occlufer.analysis.core.words import condition_phrase, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    LIGHT,
    MARKERS,
    NORMAL,
    Theme,
    add_legend,
    panels,
    series_places,
)
from occlufer.analysis.sections.parts import (
    Details,
    Drawing,
    Entry,
    Grid,
    Text,
    bounds,
    interval_words,
    named,
)
from occlufer.types import EXPRESSIONS

_INTERVAL = ("accuracy", "accuracy_low", "accuracy_high")


class Severity(Section):
    """Accuracy against the covered share, where an occluder's dial has three places or more."""

    anchor, title, nav = "severity", "Accuracy and the covered share of the face", "Covered share"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"severity": severity_table(self.core.every), "chance": chance_table(self.core.every)}

    def opening(self) -> list[Any]:
        return [Text("Each occluder has a dial from nothing covered to worn as it should be. The same test faces were "
                     "covered at several of its places; bare faces (none) are the left end of every line.")
        ]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows, matrix = self.of("severity", block), self.matrix(block)
        if not len(rows):
            return []
        picture = Drawing(
            lambda theme: severity_figure(rows, theme), f"severity{self.core.suffix(block)}",
            "Lines of accuracy against the covered share of the face; the table below holds the same numbers.",
            f"Accuracy against the covered share. Bars are 95 % bootstrap intervals over {interval_words(matrix)}; "
            "dotted: always answering the largest class.",
        )  # fmt: skip
        grid = severity_grid(rows)
        parts = [picture, Details(f"Scores along the dial ({len(grid.rows)})", [grid], len(grid.rows) <= 12)]
        chance = chance_grid(self.of("chance", block))
        parts.append(
            Details("The covered share at which each expression falls to chance", [chance], open=True)
        )
        if alone := condition_order(set(rows["test"]) - set(matrix["test"])):
            parts.append(Text("These places of the dial are many, so they stand here alone and are in no matrix and no "
                              f"test: {', '.join(alone)}."))  # fmt: skip
        return parts


def severity_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """One row a train condition, occluder and place of its dial, for occluders with three places or more.

    `none` is place 0 of every dial. Columns: the block, train, occluder, test, severity (the place, 0..1),
    covered_share (mean over the test faces as measured), n, trainings, majority_accuracy, and accuracy, f1_macro and
    recall_<expression>, each with 95 % intervals over faces (or people) and trainings as _low and _high.
    """
    rows: list[dict[str, Any]] = []
    for block, items in counted.items():
        for train in condition_order(item.train for item in items):
            trained = [item for item in items if item.train == train]
            for occluder, tests in dial_lines(item.test for item in trained).items():
                rows += [
                    asdict(block)
                    | {"train": train, "occluder": occluder}
                    | _row([item for item in trained if item.test == test], test)
                    for test in tests
                ]
    return pd.DataFrame(rows)


def chance_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Along each dial, until which covered share an expression is recognised better than by chance.

    Chance is what answering that expression at the same rate whatever the face shows would reach, so the measure is
    informedness (`metrics.informedness_of`). Columns: the block, train, occluder, expression, above_until (largest
    measured share up to which the whole 95 % interval of all places lies above 0; NaN: not even on bare faces),
    chance_from (the next share; NaN: never), and informedness at the end of the dial with _low and _high.
    """
    rows: list[dict[str, Any]] = []
    for block, items in counted.items():
        for train in condition_order(item.train for item in items):
            trained = [item for item in items if item.train == train]
            for occluder, tests in dial_lines(item.test for item in trained).items():
                places = [[item for item in trained if item.test == test] for test in tests]
                shares = [_covered(place) for place in places]
                found = [interval(informedness_of, _cells(place)) for place in places]
                order = np.argsort(shares, kind="stable")
                for place, name in enumerate(EXPRESSIONS):
                    above = [bool(found[index].low[place] > 0) for index in order]
                    first = above.index(False) if False in above else len(above)
                    last = found[order[-1]]
                    rows.append(
                        asdict(block)
                        | {"train": train, "occluder": occluder, "expression": name,
                           "above_until": shares[order[first - 1]] if first else np.nan,
                           "chance_from": shares[order[first]] if first < len(above) else np.nan,
                           "informedness": last.value[place], "informedness_low": last.low[place],
                           "informedness_high": last.high[place]}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def _cells(items: list[Counted]) -> dict[Training, Cell]:
    return {item.training: item.cell for item in items}


def _covered(items: list[Counted]) -> float:
    """Mean covered share of the test faces, as measured."""
    return float(np.mean([item.run.rows(item.test)["covered_share"].mean() for item in items]))


def _row(items: list[Counted], test: str) -> dict[str, Any]:
    cells = _cells(items)
    faces = items[0].cell.observed_77.sum(axis=1)
    row: dict[str, Any] = {
        "test": test, "severity": 0.0 if test == "none" else dial(test)[1], "covered_share": _covered(items),
        "n": int(faces.sum()), "trainings": len(cells), "majority_accuracy": float(faces.max() / faces.sum()),
    }  # fmt: skip
    for name, found in (("accuracy", accuracy_interval(cells)), ("f1_macro", interval(f1_macro_of, cells))):
        row |= {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}
    recall = recall_interval(cells)
    for place, name in enumerate(EXPRESSIONS):
        row |= {f"recall_{name}": recall.value[place], f"recall_{name}_low": recall.low[place],
                f"recall_{name}_high": recall.high[place]}  # fmt: skip
    return row


def severity_figure(severity: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Accuracy against the measured covered share, bars = 95 % intervals; dotted: the largest class alone.

    One panel an occluder with a line for each train condition; where there is one train condition, a single panel with
    a line for each occluder. `severity` holds the rows of one block of `severity.severity_table`.
    """
    panel_by, line_by = ("occluder", "train") if severity["train"].nunique() > 1 else ("train", "occluder")
    panels_of, lines_of = (condition_order(severity[name]) for name in (panel_by, line_by))
    places = series_places(lines_of)
    figure, drawn, across = panels(len(panels_of), 2.7, theme)
    for axes, panel in zip(drawn, panels_of, strict=True):
        axes.axhline(
            100 * severity["majority_accuracy"].iloc[0], color=theme.muted, linewidth=0.8, linestyle=":"
        )
        of_panel = severity[severity[panel_by] == panel]
        for name in condition_order(of_panel[line_by]):
            _line(axes, of_panel[of_panel[line_by] == name], name, places[name], theme)
        axes.grid(axis="y", color=theme.rule, linewidth=0.6)
        axes.set_xlabel("covered share of the face, %")
        axes.set_title(panel if panel_by == "occluder" else f"trained on {condition_phrase(panel)}",
                       loc="left", fontsize=NORMAL, color=theme.ink)  # fmt: skip
    drawn[0].set(xlim=(-2, None), ylim=(0, None))
    for axes in drawn[::across]:
        axes.set_ylabel("accuracy, %")
    words = {"train": "trained on {}", "occluder": "{}"}[line_by]
    names = [words.format(condition_phrase(name) if line_by == "train" else name) for name in lines_of]
    marks = {
        label: mark for axes in drawn for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    add_legend(
        figure,
        [marks[name] for name in lines_of],
        names,
        theme,
    )
    return figure


def _line(axes: Axes, rows: pd.DataFrame, label: str, place: int, theme: Theme) -> None:
    rows = rows.sort_values("covered_share")
    value, low, high = (100 * rows[name].to_numpy(dtype=float) for name in _INTERVAL)
    axes.errorbar(100 * rows["covered_share"], value, yerr=np.clip(np.stack([value - low, high - value]), 0, None),
                  fmt=MARKERS[place % len(MARKERS)] + "-", markersize=4, linewidth=1.2, elinewidth=1,
                  color=theme.series[place % len(theme.series)], label=label)  # fmt: skip


def chance_grid(chance: pd.DataFrame) -> Grid:
    """Until which covered share each expression is recognised."""
    lines = [
        [*named(row["train"]), Entry(row["occluder"]), Entry(row["expression"]),
         Entry("–" if math.isnan(row["above_until"]) else percent(row["above_until"])),
         Entry("never" if math.isnan(row["chance_from"]) else percent(row["chance_from"])),
         Entry(percent(row["informedness"]), bounds(row["informedness_low"], row["informedness_high"]))]
        for row in records(chance)
    ]  # fmt: skip
    header = [
        "trained on",
        "occluder",
        "expression",
        "above chance until",
        "at chance from",
        "recall above chance",
    ]
    caption = (
        "Covered shares measured along the dial. Above chance: recall exceeds the rate at which faces of other classes "
        "get this answer, by the 95 % interval over faces and trainings; last column: that excess at the dial's end."
    )
    return Grid(caption, header, lines, "chance", heads=3)


def severity_grid(severity: pd.DataFrame) -> Grid:
    """Scores along the dials of one block, from `severity.severity_table`."""
    rows = []
    for row in records(severity):
        place = "" if row["test"] == "none" else f"dial at {row['severity']:g}"
        line = [
            *named(row["train"]),
            Entry(row["occluder"]),
            Entry(row["test"], place),
            Entry(percent(row["covered_share"])),
        ]
        for name in ("accuracy", "f1_macro", *(f"recall_{name}" for name in EXPRESSIONS)):
            value = row[name]
            line.append(
                Entry("–") if math.isnan(value)
                else Entry(f"{100 * value:.1f}", bounds(row[f"{name}_low"], row[f"{name}_high"]))
            )  # fmt: skip
        rows.append(line)
    caption = (
        "Per cent, averaged over trainings, with 95 % intervals. Covered share: mean over the test faces of the share "
        "of the face oval under the occluder, as measured when it was drawn. From anger on: recall by class."
    )
    header = ["trained on", "occluder", "tested on", "covered share", "accuracy", "macro F1", *EXPRESSIONS]
    return Grid(caption, header, rows, "severity", heads=3)
