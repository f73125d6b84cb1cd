from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from occlufer.learning.metrics import validation_metrics
from occlufer.learning.objectives.base import Outputs
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.types import ConfigError

COUNTS = [10, 20, 30, 40, 0, 50, 50]
LOGITS = torch.tensor([[0.0, 1, 2, 3, 4, 5, 6], [1.0, 0, 0, 0, 0, 0, 0], [0.0, 0, 5, 0, 0, 0, 0]])
LABELS = torch.tensor([0, 0, 5])


def by_hand(weights: list[float], smoothing: float = 0.0) -> float:
    """Weighted mean of -sum(target * log softmax), as defined by torch for smoothed targets."""
    total = weight = 0.0
    for logits, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        norm = math.log(sum(math.exp(value) for value in logits))
        for k, value in enumerate(logits):
            target = smoothing / 7 + (1 - smoothing) * (k == label)
            total -= weights[k] * target * (value - norm)
        weight += weights[label]
    return total / weight


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [1.0, 2, 3, 4, 5, 6, 7]])
def test_the_loss_is_the_formula(weights, smoothing):
    objective = CrossEntropy(class_counts=COUNTS, class_weights=weights, label_smoothing=smoothing)
    expected = by_hand(weights or [1.0] * 7, smoothing)
    assert float(objective(Outputs(LOGITS), {"label": LABELS})) == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_are_inverse_frequencies():
    objective = CrossEntropy(class_counts=COUNTS, class_weights="balanced")
    # 200 faces in 6 classes: a class of 200 / 6 faces weighs 1.
    expected = [200 / (6 * count) for count in (10, 20, 30, 40)]
    assert objective.weight_K[:4].tolist() == pytest.approx(expected)
    counts = torch.tensor(COUNTS)
    assert float((objective.weight_K * counts).sum() / counts.sum()) == pytest.approx(1)
    assert torch.isfinite(objective.weight_K).all()


def test_a_checkpoint_does_not_depend_on_the_weights():
    assert CrossEntropy(class_counts=COUNTS, class_weights="balanced").state_dict() == {}


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2.0])
def test_smoothing_outside_its_range_is_refused(smoothing):
    with pytest.raises(ConfigError, match=r"label_smoothing must be in 0\.\.1, found"):
        CrossEntropy(class_counts=COUNTS, label_smoothing=smoothing)


@pytest.mark.parametrize("weights", ["ballanced", [1.0, 2.0], [1.0] * 8, [-1.0, *[1.0] * 6], []])
def test_wrong_weights_are_refused(weights):
    with pytest.raises(ConfigError, match=r"null, balanced, or 7 numbers .*anger, disgust.*found"):
        CrossEntropy(class_counts=COUNTS, class_weights=weights)


@pytest.mark.parametrize("present", [[0, 1, 2, 3, 4, 5, 6], [0, 3, 5]])
def test_validation_metrics_agree_with_scikit_learn(present):
    rng = np.random.default_rng(0)
    labels = rng.choice(present, 60)
    predictions = np.where(rng.random(60) < 0.5, labels, rng.choice(present, 60))
    metrics = validation_metrics(7)
    for part in (slice(0, 25), slice(25, 60)):  # uneven batches
        logits = torch.nn.functional.one_hot(torch.tensor(predictions[part]), 7).float()
        metrics.update(logits, torch.tensor(labels[part]))
    found = {name: float(value) for name, value in metrics.compute().items()}
    assert found == pytest.approx(
        {"val_accuracy": accuracy_score(labels, predictions),
         "val_f1_macro": f1_score(labels, predictions, average="macro")}, abs=1e-6,
    )  # fmt: skip
