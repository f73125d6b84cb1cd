"""With and without extra training images (`dataset.extra`): the same networks, side by side and paired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.cells import Counted, by_cell, by_training, training_bootstrap
from occlufer.analysis.core.crossed import crossed_test, pair_contrast
from occlufer.analysis.core.grouping import EXTRA
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, records
from occlufer.analysis.core.paired import paired_test
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import in_order
from occlufer.analysis.core.words import p_value, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Entry,
    Grid,
    Text,
)


class ExtraImages(Section):
    """What more training images change."""

    anchor, title, nav = "extra", "With and without extra training images", "Extra images"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"extra_images": ablation_table(self.core.counted)}

    def parts(self) -> list[Any]:
        table = self.tables["extra_images"]
        if not len(table):
            return []
        words = ("The same networks, trained once on the dataset alone and once with more images in the training split "
                 "(dataset.extra); validation and test faces are the same.")  # fmt: skip
        return [Text(words), extra_grid(table)]


def arms(counted: dict[Block, list[Counted]]) -> list[tuple[Block, Block, Block, str]]:
    """Pairs of blocks that differ in their extra training images alone.

    Returns:
        The block as it would be called if nothing told it apart from its pair, the blocks without and with extra
        images, and which images.
    """
    sides = {block: _split(block, items) for block, items in counted.items()}
    return [
        (rest, block, other, extra)
        for block, (rest, none) in sides.items()
        for other, (their_rest, extra) in sides.items()
        if none == "none" and extra not in ("none", "") and rest == their_rest
    ]


def _split(block: Block, items: list[Counted]) -> tuple[Block, str]:
    """A block without its extra images, and these as its variant names them (empty where no block differs in them)."""
    config = items[0].run.config.get("dataset")
    folder = str((config.get("extra") if isinstance(config, Mapping) else None) or "none")
    for name in (folder, PurePath(folder).name):
        if (part := f"{EXTRA}={name}") in block.variant:
            rest = block.variant.replace(part, "", 1).replace(", , ", ", ").strip(", ")
            return replace(block, variant=rest), name
    return block, ""


def ablation_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """One row a pair of arms, train and test condition, on the trainings that both arms have.

    Columns: the block, extra (which images), train, test, trainings, and for accuracy and f1_macro each without,
    with, difference, low and high (paired 95 % bootstrap over faces x trainings); p of the mixed model with random
    faces and trainings (`crossed.crossed_test`), p_holm, corrected for the table; and mcnemar_significant: how many of
    the trainings differ in the exact McNemar test (p < .05, Holm-corrected for all such tests of the table).
    """
    rows: list[dict[str, Any]] = []
    tests: list[list[float]] = []
    for rest, without, with_, extra in arms(counted):
        for train, test in by_cell(counted[without]):
            first, second = (by_training(counted[block], train, test) for block in (without, with_))
            shared = in_order(set(first) & set(second))
            if not shared:
                continue
            bootstrap = training_bootstrap([first[training] for training in shared])
            sides = [{training: side[training].cell for training in shared} for side in (first, second)]
            row = asdict(rest) | {"extra": extra, "train": train, "test": test, "trainings": len(shared)}
            for metric, statistic in (("accuracy", accuracy_of), ("f1_macro", f1_macro_of)):
                change = bootstrap.difference(statistic, [sides[0]], [sides[1]])
                values = [float(bootstrap.interval(statistic, side).value) for side in sides]
                row |= {f"{metric}_without": values[0], f"{metric}_with": values[1],
                        f"{metric}_difference": float(change.value), f"{metric}_low": float(change.low),
                        f"{metric}_high": float(change.high)}  # fmt: skip
            right_NR2 = np.stack([[cell.correct_N for cell in side.values()] for side in sides], axis=-1)
            row["p"] = crossed_test(right_NR2.transpose(1, 0, 2), pair_contrast(2, [0], [1])).p
            rows.append(row)
            tests.append(
                [
                    paired_test(sides[0][training].correct_N, sides[1][training].correct_N).p
                    for training in shared
                ]
            )
    corrected = iter(holm([p for found in tests for p in found]))
    table = pd.DataFrame(rows)
    if not len(table):
        return table
    return table.assign(
        p_holm=holm(table["p"].fillna(1.0).tolist()),
        mcnemar_significant=[sum(next(corrected) < 0.05 for _ in found) for found in tests],
    )


def extra_grid(table: pd.DataFrame) -> Grid:
    """With and without extra training images."""
    rows = []
    for row in records(table):
        line = [
            Entry(row["model"], row["variant"]),
            Entry(row["extra"]),
            Entry(row["train"]),
            Entry(row["test"]),
        ]
        for metric in ("accuracy", "f1_macro"):
            line.append(Entry(f"{100 * row[f'{metric}_without']:.1f} → {100 * row[f'{metric}_with']:.1f}",
                              f"{signed(row[f'{metric}_difference'])} "
                              f"({points(row[f'{metric}_low'], row[f'{metric}_high'])})"))  # fmt: skip
        line += [Entry(p_value(row["p_holm"])), Entry(f"{row['mcnemar_significant']} of {row['trainings']}")]
        rows.append(line)
    caption = (
        "Without → with the extra images, on the same test faces; below, the difference in points with its paired 95 % "
        "interval over faces and trainings. p: mixed model, Holm-corrected for this table. McNemar: trainings in which "
        "the exact test finds a difference."
    )
    header = [
        "network",
        "extra images",
        "trained on",
        "tested on",
        "accuracy, %",
        "macro F1, %",
        "p (Holm)",
        "McNemar",
    ]
    return Grid(caption, header, rows, "extra_images", heads=2, words=(2, 3))
