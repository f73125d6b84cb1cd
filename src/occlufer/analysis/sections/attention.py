"""Where networks look: how much of what speaks for their answers lies on the occluder, the eyes, the mouth."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from occlufer.analysis.core.cells import BOOTSTRAP_SEED, people_of, resampled_faces
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.scored import ScoredRun
from occlufer.analysis.core.statistics import FaceBootstrap, Interval, TrainingBootstrap, percentile
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.analysis.core.words import condition_phrase, percent
from occlufer.analysis.sections.base import Section, slug
from occlufer.analysis.sections.drawing import (
    LIGHT,
    NORMAL,
    Theme,
    add_legend,
    bare,
    panels,
    solve_layout,
)
from occlufer.analysis.sections.parts import Details, Drawing, Entry, Grid, Text, bounds, named
from occlufer.attention import REGIONS, read_attention
from occlufer.types import RunError

_KINDS = ("mass", "untrained", "area")
_MOST_EXAMPLES = 3


class Attention(Section):
    """Shares of the heat maps that `evaluate explain=true` made, beside those of random weights and of the area."""

    anchor, title, nav = "attention", "Where networks look", "Attention"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        cells: dict[tuple[Block, str, str], list[tuple[ScoredRun, pd.DataFrame]]] = {}
        left_out = []
        for run in self.core.study.runs:
            try:
                rows = read_attention(run.run)
            except RunError as error:
                left_out.append({"run": run.run.name, "reason": str(error)})
                continue
            for test, part in rows.groupby("condition", sort=False):
                if str(test) in run.conditions:
                    cells.setdefault((run.block, run.summary.condition, str(test)), []).append((run, part))
        order = condition_order(name for _, train, test in cells for name in (train, test))
        ordered = sorted(cells, key=lambda cell: (cell[0], order.index(cell[1]), order.index(cell[2])))
        made = [row for cell in ordered for row in self._rows(cell, cells[cell])]
        return {"attention": pd.DataFrame(made), "attention_left_out": pd.DataFrame(left_out)}

    def _rows(
        self, cell: tuple[Block, str, str], found: list[tuple[ScoredRun, pd.DataFrame]]
    ) -> list[dict[str, Any]]:
        """A row a region: the mean over faces and trainings, with intervals over both."""
        block, train, test = cell
        keys = set.intersection(*({*part["key"]} for _, part in found))
        parts = {run.training: part[part["key"].isin(keys)].sort_values("key") for run, part in found}
        values = {training: _shares(part) for training, part in parts.items()}
        mapped_N = ~np.any([np.isnan(shares[:, 0]).any(axis=1) for shares in values.values()], axis=0)
        first = found[0][1]
        whole = asdict(block) | {
            "train": train, "test": test, "faces": int(mapped_N.sum()), "without_map": int((~mapped_N).sum()),
            "trainings": len(parts), "method": ", ".join(sorted({str(part["method"].iloc[0]) for _, part in found})),
            "layer": str(first["layer"].iloc[0]), "cells": str(first["cells"].iloc[0]),
        }  # fmt: skip
        if not mapped_N.any():
            return []
        people_N = people_of([part["subject"][mapped_N] for part in parts.values()])
        labels_N = next(iter(parts.values()))["label"][mapped_N]
        faces = resampled_faces(labels_N, people_N, seed=BOOTSTRAP_SEED, resamples=self.core.resamples)
        means = _means(
            faces, {training: shares[mapped_N] for training, shares in values.items()}, self.core.resamples
        )
        return [whole | {"region": region} | _columns(means, place) for place, region in enumerate(REGIONS)]

    def opening(self) -> list[Any]:
        return [Text("For each test face: which pixels speak for the answer that the network gave, and how much of "
                     "that lies on the occluder, on the eyes and the mouth as far as they are free, on the rest of the "
                     "face and around it. Read a share against two others: the area of the region, which a map that is "
                     "the same everywhere would give, and the share of the same network with random weights. Only what "
                     "differs from both was learnt (Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018).")
        ]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("attention", block) if len(self.tables["attention"]) else self.tables["attention"]
        if not len(rows):
            return []
        suffix = self.core.suffix(block)
        picture = Drawing(
            lambda theme: attention_figure(rows, theme), f"attention{suffix}",
            "Bars of the share of the heat maps on each region; the table below holds the same numbers.",
            f"What speaks for the answers, by where it lies ({_method(rows)}). Area: its share of the picture. "
            "Random weights: eight networks of the same kind before any training, each on its part of the faces.",
        )  # fmt: skip
        grid = attention_grid(rows)
        return [
            picture, *(Text(sentence) for sentence in sentences(rows)),
            Details(f"Shares by region ({len(grid.rows)})", [grid], len(grid.rows) <= 12),
            *self._examples(block, suffix),
        ]  # fmt: skip

    def _examples(self, block: Block, suffix: str) -> list[Any]:
        """Faces and their heat maps, of the first training of some train conditions."""
        found: dict[str, tuple[str, Path]] = {}
        for run in self.core.study.of(block):
            path = run.run.folder / "figures" / "attention.png"
            if run.summary.condition not in found and _readable(path):
                found[run.summary.condition] = (run.run.name, path)
        drawings = [
            Drawing(
                functools.partial(_sheet, path), f"attention_examples_{slug(train)}{suffix}",
                f"Test faces and their heat maps, by a network trained on {condition_phrase(train)}.",
                f"Trained on {condition_phrase(train)} ({name}): test faces, one of each expression, and what speaks "
                "for the answer.", photo=True,
            )
            for train, (name, path) in list(found.items())[:_MOST_EXAMPLES]
        ]  # fmt: skip
        return [Details(f"Examples ({len(drawings)})", drawings)] if drawings else []

    def closing(self) -> list[Any]:
        return [
            Text(f"Left out: {row['run']}. {row['reason']}")
            for row in records(self.tables["attention_left_out"])
        ]

    def terms(self) -> list[tuple[str, str]]:
        return [("Where networks look", "Grad-CAM (Selvaraju et al., ICCV 2017, doi 10.1109/ICCV.2017.74) at the last "
                 "convolution that can tell eyes from mouth; for networks of tokens the positive part of integrated "
                 "gradients (Sundararajan et al., ICML 2017, arXiv 1703.01365). Each map's sum is 1. Eyes: the outline "
                 "of each eye with its brow; mouth: of the lips; both by the landmarks of the uncovered face. "
                 "Intervals: faces (or people) and trainings resampled.")
        ]  # fmt: skip


def _shares(part: pd.DataFrame) -> NDArray[np.float64]:
    """float64 (faces, 3, 5): mass, untrained and area of every region."""
    columns = [f"{kind}_{region}" for kind in _KINDS for region in REGIONS]
    return part[columns].to_numpy(dtype=np.float64).reshape(len(part), len(_KINDS), len(REGIONS))


def _means(faces: FaceBootstrap, values: Mapping[Training, NDArray[np.float64]], resamples: int) -> Interval:
    """Means over faces and trainings with their intervals, each (4, 5): the kinds, and mass minus untrained."""
    drawn = {}
    for training, shares_N35 in values.items():
        # A map of random weights may be empty: such a face has no share in their mean, and keeps that of the network.
        known = ~np.isnan(shares_N35)
        whole, count = np.nan_to_num(shares_N35), np.maximum(known.sum(axis=0), 1)
        sums_B = faces.sums(whole.reshape(len(whole), -1)) / np.maximum(
            faces.sums(known.reshape(len(known), -1)), 1
        )
        drawn[training] = (
            _with_difference(whole.sum(axis=0) / count),
            _with_difference(sums_B.reshape(-1, *whole.shape[1:])),
        )
    trainings = TrainingBootstrap(
        in_order(values), rng=np.random.default_rng(BOOTSTRAP_SEED), resamples=resamples
    )
    return percentile(*trainings.mix(drawn))


def _with_difference(shares_35: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 5) -> (..., 4, 5): mass minus untrained is added."""
    return np.concatenate([shares_35, shares_35[..., :1, :] - shares_35[..., 1:2, :]], axis=-2)


def _columns(means: Interval, place: int) -> dict[str, float]:
    return {
        f"{kind}{end}": float(side[row, place])
        for row, kind in enumerate((*_KINDS, "learnt"))
        for end, side in (("", means.value), ("_low", means.low), ("_high", means.high))
    }


def sentences(rows: pd.DataFrame) -> list[str]:
    """How much lies on each test occluder, by train condition."""
    found = []
    on = rows[rows["region"] == "occluder"]
    for test in condition_order(on["test"]):
        of_test = on[on["test"] == test]
        if of_test["area"].max() == 0:
            continue
        told = [
            f"{percent(row['mass'])} (95 % interval {bounds(row['mass_low'], row['mass_high'])}) in networks trained "
            f"on {condition_phrase(row['train'])}, {percent(row['untrained'])} before their training"
            for row in records(of_test)
        ]
        found.append(
            f"On {condition_phrase(test)} the occluder is {percent(of_test['area'].mean())} of the picture. Of what "
            f"speaks for the answers there lies on it: {'; '.join(told)}."
        )
    return found


def _method(rows: pd.DataFrame) -> str:
    """Such as `Grad-CAM, maps of 6x6`."""
    return f"{' and '.join(sorted(set(rows['method'])))}, maps of {' and '.join(sorted(set(rows['cells'])))}"


def attention_figure(rows: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Stacked bars of the mean share of each region; a panel a test condition, a bar a train condition.

    `rows` are those of one block of the table `attention`. Above them stands the area; random weights stand below.
    """
    tests = condition_order(rows["test"])
    trains = condition_order(rows["train"])
    figure, drawn, _ = panels(len(tests), 0.9 + 0.24 * (len(trains) + 2), theme)
    colours = dict(zip(REGIONS, (*(theme.series[place] for place in (2, 1, 3, 5)), theme.rule), strict=True))
    labels = ["area", *(f"trained on {condition_phrase(name)}" for name in trains), "random weights"]
    for axes, test in zip(drawn, tests, strict=True):
        part = rows[rows["test"] == test]
        left = np.zeros(len(labels))
        for region in REGIONS:
            of_region = part[part["region"] == region].set_index("train")
            widths = 100 * np.array(
                [of_region["area"].mean(), *(of_region["mass"].get(name, np.nan) for name in trains),
                 of_region["untrained"].mean()]
            )  # fmt: skip
            axes.barh(labels, widths, left=left, height=0.72, color=colours[region], label=region)
            left = left + np.nan_to_num(widths)
        axes.set_title(f"tested on {condition_phrase(test)}", loc="left", fontsize=NORMAL, color=theme.ink)
        axes.set_xlabel("share of the heat map, %")
    drawn[0].invert_yaxis()
    drawn[0].set_xlim(0, 100)
    add_legend(figure, *drawn[0].get_legend_handles_labels(), theme)
    solve_layout(figure)  # the layout needs a second pass for the long names at its left
    return figure


def attention_grid(rows: pd.DataFrame) -> Grid:
    """The table `attention` of one block: a line a train and test condition."""
    lines = []
    for (train, test), part in rows.groupby(["train", "test"], sort=False):
        some = part.iloc[0]
        without = f"{some['without_map']} without a map" if some["without_map"] else ""
        line = [*named(str(train), str(test)), Entry(str(some["faces"]), without)]
        for row in records(part):
            line.append(Entry(percent(row["mass"]), bounds(row["mass_low"], row["mass_high"])))
            line.append(Entry(percent(row["untrained"]), f"area {percent(row['area'])}"))
        lines.append(line)
    header = [
        "trained on",
        "tested on",
        "faces",
        *(name for region in REGIONS for name in (region, "random")),
    ]
    caption = (
        "Share of the heat maps on each region, with 95 % intervals over faces and trainings; beside it the same with "
        "random weights, and the region's share of the picture."
    )
    return Grid(caption, header, lines, "attention", heads=2)


def _readable(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.format == "PNG" and max(image.size) <= 4000
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


def _sheet(path: Path, theme: Theme) -> Figure:
    """A picture as a figure."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    figure = bare(0.8 * theme.width, 0.8 * theme.width * pixels.shape[0] / pixels.shape[1], theme)
    axes = figure.subplots()
    axes.imshow(pixels, interpolation="none")
    axes.set_axis_off()
    return figure
