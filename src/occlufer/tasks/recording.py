"""The life of a run folder: opened, resumed, trained, finished, or failed with a reason."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from occlufer.analysis.core.words import count
from occlufer.console import err, say
from occlufer.data.datamodule import FaceDataModule
from occlufer.data.usable import left_out_notes
from occlufer.environment import environment
from occlufer.files import clear_leftovers, locked
from occlufer.inference.network import read_checkpoint
from occlufer.learning.callbacks import MONITOR, History, HistoryRow
from occlufer.learning.module import ExpressionClassifier
from occlufer.processes import announce_first_rank, end_with_first_rank, first_process, process_count
from occlufer.reading import read_json
from occlufer.runs import FORMAT, Run, RunSummary, now
from occlufer.settings import Protocol, run_folder
from occlufer.signals import Terminated, termination
from occlufer.types import SPLITS, ConfigError, OccluferError, RunError

Settings = Mapping[str, Any]
_OF_SEVERAL = ("ddp", "fsdp", "deepspeed")  # strategies that are named only for several processes


def check_sweep(trainer: Settings) -> None:
    """Refuse a sweep whose launcher cannot run the settings of a trainer; raises `ConfigError`."""
    sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    visible = torch.cuda.device_count() if sweep else 1
    several = process_count(trainer, visible=visible) > 1
    if sweep and (several or str(trainer.get("strategy", "auto")).startswith(_OF_SEVERAL)):
        name = str(HydraConfig.get().launcher.get("_target_", "")).rsplit(".", 1)[-1]
        raise ConfigError(
            f"This sweep (-m) runs its jobs with {name}, inside one process, and the other processes of a training on "
            "several devices would start the whole sweep again. Add hydra/launcher=local, ray or slurm, which give "
            "each job its own process, or sweep with one device a job (trainer.devices=1 trainer.strategy=auto)."
        )


@contextlib.contextmanager
def open_run(settings: Settings) -> Iterator[Run]:
    """The run folder of a configuration, locked by this process until the block ends; waits for another training."""
    run = Run(run_folder(settings))
    if not first_process():  # the first ddp process holds it for all
        end_with_first_rank()
        yield run
        return
    announce_first_rank()
    with locked(run.lock, on_wait=say):
        if run.finished:
            say(f"{run.name} is finished already: skipped. Delete {run.folder} to train it anew.")
        clear_leftovers(run.folder)
        yield run


def left_out(run: Run, *, retry: str | None) -> bool:
    """Whether retry=failed leaves the run out because it did not fail; says so.

    The first ddp process decides for all: it has deleted failure.json by the time that the others start.
    """
    if retry != "failed" or run.finished or run.failure is not None or not first_process():
        return False
    say(f"{run.name} did not fail: left out (retry=failed).")
    return True


def resume_point(run: Run) -> str | None:
    """The checkpoint to go on from, None for a fresh run; raises `RunError` when it is damaged or was moved."""
    if not run.checkpoint_last.is_file():
        return None
    checkpoint = read_checkpoint(run.checkpoint_last)
    here = run.checkpoint_last.parent
    for state in checkpoint["callbacks"].values():
        # Lightning forgets the best score when the folder has another name, and a worse epoch would then be the best.
        if isinstance(state, dict) and Path(state.get("dirpath", here)) != here:
            raise RunError(
                f"The unfinished run {run.folder} was moved here from {Path(state['dirpath']).parent}. Move it back "
                "to go on, or delete it to train it from its start."
            )
    say(f"{run.name}: going on after epoch {int(checkpoint['epoch']) + 1}.")
    return str(run.checkpoint_last)


@contextlib.contextmanager
def interruption(trainer: pl.Trainer) -> Iterator[None]:
    """Ctrl-C while training is a `KeyboardInterrupt` here too: Lightning turns it into a silent exit."""
    try:
        yield
    except SystemExit as error:
        if trainer.interrupted and not isinstance(error, Terminated):
            raise KeyboardInterrupt from None
        raise


class Recorder:
    """Writes what a training leaves in its run folder, on the first device only."""

    def __init__(self, run: Run, settings: Settings) -> None:
        self.run, self.settings = run, settings
        self._training: dict[str, Any] = self._read_training()

    @property
    def trained(self) -> bool:
        """Whether an earlier session finished the training (trained.json), so that only the test is left."""
        return bool(self._training)

    @property
    def best_score(self) -> float:
        """Validation macro F1 of the checkpoint that is scored."""
        return float(self._training["best_score"])

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Leave failure.json behind when the block fails, so that the report can name the run and the reason."""
        try:
            with termination():
                yield
        except Exception as error:
            if first_process():
                content = {"error": type(error).__name__, "message": str(error), "when": now()}
                if not isinstance(error, OccluferError):
                    content["traceback"] = traceback.format_exc()
                with contextlib.suppress(OccluferError):  # the disk may be full
                    # A folder without config.yaml is no run to the report.
                    if not (self.run.folder / "config.yaml").is_file():
                        self.run.write_config(self.settings)
                    self.run.write_json("failure.json", content)
            raise

    def begin(self, data: FaceDataModule) -> None:
        """Write what is known before training, and delete an earlier failure.json.

        Raises `RunError` when a run is resumed with other faces than it began with.
        """
        self._check_faces(data)
        (self.run.folder / "failure.json").unlink(missing_ok=True)
        self.run.write_config(self.settings)
        self.run.write_json("environment.json", environment())
        self.run.write_json("conditions.json", self.settings["condition_occluders"])
        coverage = data.coverage()
        self.run.write_table("coverage.csv", coverage)
        self.run.write_table("dropped.csv", data.left_out())
        used, dropped = int(coverage["used"].sum()), int(coverage["dropped"].sum())
        say(
            f"{self.run.name}: {count(used, 'face')} used, {dropped:,} left out of all conditions"
            f"{' (dropped.csv says why)' if dropped else ''}."
        )

    def _check_faces(self, data: FaceDataModule) -> None:
        before, used = self.run.coverage(), data.coverage().groupby("split")["used"].sum()
        if before.empty or not self.run.checkpoint_last.is_file():
            return
        began = before.groupby("split")["used"].sum()
        if began.to_dict() != used.to_dict():
            raise RunError(
                f"The faces have changed since {self.run.name} began: {_sizes(began)} then, {_sizes(used)} now. Put "
                f"them back to go on, or delete {self.run.folder} to train it from its start."
            )

    def write_history(self, rows: list[HistoryRow]) -> None:
        """Write history.csv after an epoch, and say how it went."""
        self.run.write_table("history.csv", pd.DataFrame(rows))
        last = rows[-1]
        if not err.is_terminal:
            epochs = self.settings["trainer"]["max_epochs"]
            say(
                f"{self.run.name}: epoch {int(last['epoch'])} of {epochs}, loss {last['train_loss']:.3f}, "
                f"validation accuracy {last['val_accuracy']:.3f}, macro F1 {last[MONITOR]:.3f}, {last['seconds']:.0f} s"
            )

    def end_training(self, history: History, trainer: pl.Trainer) -> None:
        """Write trained.json: from now on only the test is left. Raises `KeyboardInterrupt` after Ctrl-C."""
        if trainer.interrupted:
            raise KeyboardInterrupt
        last = Protocol.of(self.settings).scored == "last"
        best = history.rows[-1] if last else max(history.rows, key=lambda row: row[MONITOR])
        self._training = {
            "epochs": len(history.rows),
            "seconds": round(history.seconds, 1),
            "best_epoch": int(best["epoch"]),
            "best_score": best[MONITOR],
        }
        if trainer.is_global_zero:
            self.run.write_json("trained.json", self._training | {"format": FORMAT})

    def finish(self, data: FaceDataModule, classifier: ExpressionClassifier) -> None:
        """Write run.json, last."""
        names = self.settings["names"]
        counts = {split: len(indices) for split, indices in data.indices.items()}
        left_out = data.left_out()
        counts["dropped"] = len(left_out)
        self.run.write_table("dropped.csv", left_out)
        self.run.finish(
            RunSummary(
                name=self.run.name,
                study=str(self.settings["study"]),
                condition=names["occlusion"],
                dataset=names["dataset"],
                model=names["model"],
                seed=int(self.settings["seed"]),
                fold=self.settings["fold"],
                config_hash=self.run.name.rsplit("_", 1)[1],
                conditions=tuple(data.conditions),
                finished=now(),
                counts=counts,
                parameters=sum(parameter.numel() for parameter in classifier.network.parameters()),
                notes=(*data.faces.notes, *left_out_notes(left_out)),
                drawing=self.settings["drawing"],
                **self._training,
            )
        )

    def _read_training(self) -> dict[str, Any]:
        try:
            content = read_json(self.run.folder / "trained.json")
        except RunError:
            return {}
        if not isinstance(content, dict):
            return {}
        counted_from_one = content.pop("format", None) == FORMAT
        if set(content) != {"epochs", "seconds", "best_epoch", "best_score"}:
            return {}
        return content if counted_from_one else content | {"best_epoch": content["best_epoch"] + 1}


def _sizes(used: pd.Series[int]) -> str:
    """How many faces each split has, for one line."""
    return ", ".join(f"{used[split]:,} {split}" for split in SPLITS if split in used)
