from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from occlufer.analysis.core.metrics import (
    accuracy_of,
    confusion,
    confusion_entropy_bits,
    f1_macro_of,
    recall_of,
    score,
    score_by_condition,
)
from occlufer.types import RunError


def frame(labels: list[int], predictions: list[int], condition: str = "none") -> pd.DataFrame:
    return pd.DataFrame({"condition": condition, "label": labels, "prediction": predictions})


def test_score_equals_values_computed_by_hand() -> None:
    # anger: 3 faces, 2 found; disgust: 1 face, found, and one false alarm from anger.
    scores = score(frame([0, 0, 0, 1], [0, 0, 1, 1]))
    assert scores["n"] == 4
    assert scores["accuracy"] == pytest.approx(3 / 4)
    assert scores["majority_accuracy"] == pytest.approx(3 / 4)
    assert scores["precision_macro"] == pytest.approx((1 + 1 / 2) / 2)
    assert scores["recall_macro"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["f1_macro"] == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert scores["precision_weighted"] == pytest.approx((3 * 1 + 1 * 1 / 2) / 4)
    assert scores["recall_weighted"] == pytest.approx(3 / 4)
    assert scores["f1_weighted"] == pytest.approx((3 * 4 / 5 + 1 * 2 / 3) / 4)
    assert scores["recall_by_class"] == [pytest.approx(2 / 3), 1.0, None, None, None, None, None]
    assert scores["confusion_matrix"][0] == [2, 1, 0, 0, 0, 0, 0]
    assert scores["confusion_matrix"][1] == [0, 1, 0, 0, 0, 0, 0]
    # cells 1/2, 1/4, 1/4: 1/2 * 1 bit + 2 * 1/4 * 2 bits
    assert scores["confusion_entropy_bits"] == pytest.approx(1.5)


def test_rows_of_the_confusion_matrix_are_the_truth() -> None:
    assert score(frame([2, 2], [5, 5]))["confusion_matrix"][2][5] == 2


@pytest.mark.parametrize(
    ("matrix", "bits"),
    [
        ([[8, 0], [0, 0]], 0.0),
        ([[1, 1], [1, 1]], 2.0),
        (np.eye(7) * 5, math.log2(7)),
        (np.ones((7, 7)), 2 * math.log2(7)),
        ([[3, 1], [0, 0]], -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))),
    ],
)
def test_entropy_in_bits_ignores_empty_cells(matrix: object, bits: float) -> None:
    assert confusion_entropy_bits(matrix) == pytest.approx(bits)


def test_vectorised_statistics_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for classes in (7, 4):  # with 4, three classes occur nowhere
        labels, predictions = rng.integers(classes, size=(2, 60))
        stacked = np.stack([confusion(labels, predictions)] * 2)
        scores = score(frame(labels.tolist(), predictions.tolist()))
        assert accuracy_of(stacked) == pytest.approx([scores["accuracy"]] * 2)
        expected = f1_score(labels, predictions, average="macro", zero_division=0)
        assert f1_macro_of(stacked) == pytest.approx([expected] * 2)
        assert recall_of(stacked)[0, :classes] == pytest.approx(scores["recall_by_class"][:classes])


def test_score_by_condition_is_ordered_and_fit_for_json() -> None:
    rows = pd.concat([frame([0], [0], name) for name in ("scarf", "headset", "mask", "none")])
    scores = score_by_condition(rows)
    assert list(scores) == ["none", "mask", "headset", "scarf"]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_values_that_are_no_expression_are_refused() -> None:
    with pytest.raises(RunError, match=r"'prediction' must hold whole numbers 0\.\.6, found 7"):
        score(frame([0], [7]))
    with pytest.raises(RunError, match="no prediction rows"):
        score(frame([], []))
