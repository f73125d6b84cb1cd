"""The dashboard of a study on wandb, as code: the matrix, recall by class, severity, curves, samples, a table of runs.

    python scripts/wandb_dashboard.py --entity TEAM --study first                    # make it on wandb (needs a login)
    python scripts/wandb_dashboard.py --entity TEAM --study first --json board.json  # only write it down, offline

Runs come there by `logger.mode=online`, or offline and afterwards by `wandb sync outputs/STUDY/*/wandb/offline-run-*`.
The panels read what `occlufer.tracking` writes: `test/<condition>/<metric>`, `test/<condition>/recall/<expression>`,
`test/predictions`, and condition, model, seed and fold in the configuration.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from occlufer.commands.options import group_options
from occlufer.files import write_text
from occlufer.types import EXPRESSIONS, ConfigError, OccluferError, unknown_name

CURVES = ("train_loss", "val_loss", "val_accuracy", "val_f1_macro", "learning_rate")


def panels(workspaces: Any, reports: Any, conditions: Sequence[str]) -> list[Any]:
    """The sections, top to bottom."""

    def section(name: str, *shown: Any, columns: int = 3) -> Any:
        layout = workspaces.SectionLayoutSettings(columns=columns, rows=2)
        return workspaces.Section(name=name, panels=list(shown), is_open=True, layout_settings=layout)

    def bars(title: str, metrics: list[str]) -> Any:
        return reports.BarPlot(
            title=title, metrics=[reports.SummaryMetric(name) for name in metrics], orientation="v",
            groupby=reports.Config("condition"), groupby_aggfunc="mean", groupby_rangefunc="stddev",
            title_x="trained on",
        )  # fmt: skip

    matrix = [
        bars(f"{metric}, tested under {condition}", [f"test/{condition}/{metric}"])
        for metric in ("accuracy", "f1_macro")
        for condition in conditions
    ]
    recall = [
        bars(f"recall of {expression}", [f"test/{condition}/recall/{expression}" for condition in conditions])
        for expression in EXPRESSIONS
    ]
    curves = [
        reports.LinePlot(title=name, x="epoch", y=[name], groupby=reports.Config("condition"))
        for name in CURVES
    ]
    severity = reports.CustomChart(
        query={"summaryTable": {"tableKey": "test/severity_table"}},
        chart_name="wandb/line/v0",
        chart_fields={"x": "covered_share", "y": "accuracy"},
        chart_strings={"title": "Accuracy by covered share of the face"},
    )
    return [
        section("Matrix: trained on, tested under", *matrix, columns=len(conditions)),
        section("Severity", severity, columns=1),
        section("Recall by class", *recall, columns=4),
        section("Curves", *curves),
        section(
            "Faces", reports.MediaBrowser(title="training faces", media_keys=["training faces"]), columns=1
        ),
        section("Runs", reports.RunComparer(diff_only=True), columns=1),
    ]


def workspace(entity: str, project: str, study: str, conditions: Sequence[str]) -> Any:
    """The dashboard of one study: a `wandb_workspaces` Workspace over the runs of its group."""
    import wandb_workspaces.reports.v2 as reports
    import wandb_workspaces.workspaces as workspaces

    runs = workspaces.RunsetSettings(
        filters=f"Metric('Group') == '{study}'",
        groupby=[workspaces.Config("condition"), workspaces.Config("model")],
        order=[workspaces.Ordering(workspaces.Summary(f"test/{conditions[0]}/accuracy"), ascending=False)],
    )
    return workspaces.Workspace(
        entity=entity, project=project, name=f"occlufer: {study}", runset_settings=runs,
        sections=panels(workspaces, reports, conditions),
    )  # fmt: skip


def serialised(board: Any) -> str:
    """The dashboard as wandb stores it, JSON."""
    text: str = board._to_model().model_dump_json(indent=2, by_alias=True, exclude_none=True)
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the dashboard, or write it to a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entity", required=True, help="your wandb user or team")
    parser.add_argument("--project", default="occlufer")
    parser.add_argument("--study", required=True)
    parser.add_argument("--conditions", nargs="+", default=["none", "mask", "headset"])
    parser.add_argument("--json", type=Path, help="write it here instead of sending it")
    asked = parser.parse_args(arguments)
    known = group_options("occlusion")
    for name in asked.conditions:
        if name.partition("@")[0] not in known:
            raise ConfigError(unknown_name("condition", name, known))
    if any(mark in asked.study for mark in "'\\"):
        raise ConfigError(f"--study must be a plain name, found {asked.study!r}.")
    try:
        board = workspace(asked.entity, asked.project, asked.study, asked.conditions)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error.name} is not installed. Install it with: pip install 'occlufer[dashboards]'"
        ) from error
    if asked.json is not None:
        write_text(asked.json, serialised(board) + "\n")
        print(f"Written to {asked.json}.")
        return
    board.save()
    print(f"Made: {board.url}")


if __name__ == "__main__":
    try:
        main()
    except OccluferError as error:
        sys.exit(f"Error: {error}")
