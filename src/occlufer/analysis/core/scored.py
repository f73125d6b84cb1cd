"""One finished run as the analysis sees it: its summary, its predictions, and the block that it belongs to."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import check_answers
from occlufer.analysis.core.trainings import Training
from occlufer.reading import check_size, read_json
from occlufer.runs import FACES, PROBABILITY_COLUMNS, Run, RunSummary
from occlufer.types import EXPRESSIONS, RunError

_COLUMNS = ["key", "subject", "condition", "label", "prediction", "covered_share", "content",
            *PROBABILITY_COLUMNS]  # fmt: skip

_TEXTS = ("key", "subject", "condition", "content")


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
    _places: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        return condition_order(self._found())

    def rows(self, condition: str) -> pd.DataFrame:
        """The rows of one condition, by key."""
        rows: pd.DataFrame = self.predictions.iloc[self._found().get(condition, slice(0))]
        return rows

    def _found(self) -> dict[str, Any]:
        """Condition -> which rows it has: a slice, which copies nothing, where they follow each other."""
        if not self._places:
            codes_N, names = pd.factorize(self.predictions["condition"])
            starts = [0, *(np.flatnonzero(np.diff(codes_N)) + 1), len(codes_N)]
            if len(starts) == len(names) + 1:
                parts: list[Any] = [slice(*pair) for pair in itertools.pairwise(starts)]
            else:
                parts = [np.flatnonzero(codes_N == place) for place in range(len(names))]
            self._places.update(zip(names, parts, strict=True))
        return self._places


@dataclass(frozen=True, slots=True)
class _Named:
    """The columns of text of some prediction rows.

    Attributes:
        raw: as read.
        texts: sorted by condition and key.
        order_N: the rows in that order.
        repeated: rows that repeat a face and condition.
    """

    raw: pd.DataFrame
    texts: pd.DataFrame
    order_N: NDArray[np.int64]
    repeated: int

    @classmethod
    def of(cls, raw: pd.DataFrame) -> _Named:
        words = {name: raw[name].astype(str) for name in ("key", "condition")}
        words["subject"] = raw["subject"].astype(object).map(str, na_action="ignore")
        texts = raw.assign(**words)
        order_N = texts.sort_values(["condition", "key"], kind="stable").index.to_numpy()
        repeated = int(texts.duplicated(["key", "condition"]).sum())
        return cls(raw, texts.iloc[order_N].reset_index(drop=True), order_N, repeated)


class SharedNames:
    """Keys, people, conditions and contents of rows: the runs of a study have the same ones, which are kept once."""

    def __init__(self) -> None:
        self._last: _Named | None = None

    def of(self, rows: pd.DataFrame) -> _Named:
        """Those of the rows; the last run's own where they are equal."""
        raw = rows[list(_TEXTS)]
        if self._last is None or not self._last.raw.equals(raw):
            self._last = _Named.of(raw)
        return self._last


def read_run(run: Run, shared: SharedNames) -> ScoredRun:
    """A finished run with whole predictions; raises `RunError` (or what a damaged file raises) for any other."""
    if not run.finished:
        raise RunError(run.state())
    summary = run.summary()
    _check_types(run, summary)
    run.check_tables()
    predictions = run.predictions()
    predictions = predictions.loc[predictions["split"] == "test", _COLUMNS].reset_index(drop=True)
    if predictions.empty:
        raise RunError("Its predictions.parquet holds no test rows. Run `occlufer evaluate` on this run.")
    if predictions[["key", "condition"]].isna().any(axis=None):
        raise RunError(
            "Its predictions.parquet has rows without key or condition. Run `occlufer evaluate` on it."
        )
    named = shared.of(predictions)
    if named.repeated > 0:
        raise RunError(
            f"{named.repeated} rows of its predictions.parquet repeat a face and condition. Run `occlufer evaluate` on "
            "it."
        )
    check_answers(predictions)
    numbers = [name for name in _COLUMNS if name not in _TEXTS]
    predictions = predictions[numbers].iloc[named.order_N].reset_index(drop=True)
    predictions = predictions.astype({"label": "int64", "prediction": "int64"}).join(named.texts)[_COLUMNS]
    block = Block(summary.dataset, summary.model)
    return ScoredRun(
        run,
        summary,
        predictions,
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
