"""`occlufer preview`: a contact sheet of faces under an occlusion, and how well the occluder sits."""

from __future__ import annotations

from omegaconf import DictConfig

from occlufer.commands.app import command, settings_of
from occlufer.commands.checks import check_preview


@command("preview")
def main(config: DictConfig) -> None:
    """Draw faces spread evenly over the expressions of a split, as a network would meet them before augmentation."""
    settings = settings_of(config)
    check_preview(settings)
    from occlufer.tasks.preview import preview

    preview(settings)


if __name__ == "__main__":
    main()
