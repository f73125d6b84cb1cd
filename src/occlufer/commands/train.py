"""`occlufer train`: seed, data, network, fit, test, record. One run; `-m` for a sweep."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from occlufer.commands.app import command
from occlufer.commands.checks import check_dataset, check_train, training_settings
from occlufer.runs import Run
from occlufer.settings import run_folder


@command("train")
def main(config: DictConfig) -> float:
    """Train one network, score its best checkpoint under every condition, and write the run folder.

    With protocol=published the last epoch's weights are scored.

    A finished run is skipped, an interrupted one goes on from its last checkpoint.

    Returns:
        The validation macro F1 of the weights that were scored, for Hydra sweepers; NaN where retry=failed left it out.
    """
    settings = training_settings(config)
    check_train(settings)
    # A sweep's jobs record why they failed, which takes the task; what is left out or finished needs no faces.
    alone = HydraConfig.get().mode == RunMode.RUN and settings["retry"] is None
    if alone and not Run(run_folder(settings)).finished:
        check_dataset(settings)
    from occlufer.tasks.train import train

    return train(settings)


if __name__ == "__main__":
    main()
