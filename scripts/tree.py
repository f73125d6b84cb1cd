"""Write the tree of docs/architecture.md between its markers: one line a file, from the first line of each docstring.

.venv/bin/python scripts/tree.py [--check]
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- tree: make tree -->\n", "<!-- end of tree -->"


def first_line(path: Path) -> str:
    """The first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].rstrip(".")


def lines_of(folder: Path, depth: int = 0) -> list[str]:
    """A folder's line, its files, its subfolders."""
    package = folder / "__init__.py"
    lines = [("  " * depth + f"{folder.name}/", first_line(package) if package.is_file() else "")]
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    lines += [("  " * (depth + 1) + path.name, first_line(path)) for path in files]
    rendered = [f"{name:<34}{text}".rstrip() for name, text in lines]
    for below in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        rendered += lines_of(below, depth + 1)
    return rendered


def main() -> None:
    """Rewrite docs/architecture.md, or with --check exit 1 when it is out of date."""
    page = ROOT / "docs" / "architecture.md"
    old = page.read_text(encoding="utf-8")
    before, rest = old.split(START)
    after = rest.split(END)[1]
    tree = "\n".join(
        [
            "```text",
            *lines_of(ROOT / "src" / "occlufer"),
            *lines_of(ROOT / "scripts"),
            *lines_of(ROOT / "benchmarks"),
            "```",
        ]
    )
    new = f"{before}{START}{tree}\n{END}{after}"
    if "--check" in sys.argv:
        if new != old:
            sys.exit("The tree of docs/architecture.md is out of date: run `make tree`.")
        return
    page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
