"""What came out beside what was published, see `occlufer.studies.published`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from occlufer.analysis.core.cells import Counted, by_training, training_bootstrap
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of
from occlufer.analysis.core.statistics import spread
from occlufer.analysis.core.study import Block
from occlufer.studies.published import Figure, published_studies

_STATISTICS = {"accuracy": accuracy_of, "f1_macro": f1_macro_of}


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


def _beside(figure: Figure, block: Block, items: list[Counted]) -> list[dict[str, Any]]:
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
