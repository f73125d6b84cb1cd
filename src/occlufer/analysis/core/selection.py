"""Which setting of a grid search is kept: by validation scores, or by test scores as the studies did."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from occlufer.analysis.core.scored import Block, ScoredRun
from occlufer.settings import Protocol


@dataclass(frozen=True, slots=True)
class Choice:
    """One setting that was tried for one model and train condition.

    Attributes:
        block: the model, dataset and variant, without the tuned settings.
        train: the train condition.
        setting: the tuned settings, such as `SGD, lr 0.01`.
        trainings: how many runs were averaged (seeds x folds).
        validation: mean of their best validation macro F1.
        test: mean test accuracy under their own train condition (over all test conditions where that is not tested).
        by: what decided: `validation macro F1` (protocol=honest) or `test accuracy` (protocol=published).
        chosen: whether its runs are in the numbers.
        reason: why it could not be chosen; empty when it could.
    """

    block: Block
    train: str
    setting: str
    trainings: int
    validation: float
    test: float
    by: str
    chosen: bool = False
    reason: str = ""


BY_VALIDATION, BY_TEST = "validation macro F1", "test accuracy"


def choose(runs: Iterable[ScoredRun]) -> tuple[list[ScoredRun], list[ScoredRun], list[Choice]]:
    """Keep the runs of one setting for each block and train condition, where several were tried.

    A setting is judged by the mean over its seeds and folds. One that lacks a training which another one has cannot be
    chosen, as the means would rest on different folds; nor can one whose score is not a number.

    Returns:
        The runs of the chosen settings and all runs without a grid; the other runs; and every setting that was tried.
    """
    groups: dict[tuple[Block, str], dict[str, list[ScoredRun]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        groups[run.block, run.summary.condition][run.setting].append(run)
    kept: list[ScoredRun] = []
    others: list[ScoredRun] = []
    choices: list[Choice] = []
    for (block, train), settings in groups.items():
        if len(settings) == 1:
            kept += next(iter(settings.values()))
            continue
        tried = _judged([_choice(block, train, name, found) for name, found in sorted(settings.items())])
        best = max(tried, key=lambda item: -math.inf if item.reason else _score(item))
        for item in tried:
            (kept if item is best else others).extend(settings[item.setting])
        choices += [replace(item, chosen=item is best) for item in tried]
    return kept, others, choices


def _choice(block: Block, train: str, setting: str, runs: list[ScoredRun]) -> Choice:
    by_test = any(Protocol.of(run.config).chosen_by == "test" for run in runs)
    return Choice(
        block, train, setting, len({run.training for run in runs}),
        float(np.mean([run.summary.best_score for run in runs])),
        float(np.mean([_test_accuracy(run) for run in runs])),
        BY_TEST if by_test else BY_VALIDATION,
    )  # fmt: skip


def _judged(tried: list[Choice]) -> list[Choice]:
    most = max(item.trainings for item in tried)
    judged = []
    for item in tried:
        reason = ""
        if item.trainings < most:
            reason = f"only {item.trainings} of {most} trainings are finished"
        elif math.isnan(_score(item)):
            reason = f"its {item.by} is not a number"
        judged.append(replace(item, reason=reason))
    return judged


def _score(item: Choice) -> float:
    return item.test if item.by == BY_TEST else item.validation


def _test_accuracy(run: ScoredRun) -> float:
    own = run.rows(run.summary.condition)
    rows = own if len(own) else run.predictions
    return float((rows["label"] == rows["prediction"]).mean())
