"""Faces left out of every condition, as no landmarks were found."""

from __future__ import annotations

from typing import Any

import pandas as pd

from occlufer.analysis.core.study import Study
from occlufer.analysis.core.words import count, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Entry,
    Grid,
    Text,
)
from occlufer.types import EXPRESSIONS, SPLITS


class Dropped(Section):
    """Faces without landmarks, by class and split."""

    anchor, title, nav = "dropped", "Faces dropped, and the classes they came from", "Dropped faces"
    lasting = ("dropped",)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"dropped": dropped_table(self.core.study)}

    def parts(self) -> list[Any]:
        table = self.tables["dropped"]
        if not len(table):
            return []
        found: list[Any] = [Text(
            "A face in which no landmarks were found cannot be covered. It is left out of every condition, also "
            "the bare "
            "one, so that all conditions see the same faces.")]  # fmt: skip
        for name in table["dataset"].unique():
            part = table[table["dataset"] == name]
            if part["dropped"].sum():
                found.append(dropped_grid(table, name))
            else:
                found.append(Text(f"{name}: none of {count(int(part['faces'].sum()), 'face')} was dropped."))
        return found


def dropped_table(study: Study) -> pd.DataFrame:
    """Faces without landmarks by dataset, split and expression: faces, used, dropped, dropped_share."""
    columns = ["dataset", "split", "expression", "faces", "used", "dropped"]
    frames = []
    for run in study.runs:
        coverage = run.run.coverage()
        if set(columns[1:]) <= set(coverage.columns):
            frames.append(coverage.assign(dataset=run.summary.dataset)[columns])
    if not frames:
        return pd.DataFrame(columns=[*columns, "dropped_share"])
    # All runs on one dataset drop the same faces; should they not, the largest count is the honest one to show.
    table = pd.concat(frames).sort_values("dropped").drop_duplicates(columns[:3], keep="last")
    order = {name: place for place, name in enumerate([*SPLITS, *EXPRESSIONS])}
    table = table.sort_values(
        columns[:3], key=lambda column: column.map(order).fillna(column) if column.name != "dataset" else column,
        ignore_index=True,
    )  # fmt: skip
    return table.assign(dropped_share=table["dropped"] / table["faces"].where(table["faces"] > 0))


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
