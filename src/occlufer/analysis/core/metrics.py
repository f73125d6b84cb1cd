"""Scores of one network on one test condition, as pure functions of its prediction rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from occlufer.analysis.core.conditions import condition_order
from occlufer.types import EXPRESSIONS, RunError

CLASSES = len(EXPRESSIONS)
STUDY_METRICS = ("accuracy", "f1_macro", "f1_weighted", "precision_macro", "precision_weighted", "recall_macro",
                 "recall_weighted", "confusion_entropy_bits")  # fmt: skip
"""The eight metrics of Casas-Ortiz et al., IEEE Access 12, 2024, as `score` calls them."""


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each as column -> value."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def score(predictions: pd.DataFrame) -> dict[str, Any]:
    """All metrics of the rows of one condition.

    Args:
        predictions: one row a face, with integer columns `label` and `prediction` (indices into `EXPRESSIONS`).

    Returns:
        Plain floats, ints and lists, ready for JSON. Shares are 0..1:

        - `n`, `accuracy`, `majority_accuracy` (accuracy of always answering the commonest true class);
        - `precision_`, `recall_`, `f1_` each `macro` and `weighted`, as scikit-learn computes them with
          `zero_division=0`: a macro mean runs over the classes that occur among labels or predictions;
        - `recall_by_class`: one value an expression, None for one that the rows do not contain;
        - `confusion_entropy_bits`: see `confusion_entropy_bits`;
        - `confusion_matrix`: 7x7 counts, rows = truth, columns = prediction.

    Raises:
        RunError: no rows, or values that are no expression.
    """
    labels, predicted = _checked(predictions, "label"), _checked(predictions, "prediction")
    matrix_77 = confusion(labels, predicted)
    scores: dict[str, Any] = {
        "n": len(labels),
        "accuracy": float(accuracy_of(matrix_77)),
        "majority_accuracy": float(matrix_77.sum(axis=1).max() / matrix_77.sum()),
    }
    truth, answered, hits = matrix_77.sum(axis=1), matrix_77.sum(axis=0), np.diagonal(matrix_77)
    for name, above, below in (
        ("precision", hits, answered), ("recall", hits, truth), ("f1", 2 * hits, truth + answered)
    ):  # fmt: skip
        value_7 = np.divide(above, below, out=np.zeros(CLASSES), where=below > 0)
        scores[f"{name}_macro"] = float(value_7[truth + answered > 0].mean())
        scores[f"{name}_weighted"] = float(value_7 @ truth / truth.sum())
    recall_7 = recall_of(matrix_77)
    scores["recall_by_class"] = [None if np.isnan(value) else float(value) for value in recall_7]
    scores["confusion_entropy_bits"] = confusion_entropy_bits(matrix_77)
    scores["confusion_matrix"] = matrix_77.tolist()
    return scores


def score_by_condition(predictions: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """`score` for each value of the column `condition`, in report order: what a run writes to metrics.json."""
    groups = {str(name): rows for name, rows in predictions.groupby("condition", sort=False)}
    return {name: score(groups[name]) for name in condition_order(groups)}


def confusion(labels: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """Counts, int64 (7, 7): rows = truth, columns = prediction, both in the order of `EXPRESSIONS`."""
    places = np.asarray(labels, dtype=np.int64) * CLASSES + np.asarray(predicted, dtype=np.int64)
    return np.bincount(places, minlength=CLASSES**2).reshape(CLASSES, CLASSES).astype(np.int64)


def confusion_entropy_bits(matrix: ArrayLike) -> float:
    """Entropy in bits of a confusion matrix divided by its sum: -sum p log2 p over the cells above zero.

    0 when all faces fall into one cell, 2 log2(7) = 5.61 when they spread evenly over 7x7 cells; a perfect network
    on seven equal classes has log2(7) = 2.81. Used by Casas-Ortiz et al., IEEE Access 12, 2024.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def accuracy_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Share on the diagonal of confusion counts (..., 7, 7): float64 (...)."""
    counts = np.asarray(matrices, dtype=np.float64)
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def f1_macro_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Macro F1 of confusion counts (..., 7, 7): float64 (...).

    As scikit-learn with `zero_division=0`: the mean over classes that occur as truth or as prediction.
    """
    counts = np.asarray(matrices, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    seen = counts.sum(axis=-1) + counts.sum(axis=-2)
    f1 = np.divide(2 * hits, seen, out=np.zeros_like(seen), where=seen > 0)
    return np.asarray(f1.sum(axis=-1) / (seen > 0).sum(axis=-1))


def recall_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Recall of each class of confusion counts (..., 7, 7): float64 (..., 7), NaN for a class without faces."""
    counts = np.asarray(matrices, dtype=np.float64)
    faces = counts.sum(axis=-1)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    recall: NDArray[np.float64] = np.divide(hits, faces, out=np.full_like(faces, np.nan), where=faces > 0)
    return recall


def informedness_of(matrices: ArrayLike) -> NDArray[np.float64]:
    """Recall minus false-positive rate of each class of confusion counts (..., 7, 7): float64 (..., 7), -1..1.

    0: the class is answered as often for its own faces as for others, which needs no look at them (Youden, *Cancer* 3,
    1950; Powers, *Journal of Machine Learning Technologies* 2, 2011). NaN without faces of the class or of others.
    """
    counts = np.asarray(matrices, dtype=np.float64)
    others = counts.sum(axis=(-2, -1))[..., None] - counts.sum(axis=-1)
    false = counts.sum(axis=-2) - np.diagonal(counts, axis1=-2, axis2=-1)
    rate = np.divide(false, others, out=np.full_like(false, np.nan), where=others > 0)
    return np.asarray(recall_of(counts) - rate)


def check_answers(predictions: pd.DataFrame) -> None:
    """Raise `RunError` for labels or predictions that are no expression, or no rows."""
    _checked(predictions, "label")
    _checked(predictions, "prediction")


def _checked(predictions: pd.DataFrame, column: str) -> NDArray[np.int64]:
    if predictions.empty:
        raise RunError("There are no prediction rows to score. Run `occlufer evaluate` on this run.")
    values = predictions[column]
    if not values.isin(range(CLASSES)).all():
        odd = sorted({str(value) for value in values[~values.isin(range(CLASSES))]})[:5]
        raise RunError(
            f"The column {column!r} must hold whole numbers 0..{CLASSES - 1}, found {', '.join(odd)}. "
            "Run `occlufer evaluate` on this run."
        )
    return values.to_numpy(dtype=np.int64)
