"""Weights & Biases as a mirror of the record: never its source, never a reason to fail. The one importer of wandb."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, cast, final

import numpy as np
import pandas as pd
from pytorch_lightning.loggers.logger import Logger

from occlufer.processes import first_process
from occlufer.types import EXPRESSIONS, ConfigError, UInt8Array, unknown_name

P = ParamSpec("P")
_MODES = ("offline", "online")
_MOST_ROWS = 10_000  # of the table of predictions: what wandb shows of one


class Mirror(Logger):
    """What a run tells a tracker; here every method does nothing, and a tracker overrides them."""

    def begin(self, *, folder: Path, study: str, name: str, config: Mapping[str, Any]) -> None:
        """Start: `folder` is the run folder, `study` groups runs, `config` is the resolved configuration."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add an epoch to the curves."""

    def log_grid(self, name: str, sheet_HWC: UInt8Array, caption: str) -> None:
        """Show a sheet of faces, uint8 RGB."""

    def log_scores(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        """Put the test metrics of each condition into the run's summary as `test/<condition>/<metric>`, recalls as
        `test/<condition>/recall/<expression>`."""

    def log_predictions(self, predictions: pd.DataFrame) -> None:
        """Show test rows (`occlufer.runs.PREDICTION_COLUMNS`) as a table, and accuracy against the covered share."""

    def log_confusion(self, condition: str, labels: Sequence[int], predictions: Sequence[int]) -> None:
        """Show the confusion matrix of a test condition."""

    def close(self) -> None:
        """End the tracker's run, and send what is left."""

    @property
    def name(self) -> str:
        """Lightning asks for it."""
        return "none"

    @property
    def version(self) -> str:
        """Lightning asks for it; a mirror has none."""
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Lightning offers them; the configuration was told at `begin`."""


@final
class NoMirror(Mirror):
    """No tracker: history.csv holds the curves, and the run folder everything else."""


def _guarded(method: Callable[P, None]) -> Callable[P, None]:
    """Run on the first device only, while the tracker lives; its first error switches it off with a warning."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        mirror = args[0]
        assert isinstance(mirror, WandbMirror)
        if not first_process() or (mirror.run is None and method.__name__ != "begin"):
            return
        try:
            method(*args, **kwargs)
        except Exception as error:  # wandb raises many families, and none of them is worth a training
            mirror.run = None
            warnings.warn(
                f"wandb failed in {method.__name__} ({type(error).__name__}: {error}); the run goes on without it. "
                "Its record is complete in the run folder.",
                stacklevel=2,
            )

    return guarded


@final
class WandbMirror(Mirror):
    """A wandb run in the run folder's `wandb/`; offline it needs neither account nor network.

    One run folder is one wandb run, whose id comes from the study and the folder's name. wandb cannot resume
    an offline run: when a training is resumed, the files of its earlier session are replaced and the earlier epochs are
    logged again from the checkpoint, so that nothing is there twice. Online, the run is resumed and known epochs are
    left out.

    Args:
        project: wandb's project.
        mode: "offline" (send later with `wandb sync`), or "online".
        images: False keeps pictures of faces and the names of their files here.
    """

    def __init__(self, *, project: str = "occlufer", mode: str = "offline", images: bool = True) -> None:
        super().__init__()
        if not isinstance(images, bool):
            raise ConfigError(f"logger.images must be true or false, found {images!r}.")
        if mode not in _MODES:
            raise ConfigError(unknown_name("logger.mode", mode, _MODES) + " To log nothing: logger=csv.")
        self.project, self.mode, self.images = project, mode, images
        self.run: Any = None
        self._last_epoch = -1

    @property
    def name(self) -> str:
        """Lightning asks for it."""
        return self.project

    @_guarded
    def begin(self, *, folder: Path, study: str, name: str, config: Mapping[str, Any]) -> None:
        """Start a wandb run named as the run folder, grouped by study."""
        # wandb 0.31 sends measurements of itself from an offline run too, before it knows that it is one.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        if self.mode == "offline":
            shutil.rmtree(folder / "wandb", ignore_errors=True)
        # wandb stages tables and pictures under HOME otherwise, and a run folder that is copied would lack them.
        os.environ["WANDB_DATA_DIR"] = str(folder / "wandb")
        self.run = wandb.init(
            project=self.project,
            group=study,
            name=name,
            id=hashlib.blake2b(f"{study}/{name}".encode(), digest_size=8).hexdigest(),
            resume="allow" if self.mode == "online" else None,
            dir=str(folder),
            mode=cast(Any, self.mode),
            config=_labels(config) | {"settings": dict(config)},
            settings=wandb.Settings(silent=True, console="off", init_timeout=30),
            reinit="finish_previous",
        )
        self._last_epoch = int(self.run.summary.get("epoch", -1)) if self.mode == "online" else -1
        self.run.define_metric("epoch")
        self.run.define_metric("*", step_metric="epoch")

    @_guarded
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Curves over the epochs; an epoch that was told before is left out."""
        epoch = int(metrics.get("epoch", self._last_epoch + 1))
        if epoch > self._last_epoch:
            self._last_epoch = epoch
            self.run.log(dict(metrics))

    @_guarded
    def log_grid(self, name: str, sheet_HWC: UInt8Array, caption: str) -> None:
        """A sheet of faces, unless pictures stay here."""
        import wandb

        if self.images:
            self.run.log({name: wandb.Image(sheet_HWC, caption=caption)})

    @_guarded
    def log_scores(self, scores: Mapping[str, Mapping[str, Any]]) -> None:
        """Single numbers into the summary."""
        for condition, values in scores.items():
            numbers = {name: value for name, value in values.items() if np.isscalar(value)}
            recalls = zip(EXPRESSIONS, values.get("recall_by_class", ()), strict=False)
            numbers |= {
                f"recall/{expression}": recall for expression, recall in recalls if recall is not None
            }
            self.run.summary.update({f"test/{condition}/{name}": value for name, value in numbers.items()})

    @_guarded
    def log_predictions(self, predictions: pd.DataFrame) -> None:
        """The rows with names for numbers, at most `_MOST_ROWS` of them, and the curve over the covered share."""
        import wandb

        probabilities = predictions[[f"prob_{name}" for name in EXPRESSIONS]].to_numpy()
        named = pd.DataFrame(
            {
                "key": predictions["key"],
                "condition": predictions["condition"],
                "expression": np.asarray(EXPRESSIONS, dtype=object)[predictions["label"]],
                "prediction": np.asarray(EXPRESSIONS, dtype=object)[predictions["prediction"]],
                "confidence": probabilities.max(axis=1).astype(float).round(4),
                "correct": predictions["label"] == predictions["prediction"],
                "covered_share": predictions["covered_share"].astype(float).round(4),
            }
        )
        if not self.images:
            del named["key"]
        shown = named.sample(n=min(len(named), _MOST_ROWS), random_state=0).sort_index()
        self.run.log({"test/predictions": wandb.Table(dataframe=shown)})
        known = named.dropna(subset="covered_share")
        if len(known):
            tenth = np.minimum((known["covered_share"] * 10).astype(int), 9)
            curve = known.groupby(tenth)["correct"].agg(["mean", "size"]).reset_index()
            rows = [
                [0.1 * int(at) + 0.05, float(mean), int(n)] for at, mean, n in curve.itertuples(index=False)
            ]
            table = wandb.Table(columns=["covered_share", "accuracy", "faces"], data=rows)
            plot = wandb.plot.line(
                table, "covered_share", "accuracy", title="Accuracy by covered share of the face"
            )
            self.run.log({"test/severity": plot})

    @_guarded
    def log_confusion(self, condition: str, labels: Sequence[int], predictions: Sequence[int]) -> None:
        """wandb's own plot."""
        import wandb

        plot = wandb.plot.confusion_matrix(
            y_true=list(map(int, labels)), preds=list(map(int, predictions)), class_names=list(EXPRESSIONS),
            title=condition,
        )  # fmt: skip
        self.run.log({f"test/{condition}/confusion": plot})

    @_guarded
    def close(self) -> None:
        """Flush and end the wandb run."""
        self.run.finish()
        self.run = None


def _labels(config: Mapping[str, Any]) -> dict[str, Any]:
    """What wandb's tables group and filter by, at the first level of its configuration."""
    names = config.get("names", {})
    return {
        "condition": names.get("occlusion"),
        "model": names.get("model"),
        "dataset": names.get("dataset"),
        "seed": config.get("seed"),
        "fold": config.get("fold"),
    }
