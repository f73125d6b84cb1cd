"""What was run: data, networks, versions, commands, and every run folder."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

import pandas as pd

from occlufer.analysis.core.scored import ScoredRun, environment_of, packages_of
from occlufer.analysis.core.scores import sort_conditions
from occlufer.analysis.core.study import Study
from occlufer.analysis.core.words import percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Details,
    Entry,
    Facts,
    Files,
    Grid,
    Pre,
    Text,
    fold_text,
    named,
    without_folds,
)


class Runs(Section):
    """Every run folder, and how to make it again."""

    anchor, title, nav = "run", "What was run", "What was run"
    lasting = ("runs",)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"runs": runs_table(self.core.study)}

    def parts(self) -> list[Any]:
        runs = self.core.study.runs
        if not runs:
            return [Files("Every run folder is listed in", [("tables/runs.csv", "runs.csv")])]
        commands = dict.fromkeys(filter(None, map(_command, runs)))
        return [
            Facts(_facts(runs)),
            *(Text(note) for note in dict.fromkeys(note for run in runs for note in run.summary.notes)),
            runs_grid(self.tables["runs"]),
            *([Details(f"Commands ({len(commands)})", [Pre("\n".join(commands))])] if commands else []),
            Details(f"Configuration of {runs[0].run.name}", [Pre(_config_text(runs[0]))]),
        ]


def _facts(runs: Iterable[ScoredRun]) -> list[tuple[str, str]]:
    counts = {run.summary.dataset: run.summary.counts for run in reversed(list(runs))}
    versions: dict[str, list[str]] = {}
    for run in runs:
        for package, version in packages_of(run.run).items():
            if version not in versions.setdefault(package, []):
                versions[package].append(version)
    facts = [("Dataset", f"{name}: {', '.join(f'{number} {part}' for part, number in counts[name].items())}")
             for name in sorted(counts)]  # fmt: skip
    facts += [
        ("Models", ", ".join(sorted({run.summary.model for run in runs}))),
        ("Seeds", ", ".join(map(str, sorted({run.summary.seed for run in runs})))),
        (
            "Folds",
            ", ".join(map(str, sorted({run.summary.fold for run in runs if run.summary.fold is not None}))),
        ),
        ("Versions", ", ".join(f"{name} {' / '.join(found)}" for name, found in versions.items())),
        ("Platform", "; ".join(_recorded(runs, "platform"))),
        ("Commit", ", ".join(_recorded(runs, "git_commit"))),
    ]
    return [(name, text) for name, text in facts if text]


def _recorded(runs: Iterable[ScoredRun], name: str) -> list[str]:
    return sorted({str(value) for run in runs if (value := environment_of(run.run).get(name))})


def _command(run: ScoredRun) -> str:
    command = environment_of(run.run).get("command")
    return shlex.join(map(str, command)) if isinstance(command, list) else ""


def _config_text(run: ScoredRun) -> str:
    try:
        return (run.run.folder / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "config.yaml cannot be read."


def runs_table(study: Study) -> pd.DataFrame:
    """Every run folder found: name, what it is, state, and why it is left out (empty when it is in the numbers)."""
    scored = {run.run.name: run for run in (*study.runs, *study.not_chosen)}
    chosen = {run.run.name for run in study.runs}
    reasons = {item.name: item.reason for item in study.left_out}
    rows = []
    for found in study.found:
        row: dict[str, Any] = {
            "run": found.name,
            "state": "in the numbers" if found.name in chosen else "left out",
        }
        if (run := scored.get(found.name)) is not None:
            summary = run.summary
            row |= {"dataset": summary.dataset, "model": summary.model, "variant": run.block.variant,
                    "train": summary.condition, "seed": summary.seed, "fold": summary.fold, "setting": run.setting,
                    "epochs": summary.epochs,
                    "best_epoch": summary.best_epoch, "validation_f1_macro": summary.best_score,
                    "seconds": summary.seconds, "parameters": summary.parameters}  # fmt: skip
        other = (
            "Another setting of the grid was chosen."
            if found.name in scored and found.name not in chosen
            else ""
        )
        rows.append(row | {"reason": reasons.get(found.name, other)})
    columns = ["run", "dataset", "model", "variant", "train", "seed", "fold", "setting", "epochs", "best_epoch",
               "validation_f1_macro", "seconds", "parameters", "state", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("seed", "fold", "epochs", "best_epoch", "parameters"), "Int64")
    )


def runs_grid(runs: pd.DataFrame) -> Grid:
    """The finished runs that are in the numbers."""
    rows = []
    for _, row in sort_conditions(runs[runs["reason"] == ""]).iterrows():
        rows.append([
            Entry(row["run"]), *named(row["train"]), Entry(row["model"], f"{row['parameters']:,} weights"),
            Entry(str(row["seed"])), Entry(fold_text(row["fold"])),
            Entry(str(row["epochs"]), f"scored: {row['best_epoch']}"),
            Entry(percent(row["validation_f1_macro"])), Entry(_duration(row["seconds"])),
        ])  # fmt: skip
    caption = (
        "Runs in the numbers. Epochs are counted from 1; the one that was scored is the best by validation macro "
        "F1, or with protocol=published the last."
    )
    header = ["run", "trained on", "model", "seed", "fold", "epochs", "validation macro F1", "time"]
    header, rows = without_folds(header, rows)
    return Grid(caption, header, rows, "runs", words=(1, 2))


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
