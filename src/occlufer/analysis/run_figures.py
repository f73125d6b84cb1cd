"""Confusion matrix and training curves of each single run, as the published study keeps them for each fold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from occlufer.analysis.core.study import Study
from occlufer.analysis.sections.confusion import confusion_figure
from occlufer.analysis.sections.curves import history_figure
from occlufer.analysis.sections.drawing import save


def write_run_figures(
    study: Study, tables: dict[str, pd.DataFrame], folder: Path, wanted: bool | None
) -> list[tuple[str, list[str]]]:
    """Draw `runs/<run>/confusion.png` and `curves.png` below `folder`.

    Args:
        wanted: whether to draw runs; None: those of a cross-validation.

    Returns:
        (name of the run, its files relative to `folder`) for each run that was drawn.
    """
    drawn = []
    for run in study.runs:
        if not (run.summary.fold is not None if wanted is None else wanted):
            continue
        confusion, history = (
            table[table["run"] == run.run.name] for table in (tables["confusion_runs"], tables["history"])
        )
        pictures: dict[str, Figure] = {"confusion": confusion_figure(confusion)}
        if len(history):
            pictures["curves"] = history_figure(history, metric="accuracy")
        for name, figure in pictures.items():
            save(figure, folder / "runs" / run.run.name, name, kinds=("png",))
        drawn.append((run.run.name, [f"runs/{run.run.name}/{name}.png" for name in pictures]))
    return drawn
