"""`occlufer prepare`: find landmarks and near-duplicates once, print coverage by split and class."""

from __future__ import annotations

from omegaconf import DictConfig

from occlufer.building import plain
from occlufer.commands.app import command
from occlufer.commands.checks import check_folders


@command("prepare")
def main(config: DictConfig) -> None:
    """Find what the landmark cache lacks, and print what it holds."""
    settings = plain(config)
    check_folders(settings)
    from occlufer.tasks.prepare import prepare

    prepare(settings)


if __name__ == "__main__":
    main()
