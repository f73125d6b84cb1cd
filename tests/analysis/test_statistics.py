from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from occlufer.analysis.core.intervals import accuracy_interval, difference, interval, recall_interval
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, recall_of
from occlufer.analysis.core.paired import clustered_test, paired_test
from occlufer.analysis.core.statistics import Cell, FaceBootstrap, holm, same_worst, spread
from occlufer.analysis.core.trainings import Training


def bootstrap(labels: np.ndarray, seed: int = 0, resamples: int = 400) -> FaceBootstrap:
    return FaceBootstrap(labels, rng=np.random.default_rng(seed), resamples=resamples)


def trained(*cells: Cell) -> dict[Training, Cell]:
    return {Training(seed, None): cell for seed, cell in enumerate(cells)}


def test_every_resample_holds_as_many_faces_as_the_test_set() -> None:
    labels = np.arange(7).repeat(5)
    cell = bootstrap(labels).cell(np.roll(labels, 3))
    assert cell.resampled_B77.shape == (400, 7, 7)
    assert (cell.resampled_B77.sum(axis=(1, 2)) == len(labels)).all()
    assert cell.observed_77.sum() == len(labels)
    assert cell.correct_N.tolist() == (labels == np.roll(labels, 3)).tolist()


def test_interval_of_accuracy_agrees_with_the_binomial_one() -> None:
    labels = np.zeros(400, dtype=int)
    predictions = np.where(np.arange(400) < 300, 0, 1)
    found = interval(accuracy_of, trained(bootstrap(labels, resamples=2000).cell(predictions)))
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert found.value == pytest.approx(0.75)
    assert found.low == pytest.approx(0.75 - half, abs=0.008)
    assert found.high == pytest.approx(0.75 + half, abs=0.008)


def test_people_are_resampled_with_all_their_faces() -> None:
    people = np.repeat(np.arange(10), 4)
    found = FaceBootstrap(people % 7, people_N=people, rng=np.random.default_rng(0), resamples=300)
    counts = found.cell(people % 7).resampled_B77.sum(axis=(1, 2))
    assert (counts == 40).all()
    assert (np.unique(found.cell(people % 7).resampled_B77) % 4 == 0).all()
    uneven = np.array([0, 0, 0, 1])
    found = FaceBootstrap(uneven, people_N=uneven, rng=np.random.default_rng(0), resamples=300)
    assert set(found.cell(uneven).resampled_B77.sum(axis=(1, 2)).tolist()) == {2, 4, 6}


def test_where_faces_of_a_person_are_alike_only_people_give_intervals_that_hold() -> None:
    """40 people of 10 faces, read rightly with a chance of .1 or .9 each, so the accuracy to cover is .5."""
    rng = np.random.default_rng(11)
    people, labels, rounds = np.repeat(np.arange(40), 10), np.zeros(400, dtype=int), 150
    covered = {"faces": 0, "people": 0}
    for _ in range(rounds):
        chance = rng.choice([0.1, 0.9], size=40)[people]
        predictions = (rng.random(400) >= chance).astype(int)
        for name, people_N in (("faces", None), ("people", people)):
            drawn = FaceBootstrap(labels, people_N=people_N, rng=rng, resamples=150)
            found = interval(accuracy_of, trained(drawn.cell(predictions)))
            covered[name] += int(found.low <= 0.5 <= found.high)
    assert covered["faces"] < 0.75 * rounds
    assert 0.88 * rounds < covered["people"] < 0.99 * rounds


def test_the_generator_decides_the_interval() -> None:
    rng = np.random.default_rng(3)
    labels, predictions = rng.integers(7, size=(2, 90))
    first, again, other = (
        interval(f1_macro_of, trained(bootstrap(labels, seed).cell(predictions))) for seed in (1, 1, 2)
    )
    assert (first.low, first.high) == (again.low, again.high)
    assert (first.low, first.high) != (other.low, other.high)
    assert first.low < first.value < first.high


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(3)
    labels, predictions = rng.integers(7, size=(2, 200))
    worse = predictions.copy()
    worse[:20] = (labels[:20] + 1) % 7
    faces = bootstrap(labels)
    same = difference(accuracy_of, trained(faces.cell(predictions)), trained(faces.cell(predictions)))
    assert (same.value, same.low, same.high) == (0, 0, 0)
    change = difference(accuracy_of, trained(faces.cell(predictions)), trained(faces.cell(worse)))
    assert change.value == pytest.approx(np.mean(worse == labels) - np.mean(predictions == labels))


def test_recall_of_an_absent_class_is_not_a_number_and_a_rare_one_still_has_an_interval() -> None:
    labels = np.array([0] * 30 + [1])  # the one disgusted face is missing from a third of the resamples
    found = interval(recall_of, trained(bootstrap(labels).cell(labels)))
    assert found.value[:2].tolist() == [1, 1]
    assert (found.low[1], found.high[1]) == (1, 1)
    assert np.isnan(found.value[2:]).all()
    assert np.isnan(found.low[2:]).all()


def test_seeds_are_averaged_and_lie_inside_the_interval() -> None:
    labels = np.zeros(10, dtype=int)
    faces = bootstrap(labels)
    found = interval(accuracy_of, trained(faces.cell(labels), faces.cell(labels + 1)))
    assert (found.value, found.low, found.high) == (0.5, 0, 1)


def test_the_interval_of_two_seeds_by_hand() -> None:
    """Either seed alone in a quarter of the resamples each, both in half of them: Owen's bootstrap, drawn again."""
    rng = np.random.default_rng(2)
    labels = np.zeros(300, dtype=int)
    right_NR = rng.random((300, 2)) < (0.5, 0.6)
    faces = bootstrap(labels, resamples=4000)
    found = interval(accuracy_of, trained(*(faces.cell(np.where(right, 0, 1)) for right in right_NR.T)))
    drawn = [right_NR[rng.integers(300, size=300)][:, rng.integers(2, size=2)].mean() for _ in range(4000)]
    assert found.value == pytest.approx(right_NR.mean())
    assert (found.low, found.high) == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.01)
    low, high = sorted(right_NR.mean(axis=0))
    assert found.low < low < high < found.high


def test_exact_mcnemar_by_hand() -> None:
    # 1 face right only first, 5 right only second: 2 * (C(6,0) + C(6,1)) / 2**6
    first = np.array([True] + [False] * 5 + [True] * 4)
    second = np.array([False] + [True] * 5 + [True] * 4)
    found = paired_test(first, second)
    assert (found.only_first, found.only_second) == (1, 5)
    assert found.p == pytest.approx(14 / 64)


def test_networks_that_agree_on_every_face_do_not_differ() -> None:
    found = paired_test([True, False], [True, False])
    assert found.p == 1.0
    assert math.isnan(found.odds)
    assert clustered_test([True, False], [True, False], [0, 1]) == 1.0


def test_the_matched_odds_ratio_has_the_bounds_of_the_exact_binomial_test() -> None:
    first = np.array([True] * 3 + [False] * 12 + [True] * 40)
    second = np.array([False] * 3 + [True] * 12 + [True] * 40)
    found = paired_test(first, second)
    exact = stats.binomtest(12, 15).proportion_ci(0.95, method="exact")
    assert found.odds == pytest.approx(4)
    assert found.odds_low == pytest.approx(exact.low / (1 - exact.low))
    assert found.odds_high == pytest.approx(exact.high / (1 - exact.high))
    assert paired_test([False] * 4, [True] * 4).odds_high == math.inf


def test_clustered_mcnemar_by_hand() -> None:
    """Three people of 4, 2 and 1 faces, with b - c of -3, -1 and 0: (-3/4 - 1/2)^2 / (9/16 + 1/4) = 25/13."""
    first = np.array([True, False, False, False, False, True, True])
    second = np.array([True, True, True, True, True, True, True])
    found = clustered_test(first, second, np.array([4, 4, 4, 4, 7, 7, 9]))
    assert found == pytest.approx(stats.chi2.sf(25 / 13, 1))
    alone = clustered_test(
        first, second, np.arange(7)
    )  # 4 discordant faces, McNemar without correction: 4^2 / 4
    assert alone == pytest.approx(stats.chi2.sf(4, 1))


def test_faces_of_one_person_are_no_independent_evidence() -> None:
    """40 people of 8 faces, each person wholly better with one network or the other: no difference in truth."""
    rng = np.random.default_rng(5)
    people = np.repeat(np.arange(40), 8)
    wrong = {"faces": 0, "people": 0}
    for _ in range(200):
        second = rng.random(40)[people] < 0.5
        wrong["faces"] += paired_test(~second, second).p < 0.05
        wrong["people"] += clustered_test(~second, second, people) < 0.05
    assert wrong["faces"] > 60
    assert wrong["people"] < 20


def test_all_or_nothing_has_exact_bounds() -> None:
    labels = np.array([0] * 30 + [1] * 5)
    cell = bootstrap(labels).cell(np.zeros(35, dtype=int))
    found = recall_interval(trained(cell))
    assert (found.low[0], found.high[0]) == pytest.approx((0.025 ** (1 / 30), 1))
    assert (found.low[1], found.high[1]) == pytest.approx((0, 1 - 0.025 ** (1 / 5)))
    assert np.isnan(found.low[2:]).all()
    people = FaceBootstrap(labels, people_N=np.arange(35) // 7, rng=np.random.default_rng(0), resamples=20)
    found = recall_interval(trained(people.cell(np.zeros(35, dtype=int))))
    assert found.low[0] == pytest.approx(0.025 ** (1 / 5))
    everything = accuracy_interval(trained(people.cell(labels)))
    assert (everything.low, everything.high) == (pytest.approx(0.025 ** (1 / 5)), 1)


def test_ranks_are_as_stable_as_the_resamples_say() -> None:
    observed = np.array([-0.5, -0.4, -0.1, np.nan, 0, 0, 0])
    resampled = np.tile(observed, (4, 1))
    resampled[0, :2] = -0.4, -0.5  # the same two in the other order
    resampled[1, 2] = -0.9  # another one among the two
    assert same_worst(resampled, observed, 1) == 0.5
    assert same_worst(resampled, observed, 2) == 0.75
    assert math.isnan(same_worst(resampled, np.full(7, np.nan), 1))


def test_holm_by_hand() -> None:
    # smallest times 3, next times 2, and never below the one before
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_spread_over_seeds() -> None:
    assert spread([0.5, 0.7]) == (pytest.approx(0.6), pytest.approx(math.sqrt(0.02)), 2)
    mean, sd, count = spread([0.5])
    assert (mean, count) == (0.5, 1)
    assert math.isnan(sd)
