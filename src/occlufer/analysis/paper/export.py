"""Writes the folder `paper/` of a study: what an author copies beside the manuscript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from occlufer.analysis.core.study import Study
from occlufer.analysis.paper.latex import latex_table
from occlufer.analysis.paper.methods import citations, latex_text, methods
from occlufer.analysis.paper.references import bibtex
from occlufer.analysis.sections import drawing
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import Details, Drawing, Grid, Row
from occlufer.files import atomic_path, write_text
from occlufer.types import EXPRESSIONS

_MAIN = r"""% Everything of this folder in one document: pdflatex main, bibtex main, pdflatex main twice.
\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{textcomp,booktabs,longtable,graphicx,geometry}
\geometry{margin=2cm}
\begin{document}
\section{Methods}
\input{methods}
\section{Tables}
TABLES
\clearpage
\section{Figures}
FIGURES
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""


def write_paper(
    study: Study,
    sections: Sequence[Section],
    tables: Mapping[str, pd.DataFrame],
    matrices: Sequence[Grid],
    folder: Path,
) -> None:
    """Write tables and figures, methods, references and predictions into `folder`.

    `tables/NAME.tex` (booktabs), `figures/NAME_3.5in` and `_7.16in` as PDF, SVG and PNG (300 dpi), `methods.md` and
    `.tex`, `references.bib`, `predictions.csv` with class names, and `main.tex`, which puts them together.

    Args:
        tables: the report's tables by name.
        matrices: the matrix of each block, as the first screen shows it.
        folder: the folder to write into.

    Raises:
        StorageError: the files cannot be written.
    """
    parts = [part for section in sections for part in _flat(section.parts())]
    names = []
    for name, grid in _named([*matrices, *(part for part in parts if isinstance(part, Grid))]):
        write_text(folder / "tables" / f"{name}.tex", latex_table(grid, name))
        names.append(name)
    drawn = [part for part in parts if isinstance(part, Drawing)]
    for part in drawn:
        for width in (drawing.COLUMN, drawing.PAGE):
            figure = part.draw(replace(drawing.LIGHT, width=width))
            drawing.save(figure, folder / "figures", f"{part.name}_{width:g}in")
    words = methods(study, tables)
    write_text(folder / "methods.md", words + "\n")
    write_text(folder / "methods.tex", latex_text(words) + "\n")
    write_text(folder / "references.bib", bibtex(citations(words)))
    shown = [
        f"\\includegraphics[width=\\linewidth]{{{{figures/{part.name}_{drawing.PAGE:g}in}}.pdf}}\n"
        for part in drawn
    ]
    inputs = "\n".join(f"\\input{{tables/{name}}}" for name in names)
    main = _MAIN.replace("TABLES", inputs).replace("FIGURES", "\n".join(shown))
    write_text(folder / "main.tex", main)
    _write_predictions(study, folder / "predictions.csv")


def _flat(parts: Sequence[Any]) -> Iterator[Any]:
    for part in parts:
        if isinstance(part, Details | Row):
            yield from _flat(part.parts)
        else:
            yield part


def _named(grids: Sequence[Grid]) -> Iterator[tuple[str, Grid]]:
    """Each table with a name of its own: that of its CSV, numbered where several come from one."""
    seen: Counter[str] = Counter()
    for grid in grids:
        seen[grid.csv] += 1
        yield (grid.csv if seen[grid.csv] == 1 else f"{grid.csv}_{seen[grid.csv]}"), grid


def _write_predictions(study: Study, path: Path) -> None:
    """Every prediction row that is in the numbers, with the names of the classes."""
    names = dict(enumerate(EXPRESSIONS))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        for place, run in enumerate(study.runs):
            rows = run.predictions
            fold = pd.array([run.summary.fold] * len(rows), dtype="Int64")
            named = rows.assign(label=rows["label"].map(names), prediction=rows["prediction"].map(names))
            identity = pd.DataFrame(
                {name: [value] * len(rows) for name, value in run.identity.items()}, index=rows.index
            )
            table = identity.assign(fold=fold).join(named.rename(columns={"condition": "test"}))
            options = pa.csv.WriteOptions(include_header=place == 0)
            pa.csv.write_csv(pa.Table.from_pandas(_plain(table), preserve_index=False), file, options)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Columns that are empty in one run and filled in another are text in both."""
    words = [name for name in ("variant", "subject", "content") if name in table]
    return table.astype(dict.fromkeys(words, "string"))
