"""`occlufer augment`: more training images of rare expressions, made from the dataset's own faces."""

from __future__ import annotations

from omegaconf import DictConfig

from occlufer.commands.app import command, settings_of
from occlufer.commands.checks import check_augment, check_dataset


@command("augment")
def main(config: DictConfig) -> None:
    """Write images until each expression has the wanted number of training faces; what is there already stays."""
    settings = settings_of(config)
    check_augment(settings)
    check_dataset(settings)
    from occlufer.tasks.augment import augment

    augment(settings)


if __name__ == "__main__":
    main()
