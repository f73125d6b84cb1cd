"""One finished run as the analysis sees it: its summary, its predictions, and the block that it belongs to."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pandas as pd

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import check_answers
from occlufer.analysis.core.trainings import Training
from occlufer.reading import check_size, read_json
from occlufer.runs import FACES, PROBABILITY_COLUMNS, Run, RunSummary
from occlufer.types import EXPRESSIONS, RunError

_COLUMNS = ["key", "subject", "condition", "label", "prediction", "covered_share", "content",
            *PROBABILITY_COLUMNS]  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """Runs that differ only in train condition, seed and fold: one matrix each.

    `variant` names the settings that tell this block from others with the same dataset and model, or is empty.
    """

    dataset: str
    model: str
    variant: str = ""

    @property
    def title(self) -> str:
        """Such as `resnet18 on fer2013 (optimizer.lr=0.01)`."""
        return f"{self.model} on {self.dataset}" + (f" ({self.variant})" if self.variant else "")


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A finished run with its predictions, cut down to the faces that are compared, sorted by condition and key.

    Attributes:
        predictions: columns key, subject (str or None), condition, label, prediction, covered_share, content (str or
            None) and prob_<expression>; test faces only.
        config: the resolved configuration; empty when it cannot be read, as no number depends on it.
        setting: the tuned settings of a grid search, such as `SGD, lr 0.01`; empty without one.
        validation: columns label and prob_<expression> of the bare validation faces; None in runs of earlier versions.
        facts: what the dataset states of its test faces (such as yaw), by key; None where it states nothing.
    """

    run: Run
    summary: RunSummary
    predictions: pd.DataFrame
    block: Block
    config: Mapping[str, Any] = field(default_factory=dict)
    setting: str = ""
    validation: pd.DataFrame | None = None
    facts: pd.DataFrame | None = None

    @property
    def training(self) -> Training:
        """Which repetition of its design it is."""
        return Training(self.summary.seed, self.summary.fold)

    @property
    def learns(self) -> bool:
        """False for a baseline that has nothing to train, such as answering by chance."""
        return self.config.get("learns") is not False

    @property
    def identity(self) -> dict[str, Any]:
        """The columns that name the run in a table: its block, run, train, seed and fold (<NA> without folds)."""
        fold = pd.NA if self.summary.fold is None else self.summary.fold
        return asdict(self.block) | {
            "run": self.run.name, "train": self.summary.condition, "seed": self.summary.seed, "fold": fold
        }  # fmt: skip

    @property
    def conditions(self) -> list[str]:
        """Test conditions, in report order."""
        return condition_order(self.predictions["condition"].unique())

    def rows(self, condition: str) -> pd.DataFrame:
        """The rows of one condition, by key."""
        return self.predictions[self.predictions["condition"] == condition]


def read_run(run: Run) -> ScoredRun:
    """A finished run with whole predictions; raises `RunError` (or what a damaged file raises) for any other."""
    if not run.finished:
        raise RunError(run.state())
    summary = run.summary()
    _check_types(run, summary)
    run.check_tables()
    predictions = run.predictions()
    predictions = predictions[predictions["split"] == "test"][_COLUMNS]
    if predictions.empty:
        raise RunError("Its predictions.parquet holds no test rows. Run `occlufer evaluate` on this run.")
    if predictions[["key", "condition"]].isna().any(axis=None):
        raise RunError(
            "Its predictions.parquet has rows without key or condition. Run `occlufer evaluate` on it."
        )
    if (repeated := int(predictions.duplicated(["key", "condition"]).sum())) > 0:
        raise RunError(
            f"{repeated} rows of its predictions.parquet repeat a face and condition. Run `occlufer evaluate` on it."
        )
    check_answers(predictions)
    predictions = predictions.astype({"label": "int64", "prediction": "int64"})
    # A grid has hundreds of runs on the same faces: their names are kept once.
    names = {name: predictions[name].astype(str).map(sys.intern) for name in ("key", "condition")}
    subject = predictions["subject"].astype(object)
    names["subject"] = subject.map(lambda name: sys.intern(str(name)), na_action="ignore")
    block = Block(summary.dataset, summary.model)
    return ScoredRun(
        run,
        summary,
        predictions.assign(**names),
        block,
        _config(run),
        validation=_validation(run),
        facts=_facts(run),
    )


def _facts(run: Run) -> pd.DataFrame | None:
    path = run.folder / FACES
    if not path.exists():
        return None
    check_size(path)
    try:
        facts = pd.read_csv(path, dtype={"key": str}).set_index("key")
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path} cannot be read ({error}). Train the run again.") from error
    if not facts.index.is_unique:
        raise RunError(f"{path} names a face twice. Train the run again.")
    return facts


def _validation(run: Run) -> pd.DataFrame | None:
    rows = run.validation()
    if rows is None:
        return None
    kept = rows.loc[rows["split"] == "validation", ["label", *PROBABILITY_COLUMNS]]
    if kept.empty or not kept["label"].isin(range(len(EXPRESSIONS))).all() or kept.isna().any(axis=None):
        raise RunError(
            f"{run.folder / 'validation.parquet'} holds no usable validation rows. Train the run again."
        )
    return kept.astype({"label": "int64"})


def _check_types(run: Run, summary: RunSummary) -> None:
    wanted: dict[str, type | tuple[type, ...]] = {
        "str": str,
        "int": int,
        "int | None": (int, type(None)),
        "float": (int, float),
        "dict[str, int]": dict,
    }
    for item in fields(summary):
        kind = wanted.get(str(item.type))
        if kind is not None and not isinstance(value := getattr(summary, item.name), kind):
            raise RunError(f"{run.folder / 'run.json'}: {item.name} must be {item.type}, found {value!r}.")


def _config(run: Run) -> dict[str, Any]:
    try:
        return run.config()
    except RunError:
        return {}


def environment_of(run: Run) -> dict[str, Any]:
    """environment.json; empty when it is missing or damaged, as no number depends on it."""
    try:
        content = read_json(run.folder / "environment.json")
    except RunError:
        return {}
    return content if isinstance(content, dict) else {}


def packages_of(run: Run) -> dict[str, str]:
    """Package name -> version, as recorded by the run."""
    packages = environment_of(run).get("packages")
    if not isinstance(packages, dict):
        return {}
    return {str(name): str(version) for name, version in packages.items() if version}


def threads_of(run: Run) -> int | None:
    """Threads that the training computed with, the most of any library; None where the run does not say."""
    pools = environment_of(run).get("threads")
    counts = (
        [pool.get("num_threads") for pool in pools if isinstance(pool, dict)]
        if isinstance(pools, list)
        else []
    )
    return max((count for count in counts if isinstance(count, int)), default=None)
