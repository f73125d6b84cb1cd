"""Model x condition: the crossed cells of a study, and the tables of the published and of the honest tests on them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_training, training_bootstrap
from occlufer.analysis.core.conditions import condition_order, mask_and_headset
from occlufer.analysis.core.crossed import contrasts, crossed_test, pair_contrast
from occlufer.analysis.core.metrics import STUDY_METRICS, accuracy_of, f1_macro_of, records
from occlufer.analysis.core.statistics import holm, paired_test
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.studies import anova

OWN = "own condition"
Cell = dict[Training, Counted]
Key = tuple[str, str]
"""Model and condition."""


@dataclass(frozen=True, slots=True)
class Factors:
    """Cells of model x condition on one dataset, each with its trainings.

    Attributes:
        dataset, variant: of the blocks.
        tested: `OWN` (each network on the condition that it was trained on), or `trained on X` (networks of one train
            condition on several test conditions).
        models, conditions: the levels, in report order.
        cells: (model, condition) -> trainings; a missing cell is not there.
    """

    dataset: str
    variant: str
    tested: str
    models: tuple[str, ...]
    conditions: tuple[str, ...]
    cells: dict[Key, Cell]

    @property
    def identity(self) -> dict[str, str]:
        """The columns that name it in a table."""
        return {"dataset": self.dataset, "variant": self.variant, "tested": self.tested}

    @property
    def keys(self) -> list[Key]:
        """All (model, condition), model by model."""
        return list(itertools.product(self.models, self.conditions))

    def shared_trainings(self, keys: Sequence[Key]) -> list[Training]:
        """The trainings that all these cells have; none when a cell is missing."""
        return in_order(set.intersection(*(set(self.cells.get(key, {})) for key in keys)))

    def right_answers(self, keys: Sequence[Key], trainings: Sequence[Training]) -> NDArray[np.bool_]:
        """Bool (faces, trainings, cells): was the face read rightly."""
        cells = [
            np.stack([self.cells[key][training].cell.correct_N for training in trainings], axis=1)
            for key in keys
        ]
        return np.stack(cells, axis=-1)


def crossed_cells(counted: dict[Block, list[Counted]]) -> list[Factors]:
    """The model x condition designs of a study: those with two models or more, and re-runs of a published study.

    Baselines that learn nothing are no level of the factor: their distance to all networks would be its whole effect.
    """
    groups: dict[tuple[str, str], list[Counted]] = {}
    for block, items in counted.items():
        if networks := [item for item in items if item.run.learns]:
            groups.setdefault((block.dataset, block.variant), []).extend(networks)
    found = []
    for (dataset, variant), items in groups.items():
        models = tuple(sorted({item.run.block.model for item in items}))
        if len(models) == 1 and not any(item.run.config.get("published") for item in items):
            continue
        for tested, columns in _sides(items).items():
            cells = {
                (model, test): cell
                for model, (train, test) in itertools.product(models, columns)
                if (
                    cell := by_training(
                        [item for item in items if item.run.block.model == model], train, test
                    )
                )
            }
            if len(models) * len(columns) > 1:
                conditions = tuple(test for _, test in columns)
                found.append(Factors(dataset, variant, tested, models, conditions, cells))
    return found


def _sides(items: Sequence[Counted]) -> dict[str, list[tuple[str, str]]]:
    """What `condition` means: name -> (train, test) conditions; each network's own one where there are two or more."""
    own = condition_order(item.train for item in items if item.train == item.test)
    if len(own) > 1:
        return {OWN: [(name, name) for name in own]}
    return {
        f"trained on {train}": [
            (train, test) for test in condition_order(item.test for item in items if item.train == train)
        ]
        for train in condition_order(item.train for item in items)
    }


def scores_of(factors: Factors, scores: pd.DataFrame) -> pd.DataFrame:
    """One row a cell and training: model, condition, seed, fold, and `STUDY_METRICS` from the scores table."""
    by_run = {(row["run"], row["test"]): row for row in records(scores)}
    rows = [
        {"model": model, "condition": condition, "seed": training.seed, "fold": training.fold}
        | {name: float(by_run[item.run.run.name, item.test][name]) for name in STUDY_METRICS}
        for (model, condition), cell in factors.cells.items()
        for training, item in cell.items()
    ]
    return pd.DataFrame(rows, columns=["model", "condition", "seed", "fold", *STUDY_METRICS])


def anova_table(designs: Sequence[Factors], scores: pd.DataFrame) -> pd.DataFrame:
    """Two-way analysis of variance per metric: see `anova.two_way`; `balanced`, and `refused` where there is none."""
    frames = []
    for factors in designs:
        found = scores_of(factors, scores)
        if reason := anova.refusal(found):
            frames.append(pd.DataFrame([factors.identity | {"refused": reason}]))
            continue
        for metric in STUDY_METRICS:
            table = anova.two_way(found, metric)
            head = factors.identity | {"metric": metric, "balanced": anova.is_balanced(found)}
            frames.append(pd.DataFrame([head] * len(table)).join(table).assign(refused=""))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def tukey_table(designs: Sequence[Factors], scores: pd.DataFrame) -> pd.DataFrame:
    """Tukey's comparisons per metric of models, of conditions, and of all cells: see `anova.tukey`."""
    frames = []
    for factors in designs:
        found = scores_of(factors, scores)
        if anova.refusal(found):
            continue
        for metric, factor in itertools.product(STUDY_METRICS, anova.TERMS):
            table = anova.tukey(found, metric, factor)
            head = pd.DataFrame([factors.identity | {"metric": metric}] * len(table))
            frames.append(head.join(table))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def crossed_table(designs: Sequence[Factors]) -> pd.DataFrame:
    """The mixed model with random faces and trainings: one row a term (`crossed.crossed_test`), on shared trainings."""
    rows: list[dict[str, Any]] = []
    for factors in designs:
        trainings = factors.shared_trainings(factors.keys)
        if not trainings:
            reason = (
                "The models and conditions share no seed and fold, so nothing can be compared face by face."
            )
            rows.append(factors.identity | {"trainings": 0, "refused": reason})
            continue
        right_NRK = factors.right_answers(factors.keys, trainings)
        for term, contrast_QK in contrasts(len(factors.models), len(factors.conditions)).items():
            found = crossed_test(right_NRK, contrast_QK)
            rows.append(
                factors.identity
                | {"term": term, "F": found.F, "df": found.df[0], "df_error": found.df[1], "p": found.p,
                   "face_variance": found.face_variance, "training_variance": found.training_variance,
                   "faces": len(right_NRK), "trainings": len(trainings), "refused": ""}
            )  # fmt: skip
    return pd.DataFrame(rows)


def contrasts_table(designs: Sequence[Factors]) -> pd.DataFrame:
    """Models against models and conditions against conditions, paired on faces and trainings.

    Columns: factor (`model` or `condition`), at (the level of the other factor, or `all`), first, second, the mean
    accuracies, difference with low and high (95 % bootstrap over faces x trainings), the same for macro F1 as
    `f1_macro_`, p of the mixed model and p_holm (corrected for all rows of one design), and how many of the `trainings`
    differ in exact McNemar tests (p < .05, Holm-corrected for all tests of one design); empty where cells are pooled.
    """
    frames = []
    for factors in designs:
        rows: list[dict[str, Any]] = []
        tests: list[list[float]] = []
        for names, first, second in _pairs(factors):
            if trainings := factors.shared_trainings([*first, *second]):
                rows.append(factors.identity | names | _contrast(factors, first, second, trainings))
                tests.append(_paired_tests(factors, first, second, trainings))
        corrected = iter(holm([p for found in tests for p in found]))
        counts = [sum(next(corrected) < 0.05 for _ in found) if found else None for found in tests]
        if rows:
            table = pd.DataFrame(rows)
            p_holm = holm(table["p"].fillna(1.0).tolist())
            frames.append(table.assign(p_holm=p_holm, mcnemar_significant=pd.array(counts, dtype="Int64")))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _contrast(
    factors: Factors, first: list[Key], second: list[Key], trainings: list[Training]
) -> dict[str, Any]:
    right_NRK = factors.right_answers([*first, *second], trainings)
    sides = [list(range(len(first))), list(range(len(first), len(first) + len(second)))]
    row: dict[str, Any] = {"faces": len(right_NRK), "trainings": len(trainings)}
    row |= {
        f"accuracy_{name}": float(right_NRK[:, :, side].mean())
        for name, side in zip(("first", "second"), sides, strict=True)
    }
    items = [
        [[factors.cells[key][training] for training in trainings] for key in side] for side in (first, second)
    ]
    bootstrap = training_bootstrap(items[0][0])
    cells = [[{item.training: item.cell for item in cell} for cell in side] for side in items]
    for metric, statistic in (("", accuracy_of), ("f1_macro_", f1_macro_of)):
        change = bootstrap.difference(statistic, *cells)
        row |= {f"{metric}difference": float(change.value), f"{metric}low": float(change.low),
                f"{metric}high": float(change.high)}  # fmt: skip
    return row | {"p": crossed_test(right_NRK, pair_contrast(len(first) + len(second), *sides)).p}


def _paired_tests(
    factors: Factors, first: list[Key], second: list[Key], trainings: list[Training]
) -> list[float]:
    """p of the exact McNemar test of each training; none where cells are pooled, as a face then has no one answer."""
    if len(first) > 1:
        return []
    right_NR2 = factors.right_answers([*first, *second], trainings)
    return [paired_test(right_NR2[:, place, 0], right_NR2[:, place, 1]).p for place in range(len(trainings))]


def _pairs(factors: Factors) -> Iterator[tuple[dict[str, str], list[Key], list[Key]]]:
    """Names of a row and the cells of both its sides: every factor, averaged over the other one and at each level."""
    models, conditions = factors.models, factors.conditions
    wanted = [("none", name) for name in conditions if name != "none" and "none" in conditions]
    wanted = wanted + mask_and_headset(conditions) or list(itertools.combinations(conditions, 2))
    for at in (["all"] if len(models) > 1 else []) + list(models):
        over = models if at == "all" else (at,)
        for first, second in wanted:
            names = {"factor": "condition", "at": at, "first": first, "second": second}
            yield names, [(model, first) for model in over], [(model, second) for model in over]
    for at in (["all"] if len(conditions) > 1 else []) + list(conditions):
        over = conditions if at == "all" else (at,)
        for first, second in itertools.combinations(models, 2):
            names = {"factor": "model", "at": at, "first": first, "second": second}
            yield (
                names,
                [(first, condition) for condition in over],
                [(second, condition) for condition in over],
            )
