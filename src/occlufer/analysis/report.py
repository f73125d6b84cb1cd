"""`report.html`: one self-contained page on a study, with the CSV behind every table and the figures for papers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import jinja2
import pandas as pd
from rich.console import RenderableType

from occlufer.analysis.core.conditions import condition_order, is_partial
from occlufer.analysis.core.core import MARGIN, Core
from occlufer.analysis.core.metrics import records
from occlufer.analysis.core.scores import of_block
from occlufer.analysis.core.study import Study, load_study
from occlufer.analysis.core.words import count, joined, occluder_phrase
from occlufer.analysis.paper.export import write_paper
from occlufer.analysis.run_figures import write_run_figures
from occlufer.analysis.sections import drawing, make_sections, tables_of
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.matrix import fold_metrics, matrix_grid
from occlufer.analysis.sections.parts import Details, Drawing, Facts, Files, Grid, Row
from occlufer.analysis.terminal import matrix_text
from occlufer.files import atomic_path, write_text

__all__ = ["Report", "write_report"]

_MOST_NAMED = 3  # occluders in the title


@dataclass(frozen=True, slots=True)
class Report:
    """What `write_report` wrote: the page, the CSV behind each table by name, and the findings as plain text.

    `matrix` is the matrix for the terminal.
    """

    path: Path
    tables: dict[str, Path]
    summary: str
    matrix: RenderableType


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as it stands on the page: an inline image, and the name of its file."""

    kind: ClassVar[str] = "picture"
    image: str
    photo: bool
    alt: str
    caption: str
    least: int
    width: int
    file: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found about one block: the answers of the first screen, its matrix, and further sentences."""

    title: str
    answers: list[tuple[str, str]]
    matrix: Grid
    findings: list[str]
    cautions: list[str]


def write_report(
    study_folder: Path,
    *,
    output: Path | None = None,
    run_figures: bool | None = None,
    margin: float = MARGIN,
    paper: bool = False,
) -> Report:
    """Write `report.html`, `tables/*.csv` and `figures/*` about the runs of a study; the page is written last.

    Args:
        study_folder: the folder that holds the run folders. Nothing but they are read.
        output: the folder to write into; the study's folder when None.
        run_figures: whether to draw confusion matrices and curves of every single run in the numbers, as PNG below
            `figures/runs`; None: of the runs of a cross-validation.
        margin: difference of accuracies 0..1 below which two conditions count as equivalent.
        paper: whether to write `paper/` too (`paper.export.write_paper`).

    Raises:
        RunError: no such folder, or no run folder in it. A study without a finished run gets a page that says so.
        StorageError: the files cannot be written.
    """
    study = load_study(study_folder)
    folder = study_folder if output is None else output
    sections = make_sections(Core(study, margin=margin))
    tables = tables_of(sections)
    paths = {name: write_csv(table, folder / "tables" / f"{name}.csv") for name, table in tables.items()}
    write_csv(fold_metrics(study, sections[0].core.scores), folder / "tables" / "metrics.csv", separator=";")
    for name in {name for section in sections for name in section.tables} - set(
        tables
    ):  # of an earlier report
        (folder / "tables" / f"{name}.csv").unlink(missing_ok=True)
    found, cautions = _findings(study, sections)
    drawn = write_run_figures(study, tables, folder / "figures", run_figures)
    if paper and study.runs:
        write_paper(study, sections, tables, [item.matrix for item in found], folder / "paper")
    page = environment().get_template("report.html.j2").render(
        study=study, question=_question(study), found=found, cautions=cautions, lede=_lede(study),
        sections=[
            (section, shown)
            for section in sections
            if (shown := _shown([*section.parts(), *_singles(section, drawn)], folder / "figures"))
        ],
        further=bool(cautions or any(item.findings or item.cautions for item in found)),
        samples=_samples(study, folder / "figures"), csv_names=sorted([*paths, "metrics"]),
        paper=paper and bool(study.runs), terms=_terms(study, sections, tables),
    )  # fmt: skip
    write_text(folder / "report.html", page)
    return Report(
        folder / "report.html",
        paths,
        _summary(study, found, cautions),
        matrix_text(study, sections[0].core.matrix),
    )


def _shown(parts: Sequence[Any], folder: Path) -> list[Any]:
    """The parts with every drawing of the page drawn and saved into `folder`, as SVG: for papers, see `write_paper`."""
    shown: list[Any] = []
    for part in parts:
        if isinstance(part, Drawing):
            shown += [_picture(part, folder)] if part.on_page else []
        elif isinstance(part, Row | Details):
            shown.append(replace(part, parts=_shown(part.parts, folder)))
        else:
            shown.append(part)
    return shown


def _picture(part: Drawing, folder: Path) -> Picture:
    figure = part.draw(drawing.LIGHT)
    (path,) = drawing.save(figure, folder, part.name, kinds=("svg",))
    return Picture(
        drawing.svg_uri(path.read_bytes()), part.photo, part.alt, part.caption, part.least,
        round(96 * figure.get_figwidth() * part.scale), path.name,
    )  # fmt: skip


def _singles(section: Section, drawn: list[tuple[str, list[str]]]) -> list[Any]:
    """Links to the figures of single runs, below the confusion matrices."""
    if section.anchor != "confusion" or not drawn:
        return []
    parts = [
        Files(f"{name}:", [(f"figures/{path}", path.rsplit("/", 1)[1].split(".")[0]) for path in files])
        for name, files in drawn
    ]
    return [Details(f"Confusions and curves of single runs ({len(drawn)})", parts)]


def _findings(study: Study, sections: list[Section]) -> tuple[list[Found], list[str]]:
    """The first screen, block by block; a caution that holds for every block is said once, at the end."""
    found = [
        Found(
            block.title,
            [answer for section in sections for answer in section.answers(block)],
            matrix_grid(of_block(sections[0].core.matrix, block), "accuracy"),
            [sentence for section in sections for sentence in section.findings(block)],
            [sentence for section in sections for sentence in section.cautions(block)],
        )
        for block in study.blocks
    ]
    shared = [
        text for text in (found[0].cautions if found else []) if all(text in item.cautions for item in found)
    ]
    return [
        replace(item, cautions=[text for text in item.cautions if text not in shared]) for item in found
    ], shared


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


def _question(study: Study) -> str:
    """What the study asks, as the title of the page."""
    trains = {run.summary.condition for run in study.runs}
    tests = condition_order(name for run in study.runs for name in run.conditions)
    covers = [
        occluder_phrase(name) for name in tests if name not in ("none", "as_is") and not is_partial(name)
    ]
    if not covers:
        return "How well do networks read facial expressions?" if study.runs else study.name
    under = joined(covers) if len(covers) <= _MOST_NAMED else f"{len(covers)} kinds of occlusion"
    return f"How much of a facial expression can a network still read under {under}" + (
        ", and what wins it back?" if len(trains) > 1 and "none" in trains else "?"
    )


def _lede(study: Study) -> str:
    if not study.runs:
        return "No run of this study is finished: there is nothing to compare yet."
    runs = [run.summary for run in study.runs]
    seeds = sorted({run.seed for run in runs})
    folds = sorted({run.fold for run in runs if run.fold is not None})
    text = f"{count(len(runs), 'run')} of {', '.join(sorted({run.model for run in runs}))} on "
    text += ", ".join(sorted({run.dataset for run in runs}))
    text += f", seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    text += f", fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}" if folds else ""
    finished = max(run.finished for run in runs).replace("T", " ").replace("+00:00", " UTC")
    more = f" {count(len(study.not_chosen), 'more run')} tried other settings." if study.not_chosen else ""
    return f"{text}; the last one finished {finished}.{more}"


def _terms(study: Study, sections: list[Section], tables: dict[str, pd.DataFrame]) -> Facts:
    """How to read the page: general words, and those of every section that is there."""
    folds = any(run.summary.fold is not None for run in study.runs)
    protocols = {str(run.config.get("protocol", "honest")) for run in study.runs}
    grid = "settings" in tables
    people = {row["dataset"]: row.get("people") for row in records(tables["matrix"])}
    resampled = " ".join(
        (f"On {name}: " if len(people) > 1 else "")
        + (
            "Faces are resampled one by one and count as independent of each other, as the predictions do not say who "
            "is shown; where a person has many images, the interval is too narrow."
            if pd.isna(number)
            else f"People are resampled ({number} of them), each with all their faces: the cluster bootstrap "
            f"(Davison & "
            "Hinkley, 1997), as faces of one person are alike."
        )
        for name, number in people.items()
    )
    terms = [
        ("Accuracy", "Share of test faces whose most probable expression is the true one. Compare it with the "
                     "accuracy of "
         "always answering the largest class."),
        ("Recall, precision, F1", "Recall: share of the faces of a class that were found. Precision: share of "
                                  "the answers "
         "of a class that were correct. F1: their harmonic mean. Macro: plain mean over classes, so that macro recall "
         "is the unweighted average recall (UAR); weighted: mean weighted by the faces of each class (scikit-learn, "
         "zero_division = 0)."),
        ("Entropy of the confusion matrix", "−Σ p log₂ p over the cells of the confusion matrix divided by its "
                                            "sum: 2.81 "
         "bits for a perfect network on seven equal classes, 5.61 for answers spread evenly over everything (after "
         "Casas-Ortiz et al., IEEE Access 12, 2024, doi 10.1109/ACCESS.2024.3380439)."),
        (f"± (spread over {'seeds and folds' if folds else 'seeds'})", "Standard deviation (n − 1) over runs in which "
         f"nothing but the seed {'or fold ' * folds}differs: how much a result moves when the network is trained again"
         f"{', here on largely the same faces' * folds}."),
        ("95 % intervals of scores", "Accuracy, F1, recall, precision, calibration and groups of faces: percentile "
         "bootstrap, 1000 resamples with a fixed seed (Efron & Tibshirani, 1993), of the faces and, independently of "
         "them, of the trainings (seeds, folds): the pigeonhole bootstrap (Owen, Annals of Applied Statistics 1, "
         "2007). How much a score would move with other test faces and other trainings. With one training it speaks "
         "of other faces alone; two or three trainings say little of others, and the interval is too narrow. Each "
         "interval holds by itself, however many there are. Changes "
         f"in these tables are paired: both sides see the same resampled faces and trainings. {resampled}"),
        ("95 % intervals of differences", "What an occluder costs, what a training wins back, retention, recovery, "
         "price, and occluders against boxes of equal area: t intervals over faces (or people) and trainings, whose "
         "spread is pooled over the contrasts of a family. In the appendix of single trainings: other faces alone."),
    ]  # fmt: skip
    terms += [
        term
        for section in sections
        if any(len(table) for table in section.tables.values())
        for term in section.terms()
    ]
    if "honest" in protocols:
        chosen = "The epoch and the setting are" if grid else "The epoch is"
        terms.append(("Honest protocol", f"{chosen} chosen on validation faces; test faces are scored by that one "
                      "checkpoint. Every condition sees the same faces with the same occluder placed on "
                      "each."))  # fmt: skip
    if "published" in protocols:
        setting = ", and the setting is chosen by test accuracy" * grid
        terms.append(("Published protocol", f"As the study did: the last epoch is scored{setting}. Every "
                                            f"condition sees "
                      "the same faces."))  # fmt: skip
    return Facts(terms, wide=True)


def _summary(study: Study, found: list[Found], cautions: list[str]) -> str:
    lines = []
    for item in found:
        answers = [f"{asked}: {answer}" for asked, answer in item.answers]
        lines += [item.title, *(f"- {sentence}" for sentence in answers + item.findings + item.cautions)]
    lines += [f"- {sentence}" for sentence in cautions] if len(found) == 1 else cautions
    if not found:
        lines.append("No run of this study is finished: there is nothing to compare yet.")
    lines += [f"Left out: {item.name}. {item.reason}" for item in study.left_out]
    return "\n".join([*lines, *(f"Note: {warning}" for warning in study.warnings)])


def write_csv(table: pd.DataFrame, path: Path, *, separator: str = ",") -> Path:
    """Write a table as CSV, whole or not at all; returns its path."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, sep=separator)
    return path


def environment() -> jinja2.Environment:
    """The pages' templates, with every value escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
