"""`occlufer status`: how the runs of a study stand."""

from __future__ import annotations

import math
from collections import Counter

from omegaconf import DictConfig
from rich.markup import escape
from rich.table import Table

from occlufer.commands.app import command, study_folder
from occlufer.console import out, shortened
from occlufer.reading import printable
from occlufer.sweeps import State, study_status, telling_apart
from occlufer.types import ConfigError


@command("status")
def main(config: DictConfig) -> None:
    """List the runs of a study and the jobs of its sweeps that have none; changes nothing."""
    if config.study is None:
        raise ConfigError("Which study? Give study=NAME (a folder under paths.outputs) or study=PATH.")
    folder = study_folder(config)
    rows = study_status(folder)
    shown = Table(title=escape(printable(str(folder))), title_justify="left")
    told = telling_apart([row.settings for row in rows])
    for name in (*told, "state", "epochs", "best macro F1", "run", "reason"):
        shown.add_column(escape(printable(name)), overflow="fold")
    for row in rows:
        epochs = f"{row.epochs} of {row.of}" if row.of else "-"
        best = "-" if math.isnan(row.best) else f"{row.best:.3f}"
        words = (*(row.settings.get(name, "") for name in told), row.state, epochs, best, row.name)
        shown.add_row(*(escape(printable(word)) for word in words), escape(shortened(row.reason)))
    out.print(shown)
    counts = Counter(row.state for row in rows)
    out.print(", ".join(f"{counts[state]} {state}" for state in State if counts[state]), highlight=False)
    if counts[State.MISSING]:
        record = escape(printable(str(folder / "sweep.json")))
        out.print(
            f"Missing: asked for by a sweep, never begun. Deleting {record} forgets them.", highlight=False
        )
    if counts[State.FAILED]:
        out.print("The same sweep with retry=failed runs the failed ones again.", highlight=False)


if __name__ == "__main__":
    main()
