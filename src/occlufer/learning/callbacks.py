"""What a training leaves behind while it runs: checkpoints that survive a kill, and the history of its epochs."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from occlufer.files import atomic_path

MONITOR = "val_f1_macro"
"""The score by which the best checkpoint is chosen; measured on validation faces only."""

HistoryRow = dict[str, float]

_WARM_AFTER, _TIMED = 3, 10  # steps: before time is taken, and over which it is


@final
class History(Callback):
    """One row an epoch, kept in the checkpoint, so that a resumed run has its whole history and no row twice.

    Args:
        write: called after every epoch with all rows so far (on the first device).
    """

    def __init__(self, write: Callable[[list[HistoryRow]], None]) -> None:
        self.write = write
        self.rows: list[HistoryRow] = []
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall seconds of training, earlier sessions up to their last checkpoint included."""
        return self._seconds_before + time.monotonic() - self._started

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock (drawing faces and finding landmarks are no training), and log earlier epochs again."""
        self._started = time.monotonic()
        if trainer.logger is not None:
            for row in self.rows:
                trainer.logger.log_metrics(row)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": rate,
            **metrics,
            "seconds": round(self.seconds, 1),
        }
        self.rows.append(row)
        if trainer.logger is not None:
            trainer.logger.log_metrics(row, step=trainer.global_step)
        if trainer.is_global_zero:
            self.write(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the checkpoint's epoch."""
        self.rows = [dict(row) for row in state_dict["rows"]]
        if self.rows and self.rows[0].get("epoch") == 0:  # checkpoints of earlier versions count from 0
            self.rows = [row | {"epoch": row["epoch"] + 1} for row in self.rows]
        self._seconds_before = float(state_dict["seconds"])
        self._started = time.monotonic()


@final
class Forecast(Callback):
    """Tells once, after the first steps, how long the rest of a training will take.

    Args:
        tell: called with the sentence (on the first device).
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._steps, self._since = tell, 0, 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count, from when loaders and kernels are warm."""
        self._steps += 1
        if self._steps == _WARM_AFTER:
            self._since = time.monotonic()
        if self._steps != _WARM_AFTER + _TIMED or not trainer.is_global_zero:
            return
        step = (time.monotonic() - self._since) / _TIMED
        of_epoch, epochs = int(trainer.num_training_batches), int(trainer.max_epochs or 0)
        left = of_epoch * (epochs - trainer.current_epoch) - batch_idx - 1
        if left > 0:
            self._tell(
                f"{_duration(step * left)} for the {left:,} steps that are left of {epochs} epochs "
                f"({step:.2g} s a step; validation and test come on top)"
            )


def _duration(seconds: float) -> str:
    """Roughly, such as `about 12 min`."""
    if seconds < 90:
        return f"about {max(round(seconds), 1)} s"
    return f"about {round(seconds / 60)} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


@final
class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints are written beside and renamed, so that a kill leaves the old one or the new one."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint; raises `StorageError` when the disk does not take it."""
        # Into memory first: torch's own file writer turns a full disk into a RuntimeError about positions.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with atomic_path(Path(path)) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def checkpoint_callbacks(folder: Path, *, patience: int | None) -> list[Callback]:
    """best.ckpt by validation macro F1 and last.ckpt in `folder`, and early stopping after `patience` epochs."""
    # Order: the best one first, then the last one. If a kill falls between them, the resumed run writes the same
    # best one again.
    best = ModelCheckpoint(
        dirpath=folder, filename="best", monitor=MONITOR, mode="max", save_top_k=1, save_last=False,
        save_on_train_epoch_end=True, enable_version_counter=False,
    )  # fmt: skip
    last = ModelCheckpoint(
        dirpath=folder, filename="last", monitor=None, save_top_k=1, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks: list[Callback] = [best, last]
    if patience is not None:
        callbacks.append(
            EarlyStopping(monitor=MONITOR, mode="max", patience=patience, check_on_train_epoch_end=True)
        )
    return callbacks
