"""What `report paper=true` writes: it must be LaTeX that compiles, and hold the numbers of the tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core.study import load_study
from occlufer.analysis.paper.latex import escape, latex_table
from occlufer.analysis.paper.methods import citations, latex_text
from occlufer.analysis.paper.references import DATASETS, bibtex
from occlufer.analysis.report import write_report
from occlufer.analysis.sections.parts import Entry, Grid
from occlufer.types import EXPRESSIONS

ODD = "a_b & 50 % of #1 {x} ~^ \\cmd $5 <é> 表 η² ± − → “q” [z]\x07"


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The paper folder of a study with a mixture and names that LaTeX would trip over."""
    root = tmp_path_factory.mktemp("outputs")
    folder = fakes_runs.make_study(
        root, conditions=("none", "mask", "mixed"), tests=("none", "mask"), seeds=(0, 1), n=60, people=12,
        models=("net_50%&#",), dataset="rafdb",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch, "svg", "pdf")  # pdf: what LaTeX takes
        write_report(folder, paper=True)
    return folder / "paper"


def balanced(text: str) -> bool:
    """Whether braces and environments of LaTeX close in order."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    stack: list[str] = []
    for what, name in re.findall(r"\\(begin|end)\{([^}]*)\}", text):
        if what == "begin":
            stack.append(name)
        elif not stack or stack.pop() != name:
            return False
    return depth == 0 and not stack


def test_names_are_escaped() -> None:
    text = escape(ODD)
    assert text.startswith(
        r"a\_b \& 50 \% of \#1 \{x\} \textasciitilde{}\textasciicircum{} \textbackslash{}cmd \$5 "
    )
    assert r"$\eta$$^2$ $\pm$ $-$ $\rightarrow$" in text
    assert "é" in text
    assert "表" in text
    assert "\x07" not in text
    assert not re.search(r"(?<!\\)[&%#_]", text)


@pytest.mark.parametrize(("rows", "kind"), [(3, "table"), (60, "longtable")])
def test_a_table_keeps_its_cells_and_its_caption(rows: int, kind: str) -> None:
    lines = [
        [Entry(f"row_{place}"), Entry("1.5", "1.0–2.0"), Entry("70 %", own=True)] for place in range(rows)
    ]
    text = latex_table(Grid("A 100 % caption", ["name", "x_1", "y"], lines, "odd", over="tested on"), "odd_1")
    assert text.count(f"\\begin{{{kind}}}") == 1
    assert "\\caption{A 100 \\% caption}\\label{tab:odd_1}" in text
    assert "\\cmidrule(lr){2-3}" in text
    assert text.count("row\\_") == rows
    assert text.count("\\textbf{70 \\%}") == rows
    assert text.count("{\\footnotesize 1.0--2.0}") == rows
    assert balanced(text)


def test_every_table_of_the_page_is_there_and_whole(paper: Path) -> None:
    main = (paper / "main.tex").read_text(encoding="utf-8")
    tables = sorted(path.stem for path in (paper / "tables").glob("*.tex"))
    assert sorted(re.findall(r"\\input\{tables/([^}]+)\}", main)) == tables
    assert {"matrix", "matrix_2", "effects", "recovery", "recall", "answers", "runs"} <= set(tables)
    for path in (paper / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        assert balanced(text), path.name
        for line in text.splitlines():
            if line.startswith(r"\begin{tabular}"):
                columns = len(re.search(r"\{([lr]+)\}$", line)[1])  # type: ignore[index]
        rows = [line for line in text.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        if "longtable" not in text:
            assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}, path.name


def test_the_matrix_holds_the_numbers_of_its_csv(paper: Path) -> None:
    text = (paper / "tables" / "matrix.tex").read_text(encoding="utf-8")
    for row in pd.read_csv(paper.parent / "tables" / "matrix.csv").itertuples():
        assert rf"{100 * row.accuracy_mean:.1f} $\pm$ {100 * row.accuracy_sd:.1f}" in text


def test_figures_come_at_both_column_widths(paper: Path) -> None:
    names = {path.name for path in (paper / "figures").iterdir()}
    stems = {name.split("_3.5in")[0] for name in names if "_3.5in" in name}
    assert {"matrix_accuracy", "effects", "recall", "history"} <= stems
    for stem in stems:
        for width in ("3.5in", "7.16in"):
            assert {f"{stem}_{width}.{kind}" for kind in ("pdf", "svg", "png")} <= names
    svg = (paper / "figures" / "effects_3.5in.svg").read_text(encoding="utf-8")
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(3.5 * 72)  # type: ignore[index]


def test_predictions_carry_the_names_of_classes(paper: Path) -> None:
    found = pd.read_csv(paper / "predictions.csv")
    study = load_study(paper.parent)
    assert len(found) == sum(len(run.predictions) for run in study.runs)
    run = study.runs[0]
    rows = found[found["run"] == run.run.name].reset_index(drop=True)
    assert rows["label"].tolist() == [EXPRESSIONS[place] for place in run.predictions["label"]]
    assert rows["prediction"].tolist() == [EXPRESSIONS[place] for place in run.predictions["prediction"]]
    assert rows["test"].tolist() == run.predictions["condition"].tolist()


def test_the_methods_say_what_was_done_and_cite_it(paper: Path) -> None:
    text = (paper / "methods.md").read_text(encoding="utf-8")
    for words in ("net_50%&#", "rafdb [@li2017]", "for 8 epochs", "2 seeds each", "learning rate 0.01", "SGD",
                  "bare faces, masked faces and mixed faces", "PyTorch 2.14.1 [@paszke2019]"):  # fmt: skip
        assert words in text, words
    assert "not recorded" not in text.split("batch size")[0].split("learning rate")[1][:8]
    bib = (paper / "references.bib").read_text(encoding="utf-8")
    assert set(re.findall(r"@\w+\{(\w+),", bib)) == set(citations(text))
    latex = (paper / "methods.tex").read_text(encoding="utf-8")
    assert r"\cite{li2017}" in latex
    assert "[@" not in latex
    assert balanced(latex)


def test_every_dataset_that_is_cited_has_its_reference() -> None:
    assert "@inproceedings{lucey2010," in bibtex(key for keys in DATASETS.values() for key in keys)
    assert latex_text("so [@a1; @b2] and 5 %") == r"so \cite{a1,b2} and 5 \%"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX on this machine")
def test_all_of_it_compiles(paper: Path, tmp_path: Path) -> None:
    shutil.copytree(paper, tmp_path / "paper")
    for command in (["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"], ["bibtex", "main"]):
        done = subprocess.run(command, cwd=tmp_path / "paper", capture_output=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
