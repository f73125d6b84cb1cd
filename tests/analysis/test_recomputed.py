"""Numbers and intervals of the report's tables again, from predictions.parquet: by other libraries, or drawn anew.

Intervals by resampling are compared with a second bootstrap that shares no code and no draws with the first, so within
the chance of the draws; everything else is compared to the last digits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, log_loss, recall_score
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

import fakes_runs
from occlufer.analysis.core.study import load_study
from occlufer.analysis.sections import study_tables
from occlufer.runs import PROBABILITY_COLUMNS
from occlufer.types import EXPRESSIONS

FACES, SEEDS, DRAWS = 210, (0, 1, 2), 3000
TESTS = ("none", "box_random@0.5", "box_random", "mask")
Rows = list[pd.DataFrame]
"""Rows of one cell of the matrix, a table a training, all by the same faces."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs") / "s"
    for train, seed in ((train, seed) for train in ("none", "mask", "mixed") for seed in SEEDS):
        fakes_runs.make_run(folder, condition=train, seed=seed, tests=TESTS, n=FACES, skill=0.05 * seed)
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return study_tables(load_study(folder), resamples=DRAWS)


def cell(folder: Path, train: str, test: str) -> Rows:
    stored = [pd.read_parquet(path) for path in sorted(folder.glob(f"{train}_*/predictions.parquet"))]
    return [rows[rows["condition"] == test].sort_values("key", ignore_index=True) for rows in stored]


def drawn(
    columns: Callable[[pd.DataFrame], np.ndarray], value: Callable[..., np.ndarray], *cells: Rows
) -> np.ndarray:
    """A score of cells whose faces and trainings are drawn with replacement, independently: (DRAWS, cells, ...).

    Args:
        columns: rows -> float (faces, K), of which the sums over the drawn faces are wanted.
        value: sums (DRAWS, K) -> the score (DRAWS, ...).
    """
    rng = np.random.default_rng(5)
    faces_DN = rng.multinomial(FACES, np.full(FACES, 1 / FACES), size=DRAWS)
    trainings_DR = rng.multinomial(len(SEEDS), np.full(len(SEEDS), 1 / len(SEEDS)), size=DRAWS) / len(SEEDS)
    found = [np.stack([value(faces_DN @ columns(rows)) for rows in one], axis=1) for one in cells]
    return np.stack([np.einsum("dr,dr...->d...", trainings_DR, values) for values in found], axis=1)


def same_interval(row: pd.Series, name: str, resampled: np.ndarray) -> None:
    """Of the other draws 2.5 % lie beyond either bound, give or take 1.5 % (4 standard deviations of such a share)."""
    known = resampled[~np.isnan(resampled)]
    for beyond, at in (
        (known < row[f"{name}_low"], known <= row[f"{name}_low"]),
        (known > row[f"{name}_high"], known >= row[f"{name}_high"]),
    ):
        assert beyond.mean() < 0.04, name
        assert at.mean() > 0.01, name


def one_hot(column: pd.Series, number: int = 7) -> np.ndarray:
    return (column.to_numpy()[:, None] == np.arange(number)).astype(float)


def correct(rows: pd.DataFrame) -> np.ndarray:
    return (rows["label"] == rows["prediction"]).to_numpy()[:, None]


def by_class(rows: pd.DataFrame) -> np.ndarray:
    """Faces of each class, and those of them that are correct."""
    return np.hstack([one_hot(rows["label"]), one_hot(rows["label"]) * correct(rows)])


def recall(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return sums[:, 7:] / sums[:, :7]


def gaps(rows: pd.DataFrame) -> np.ndarray:
    """Correct minus confidence, in a column a bin of width 1/15."""
    confidence = rows[[*PROBABILITY_COLUMNS]].to_numpy(float).max(axis=1)
    bins = np.digitize(confidence, np.linspace(0, 1, 16)[1:-1], right=True)
    return one_hot(pd.Series(bins), 15) * (correct(rows)[:, 0] - confidence)[:, None]


def ece(sums: np.ndarray) -> np.ndarray:
    return np.abs(sums).sum(axis=1) / FACES


def losses(rows: pd.DataFrame) -> np.ndarray:
    probability = rows[[*PROBABILITY_COLUMNS]].to_numpy(float)
    return -np.log(probability[np.arange(len(rows)), rows["label"]])[:, None]


def mean(sums: np.ndarray) -> np.ndarray:
    return sums[:, 0] / FACES


def test_scores_of_the_matrix_and_of_recall_have_intervals_over_faces_and_trainings(folder, tables) -> None:
    rows = cell(folder, "none", "mask")
    row = tables["matrix"].query("train == 'none' and test == 'mask'").iloc[0]
    same_interval(row, "accuracy", drawn(correct, mean, rows)[:, 0])
    assert row["f1_macro_mean"] == pytest.approx(
        np.mean([f1_score(part["label"], part["prediction"], average="macro") for part in rows])
    )
    table = tables["recall"].query("train == 'none' and test == 'mask'").set_index("expression")
    both = drawn(by_class, recall, rows, cell(folder, "none", "none"))
    for place, name in enumerate(EXPRESSIONS):
        expected = np.mean([recall_score(part["label"], part["prediction"], labels=[place], average=None)[0]
                            for part in rows])  # fmt: skip
        assert table.loc[name, "recall"] == pytest.approx(expected)
        bounds = {"recall_low": table.loc[name, "low"], "recall_high": table.loc[name, "high"]}
        same_interval(pd.Series(bounds), "recall", both[:, 0, place])
        same_interval(table.loc[name], "change", both[:, 0, place] - both[:, 1, place])
    answers = tables["answers"].query("train == 'none' and test == 'mask'").set_index("expression")
    shares = drawn(lambda part: one_hot(part["prediction"]), lambda sums: sums / FACES, rows)[:, 0]
    for place, name in enumerate(EXPRESSIONS):
        same_interval(answers.loc[name], "answered_share", shares[:, place])


def test_the_stability_of_ranks_is_that_of_other_draws(folder, tables) -> None:
    both = drawn(by_class, recall, cell(folder, "none", "mask"), cell(folder, "none", "none"))
    changes = np.nan_to_num(both[:, 0] - both[:, 1], nan=1.0)
    rows = tables["recall"].query("train == 'none' and test == 'mask'")
    for name, number in (("worst_one", 1), ("worst_two", 2)):
        worst = {EXPRESSIONS.index(name) for name in rows.nsmallest(number, "change")["expression"]}
        share = np.mean([set(np.argsort(change)[:number].tolist()) == worst for change in changes])
        assert rows[name].iloc[0] == pytest.approx(share, abs=0.06), name


def test_calibration_before_and_after_the_temperature(folder, tables) -> None:
    row = tables["calibration"].query("train == 'none' and test == 'mask'").iloc[0]
    rows = cell(folder, "none", "mask")
    same_interval(row, "nll", drawn(losses, mean, rows)[:, 0])
    same_interval(row, "ece", drawn(gaps, ece, rows)[:, 0])
    scaled = []
    for part, path in zip(rows, sorted(folder.glob("none_*")), strict=True):
        found = pd.read_parquet(path / "validation.parquet")
        logits, truth = np.log(found[[*PROBABILITY_COLUMNS]].to_numpy(float)), found["label"]
        grid = np.exp(np.linspace(-1, 1, 301))
        best = min(grid, key=lambda t: log_loss(truth, _softmax(logits / t), labels=range(7)))
        own = part.copy()
        own[[*PROBABILITY_COLUMNS]] = _softmax(np.log(part[[*PROBABILITY_COLUMNS]].to_numpy(float)) / best)
        scaled.append(own)
    assert row["ece_scaled"] == pytest.approx(
        np.mean([ece(gaps(own).sum(axis=0)[None]) for own in scaled]), abs=2e-3
    )
    assert row["nll_scaled"] == pytest.approx(np.mean([losses(own).mean() for own in scaled]), abs=1e-3)


def _softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def test_reliability_is_that_of_scikit_learn_and_risk_by_hand(folder, tables) -> None:
    rows = pd.concat(cell(folder, "none", "mask"))
    confidence = rows[[*PROBABILITY_COLUMNS]].max(axis=1).astype(float)
    right = rows["label"] == rows["prediction"]
    bins = tables["reliability"].query("train == 'none' and test == 'mask'")
    accuracies, confidences = calibration_curve(right, confidence, n_bins=15)
    assert bins["accuracy"].to_numpy() == pytest.approx(accuracies)
    assert bins["confidence"].to_numpy() == pytest.approx(confidences)
    risk = tables["risk_coverage"].query("train == 'none' and test == 'mask'").set_index("coverage")["risk"]
    for coverage in (0.1, 0.5, 0.9):
        kept = [part.assign(sure=part[[*PROBABILITY_COLUMNS]].max(axis=1)).nlargest(round(coverage * FACES), "sure")
                for part in cell(folder, "none", "mask")]  # fmt: skip
        assert risk[coverage] == pytest.approx(
            np.mean([(part["label"] != part["prediction"]).mean() for part in kept])
        )


def test_confusions_are_those_of_scikit_learn(folder, tables) -> None:
    rows = cell(folder, "mixed", "mask")
    counts = [confusion_matrix(part["label"], part["prediction"], labels=range(7)) for part in rows]
    columns = [f"as_{name}" for name in EXPRESSIONS]
    table = (
        tables["confusion"]
        .query("train == 'mixed' and test == 'mask'")
        .set_index("truth")
        .loc[[*EXPRESSIONS]]
    )
    assert (table[columns].to_numpy() == np.sum(counts, axis=0)).all()
    shares = table[[f"share_{name}" for name in columns]].to_numpy()
    assert shares == pytest.approx(np.sum(counts, axis=0) / np.sum(counts, axis=(0, 2))[:, None])
    runs = tables["confusion_runs"].query("train == 'mixed' and test == 'mask'")
    for (_, of_run), found in zip(runs.groupby("seed"), counts, strict=True):
        assert (of_run.set_index("truth").loc[[*EXPRESSIONS], columns].to_numpy() == found).all()


def change(first: Rows, second: Rows) -> np.ndarray:
    """(faces, trainings): 1 where only the second is correct, -1 where only the first is."""
    sides = [
        np.stack([part["label"] == part["prediction"] for part in rows], axis=1) for rows in (first, second)
    ]
    return sides[1].astype(int) - sides[0]


def mean_squares(values_NR: np.ndarray) -> tuple[float, float, float]:
    """Of faces, trainings and the rest, by the analysis of variance of statsmodels."""
    faces, trainings = (place.ravel() for place in np.indices(values_NR.shape))
    table = anova_lm(
        ols("y ~ C(n) + C(r)", pd.DataFrame({"y": values_NR.ravel(), "n": faces, "r": trainings})).fit()
    )
    return tuple(table["mean_sq"])


def test_effects_and_their_pooled_intervals_by_an_analysis_of_variance(folder, tables) -> None:
    table = tables["effects"].query("family == 'primary'")
    changes = [
        change(cell(folder, row.train_first, row.test_first), cell(folder, row.train_second, row.test_second))
        for row in table.itertuples()
    ]
    squares = [mean_squares(values) for values in changes]
    pooled = np.mean([of_training for _, of_training, _ in squares])
    number = FACES * len(SEEDS)
    for row, values, (of_face, _, rest) in zip(table.itertuples(), changes, squares, strict=True):
        assert row.difference == pytest.approx(values.mean())
        assert row.spread == pytest.approx(np.sqrt(pooled / FACES))
        error = max(of_face + pooled - rest, of_face, pooled) / number
        assert row.error == pytest.approx(np.sqrt(error))
        reach = stats.t.ppf(0.975, row.df) * row.error
        assert (row.low, row.high) == pytest.approx((row.difference - reach, row.difference + reach))
        assert row.p == pytest.approx(2 * stats.t.sf(abs(row.difference) / row.error, row.df))
        one_sided = max(stats.t.cdf((row.difference - 0.03) / row.error, row.df),
                        stats.t.sf((row.difference + 0.03) / row.error, row.df))  # fmt: skip
        assert row.p_equivalent == pytest.approx(one_sided)
        if error > max(of_face, pooled) / number:  # Satterthwaite
            parts = ((of_face / number) ** 2 / (FACES - 1), (pooled / number) ** 2 / row.spread_df)
            assert row.df == pytest.approx(error**2 / sum(parts))
    for name in ("p", "p_equivalent"):
        corrected = multipletests(table[name], method="holm")[1]
        assert table[f"{name}_holm"].to_numpy() == pytest.approx(corrected)


def test_effects_on_the_mean_recall_of_the_classes(folder, tables) -> None:
    table = tables["effects"].query("family == 'primary'")
    labels = cell(folder, "none", "none")[0]["label"].to_numpy()
    weights = FACES / 7 / np.bincount(labels)[labels]
    cells = [(cell(folder, row.train_first, row.test_first), cell(folder, row.train_second, row.test_second))
             for row in table.itertuples()]  # fmt: skip
    changes = [weights[:, None] * change(*sides) for sides in cells]
    squares = [mean_squares(values) for values in changes]
    pooled = np.mean([of_training for _, of_training, _ in squares])
    number = FACES * len(SEEDS)
    for row, sides, (of_face, _, rest) in zip(table.itertuples(), cells, squares, strict=True):
        recalls = [np.mean([balanced_accuracy_score(part["label"], part["prediction"]) for part in rows])
                   for rows in sides]  # fmt: skip
        assert (row.uar_first, row.uar_second) == pytest.approx(recalls)
        assert row.uar_difference == pytest.approx(recalls[1] - recalls[0])
        error = max(of_face + pooled - rest, of_face, pooled) / number
        parts = ((of_face / number) ** 2 / (FACES - 1), (pooled / number) ** 2 / row.spread_df)
        df = error**2 / sum(parts) if error > max(of_face, pooled) / number else (
            FACES - 1 if of_face > pooled else row.spread_df)  # fmt: skip
        reach = stats.t.ppf(0.975, df) * np.sqrt(error)
        assert (row.uar_low, row.uar_high) == pytest.approx(
            (row.uar_difference - reach, row.uar_difference + reach)
        )


def test_confusions_in_one_direction_have_intervals_over_faces_and_trainings(folder, tables) -> None:
    row = tables["one_directional"].query("train == 'none' and test == 'mask'").iloc[0]
    one, two = EXPRESSIONS.index(row["truth"]), EXPRESSIONS.index(row["answer"])

    def taken(rows: pd.DataFrame) -> np.ndarray:
        truth, answer = one_hot(rows["label"]), one_hot(rows["prediction"])
        return np.stack([truth[:, one], truth[:, one] * answer[:, two], truth[:, two], truth[:, two] * answer[:, one]],
                        axis=1)  # fmt: skip

    def excess(sums: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return sums[:, 1] / sums[:, 0] - sums[:, 3] / sums[:, 2]

    same_interval(row, "excess", drawn(taken, excess, cell(folder, "none", "mask"))[:, 0])


def test_paired_tests_are_those_of_statsmodels(folder, tables) -> None:
    table = tables["comparisons"]
    for row in table.head(12).itertuples():
        first, second = (
            (part["label"] == part["prediction"]).to_numpy()
            for part in (cell(folder, row.train_first, row.test_first)[row.seed],
                         cell(folder, row.train_second, row.test_second)[row.seed])
        )  # fmt: skip
        counts = pd.crosstab(first, second).reindex(index=[True, False], columns=[True, False], fill_value=0)
        assert row.p == pytest.approx(mcnemar(counts, exact=True).pvalue)
        assert row.difference == pytest.approx(second.mean() - first.mean())
    assert table["p_holm"].to_numpy() == pytest.approx(multipletests(table["p"], method="holm")[1])


def test_equal_area_with_one_training_is_the_t_test_of_the_faces(tmp_path: Path) -> None:
    fakes_runs.make_run(tmp_path / "s", tests=TESTS, n=FACES)
    (row,) = study_tables(load_study(tmp_path / "s"), resamples=5)["area_matched"].to_dict("records")
    right = {test: (rows["label"] == rows["prediction"]).to_numpy().astype(float)
             for test in TESTS for rows in cell(tmp_path / "s", "none", test)}  # fmt: skip
    shares = {
        test: rows["covered_share"].mean() for test in TESTS for rows in cell(tmp_path / "s", "none", test)
    }
    below, above = row["control_below"], row["control_above"]
    weight = (shares["mask"] - shares[below]) / (shares[above] - shares[below])
    found = stats.ttest_1samp(right["mask"] - (1 - weight) * right[below] - weight * right[above], 0)
    interval = found.confidence_interval()
    assert row["p"] == row["p_holm"] == pytest.approx(found.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))


def test_groups_of_faces_have_intervals_over_faces_and_trainings(tmp_path: Path) -> None:
    runs = [fakes_runs.make_run(tmp_path / "s", tests=("none", "mask"), seed=seed, n=FACES) for seed in SEEDS]
    yaw = np.random.default_rng(0).uniform(-40, 40, FACES)
    for run in runs:
        run.write_table(
            "faces.csv", pd.DataFrame({"key": [f"test/{i:05d}" for i in range(FACES)], "yaw": yaw})
        )
    table = study_tables(load_study(tmp_path / "s"), resamples=DRAWS)["groups"]
    row = table[(table["test"] == "mask") & (table["group"] == "30° and more")].iloc[0]
    inside = (np.abs(yaw) >= 30)[:, None]

    def columns(rows: pd.DataFrame) -> np.ndarray:
        return np.hstack([inside, inside & correct(rows), ~inside, ~inside & correct(rows)]).astype(float)

    def value(sums: np.ndarray) -> np.ndarray:
        here, there = sums[:, 1] / sums[:, 0], sums[:, 3] / sums[:, 2]
        return np.stack([here, here - there], axis=1)

    found = drawn(columns, value, cell(tmp_path / "s", "none", "mask"))[:, 0]
    same_interval(row, "accuracy", found[:, 0])
    same_interval(row, "gap", found[:, 1])
