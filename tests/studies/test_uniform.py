from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from occlufer.studies.uniform import UniformClassifier

IMAGES = torch.randn(700, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def answers(images: torch.Tensor = IMAGES, **settings: int | None) -> np.ndarray:
    with torch.no_grad():
        return UniformClassifier(num_classes=7, **settings)(images).argmax(dim=1).numpy()


def test_every_class_is_named_equally_often():
    counts = np.bincount(answers(), minlength=7)
    assert stats.chisquare(counts).pvalue > 0.01


def test_the_answer_does_not_depend_on_batch_or_order_or_earlier_calls():
    network = UniformClassifier(num_classes=7)
    with torch.no_grad():
        whole = network(IMAGES).argmax(dim=1)
        backwards = torch.cat([network(part) for part in IMAGES.flip(0).split(33)]).argmax(dim=1)
    assert torch.equal(whole, backwards.flip(0))


def test_seed_fold_and_image_draw_anew():
    assert np.array_equal(answers(), answers(seed=0, fold=None))
    for other in (answers(seed=1), answers(fold=0), answers(fold=1), answers(IMAGES + 1e-3)):
        assert 0.08 < (other == answers()).mean() < 0.21  # a seventh agree by chance
    assert not np.array_equal(answers(fold=0), answers(fold=1))


def test_probabilities_say_that_nothing_is_known():
    with torch.no_grad():
        probabilities = UniformClassifier(num_classes=7)(IMAGES).softmax(dim=1)
    torch.testing.assert_close(probabilities, torch.full_like(probabilities, 1 / 7), atol=2e-4, rtol=0)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_training_changes_nothing(optimizer):
    network = UniformClassifier(num_classes=7)
    before = network(IMAGES)
    loss = torch.nn.functional.cross_entropy(before, torch.zeros(len(IMAGES), dtype=torch.long))
    loss.backward()
    optimizer(network.parameters(), lr=1.0).step()
    assert torch.equal(network(IMAGES), before)
    assert loss.item() == pytest.approx(math.log(7), abs=1e-3)
