"""Tables of the report in LaTeX, with booktabs. What a reader named (folders, models) is escaped."""

from __future__ import annotations

import re

from occlufer.analysis.sections.parts import Entry, Grid

_LONG = 45  # printed lines above which a table may break over pages
_WIDE = 55  # letters of the widest row above which a table takes both columns
_TOO_WIDE = 110  # and above which it is made to fit them
_ESCAPED = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "—": "---", "→": r"$\rightarrow$", "×": r"$\times$",
    "’": "'", "…": r"\dots{}",
    "η": r"$\eta$", "ω": r"$\omega$", "Σ": r"$\Sigma$", "²": r"$^2$", "₂": r"$_2$", "·": r"$\cdot$", "≤": r"$\leq$",
    "≥": r"$\geq$", "\u00a0": "~",
}  # fmt: skip
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPED)))


def escape(text: str) -> str:
    """The text as LaTeX prints it; letters of other scripts stay, as LaTeX reads UTF-8. Control characters go."""
    plain = "".join(letter if letter.isprintable() or letter == "\u00a0" else " " for letter in text)
    return _SPECIAL.sub(lambda match: _ESCAPED[match[0]], plain)


def latex_table(grid: Grid, label: str) -> str:
    r"""A `table` (or `table*`, or for many rows a `longtable`) with caption, `\label{tab:LABEL}` and booktabs rules."""
    left = {*range(grid.heads), *grid.words}
    columns = "".join("l" if place in left else "r" for place in range(len(grid.header)))
    body = [line for row in grid.rows for line in _lines(row)]
    head = [*_over(grid), " & ".join(map(escape, grid.header)) + r" \\"]
    caption = f"\\caption{{{escape(grid.caption)}}}\\label{{tab:{label}}}"
    if len(body) > _LONG:
        top = [r"\toprule", *head, r"\midrule"]
        small = r"{\footnotesize\setlength{\tabcolsep}{3pt}"
        lines = ["% Needs booktabs and longtable, and one column.", small, f"\\begin{{longtable}}{{{columns}}}",
                 caption + r" \\", *top, r"\endfirsthead", *top, r"\endhead", *body,
                 r"\bottomrule", r"\end{longtable}}"]  # fmt: skip
        return "\n".join(lines) + "\n"
    width = _width(grid)
    kind = "table*" if width > _WIDE else "table"
    fit, end = (r"\resizebox{\linewidth}{!}{%", "}") if width > _TOO_WIDE else ("%", "%")
    lines = ["% Needs booktabs; graphicx if wide.", f"\\begin{{{kind}}}", r"\centering\small", caption,
             fit, f"\\begin{{tabular}}{{{columns}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule",
             r"\end{tabular}" + end, f"\\end{{{kind}}}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def _over(grid: Grid) -> list[str]:
    """The common title of the columns of numbers."""
    if not grid.over:
        return []
    across = len(grid.header) - grid.heads
    title = f"{'& ' * grid.heads}\\multicolumn{{{across}}}{{c}}{{{escape(grid.over)}}} \\\\"
    return [title, f"\\cmidrule(lr){{{grid.heads + 1}-{len(grid.header)}}}"]


def _lines(row: list[Entry]) -> list[str]:
    """One line, and a second one in small print where a cell has it."""
    first = [f"\\textbf{{{escape(entry.text)}}}" if entry.own else escape(entry.text) for entry in row]
    lines = [" & ".join(first) + r" \\"]
    if any(entry.small for entry in row):
        small = [f"{{\\footnotesize {escape(entry.small)}}}" if entry.small else "" for entry in row]
        lines.append(" & ".join(small) + r" \\")
    return lines


def _width(grid: Grid) -> int:
    """Letters of the widest row, and the gaps between its columns."""
    cells = [[len(name) for name in grid.header]]
    cells += [[max(len(entry.text), len(entry.small)) for entry in row] for row in grid.rows]
    return sum(max(column) + 2 for column in zip(*cells, strict=True))
