"""`occlufer report`: the page and the tables of a study."""

from __future__ import annotations

from omegaconf import DictConfig, ListConfig

from occlufer.commands.app import command, named_folder, study_folder
from occlufer.console import out
from occlufer.files import clear_leftovers
from occlufer.runs import check_study, refuse_links
from occlufer.types import ConfigError


@command("report")
def main(config: DictConfig) -> None:
    """Write report.html, tables/*.csv and figures/* (and paper/*) into the study folder, from its run folders alone."""
    if config.compare is not None:
        _compare(config)
        return
    if config.study is None:
        raise ConfigError("Which study? Give study=NAME (a folder under paths.outputs) or study=PATH.")
    if config.run_figures not in (True, False, None):
        raise ConfigError(
            f"run_figures must be true, false, or null (the runs of a cross-validation), found {config.run_figures!r}."
        )
    if not isinstance(config.paper, bool):
        raise ConfigError(f"paper must be true or false, found {config.paper!r}.")
    margin = config.equivalence_margin
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < 1:
        raise ConfigError(f"equivalence_margin must lie between 0 and 1, such as 0.03, found {margin!r}.")
    from occlufer.analysis.report import write_report

    folder = study_folder(config)
    refuse_links(folder, "tables", "figures", "paper")
    report = write_report(folder, run_figures=config.run_figures, margin=margin, paper=config.paper)
    for part, names in (
        (folder, ".report.html.*.tmp"),
        (folder / "tables", ".*.tmp"),
        (folder / "figures", "**/.*.tmp"),
        (folder / "paper", "**/.*.tmp"),
    ):
        clear_leftovers(part, names)
    out.print(report.matrix)
    out.print(report.summary, markup=False, highlight=False)
    out.print(f"Report: {report.path}", markup=False, highlight=False)


def _compare(config: DictConfig) -> None:
    """Several studies side by side, written into the folder of the first."""
    names = config.compare
    if not isinstance(names, ListConfig) or len(names) < 2 or config.study is not None:
        raise ConfigError(
            f"compare takes two studies or more, and no study= beside it: compare=[A,B]. Found {names!r}."
        )
    from occlufer.analysis.compare import write_comparison

    folders = [named_folder(config, str(name)) for name in names]
    for folder in folders:
        check_study(folder)
    refuse_links(folders[0], "tables")
    page = write_comparison(folders, folders[0])
    out.print(f"Comparison: {page}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
