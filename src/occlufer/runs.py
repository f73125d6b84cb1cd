"""The run folder: what a run writes, how it is found, resumed and trusted.

A run folder `outputs/<study>/<run>/` holds

    config.yaml          the resolved configuration
    conditions.json      the occluder of each test condition, {condition: settings}
    environment.json     versions, platform, devices, command line, git commit
    coverage.csv         faces, used and dropped by split and expression, before the training
    dropped.csv          each face that is in no condition, with the reason
    checkpoints/         best.ckpt, last.ckpt
    history.csv          one row an epoch: epoch, learning_rate, train_loss, train_accuracy, val_loss, val_accuracy,
                         val_f1_macro, seconds
    trained.json         written when the training is over and only the test is left
    predictions.parquet  one row a test face and condition (`PREDICTION_COLUMNS`)
    validation.parquet   the same of the validation faces, bare, for calibration; none where bare faces are no condition
    faces.csv            what the dataset states of each test face beside its label, by key; only where it does
    metrics.json         {condition: {metric: value}}: a pure function of predictions.parquet
    figures/samples.png  some test faces under each condition
    attention.parquet    after `evaluate explain=true`, with figures/attention.png (`occlufer.attention`)
    elsewhere/DATASET/   the same of a test on another dataset (`evaluate run=RUN dataset=DATASET`), and its view.json
    failure.json         only after an error: {error, message, when}
    run.json             written last; a run without it is unfinished
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from occlufer.files import atomic_path, held, write_text
from occlufer.reading import check_size, printable, read_json, read_yaml
from occlufer.settings import DRAWING, rename_moved
from occlufer.types import EXPRESSIONS, RunError, override

if TYPE_CHECKING:
    import pandas as pd  # imported where a table is read: what starts a sweep reads none

FORMAT = 3
"""Version of the run folder; a reader refuses a newer one, reads 2 (epochs from 0), and says so for an older one."""

FACES = "faces.csv"
PROBABILITY_COLUMNS: tuple[str, ...] = tuple(f"prob_{name}" for name in EXPRESSIONS)
PREDICTION_COLUMNS: tuple[str, ...] = (
    "key",  # str, the manifest's
    "subject",  # str, who is shown, or null where the data do not say; the manifest's
    "split",  # "test"; "validation" in validation.parquet
    "condition",  # "none", "mask", ...: what covered the face
    "label",  # int, index into EXPRESSIONS
    "prediction",  # int, the most probable expression
    *PROBABILITY_COLUMNS,  # float32, sum to 1
    "covered_share",  # float32 0..1, share of the face oval's pixels under the occluder
    "content",  # str, hex digest of the image: the same key with other pixels is another face; null in older runs
)
_TABLES: Mapping[str, tuple[str, ...]] = {
    "history.csv": ("epoch",),
    "coverage.csv": ("split", "expression", "faces", "used", "dropped"),
}
"""Table -> the columns that it must have."""
_WORDS = ("split", "expression")  # their columns that are no numbers
_SINCE_THEN = ("content",)  # columns that runs of earlier versions lack


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The contents of run.json.

    Attributes:
        name: the folder's name.
        study: the study's name.
        condition: name of the occlusion that the network was trained under.
        dataset, model, seed: what it was trained on, which network, which seed.
        fold: which fold of a cross-validation was held out for validation (from 0); None without one.
        config_hash: 8 hex digits, see `settings.config_hash`.
        conditions: the test conditions in predictions.parquet, in order.
        best_epoch: epoch (from 1) of the checkpoint that was scored: the best one, or with protocol=published the last.
        best_score: its validation macro F1.
        epochs: epochs trained.
        seconds: wall seconds, all sessions of the run together.
        finished: ISO time, UTC.
        counts: test and train sizes: {"train": n, "validation": n, "test": n, "dropped": n}.
        parameters: weights in the network.
        notes: sentences that a reader of the result should know.
        drawing: version of the occluders that it was trained under, see `settings.DRAWING`.
    """

    name: str
    study: str
    condition: str
    dataset: str
    model: str
    seed: int
    fold: int | None
    config_hash: str
    conditions: tuple[str, ...]
    best_epoch: int
    best_score: float
    epochs: int
    seconds: float
    finished: str
    counts: dict[str, int]
    parameters: int
    notes: tuple[str, ...] = ()
    drawing: int = DRAWING
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is: epochs behind it, the best validation macro F1 (NaN before the first), seconds so far."""

    epochs: int = 0
    best: float = math.nan
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, finished or not. Reading never writes."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def finished(self) -> bool:
        """True when run.json is there: it is written last."""
        return (self.folder / "run.json").is_file()

    @property
    def lock(self) -> Path:
        """The lock file that the training process holds."""
        return self.folder / ".lock"

    @property
    def running(self) -> bool:
        """True while a live process holds the run, also when it only waits for landmarks."""
        return held(self.lock)

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed; None when it did not, and for a finished run."""
        path = self.folder / "failure.json"
        if self.finished or not path.is_file():
            return None
        try:
            return str(read_json(path)["message"])
        except (RunError, KeyError, TypeError):
            return "its failure.json cannot be read."

    @property
    def checkpoint_last(self) -> Path:
        """The checkpoint from which an interrupted run is resumed, and which is tested under protocol=published."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def checkpoint_best(self) -> Path:
        """The best checkpoint by validation macro F1, which is tested except under protocol=published."""
        return self.folder / "checkpoints" / "best.ckpt"

    def summary(self) -> RunSummary:
        """run.json; raises `RunError` when it is missing, damaged, or of another format."""
        path = self.folder / "run.json"
        if not path.is_file():
            raise RunError(f"{self.folder} is not a finished run: it has no run.json. {self.state()}")
        try:
            fields = read_json(path)
        except RunError as error:
            raise RunError(f"{error} Delete the run folder and train again.") from error
        if not isinstance(fields, dict):
            raise RunError(f"{path} cannot be read (no record). Delete the run folder and train again.")
        if fields.get("format") == 2 and isinstance(best := fields.get("best_epoch"), int):
            fields |= {"best_epoch": best + 1, "format": FORMAT}
        if (found := fields.get("format")) != FORMAT:
            raise RunError(
                f"{path} has format {found!r}, this version of occlufer reads format {FORMAT}. "
                "Read it with the version that wrote it (environment.json names it), or train again."
            )
        fields.setdefault("drawing", 1)  # it was not counted then
        if odd := sorted(set(fields) ^ {field.name for field in dataclasses.fields(RunSummary)}):
            raise RunError(f"{path}: unexpected or missing fields {odd}. Train the run again.")
        return RunSummary(**fields | {name: tuple(fields[name]) for name in ("conditions", "notes")})

    def state(self) -> str:
        """One sentence on how far the run got: finished, failed (and why), or stopped after which epoch."""
        if self.finished:
            return "Finished."
        if (reason := self.failure) is not None:
            return f"Failed: {reason}"
        epochs = self.progress().epochs
        return f"Unfinished after {epochs} epoch{'s' * (epochs != 1)}; run the same command to go on."

    def progress(self) -> Progress:
        """How far the training is, from history.csv; light enough to be asked every second."""
        try:
            check_size(self.folder / "history.csv")
            with (self.folder / "history.csv").open(encoding="utf-8", newline="") as handle:
                rows = list(csv.DictReader(handle))
            scores = [float(row.get("val_f1_macro") or math.nan) for row in rows]
            seconds = float(rows[-1].get("seconds") or 0) if rows else 0.0
        except (RunError, OSError, ValueError, TypeError, csv.Error):  # as for a run that has not begun
            return Progress()
        return Progress(len(rows), max((s for s in scores if not math.isnan(s)), default=math.nan), seconds)

    def config(self) -> dict[str, Any]:
        """The resolved configuration, in today's names; raises `RunError` when it is missing or damaged."""
        path = self.folder / "config.yaml"
        try:
            config = read_yaml(path)
        except RunError as error:
            raise RunError(f"{error} Is {self.folder} a run folder?") from error
        if not isinstance(config, dict):
            raise RunError(f"{path} holds no configuration. Is {self.folder} a run folder?")
        rename_moved(config)
        return config

    def predictions(self) -> pd.DataFrame:
        """predictions.parquet with `PREDICTION_COLUMNS`; raises `RunError` when missing or damaged."""
        return self._rows("predictions.parquet")

    def validation(self) -> pd.DataFrame | None:
        """validation.parquet, such as `predictions`; None where there is none, as in runs of earlier versions."""
        return self._rows("validation.parquet") if (self.folder / "validation.parquet").exists() else None

    def _rows(self, name: str) -> pd.DataFrame:
        import pandas as pd

        path = self.folder / name
        try:
            frame = pd.read_parquet(path)
        except Exception as error:  # pyarrow raises its own family for damaged files
            raise RunError(f"{path} cannot be read ({error}). Run `occlufer evaluate` on it.") from error
        frame = frame.assign(**{name: None for name in _SINCE_THEN if name not in frame.columns})
        missing = [name for name in PREDICTION_COLUMNS if name not in frame.columns]
        if missing:
            raise RunError(f"{path} lacks the columns {', '.join(missing)}; it is of another version.")
        odd = [name for name in frame["condition"].unique() if str(name) != printable(str(name))]
        if odd:
            raise RunError(f"{path} cannot be read (conditions with control characters: {odd}).")
        return frame[list(PREDICTION_COLUMNS)]

    def history(self) -> pd.DataFrame:
        """history.csv, one row an epoch (from 1); empty when there is none yet, or a damaged one."""
        table = self._table("history.csv")
        return table.assign(epoch=table["epoch"] + (table["epoch"] == 0).any())  # format 2 counted from 0

    def coverage(self) -> pd.DataFrame:
        """coverage.csv: split, expression, faces, used, dropped; empty when there is none, or a damaged one."""
        return self._table("coverage.csv")

    def check_tables(self) -> None:
        """Raise `RunError` when history.csv or coverage.csv is damaged: a report would leave it out without a word."""
        for name in _TABLES:
            if (self.folder / name).exists():
                self._read_table(name)

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        try:
            return self._read_table(name)
        except RunError:
            return pd.DataFrame(columns=[*_TABLES[name]])

    def _read_table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        path = self.folder / name
        check_size(path)
        try:
            table = pd.read_csv(path)
        except (OSError, ValueError) as error:  # ValueError: what pandas cannot parse, or no UTF-8
            raise RunError(f"{path} cannot be read ({error}).") from error
        wrong: list[object] = [column for column in _TABLES[name] if column not in table]
        wrong += [column for column in table
                  if pd.api.types.is_numeric_dtype(table[column]) == (column in _WORDS) and len(table)]  # fmt: skip
        if wrong:
            raise RunError(
                f"{path} cannot be read (missing, or not a number where one is wanted: {', '.join(map(str, wrong))})."
            )
        return table

    def write_json(self, name: str, content: object) -> None:
        """Write a JSON file into the run folder, atomically."""
        write_text(self.folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_predictions(self, frame: pd.DataFrame, name: str = "predictions.parquet") -> None:
        """Write predictions.parquet (or validation.parquet), atomically, in the declared column order."""
        assert set(frame.columns) == set(PREDICTION_COLUMNS)
        with atomic_path(self.folder / name) as temporary:
            frame[list(PREDICTION_COLUMNS)].to_parquet(temporary, index=False)

    def write_table(self, name: str, frame: pd.DataFrame) -> None:
        """Write a CSV file into the run folder, atomically."""
        with atomic_path(self.folder / name) as temporary:
            frame.to_csv(temporary, index=False)

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write config.yaml, atomically."""
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        write_text(self.folder / "config.yaml", text)

    def finish(self, summary: RunSummary) -> None:
        """Write run.json: from now on the run is trusted."""
        (self.folder / "failure.json").unlink(missing_ok=True)
        self.write_json("run.json", dataclasses.asdict(summary))


def refuse_links(folder: Path, *names: str) -> None:
    """Raise `RunError` where a folder to write into is a link: it would lead out of the study that was asked for."""
    for name in names:
        if (path := folder / name).is_symlink():
            raise RunError(
                f"{path} is a link to {path.readlink()}, and nothing is written through it. Remove the link "
                "(its target stays as it is) and run this again."
            )


def check_study(study: Path) -> None:
    """Raise `RunError` when there is no such study folder."""
    if not study.is_dir():
        raise RunError(
            f"There is no study folder {study}. Give study=NAME (under paths.outputs) or the path of a folder."
        )


def find_runs(study: Path) -> list[Run]:
    """The run folders of a study, by name, unfinished ones too; raises `RunError` when there is none."""
    check_study(study)
    runs = [Run(path.parent) for path in sorted(study.glob("*/config.yaml"))]
    if not runs:
        first = override("study", study.name)
        raise RunError(f"{study} holds no run folder. Train something with {first} first.")
    return runs


def now() -> str:
    """The time in UTC, ISO format, whole seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
