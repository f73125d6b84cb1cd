"""What an occluder costs and what training under one wins back: one effect a contrast, over all trainings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.conditions import condition_order, is_partial, mask_and_headset
from occlufer.analysis.core.effects import Contrast, Place, contrast_between, effects
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, count, p_value, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import NORMAL, WIDTH, Theme, single
from occlufer.analysis.sections.parts import Details, Drawing, Entry, Grid, Text

ALPHA = 0.05
_FEW_DF = 3


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
            f"{_size(self.core.margin)} points either way, the margin set for this report; it is undecided when "
            "neither that nor a difference is shown.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("effects", block)
        if not len(rows):
            return []
        primary = rows[rows["family"] == "primary"]
        parts: list[Any] = [
            Drawing(
                lambda theme: effects_figure(primary, theme), f"effects{self.core.suffix(block)}",
                "Differences in points with intervals; the table below holds the same numbers.",
                "Difference in accuracy, points, with 95 % intervals over people or faces and trainings.",
            ),
            effects_grid(primary),
        ] if len(primary) else []  # fmt: skip
        others = rows[rows["family"] != "primary"]
        if len(others):
            parts.append(Details(f"Exploratory contrasts ({len(others)})", [effects_grid(others)]))
        return parts

    def findings(self, block: Block) -> list[str]:
        rows = self.of("effects", block)
        margin = self.core.margin
        return (
            [_sentence(row, margin) for row in records(rows[rows["family"] == "primary"])]
            if len(rows)
            else []
        )

    def cautions(self, block: Block) -> list[str]:
        rows = self.of("effects", block)
        if not len(rows):
            return []
        primary = rows[rows["family"] == "primary"]
        return [
            "p values: crossed random effects of people (or faces) and trainings, Holm-corrected within the primary "
            "family of this network and dataset.",
            *(_spread_caution(primary) if len(primary) else []),
        ]

    def terms(self) -> list[tuple[str, str]]:
        return [(
            "Effect",
            "Difference of two accuracies on the same faces and trainings. People (or faces) and trainings are crossed "
            "random effects; interval and p rest on the variance of the mean with Satterthwaite’s degrees of freedom "
            "(Searle, Casella & McCulloch, Variance Components, 1992). The variance between trainings is averaged over "
            "the contrasts of a family, which are taken to spread alike; those that share networks count less (Box, "
            "1954). With one training it speaks of other faces only.",
        ), (
            "Equivalent, undecided, detectable",
            "Equivalent: two one-sided t tests against the margin (Schuirmann, 1987), Holm-corrected in the primary "
            "family. Detectable: the smallest true difference that a test at .05 finds in 80 % of such studies (Bloom, "
            "1995).",
        )]  # fmt: skip


def _block_rows(
    block: Block, items: list[Counted], units_N: NDArray[np.int64], margin: float
) -> list[dict[str, Any]]:
    rows = []
    for family in ("primary", "exploratory"):
        primary = family == "primary"
        asked = [
            (kind, contrast)
            for kind, of, first, second in _contrasts(items)
            if of == family and (contrast := contrast_between(items, first, second))
        ]
        answers = effects([contrast for _, contrast in asked], units_N)
        found = [
            asdict(block) | {"family": family, "kind": kind} | _sides(items, contrast) | asdict(answer)
            | {"detectable": answer.detectable, "p_equivalent": answer.p_equivalent(margin)}
            | (dict(zip(("low_adjusted", "high_adjusted"), answer.bounds(len(asked)), strict=True)) if primary else {})
            for (kind, contrast), answer in zip(asked, answers, strict=True)
        ]  # fmt: skip
        for name in ("p", "p_equivalent") if primary else ():
            for row, p in zip(found, holm([_known(row[name]) for row in found]), strict=True):
                row[f"{name}_holm"] = p
        rows += found
    return rows


def _sides(items: list[Counted], contrast: Contrast) -> dict[str, Any]:
    """The cells of a contrast, its trainings, and the mean accuracy of both sides."""
    row: dict[str, Any] = {}
    for name, place in (("first", contrast.first), ("second", contrast.second)):
        cell = by_training(items, *place)
        row |= {f"train_{name}": place[0], f"test_{name}": place[1]}
        row[f"accuracy_{name}"] = float(np.mean([cell[r].cell.correct_N.mean() for r in contrast.trainings]))
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


def _verdict(row: dict[str, Any], margin: float) -> str:
    if row["p_holm"] < ALPHA:
        return ""
    if row["p_equivalent_holm"] < ALPHA:
        return f": equivalent within {_size(margin)} points"
    adjusted = " after adjusting for all contrasts" * (row["p"] < ALPHA)
    missed = f"a difference below {_size(row['detectable'])} points would often be missed here"
    return f": undecided{adjusted}, as {missed}"


def _sentence(row: dict[str, Any], margin: float) -> str:
    change = row["difference"]
    size = f"{signed(abs(change)).removeprefix('+')} points"
    p = f"p {p_value(row['p_holm'])}" if row["p_holm"] < 0.001 else f"p = {p_value(row['p_holm'])}"
    numbers = (
        f"from {percent(row['accuracy_first'])} to {percent(row['accuracy_second'])} (95 % interval of the change "
        f"{points(row['low'], row['high'])}; {p}; {count(row['trainings'], 'training')}){_verdict(row, margin)}."
    )
    train, test = (condition_phrase(row[f"{side}_second"]) for side in ("train", "test"))
    if row["kind"] == "cover":
        verb = "lose" if change < 0 else "gain"
        return f"Networks trained on bare faces {verb} {size} on {test}, {numbers}"
    if row["kind"] == "train":
        verb = "wins back" if change > 0 else "loses another"
        return f"Training on {train} {verb} {size} on {test}, {numbers}"
    less = "less" if change < 0 else "more"
    return (
        f"Networks trained and tested on {train} reach {size} {less} than those trained and tested on "
        f"{condition_phrase(row['train_first'])}, {numbers}"
    )


def _question(row: dict[str, Any]) -> tuple[str, str]:
    """Which two things are compared, and where."""
    if row["kind"] == "cover":
        return f"{row['test_first']} → {row['test_second']}", f"trained on {row['train_first']}"
    if row["kind"] == "train":
        return f"{row['train_first']} → {row['train_second']}", f"tested on {row['test_first']}"
    return f"{row['train_first']} → {row['train_second']}", "each trained and tested on its own"


def effects_grid(effects: pd.DataFrame) -> Grid:
    """Rows of the effects table."""
    primary = "p_holm" in effects and bool(effects["p_holm"].notna().all())
    rows = []
    for row in records(effects):
        contrast, where = _question(row)
        p = row["p_holm"] if primary else row["p"]
        rows.append([
            Entry(contrast, where), Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            *([Entry(points(row["low_adjusted"], row["high_adjusted"]))] if primary else []),
            Entry("–" if np.isnan(p) else p_value(p)),
            Entry(p_value(row["p_equivalent_holm" if primary else "p_equivalent"])),
            Entry(_size(row["detectable"])), Entry(f"{row['df']:.0f}"), Entry(str(row["trainings"])),
        ])  # fmt: skip
    header = ["contrast", "accuracy, %", "difference, points",
              *(["adjusted interval", "p (Holm)"] if primary else ["p"]),
              "p of equivalence", "detectable, points", "degrees of freedom", "trainings"]  # fmt: skip
    adjusted = " The adjusted interval holds for all rows together (Bonferroni), as p does." * primary
    return Grid(f"Differences over all trainings, with 95 % intervals.{adjusted}", header, rows, "effects")


def effects_figure(effects: pd.DataFrame, theme: Theme) -> Figure:
    """Forest plot: one line a contrast."""
    rows = records(effects)
    figure, axes = single(0.8 * WIDTH, 0.6 + 0.36 * len(rows), theme)
    for place, row in enumerate(rows):
        value, low, high = (100 * row[name] for name in ("difference", "low", "high"))
        colour = theme.series[{"cover": 2, "train": 1, "own": 3}[row["kind"]]]
        axes.errorbar(value, -place, xerr=[[value - low], [high - value]], fmt="o", markersize=4, elinewidth=1.2,
                      color=colour)  # fmt: skip
    axes.axvline(0, color=theme.muted, linewidth=0.8)
    axes.set_yticks([-place for place in range(len(rows))], ["\n".join(_question(row)) for row in rows])
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.grid(axis="x", color=theme.rule, linewidth=0.6)
    axes.set_xlabel("difference in accuracy, points", fontsize=NORMAL)
    return figure
