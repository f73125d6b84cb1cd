"""Settings of a grid search: which was chosen, and by what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pandas as pd

from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.scores import sort_conditions
from occlufer.analysis.core.selection import BY_TEST, BY_VALIDATION
from occlufer.analysis.core.study import Study
from occlufer.analysis.core.words import percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Details,
    Entry,
    Grid,
    Text,
)


class GridSearch(Section):
    """Where several settings were tried, the one that is in the numbers."""

    anchor, title, nav = "settings", "Settings chosen", "Settings"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"settings": settings_table(self.core.study)}

    def parts(self) -> list[Any]:
        table = self.tables["settings"]
        if not len(table):
            return []
        rule = (
            "Where it was chosen by test accuracy, as the published protocol does, the test faces have been "
            "used twice, "
            "and the scores of the chosen setting are too good."
            if table["chosen_by"].eq(BY_TEST).any()
            else "It was chosen by validation scores, so the test faces had no say in it."
        )
        tried = tried_grid(table)
        return [
            Text(f"Several settings were tried for each network and train condition; one is kept. {rule}"),
            chosen_grid(table), Details(f"Every setting that was tried ({len(tried.rows)})", [tried]),
        ]  # fmt: skip


def settings_table(study: Study) -> pd.DataFrame:
    """Every setting that a grid search tried (`selection.Choice`), one row each, best first in its cell."""
    rows = []
    for choice in study.choices:
        row = asdict(choice)
        rows.append(row.pop("block") | row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).rename(
        columns={"validation": "validation_f1_macro", "test": "test_accuracy", "by": "chosen_by"}
    )
    table["rank"] = table["validation_f1_macro"].where(table["chosen_by"] != BY_TEST, table["test_accuracy"])
    order = ["rank", "setting"]
    table = table.sort_values(order, ascending=[False, True]).drop(columns="rank")
    return sort_conditions(table.assign(test=table["train"])).drop(columns="test")


def chosen_grid(settings: pd.DataFrame) -> Grid:
    """Which setting of each grid was chosen, by what, and which one the other rule would have chosen."""
    rows = []
    for _, tried in settings.groupby(["dataset", "model", "variant", "train"], sort=False):
        chosen = tried[tried["chosen"]].iloc[0]
        able = tried[tried["reason"] == ""]
        other_rule = "validation_f1_macro" if chosen["chosen_by"] == BY_TEST else "test_accuracy"
        other = (
            able.sort_values(other_rule, ascending=False, na_position="last").iloc[0] if len(able) else chosen
        )
        rows.append([
            Entry(chosen["model"], chosen["variant"]), Entry(chosen["train"]),
            Entry(chosen["setting"], f"of {len(tried)} settings"), Entry(chosen["chosen_by"]),
            Entry(percent(chosen["validation_f1_macro"])), Entry(percent(chosen["test_accuracy"])),
            Entry(other["setting"] if other["setting"] != chosen["setting"] else "the same",
                  f"test accuracy {percent(other['test_accuracy'])}" if other["setting"] != chosen["setting"] else ""),
        ])  # fmt: skip
    rule = BY_TEST if (settings["chosen_by"] == BY_TEST).all() else BY_VALIDATION
    caption = (
        "The setting that is in all numbers of this page, for each network and train condition, averaged over seeds "
        "and folds. Last column: what the other rule would have chosen"
        f" ({BY_VALIDATION if rule == BY_TEST else BY_TEST})."
    )
    header = [
        "network",
        "trained on",
        "setting",
        "chosen by",
        "validation macro F1",
        "test accuracy",
        "other rule",
    ]
    return Grid(caption, header, rows, "settings", heads=2, words=(2, 3, 6))


def tried_grid(settings: pd.DataFrame) -> Grid:
    """Every setting that was tried."""
    rows = [
        [Entry(row["model"], row["variant"]), Entry(row["train"]),
         Entry(row["setting"], "chosen" if row["chosen"] else row["reason"], own=bool(row["chosen"])),
         Entry(str(row["trainings"])), Entry(percent(row["validation_f1_macro"])),
         Entry(percent(row["test_accuracy"]))]
        for row in records(settings)
    ]  # fmt: skip
    header = ["network", "trained on", "setting", "trainings", "validation macro F1", "test accuracy"]
    return Grid("Every setting that was tried, best first.", header, rows, "settings", heads=2, words=(2,))
