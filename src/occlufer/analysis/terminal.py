"""The matrix of a study for the terminal."""

from __future__ import annotations

import math

import pandas as pd
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.scores import of_block
from occlufer.analysis.core.study import Block, Study
from occlufer.analysis.core.trainings import spread_words
from occlufer.reading import printable


def matrix_text(study: Study, matrix: pd.DataFrame) -> RenderableType:
    """Train x test condition, accuracy and macro F1 in per cent, mean and sd over seeds and folds: one table a block.

    Args:
        study: what `load_study` returned.
        matrix: its `scores.matrix_table`.
    """
    parts: list[RenderableType] = [_block_table(block, of_block(matrix, block)) for block in study.blocks]
    if not parts:
        parts.append(Text("No run of this study is finished."))
    parts += [Text(printable(f"Left out: {item.name}. {item.reason}")) for item in study.left_out]
    parts += [Text(printable(f"Note: {warning}")) for warning in study.warnings]
    return Group(*parts)


def _block_table(block: Block, matrix: pd.DataFrame) -> Table:
    first = matrix.iloc[0]
    table = Table(
        title=escape(block.title),
        title_justify="left",
        caption=f"Accuracy / macro F1, %; {spread_words(matrix)}; n = {first['n']} faces; "
        f"largest class alone {100 * first['majority_accuracy']:.1f}",
        caption_justify="left",
    )
    tests = condition_order(matrix["test"])
    table.add_column("trained on")
    for test in tests:
        table.add_column(f"tested on {escape(test)}", justify="right")
    for train in condition_order(matrix["train"]):
        cells = {row.test: row for row in matrix[matrix["train"] == train].itertuples()}
        table.add_row(escape(train), *(_cell(cells[test]) if test in cells else "–" for test in tests))
    return table


def _cell(row: object) -> str:
    parts = []
    for name in ("accuracy", "f1_macro"):
        mean, sd = getattr(row, f"{name}_mean"), getattr(row, f"{name}_sd")
        parts.append(f"{100 * mean:.1f}" + ("" if math.isnan(sd) else f" ±{100 * sd:.1f}"))
    return " / ".join(parts)
