"""What the numbers make suspicious, with the numbers: leads for the person who ran the study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.metrics import confusion, records
from occlufer.analysis.core.scored import ScoredRun
from occlufer.analysis.core.words import count, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.elsewhere import evaluated, evaluation
from occlufer.analysis.sections.parts import Entry, Grid
from occlufer.reading import read_json
from occlufer.types import EXPRESSIONS, RunError

_FEW = 5  # faces of a class below which nothing is said
_DIVERGED = 3.0  # times the loss of answering all classes alike, ln 7


class Leads(Section):
    """Two classes exchanged, a class never answered, a loss that ran away, another view in test than in training."""

    anchor, title, nav = "leads", "Leads: what looks wrong", "Leads"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        rows = [
            {"run": run.run.name, "lead": kind, "numbers": numbers}
            for run in self.core.study.runs
            for kind, numbers in (*leads(run), *other_views(run))
        ]
        return {"leads": pd.DataFrame(rows)}

    def parts(self) -> list[Any]:
        table = self.tables["leads"]
        rows = [[Entry(row[name]) for name in ("run", "lead", "numbers")] for row in records(table)]
        caption = "Not errors by themselves: look at the data and the run before its numbers are used."
        return [Grid(caption, ["run", "lead", "numbers"], rows, "leads", words=(1, 2))] if rows else []


def leads(run: ScoredRun) -> Iterator[tuple[str, str]]:
    """(what looks wrong, the numbers behind it) of one run; `exchanged` and `never answered` on its own condition."""
    if not run.learns:
        return
    own = run.summary.condition if run.summary.condition in run.conditions else run.conditions[0]
    rows = run.rows(own)
    counts_77 = confusion(rows["label"], rows["prediction"])
    faces_7 = counts_77.sum(axis=1)
    shares_77 = counts_77 / np.maximum(faces_7[:, None], 1)
    for one in range(len(EXPRESSIONS)):
        for two in range(one):
            if min(faces_7[one], faces_7[two]) < _FEW:
                continue
            there, back = shares_77[two, one], shares_77[one, two]
            if there > shares_77[two, two] and back > shares_77[one, one] and min(there, back) > 0.25:
                yield (
                    f"{EXPRESSIONS[two]} and {EXPRESSIONS[one]} look exchanged",
                    f"on {own}, {percent(there)} and {percent(back)} of their faces are taken for the other, "
                    f"{percent(shares_77[two, two])} and {percent(shares_77[one, one])} classified correctly",
                )
    for place, name in enumerate(EXPRESSIONS):
        if faces_7[place] >= _FEW and not counts_77[:, place].sum():
            yield (
                f"{name} is never answered",
                f"on {own}, {count(int(faces_7[place]), 'face')} of {len(rows)} show it",
            )
    history = run.run.history()
    for column in ("train_loss", "val_loss"):
        if column not in history or not len(history):
            continue
        loss = pd.to_numeric(history[column], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(loss[-1]) or loss[-1] > _DIVERGED * np.log(len(EXPRESSIONS)):
            yield (
                "the training diverged",
                f"{column} of the last epoch: {loss[-1]:.4g}; of the first: {loss[0]:.4g}",
            )


def other_views(run: ScoredRun) -> Iterator[tuple[str, str]]:
    """The same for each other dataset whose faces were seen through another view than the run's own."""
    trained = run.config.get("view")
    for name in evaluated(run):
        try:
            seen = read_json(run.run.folder / "elsewhere" / name / "view.json")
        except RunError:  # an evaluation of an earlier version
            continue
        if not isinstance(trained, dict) or seen == trained or isinstance(rows := evaluation(run, name), str):
            continue
        for condition, part in rows.groupby("condition", sort=False):
            right = percent((part["label"] == part["prediction"]).mean())
            own = run.rows(str(condition)) if condition in run.conditions else None
            beside = (
                ""
                if own is None
                else f", {percent((own['label'] == own['prediction']).mean())} on its own faces"
            )
            yield (
                f"{name} was seen through another view than the training",
                f"there {_told(seen)}, in training {_told(trained)}; on {condition}, {right} classified correctly"
                f"{beside}",
            )


def _told(view: Any) -> str:
    """A view for one line: the name of what builds it, and its settings."""
    settings = dict(view) if isinstance(view, dict) else {"_target_": str(view)}
    name = str(settings.pop("_target_", "?")).rsplit(".", 1)[-1]
    return f"{name}({', '.join(f'{key}={value}' for key, value in settings.items())})"
