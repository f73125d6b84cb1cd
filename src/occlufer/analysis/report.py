"""`report.html`: one self-contained page on a study, with the CSV behind every table and the figures for papers."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from occlufer.analysis import drawing, figures, views
from occlufer.analysis.comparisons import KINDS
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.scored import environment_of, packages_of
from occlufer.analysis.core.study import Block, ScoredRun, Study, load_study
from occlufer.analysis.extras import extra_sections
from occlufer.analysis.findings import cautions, findings
from occlufer.analysis.run_figures import write_run_figures
from occlufer.analysis.study_views import WHICH_TO_BELIEVE
from occlufer.analysis.tables import EXTRAS, fold_metrics, of_block, study_tables
from occlufer.analysis.terminal import matrix_text
from occlufer.files import atomic_path, write_text

__all__ = ["Report", "matrix_text", "write_report"]

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Report:
    """What `write_report` wrote: the page, the CSV behind each table by name, and the findings as plain text."""

    path: Path
    tables: dict[str, Path]
    summary: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of the page: inline images for a light and a dark page, words for it, and the files beside it."""

    light: str
    dark: str
    alt: str
    caption: str
    files: tuple[str, ...]
    natural_width: int


def write_report(
    study_folder: Path, *, output: Path | None = None, run_figures: bool | None = None
) -> Report:
    """Write `report.html`, `tables/*.csv` and `figures/*` about the runs of a study; the page is written last.

    Args:
        study_folder: the folder that holds the run folders. Nothing but they are read.
        output: the folder to write into; the study's folder when None.
        run_figures: whether to draw confusion matrices and curves of every single run in the numbers, as PNG below
            `figures/runs`; None: of the runs of a cross-validation.

    Raises:
        RunError: no such folder, or no run folder in it. A study without a finished run gets a page that says so.
        StorageError: the files cannot be written.
    """
    study = load_study(study_folder)
    folder = study_folder if output is None else output
    tables = study_tables(study)
    paths = {name: _write_csv(table, folder / "tables" / f"{name}.csv") for name, table in tables.items()}
    _write_csv(fold_metrics(study), folder / "tables" / "metrics.csv", separator=";")
    for name in set(EXTRAS) - set(tables):  # of an earlier report
        (folder / "tables" / f"{name}.csv").unlink(missing_ok=True)
    sections = [_section(study, tables, block, folder / "figures") for block in study.blocks]
    cautions = _shared_cautions(sections)
    page = _environment().get_template("report.html.j2").render(
        study=study, sections=sections, cautions=cautions, facts=_facts(study, tables),
        runs=views.runs_grid(tables["runs"]),
        dropped=[views.dropped_grid(tables["dropped"], name) for name in tables["dropped"]["dataset"].unique()],
        samples=_samples(study, folder / "figures"), csv_names=sorted([*paths, "metrics"]),
        run_pictures=write_run_figures(study, tables, folder / "figures", run_figures),
        which_to_believe=WHICH_TO_BELIEVE, **extra_sections(tables),
    )  # fmt: skip
    write_text(folder / "report.html", page)
    return Report(folder / "report.html", paths, _summary(study, sections, cautions))


def _section(study: Study, tables: Tables, block: Block, folder: Path) -> dict[str, Any]:
    """What the page says about one block."""
    wanted = ("matrix", "recall", "comparisons", "confusion", "scores", "history")
    part = {name: of_block(tables[name], block) for name in wanted}
    number = study.blocks.index(block) + 1
    suffix = f"_{number}" if len(study.blocks) > 1 else ""
    trains = condition_order(part["matrix"]["train"])
    compared = part["comparisons"]
    kinds = [kind for kind in KINDS if (compared["kind"] == kind).any()]
    return {
        "block": block,
        "anchor": f"block-{number}",
        "findings": findings(part["matrix"], part["recall"], compared),
        "cautions": cautions(part["matrix"], compared),
        "matrices": [views.matrix_grid(part["matrix"], metric) for metric in ("accuracy", "f1_macro")],
        "matrix_pictures": [
            _matrix_picture(part, metric, folder, suffix) for metric in ("accuracy", "f1_macro")
        ],
        "recall_picture": _recall_picture(part, folder, suffix),
        "severity": _severity(tables, block, folder, suffix),
        "recalls": [(train, views.recall_grid(part["recall"], train)) for train in trains],
        "comparisons": [views.comparisons_grid(compared, kind) for kind in kinds],
        "tests": len(compared),
        "confusions": [_confusion_picture(part, train, folder, suffix) for train in trains],
        "curves": _curves(part, folder, suffix),
        "scores": views.scores_grid(part["scores"]),
    }


def _matrix_picture(part: Tables, metric: str, folder: Path, suffix: str) -> Picture:
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}[metric]
    return _picture(
        lambda theme: figures.matrix_figure(part["matrix"], metric, theme), folder, f"matrix_{metric}{suffix}",
        f"Heat map of {name}; the table below holds the same numbers.",
        f"{name}: rows are train conditions, columns test conditions.",
    )  # fmt: skip


def _recall_picture(part: Tables, folder: Path, suffix: str) -> Picture:
    return _picture(
        lambda theme: figures.recall_figure(part["recall"], theme), folder, f"recall{suffix}",
        "Dots with intervals: recall of each expression under each test condition; the tables below hold the numbers.",
        f"Recall by class. Bars are 95 % bootstrap intervals over {views.resampled_words(part['matrix'])}.",
    )  # fmt: skip


def _severity(tables: Tables, block: Block, folder: Path, suffix: str) -> dict[str, Any] | None:
    """Figure and table of accuracy against the covered share; None where no dial has three places."""
    rows = of_block(tables["severity"], block) if "severity" in tables else pd.DataFrame()
    if not len(rows):
        return None
    matrix = of_block(tables["matrix"], block)
    picture = _picture(
        lambda theme: figures.severity_figure(rows, theme), folder, f"severity{suffix}",
        "Lines of accuracy against the covered share of the face; the table below holds the same numbers.",
        f"Accuracy against the covered share. Bars are 95 % bootstrap intervals over {views.resampled_words(matrix)}; "
        "dotted: always answering the largest class.",
    )  # fmt: skip
    alone = condition_order(set(rows["test"]) - set(matrix["test"]))
    return {"picture": picture, "grid": views.severity_grid(rows), "alone": alone}


def _confusion_picture(part: Tables, train: str, folder: Path, suffix: str) -> Picture:
    rows = part["confusion"][part["confusion"]["train"] == train]
    return _picture(
        lambda theme: figures.confusion_figure(rows, theme), folder, f"confusion_{_slug(train)}{suffix}",
        f"Confusion matrices of the networks trained on {train}; confusion.csv holds the counts.",
        f"Trained on {train}. Upper number and shade: per cent of the true class; below: faces, all trainings.",
    )  # fmt: skip


def _curves(part: Tables, folder: Path, suffix: str) -> Picture | None:
    if not len(part["history"]):
        return None
    return _picture(
        lambda theme: figures.history_figure(part["history"], theme), folder, f"history{suffix}",
        "Training curves; history.csv holds the numbers.",
        "Loss and validation macro F1 of every run. The dot marks the best epoch.",
    )  # fmt: skip


def _picture(
    draw: Callable[[drawing.Theme], Figure], folder: Path, name: str, alt: str, caption: str
) -> Picture:
    light = draw(drawing.LIGHT)
    paths = drawing.save(light, folder, name)
    return Picture(
        drawing.svg_uri(paths[0].read_bytes()), drawing.data_uri(draw(drawing.DARK)), alt, caption,
        tuple(path.name for path in paths), round(96 * light.get_figwidth()),
    )  # fmt: skip


def _samples(study: Study, folder: Path) -> tuple[str, str] | None:
    """The strip of occluded test faces of the first run that has one (inline image, run's name); copied to figures/."""
    for run in sorted(study.runs, key=lambda run: run.summary.condition != "none"):
        try:
            content = (run.run.folder / "figures" / "samples.png").read_bytes()
        except OSError:
            continue
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            with atomic_path(folder / "samples.png") as temporary:
                temporary.write_bytes(content)
            return "data:image/png;base64," + base64.b64encode(content).decode("ascii"), run.run.name
    return None


def _facts(study: Study, tables: Tables) -> dict[str, Any]:
    """What was run: datasets, models, versions, commands, and the configuration of one run."""
    versions: dict[str, list[str]] = {}
    for run in study.runs:
        for package, version in packages_of(run.run).items():
            if version not in versions.setdefault(package, []):
                versions[package].append(version)
    first = study.runs[0] if study.runs else None
    return {
        "datasets": [
            (name, _counts(study, name)) for name in sorted({run.summary.dataset for run in study.runs})
        ],
        "models": sorted({run.summary.model for run in study.runs}),
        "seeds": sorted({run.summary.seed for run in study.runs}),
        "folds": sorted({run.summary.fold for run in study.runs if run.summary.fold is not None}),
        "protocols": sorted({str(run.config.get("protocol", "honest")) for run in study.runs}),
        "versions": {name: " / ".join(found) for name, found in versions.items()},
        "people": _people(tables["matrix"]),
        "platforms": _recorded(study.runs, "platform"),
        "commits": _recorded(study.runs, "git_commit"),
        "commands": list(dict.fromkeys(filter(None, (_command(run) for run in study.runs)))),
        "notes": list(dict.fromkeys(note for run in study.runs for note in run.summary.notes)),
        "finished": max((run.summary.finished for run in study.runs), default=None),
        "config_of": first.run.name if first else None,
        "config": _config_text(first) if first else None,
    }


def _people(matrix: pd.DataFrame) -> dict[str, int | None]:
    """Dataset -> how many people its intervals resample; None where faces are resampled."""
    found = {row["dataset"]: row.get("people") for row in records(matrix)}
    return {name: None if pd.isna(people) else int(people) for name, people in found.items()}


def _counts(study: Study, dataset: str) -> dict[str, int]:
    return next(run.summary.counts for run in study.runs if run.summary.dataset == dataset)


def _recorded(runs: tuple[ScoredRun, ...], name: str) -> list[str]:
    return sorted({str(value) for run in runs if (value := environment_of(run.run).get(name))})


def _command(run: ScoredRun) -> str:
    command = environment_of(run.run).get("command")
    return shlex.join(map(str, command)) if isinstance(command, list) else ""


def _config_text(run: ScoredRun) -> str:
    try:
        return (run.run.folder / "config.yaml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "config.yaml cannot be read."


def _shared_cautions(sections: list[dict[str, Any]]) -> list[str]:
    """What holds for every block is taken out of each and said once."""
    shared = [text for text in (sections[0]["cautions"] if sections else [])
              if all(text in section["cautions"] for section in sections)]  # fmt: skip
    for section in sections:
        section["cautions"] = [text for text in section["cautions"] if text not in shared]
    return shared


def _summary(study: Study, sections: list[dict[str, Any]], cautions: list[str]) -> str:
    lines = []
    for section in sections:
        lines += [
            section["block"].title,
            *(f"- {sentence}" for sentence in section["findings"] + section["cautions"]),
        ]
    lines += [f"- {sentence}" for sentence in cautions] if len(sections) == 1 else cautions
    if not sections:
        lines.append("No run of this study is finished: there is nothing to compare yet.")
    lines += [f"Left out: {item.name}. {item.reason}" for item in study.left_out]
    return "\n".join([*lines, *(f"Note: {warning}" for warning in study.warnings)])


def _write_csv(table: pd.DataFrame, path: Path, *, separator: str = ",") -> Path:
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, sep=separator)
    return path


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"
