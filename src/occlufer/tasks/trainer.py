"""The Lightning Trainer of a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from typing import Any, final

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, RichProgressBar

from occlufer.building import build
from occlufer.console import err, say
from occlufer.learning.callbacks import AtomicCheckpointIO, Forecast, History, checkpoint_callbacks
from occlufer.runs import Run
from occlufer.signals import Terminated
from occlufer.tracking import Mirror
from occlufer.types import ConfigError


@final
class StopOnTermination(Callback):
    """SIGTERM ends a training as `occlufer.signals` describes, on all its ranks.

    Lightning's own handler only sets a flag, makes the ranks meet in a broadcast from inside the handler, where they
    may wait for each other for ever, and lets the dying loader workers raise their own error.
    """

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Remember our handler of SIGTERM: Lightning replaces it after this hook."""
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put our handler back."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)

    on_test_start = on_train_start

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """The first process passes the signal on to the ranks that it started."""
        launcher = trainer.strategy.launcher
        if isinstance(exception, Terminated) and launcher is not None:
            launcher.kill(signal.SIGTERM)


def make_trainer(settings: Mapping[str, Any], run: Run, mirror: Mirror, history: History) -> pl.Trainer:
    """The `trainer` group's Trainer with this run's checkpoints, history and tracker."""
    patience = settings["early_stopping"]["patience"]
    callbacks = [
        history,
        StopOnTermination(),
        Forecast(lambda told: say(f"{run.name}: {told}.")),
        *checkpoint_callbacks(run.folder / "checkpoints", patience=patience),
    ]
    return _trainer(settings["trainer"], callbacks=callbacks, logger=mirror, run=run)


def make_tester(trainer_node: Mapping[str, Any], run: Run) -> pl.Trainer:
    """A Trainer that only tests, and leaves nothing behind."""
    return _trainer(trainer_node, callbacks=[], logger=False, run=run, enable_checkpointing=False)


def _trainer(
    node: Mapping[str, Any], *, callbacks: list[Any], logger: Any, run: Run, **more: Any
) -> pl.Trainer:
    if node["accelerator"] == "gpu" and not torch.cuda.is_available():
        raise ConfigError(
            "trainer asks for a GPU, and torch sees none here. Use trainer=cpu, or trainer=ddp_cpu for several CPU "
            "processes; on a GPU machine check `python -c 'import torch; print(torch.cuda.is_available())'`."
        )
    bar = bool(node["enable_progress_bar"]) and err.is_terminal
    trainer: pl.Trainer = build(
        dict(node) | {"enable_progress_bar": bar},
        callbacks=[*callbacks, *([RichProgressBar()] if bar else [])],
        logger=logger,
        default_root_dir=str(run.folder),
        plugins=[AtomicCheckpointIO()],
        use_distributed_sampler=False,  # `FaceSampler` serves all ranks, and each test face once
        num_sanity_val_steps=0,
        enable_model_summary=False,
        **more,
    )
    return trainer
