"""Tables of the report in LaTeX, with booktabs. What a reader named (folders, models) is escaped."""

from __future__ import annotations

import re

from occlufer.analysis.sections.parts import Entry, Grid

_LONG = 45  # printed lines above which a table may break over pages
_WIDE = 60  # letters of the widest row above which a table takes both columns
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
        lines = ["% Needs booktabs and longtable, and one column.", f"\\begin{{longtable}}{{{columns}}}",
                 caption + r" \\", *top, r"\endfirsthead", *top, r"\endhead", *body,
                 r"\bottomrule", r"\end{longtable}"]  # fmt: skip
    else:
        kind = "table*" if _width(grid) > _WIDE else "table"
        lines = ["% Needs booktabs.", f"\\begin{{{kind}}}", r"\centering\small", caption,
                 f"\\begin{{tabular}}{{{columns}}}", r"\toprule", *head, r"\midrule", *body, r"\bottomrule",
                 r"\end{tabular}",
                 f"\\end{{{kind}}}"]  # fmt: skip
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
    cells = [[len(entry.text) for entry in row] for row in grid.rows]
    widths = [max(column) for column in zip(*cells, strict=True)] if cells else [0]
    return sum(widths) + 2 * len(widths)
