"""What came out beside what was published, see `occlufer.studies.published`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from occlufer.analysis.core.cells import Counted, by_training, training_bootstrap
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, records
from occlufer.analysis.core.statistics import spread
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Entry,
    Grid,
    Heading,
    Text,
)
from occlufer.studies.published import Figure as Printed
from occlufer.studies.published import published_studies

NOT_KNOWN = "not known"
_STATISTICS = {"accuracy": accuracy_of, "f1_macro": f1_macro_of}


class Published(Section):
    """Reproduced beside published, for re-runs of a published study."""

    anchor, title, nav = "published", "Reproduced beside published", "Beside published"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"published": published_table(self.core.counted)}

    def parts(self) -> list[Any]:
        table = self.tables["published"]
        found: list[Any] = []
        for name in table["study"].unique() if len(table) else []:
            study = published_studies()[name]
            unknown = f" Not known: {study.unknown}." if study.unknown else ""
            source = f"{study.authors}, {study.venue}, doi {study.doi}.{unknown}"
            found += [
                Heading(study.title),
                Text(source, quiet=True),
                published_grid(table[table["study"] == name]),
            ]
        return found


def published_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Reproduced beside published, for blocks whose runs name a study in the setting `published`.

    One row a figure and network trained and tested under its condition: mean, sd, low and high (95 % bootstrap over
    faces x trainings), and, on the study's own data only, difference = ours minus published and whether the published
    value lies `inside` the interval. Empty = not known; a figure without any run has no mean. `remark` says why not, or
    in what the runs differ.
    """
    rows: list[dict[str, Any]] = []
    for block, every in counted.items():
        items = [item for item in every if item.run.learns]  # a study's figures are those of its networks
        for name in sorted({str(item.run.config.get("published") or "") for item in items} - {""}):
            study = published_studies().get(name)
            if study is None:
                continue
            for figure in study.comparable(block.dataset):
                rows += [
                    asdict(block)
                    | {"study": name, "published_dataset": figure.dataset, "condition": figure.condition,
                       "metric": figure.metric, "published": figure.value, "printed": figure.printed,
                       "source": figure.source}
                    | row
                    for row in _beside(figure, block, items)
                ]  # fmt: skip
    return pd.DataFrame(rows)


def _beside(figure: Printed, block: Block, items: list[Counted]) -> list[dict[str, Any]]:
    """Our side of one figure: one row for each of our conditions that stands for the study's."""
    matches = [match for match in figure.runs if block.dataset in match.datasets]
    own_data = bool(matches)
    bootstrap = training_bootstrap(items)
    rows = []
    for match in matches or figure.runs:
        for condition in match.conditions:
            cell = by_training(items, condition, condition)
            if not cell:
                continue
            statistic = _STATISTICS[figure.metric]
            found = bootstrap.interval(statistic, {training: item.cell for training, item in cell.items()})
            mean, sd, count = spread([float(statistic(item.cell.observed_77)) for item in cell.values()])
            row: dict[str, Any] = {"ours": condition, "trainings": count, "mean": mean, "sd": sd}
            row |= {"low": float(found.low), "high": float(found.high)}
            if not own_data:
                row["remark"] = f"other faces than the study's ({block.dataset}), so not comparable"
            else:
                row["remark"] = match.note
                if figure.value is not None:
                    inside = float(found.low) <= figure.value <= float(found.high)
                    row |= {"difference": mean - figure.value, "inside": inside}
            rows.append(row)
    if own_data and not rows:
        return [{"remark": "no run of this condition yet"}]
    return [
        row for place, row in enumerate(rows) if row["ours"] not in {other["ours"] for other in rows[:place]}
    ]


def published_grid(table: pd.DataFrame) -> Grid:
    """Reproduced beside published: the rows of one study of `published.published_table`."""
    several = table[["model", "variant"]].drop_duplicates()["variant"].ne("").any()
    rows = []
    for row in records(table):
        value = row["published"]
        known = value is not None and not math.isnan(value)
        rows.append([
            Entry(f"{row['published_dataset']}, {row['condition']}", row["metric"].replace("f1_macro", "macro F1")),
            Entry(row["model"], row["variant"] if several else ""),
            *_ours(row),
            Entry(row["printed"] if row["printed"] else NOT_KNOWN, row["source"] or "source not known"),
            Entry(signed(row.get("difference", math.nan)) if known else NOT_KNOWN),
            Entry(_inside(row, known)),
            Entry(_text(row.get("remark"))),
        ])  # fmt: skip
    header = ["figure", "network", "our runs", "reproduced, %", "published", "difference, points",
              "inside our interval", "remark"]  # fmt: skip
    if not any(row[-1].text for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    caption = (
        "Reproduced: mean ± sd over seeds and folds; below, the 95 % interval over test faces and trainings. "
        "Difference: reproduced minus published."
    )
    return Grid(caption, header, rows, "published", heads=2, words=(2, 6, 7))


def _ours(row: dict[str, Any]) -> list[Entry]:
    if not _text(row.get("ours")):
        return [Entry("–"), Entry("–")]
    sd = "" if math.isnan(row["sd"]) else f" ± {100 * row['sd']:.1f}"
    trainings = int(row["trainings"])
    return [
        Entry(row["ours"], f"{trainings} training{'s' * (trainings > 1)}"),
        Entry(f"{100 * row['mean']:.1f}{sd}", f"{100 * row['low']:.1f}–{100 * row['high']:.1f}"),
    ]


def _inside(row: dict[str, Any], known: bool) -> str:
    if not known:
        return NOT_KNOWN
    inside = row.get("inside")
    return "–" if not isinstance(inside, bool) else "yes" if inside else "no"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
