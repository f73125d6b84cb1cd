"""What an occluder costs and what training under one wins back: one effect a contrast, over all trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.conditions import condition_order, is_partial, mask_and_headset
from occlufer.analysis.core.effects import Contrast, Place, balance, contrast_between, effects
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import (
    condition_phrase,
    count,
    joined,
    occluder_phrase,
    p_value,
    percent,
    points,
    sentence,
    signed,
)
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import COLUMN, MARKERS, NORMAL, Theme, add_legend, single, style_axes
from occlufer.analysis.sections.parts import Details, Drawing, Entry, Grid, Text, resampled_words

ALPHA = 0.05
_FEW_DF = 3
_FEW_PEOPLE = 20
_FEW_TRAININGS = 5  # below which little is known of how trainings spread


class Effects(Section):
    """Differences over people and trainings, with a primary family declared."""

    anchor, title, nav = "effects", "What occlusion costs, and what wins it back", "Effects"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        rows = []
        for block, items in self.core.counted.items():
            bootstrap, _ = self.core.faces[block.dataset]
            rows += _block_rows(block, items, bootstrap.units_N, self.core.margin)
        return {"effects": pd.DataFrame(rows)}

    def opening(self) -> list[Any]:
        return [Text(
            "Each row is one question, answered over all trainings at once. The primary family is fixed "
            "beforehand: bare "
            "faces against each occluder with networks trained on bare faces, and training under an occluder (or a "
            "mixture) against training on bare faces. Holm’s correction runs within it; other rows are exploratory and "
            "uncorrected. A contrast is equivalent when the difference is shown to be below "
            f"{_size(self.core.margin)} points either way, the margin set for this report; where neither that nor a "
            f"difference is shown, it is {_UNSHOWN}.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("effects", block)
        if not len(rows):
            return []
        primary = rows[rows["family"] == "primary"]
        parts: list[Any] = [
            Drawing(
                lambda theme: effects_figure(primary, theme), f"effects{self.core.suffix(block)}",
                "Differences in points with intervals; the table below holds the same numbers.",
                "Difference in accuracy, points, with 95 % intervals over people or faces and trainings.", least=600,
            ),
            effects_grid(primary),
        ] if len(primary) else []  # fmt: skip
        others = rows[rows["family"] != "primary"]
        if len(others):
            parts.append(Details(f"Exploratory contrasts ({len(others)})", [effects_grid(others)]))
        return parts

    def answers(self, block: Block) -> list[tuple[str, str]]:
        rows = self.of("effects", block)
        primary = records(rows[rows["family"] == "primary"]) if len(rows) else []
        kinds = {row["kind"] for row in primary}
        first = next((kind for kind in ("cover", "own", "train") if kind in kinds), None)
        asked = [row for row in primary if row["kind"] == first]
        if not asked:
            return []
        sure = _how_sure(asked, self.matrix(block), self.core.margin)
        return [("What is lost", " ".join(map(_sentence, asked))), ("How sure", sure)]

    def cautions(self, block: Block) -> list[str]:
        rows = self.of("effects", block)
        primary = rows[rows["family"] == "primary"] if len(rows) else rows
        return _spread_caution(primary) if len(primary) else []

    def terms(self) -> list[tuple[str, str]]:
        return [(
            "Effect",
            "Difference of two accuracies on the same faces and trainings. People (or faces) and trainings are crossed "
            "random effects; interval and p rest on the variance of the mean with Satterthwaite’s degrees of freedom "
            "(Searle, Casella & McCulloch, Variance Components, 1992). The variance between trainings is averaged over "
            "the contrasts of a family, which are taken to spread alike; those that share networks count less (Box, "
            "1954). With one training it speaks of other faces only. For UAR (unweighted average recall) each face "
            "counts by one over the number of its class, and these numbers are taken as fixed.",
        ), (
            "Effect shown, equivalent, detectable",
            "Shown: p (Holm) below .05. Equivalent: two one-sided t tests against the margin (Schuirmann, 1987), "
            "Holm-corrected in the primary family. Detectable: the smallest true difference that a test at .05 finds "
            "in 80 % of such studies (Bloom, 1995).",
        )]  # fmt: skip


def _block_rows(
    block: Block, items: list[Counted], units_N: NDArray[np.int64], margin: float
) -> list[dict[str, Any]]:
    rows = []
    weights_N = balance(items[0].run.rows(items[0].test)["label"])
    for family in ("primary", "exploratory"):
        primary = family == "primary"
        asked = [
            (kind, contrast)
            for kind, of, first, second in _contrasts(items)
            if of == family and (contrast := contrast_between(items, first, second))
        ]
        answers = effects([contrast for _, contrast in asked], units_N)
        balanced = [replace(one, change_NR=one.change_NR * weights_N[:, None]) for _, one in asked]
        found = [
            asdict(block) | {"family": family, "kind": kind} | _sides(items, contrast, weights_N) | asdict(answer)
            | {"detectable": answer.detectable, "p_equivalent": answer.p_equivalent(margin)}
            | (dict(zip(("low_adjusted", "high_adjusted"), answer.bounds(len(asked)), strict=True)) if primary else {})
            | {f"uar_{name}": getattr(recall, name) for name in ("difference", "low", "high")}
            for (kind, contrast), answer, recall in zip(asked, answers, effects(balanced, units_N), strict=True)
        ]  # fmt: skip
        for name in ("p", "p_equivalent") if primary else ():
            for row, p in zip(found, holm([_known(row[name]) for row in found]), strict=True):
                row[f"{name}_holm"] = p
        rows += found
    return rows


def _sides(items: list[Counted], contrast: Contrast, weights_N: NDArray[np.float64]) -> dict[str, Any]:
    """The cells of a contrast, its trainings, and the mean accuracy and UAR of both sides."""
    row: dict[str, Any] = {}
    for name, place in (("first", contrast.first), ("second", contrast.second)):
        cell = by_training(items, *place)
        row |= {f"train_{name}": place[0], f"test_{name}": place[1]}
        correct = [cell[r].cell.correct_N for r in contrast.trainings]
        row[f"accuracy_{name}"] = float(np.mean([one_N.mean() for one_N in correct]))
        row[f"uar_{name}"] = float(np.mean([(weights_N * one_N).mean() for one_N in correct]))
    return row | {"trainings": len(contrast.trainings)}


def _spread_caution(primary: pd.DataFrame) -> list[str]:
    """What is assumed about the spread of trainings, and that few cannot tell it."""
    df, spread = primary["spread_df"].iloc[0], primary["spread"].iloc[0]
    if np.isnan(df):
        return []
    few = (
        " That is little: if these trainings agree by luck, the intervals are too short. Train more seeds."
        if df < _FEW_DF else ""
    )  # fmt: skip
    alike = count(int((primary["spread"] == spread).sum()), "contrast")
    return [
        f"The spread between trainings is taken to be alike in {alike} of the primary family (standard deviation "
        f"{_size(spread)} points, {df:.1f} degrees of freedom).{few}"
    ]


def _size(share: float) -> str:
    return f"{100 * abs(share):.1f}".removesuffix(".0")


def _known(p: float) -> float:
    return 1.0 if np.isnan(p) else p


def _contrasts(items: list[Counted]) -> Iterator[tuple[str, str, Place, Place]]:
    """Kind, family, and the two cells of each contrast that the study can answer."""
    cells = {(item.train, item.test) for item in items}
    trains, tests = (condition_order(names) for names in zip(*cells, strict=True))
    occluders = [test for test in tests if test != "none"]
    for test in occluders:
        for train in trains:
            primary = train == "none" and not is_partial(test)
            if {(train, "none"), (train, test)} <= cells:
                yield "cover", "primary" if primary else "exploratory", (train, "none"), (train, test)
        for train in trains:
            if train != "none" and {("none", test), (train, test)} <= cells:
                meant = (train == test or train not in tests) and not is_partial(test)
                yield "train", "primary" if meant else "exploratory", ("none", test), (train, test)
    own = [train for train in trains if (train, train) in cells]
    alone = all(train == test for train, test in cells)
    wanted = [("none", name) for name in own if "none" in own and name != "none"] + mask_and_headset(own)
    for one, two in wanted:
        yield "own", "primary" if alone else "exploratory", (one, one), (two, two)


def _sentence(row: dict[str, Any]) -> str:
    change = row["difference"]
    size = f"{signed(abs(change)).removeprefix('+')} points"
    low, high = (-row["high"], -row["low"]) if change < 0 else (row["low"], row["high"])
    between = f"95 % interval {100 * low:.1f} to {100 * high:.1f}".replace("-", "−")
    numbers = f"from {percent(row['accuracy_first'])} to {percent(row['accuracy_second'])} ({between})."
    train, test = (condition_phrase(row[f"{side}_second"]) for side in ("train", "test"))
    if row["kind"] == "cover":
        covers = occluder_phrase(row["test_second"])
        verb = "change" if abs(change) < 0.0005 else "cut" if change < 0 else "raise"
        verb += "s" * covers.startswith("the occluder")
        return (
            f"{sentence(covers)} {verb} the accuracy of networks trained on bare faces by {size}, {numbers}"
        )
    if row["kind"] == "train":
        verb = "raises" if change > 0 else "lowers"
        return f"Training on {train} instead of bare faces {verb} accuracy on {test} by {size}, {numbers}"
    less = "less" if change < 0 else "more"
    return (
        f"Networks trained and tested on {train} reach {size} {less} than those trained and tested on "
        f"{condition_phrase(row['train_first'])}, {numbers}"
    )


def _how_sure(rows: list[dict[str, Any]], matrix: pd.DataFrame, margin: float) -> str:
    """Verdicts of the tests, and what they rest on."""
    people = matrix["people"].iloc[0]
    chance = f"other {'faces' if pd.isna(people) else 'people'} and other trainings would make by chance"
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_verdict(row, margin), []).append(row)
    parts = []
    for verdict, found in groups.items():
        names = joined([condition_phrase(row["test_second"]) for row in found])
        of = "" if len(groups) == 1 else f" on {names}"
        what = f"The difference{of} is" if len(found) == 1 else f"The differences{of} are"
        if verdict == _SHOWN:
            p = max(row["p_holm"] for row in found)
            parts.append(f"{what} larger than {chance} (p {'' if p < 0.001 else '= '}{p_value(p)}).")
        else:
            parts.append(f"{what} {verdict}.")
    if pd.notna(people) and people < _FEW_PEOPLE:
        parts.append("With so few people the intervals are still too narrow.")
    trainings = min(row["trainings"] for row in rows)
    basis = f"This rests on {resampled_words(matrix).removeprefix('the ')} and {count(trainings, 'training')}"
    basis += " of each network"
    if trainings == 1:
        basis += ", so how much another training would differ is not known"
    elif trainings < _FEW_TRAININGS:
        basis += ", which is little to tell how far other trainings would differ"
    return " ".join([*parts, f"{basis}."])


_SHOWN, _UNSHOWN = "shown", "not shown to be more than chance"


def _verdict(row: dict[str, Any], margin: float) -> str:
    if row["p_holm"] < ALPHA:
        return _SHOWN
    if row["p_equivalent_holm"] < ALPHA:
        return f"equivalent within {_size(margin)} points"
    return _UNSHOWN


def _question(row: dict[str, Any]) -> tuple[str, str]:
    """Which two things are compared, and where."""
    named = {
        name: condition_phrase(value) for name, value in row.items() if name.startswith(("train_", "test_"))
    }
    if row["kind"] == "cover":
        return f"test: {named['test_first']} → {named['test_second']}", f"trained on {named['train_first']}"
    trained = f"{named['train_first']} → {named['train_second']}"
    if row["kind"] == "train":
        return f"training: {trained}", f"tested on {named['test_first']}"
    return trained, "each trained and tested on its own"


def effects_grid(effects: pd.DataFrame) -> Grid:
    """Rows of the effects table."""
    primary = "p_holm" in effects and bool(effects["p_holm"].notna().all())
    rows = []
    for row in records(effects):
        contrast, where = _question(row)
        p = row["p_holm"] if primary else row["p"]
        rows.append([
            Entry(contrast, f"{where}, {count(row['trainings'], 'training')}"),
            Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            *([Entry(points(row["low_adjusted"], row["high_adjusted"]))] if primary else []),
            Entry(signed(row["uar_difference"]), points(row["uar_low"], row["uar_high"])),
            Entry("–" if np.isnan(p) else p_value(p), f"df {row['df']:.0f}"),
            Entry(p_value(row["p_equivalent_holm" if primary else "p_equivalent"]), f"± {_size(row['detectable'])}"),
        ])  # fmt: skip
    header = ["contrast", "accuracy, %", "difference, points", *(["adjusted interval"] if primary else []),
              "UAR, points", "p (Holm)" if primary else "p", "p of equivalence"]  # fmt: skip
    adjusted = " The adjusted interval holds for all rows together (Bonferroni), as p does." * primary
    caption = (
        f"Differences of accuracy over all trainings, with 95 % intervals.{adjusted} UAR: the same difference of the "
        "mean recall of the classes, in which rare ones count as much as common ones. df: degrees of freedom of p. ±: "
        "the difference that could have been detected, points."
    )
    return Grid(caption, header, rows, "effects")


def effects_figure(effects: pd.DataFrame, theme: Theme) -> Figure:
    """Forest plot: one line a contrast, its accuracies on the right."""
    rows = records(effects)
    figure, axes = single(theme.width, 0.9 + 0.36 * len(rows), theme)
    kinds = {"cover": (2, "what an occluder costs"), "train": (1, "what training under occlusion changes"),
             "own": (0, "each on its own condition")}  # fmt: skip
    marks = {}
    for place, row in enumerate(rows):
        value, low, high = (100 * row[name] for name in ("difference", "low", "high"))
        series, words = kinds[row["kind"]]
        marks[words] = axes.errorbar(value, -place, xerr=[[value - low], [high - value]], fmt=MARKERS[series],
                                     markersize=4.5, elinewidth=1.4, color=theme.series[series])  # fmt: skip
    axes.axvline(0, color=theme.muted, linewidth=0.8)
    axes.set_yticks([-place for place in range(len(rows))], ["\n".join(_question(row)) for row in rows])
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    # Intervals of two trainings that disagree reach beyond any accuracy.
    axes.set_xlim(max(axes.get_xlim()[0], -100), min(axes.get_xlim()[1], 100))
    axes.grid(axis="x", color=theme.rule, linewidth=0.6)
    axes.set_xlabel("difference, points", fontsize=NORMAL)
    if theme.width > COLUMN:
        numbers = [
            f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f} %" for row in rows
        ]
        right = axes.twinx()
        style_axes(right, theme)
        right.set_yticks([-place for place in range(len(rows))], numbers)
        right.set_ylim(axes.get_ylim())
    add_legend(figure, list(marks.values()), list(marks), theme)
    return figure
