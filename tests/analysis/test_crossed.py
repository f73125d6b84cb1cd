from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from occlufer.analysis.core.crossed import contrasts, crossed_test, pair_contrast
from occlufer.studies.anova import two_way


def answers(
    rng: np.random.Generator,
    *,
    faces: int,
    trainings: int,
    cells: int = 4,
    face_sd: float = 0.3,
    effect: float = 0.0,
) -> np.ndarray:
    """Bool (faces, trainings, cells): no effect in the population but for `effect` on the last cells, while every face
    is hard under some conditions and easy under others, for all trainings alike."""
    chance = 0.7 + rng.normal(0, 0.1, (faces, 1, 1)) + rng.normal(0, face_sd, (faces, 1, cells))
    chance = chance + effect * (np.arange(cells) >= cells / 2)
    return rng.random((faces, trainings, cells)) < chance


@pytest.mark.parametrize(("models", "conditions"), [(2, 2), (3, 3), (1, 3)])
def test_contrasts_are_orthonormal_and_sum_to_zero(models: int, conditions: int) -> None:
    found = contrasts(models, conditions)
    rows = np.concatenate(list(found.values()))
    assert rows @ rows.T == pytest.approx(np.eye(models * conditions - 1))
    assert rows.sum(axis=1) == pytest.approx(0)
    assert ("model" in found) == (models > 1)


def test_one_training_is_the_paired_t_test_over_faces() -> None:
    right = answers(np.random.default_rng(0), faces=200, trainings=1, cells=2)
    found = crossed_test(right, pair_contrast(2, [0], [1]))
    expected = stats.ttest_rel(right[:, 0, 1].astype(float), right[:, 0, 0].astype(float))
    assert found.p == pytest.approx(expected.pvalue)
    assert pytest.approx(expected.statistic**2) == found.F
    assert np.isnan(found.training_variance)


def test_one_face_that_never_varies_gives_no_p_value() -> None:
    found = crossed_test(np.ones((10, 3, 2), dtype=bool), pair_contrast(2, [0], [1]))
    assert np.isnan(found.p)


def test_variances_agree_with_the_mixed_model_of_statsmodels() -> None:
    """REML and the moment estimates agree on balanced data where all variances are above zero."""
    rng = np.random.default_rng(4)
    faces, trainings = 25, 8
    values = (
        rng.normal(0, 1, (faces, 1))
        + rng.normal(0, 0.7, (1, trainings))
        + rng.normal(0, 0.5, (faces, trainings))
    )
    frame = pd.DataFrame(
        {
            "y": values.ravel(),
            "face": np.repeat(np.arange(faces), trainings),
            "training": np.tile(np.arange(trainings), faces),
        }
    )
    model = MixedLM.from_formula(
        "y ~ 1", groups=np.ones(len(frame)), re_formula="0", data=frame,
        vc_formula={"face": "0 + C(face)", "training": "0 + C(training)"},
    ).fit()  # fmt: skip
    # The contrast of a cell of zeros with one of these values, which are no booleans here, but are treated alike.
    two_cells = np.stack([np.zeros_like(values), np.sqrt(2) * values], axis=-1)
    found = crossed_test(two_cells, pair_contrast(2, [0], [1]))
    by_name = dict(zip(model.model.exog_vc.names, model.vcomp, strict=True))
    assert found.face_variance == pytest.approx(by_name["face"], rel=0.02)
    assert found.training_variance == pytest.approx(by_name["training"], rel=0.02)


def test_an_effect_is_found_and_counts_less_when_trainings_disagree() -> None:
    rng = np.random.default_rng(2)
    right = answers(rng, faces=300, trainings=5, cells=2, effect=0.15)
    steady = crossed_test(right, pair_contrast(2, [0], [1]))
    assert steady.p < 0.01
    swings = np.array([-0.3, -0.15, 0, 0.15, 0.3])[None, :, None] * np.array([0, 1])
    wild = rng.random((300, 5, 2)) < 0.6 + swings + 0.15 * np.array([0, 1])
    assert crossed_test(wild, pair_contrast(2, [0], [1])).p > 0.05


def test_folds_on_shared_test_faces_fool_the_analysis_of_variance_and_not_the_mixed_model() -> None:
    """No effect in the population of faces; the test faces happen to suit one condition, and all folds see that."""
    rng = np.random.default_rng(20240325)
    wrong = {"anova": 0, "mixed model": 0}
    repeats = 120
    for _ in range(repeats):
        right = answers(rng, faces=150, trainings=5)
        frame = pd.DataFrame(
            [
                {"model": "ab"[cell // 2], "condition": "xy"[cell % 2], "y": right[:, training, cell].mean()}
                for cell in range(4)
                for training in range(5)
            ]
        )
        wrong["anova"] += two_way(frame, "y").set_index("term").loc["condition", "p"] < 0.05
        wrong["mixed model"] += crossed_test(right, contrasts(2, 2)["condition"]).p < 0.05
    assert wrong["anova"] / repeats > 0.15
    assert wrong["mixed model"] / repeats < 0.10
