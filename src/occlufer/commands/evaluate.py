"""`occlufer evaluate`: score a finished run again, under other conditions."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from occlufer.building import plain
from occlufer.commands.app import command, condition_configs
from occlufer.commands.checks import check_dataset, check_folders, is_there
from occlufer.runs import Run
from occlufer.types import ConfigError, RunError


@command("evaluate")
def main(config: DictConfig) -> None:
    """Score a run's checkpoint under the asked conditions; rows of others are kept, the run stays what it was.

    On another dataset (`dataset=NAME`) the rows go into a folder of their own, `elsewhere/NAME/`. With `explain=true`
    it also says where the network looks: attention.parquet and figures/attention.png.
    """
    given = plain(config)
    if not isinstance(given["trusted"], list):  # a text would trust every part of itself
        raise ConfigError(
            f"trusted must be a list of packages, found {given['trusted']!r}. Example: trusted=[mine]"
        )
    if not isinstance(given["explain"], int) or given["explain"] < 0:  # true and false are numbers too
        raise ConfigError(
            f"explain must be true (all test faces), false, or a number of test faces, found {given['explain']!r}."
        )
    if config.run is None:
        raise ConfigError("Which run? Give run=outputs/STUDY/RUN.")
    run = Run(Path(str(config.run)).expanduser().resolve())
    if not run.folder.is_dir():
        raise RunError(f"There is no run folder {run.folder}. Give run=outputs/STUDY/RUN.")
    run.summary()  # refuses an unfinished one
    asked = condition_configs(given["conditions"])
    check_folders(given)
    given["first_condition"] = next(iter(asked.values()))  # the faces of another set may bear no other
    if given.get("view") and not given.get("dataset"):
        raise ConfigError(
            "view= goes with dataset=: a run's own test faces are seen as it was trained to see them."
        )
    if given.get("dataset"):
        check_dataset(given)
    elif (moved := given["dataset_root"]) is not None and not is_there(moved):
        raise ConfigError(
            f"dataset_root={moved} does not exist. Give dataset_root=DIR, where the run's faces lie now."
        )
    from occlufer.tasks.evaluate import evaluate

    evaluate(run, given, asked)


if __name__ == "__main__":
    main()
