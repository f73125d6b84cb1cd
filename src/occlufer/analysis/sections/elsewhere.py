"""On other faces: evaluations of runs on other datasets (`evaluate run=... dataset=...`), beside their own."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.cells import BOOTSTRAP_SEED, by_cell, people_of, resampled_faces
from occlufer.analysis.core.intervals import accuracy_interval, difference, interval, recall_interval
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, records
from occlufer.analysis.core.scored import ScoredRun
from occlufer.analysis.core.scores import sort_conditions
from occlufer.analysis.core.statistics import Interval
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, count, percent, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Entry, Grid, Text, bounds
from occlufer.runs import Run
from occlufer.types import EXPRESSIONS, RunError

Group = tuple[Block, str, str, str]
"""Block, train condition, other dataset, test condition."""


class Elsewhere(Section):
    """Accuracy, macro F1 and recall by class on other datasets, and the gap to the study's own test faces."""

    anchor, title, nav = "elsewhere", "On other faces", "On other faces"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        groups: dict[Group, list[tuple[ScoredRun, pd.DataFrame]]] = {}
        left_out = []
        for run in self.core.study.runs:
            for name in evaluated(run):
                if isinstance(rows := evaluation(run, name), str):
                    left_out.append({"run": run.run.name, "other": name, "reason": rows})
                    continue
                for test, part in rows.groupby("condition", sort=False):
                    groups.setdefault((run.block, run.summary.condition, name, str(test)), []).append(
                        (run, part)
                    )
        made = [self._row(group, found) for group, found in groups.items()]
        table = sort_conditions(pd.DataFrame(made)) if made else pd.DataFrame()
        return {"elsewhere": table, "elsewhere_left_out": pd.DataFrame(left_out)}

    def _row(self, group: Group, found: list[tuple[ScoredRun, pd.DataFrame]]) -> dict[str, Any]:
        block, train, other, test = group
        keys = set.intersection(*({*part["key"]} for _, part in found))
        parts = [part[part["key"].isin(keys)].sort_values("key") for _, part in found]
        people_N = people_of([part["subject"] for part in parts])
        # Another seed than that of the study's own faces: the two samples of faces are independent.
        faces = resampled_faces(
            parts[0]["label"], people_N, seed=BOOTSTRAP_SEED + 1, resamples=self.core.resamples
        )
        cells = {
            run.training: faces.cell(part["prediction"]) for (run, _), part in zip(found, parts, strict=True)
        }
        row: dict[str, Any] = asdict(block) | {
            "train": train, "other": other, "test": test, "n": len(parts[0]), "trainings": len(cells),
            "people": pd.NA if people_N is None else int(people_N.max()) + 1,
        }  # fmt: skip
        row |= _columns("accuracy", accuracy_interval(cells)) | _columns(
            "f1_macro", interval(f1_macro_of, cells)
        )
        recall = recall_interval(cells)
        for place, name in enumerate(EXPRESSIONS):
            row |= {f"recall_{name}": recall.value[place], f"recall_{name}_low": recall.low[place],
                    f"recall_{name}_high": recall.high[place]}  # fmt: skip
        runs = {run.run.name for run, _ in found}
        items = [item for item in self.core.every[block] if item.run.run.name in runs]
        own = by_cell(items).get((train, test))
        # Other faces, drawn with another seed; the same trainings.
        gap = difference(accuracy_of, own, cells) if own else Interval(*(np.asarray(np.nan),) * 3)
        return row | _columns("gap", gap)

    def opening(self) -> list[Any]:
        return [Text("The same networks on faces of other datasets. Gap: accuracy there minus accuracy on the "
                     "study’s own "
                     "test faces under the same condition; the samples of faces are resampled "
                     "independently, the trainings together.")]  # fmt: skip

    def block_parts(self, block: Block) -> list[Any]:
        rows = self.of("elsewhere", block)
        return [elsewhere_grid(rows)] if len(rows) else []

    def closing(self) -> list[Any]:
        return [Text(f"Left out: {row['run']} on {row['other']}. {row['reason']}")
                for row in records(self.tables["elsewhere_left_out"])]  # fmt: skip

    def findings(self, block: Block) -> list[str]:
        rows = self.of("elsewhere", block)
        return [
            f"On {row['other']}, networks trained on {condition_phrase(row['train'])} reach "
            f"{percent(row['accuracy'])} on "
            f"{condition_phrase(row['test'])} ({count(row['n'], 'face')}), {signed(row['gap'])} points against "
            f"their own "
            f"test faces (95 % interval {points(row['gap_low'], row['gap_high'])})."
            for row in (records(rows) if len(rows) else [])
            if not np.isnan(row["gap"])
        ]


def evaluated(run: ScoredRun) -> list[str]:
    """Names of the other datasets that a run was tested on."""
    return sorted(path.parent.name for path in run.run.folder.glob("elsewhere/*/predictions.parquet"))


def evaluation(run: ScoredRun, name: str) -> pd.DataFrame | str:
    """The rows of a test on another dataset, or why they cannot be used."""
    try:
        rows = Run(run.run.folder / "elsewhere" / name).predictions()
    except RunError as error:
        return str(error)
    rows = rows[rows["split"] == "test"]
    valid = rows[["label", "prediction"]].isin(range(len(EXPRESSIONS))).all(axis=None)
    if not len(rows) or not valid or rows.duplicated(["key", "condition"]).any():
        return "Its predictions.parquet holds no usable test rows. Run `occlufer evaluate` again."
    return rows.astype({"label": "int64", "prediction": "int64"})


def _columns(name: str, found: Interval) -> dict[str, float]:
    return {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}


def elsewhere_grid(rows: pd.DataFrame) -> Grid:
    """Rows of the table of other datasets."""
    lines = []
    for row in records(rows):
        faces = (
            "" if pd.isna(row["people"]) else count(int(row["people"]), "person").replace("persons", "people")
        )
        line = [
            Entry(row["other"], condition_phrase(row["test"])),
            Entry(condition_phrase(row["train"])),
            Entry(str(row["n"]), faces),
        ]
        for name in ("accuracy", "f1_macro"):
            line.append(Entry(percent(row[name]), bounds(row[f"{name}_low"], row[f"{name}_high"])))
        gap = "" if np.isnan(row["gap"]) else points(row["gap_low"], row["gap_high"])
        line.append(Entry(signed(row["gap"]), gap))
        line += [Entry(percent(row[f"recall_{name}"]), bounds(row[f"recall_{name}_low"], row[f"recall_{name}_high"]))
                 for name in EXPRESSIONS]  # fmt: skip
        lines.append(line)
    header = ["dataset", "trained on", "faces", "accuracy", "macro F1", "gap, points", *EXPRESSIONS]
    caption = (
        "Per cent with 95 % intervals over the faces (or people) of that dataset and trainings. "
        "From anger on: recall by class."
    )
    return Grid(caption, header, lines, "elsewhere", heads=2)
