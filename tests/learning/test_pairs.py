"""Objectives over pairs and with a teacher, against numbers by hand."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, softmax
from torch import nn
from torch.utils.data import DataLoader

from occlufer.learning.callbacks import checkpoint_callbacks
from occlufer.learning.module import ExpressionClassifier
from occlufer.learning.objectives.base import FeatureTap, Outputs
from occlufer.learning.objectives.contrastive import SupervisedContrastive, supervised_contrast
from occlufer.learning.objectives.pairs import Consistency, Distillation
from occlufer.learning.schedules import constant
from occlufer.types import ConfigError

COUNTS = [1] * 7
RNG = np.random.default_rng(0)
COVERED, BARE, TOLD = RNG.normal(0, 2, (3, 5, 7))
LABELS = np.array([0, 1, 2, 6, 6])


def cross_entropy(logits: np.ndarray) -> float:
    return float(-log_softmax(logits, 1)[np.arange(5), LABELS].mean())


def batch(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"label": torch.from_numpy(LABELS), **more}


def test_consistency_is_the_mean_cross_entropy_and_the_jensen_shannon_divergence():
    objective = Consistency(class_counts=COUNTS, weight=3.0)
    divergence = np.mean(
        [jensenshannon(p, q) ** 2 for p, q in zip(softmax(COVERED, 1), softmax(BARE, 1), strict=True)]
    )
    expected = (cross_entropy(COVERED) + cross_entropy(BARE)) / 2 + 3 * divergence
    found = objective(Outputs(torch.from_numpy(COVERED), torch.from_numpy(BARE)), batch())
    assert float(found) == pytest.approx(expected, rel=1e-5)
    # In validation there are no pairs.
    assert float(objective(Outputs(torch.from_numpy(COVERED)), batch())) == pytest.approx(
        cross_entropy(COVERED)
    )


class Says(nn.Module):
    """Says what it is told to, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.said = nn.Parameter(torch.from_numpy(TOLD))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.said


def test_distillation_is_cross_entropy_and_the_divergence_from_the_teacher():
    objective = Distillation(class_counts=COUNTS, teacher=Says(), weight=0.3, temperature=2.0)
    p, q = softmax(TOLD / 2, 1), log_softmax(COVERED / 2, 1)
    expected = 0.7 * cross_entropy(COVERED) + 0.3 * 4 * float((p * (np.log(p) - q)).sum(1).mean())
    found = objective(Outputs(torch.from_numpy(COVERED)), batch(clean=torch.zeros(5, 1)))
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(objective(Outputs(torch.from_numpy(COVERED)), batch())) == pytest.approx(
        cross_entropy(COVERED)
    )


class Linear(nn.Module):
    """Features that are the image, and logits from them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, 7)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(image)
        return logits


def test_distillation_of_features_adds_their_distance_in_angle():
    made = {"class_counts": COUNTS, "teacher": Linear(4)}
    theirs, ours = (torch.from_numpy(RNG.normal(0, 1, (5, 4)).astype(np.float32)) for _ in range(2))
    outputs = Outputs(torch.from_numpy(COVERED), features_BD=ours)
    without, doubled = (Distillation(**made, feature_weight=weight) for weight in (0.0, 2.0))
    assert (without.wants_features, doubled.wants_features) == (False, True)
    cosines = (theirs * ours).sum(1) / theirs.norm(dim=1) / ours.norm(dim=1)
    added = doubled(outputs, batch(clean=theirs)) - without(outputs, batch(clean=theirs))
    assert float(added) == pytest.approx(2 * float((1 - cosines).mean()), rel=1e-4)
    with pytest.raises(ConfigError, match=r"has 4 features and this model 3: .* objective.feature_weight=0"):
        doubled(Outputs(torch.from_numpy(COVERED), features_BD=ours[:, :3]), batch(clean=theirs))


def test_a_teacher_is_in_no_parameter_no_state_and_no_gradient():
    objective = Distillation(class_counts=COUNTS, teacher=Says())
    assert list(objective.parameters()) == []
    assert objective.state_dict() == {}
    student = torch.from_numpy(COVERED).requires_grad_()
    objective(Outputs(student), batch(clean=torch.zeros(5, 1))).backward()
    assert student.grad is not None
    assert objective.teacher._network.said.grad is None


def test_the_contrast_is_the_formula():
    features = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [-1.0, 0.0]])
    labels, temperature = [0, 0, 1, 1], 0.5
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similar = np.exp(unit @ unit.T / temperature)
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]
    expected = np.mean([-np.log(similar[i, p] / (similar[i].sum() - similar[i, i])) for i, p in pairs])
    found = supervised_contrast(torch.from_numpy(features), torch.tensor(labels), temperature)
    assert float(found) == pytest.approx(expected)
    # One without another of its label is in the sums of the others, and has no loss itself.
    alone = supervised_contrast(torch.from_numpy(features), torch.tensor([0, 0, 1, 2]), temperature)
    assert float(alone) == pytest.approx(
        np.mean([-np.log(similar[i, p] / (similar[i].sum() - similar[i, i])) for i, p in pairs[:2]])
    )


def test_contrast_is_over_both_views_of_all_faces():
    objective = SupervisedContrastive(class_counts=COUNTS, weight=2.0, temperature=0.3)
    occluded, bare = (torch.from_numpy(part) for part in RNG.normal(0, 1, (2, 5, 3)))
    found = objective(Outputs(torch.from_numpy(COVERED), torch.from_numpy(BARE), occluded, bare), batch())
    contrast = supervised_contrast(
        torch.cat([occluded, bare]).float(), torch.from_numpy(np.tile(LABELS, 2)), 0.3
    )
    expected = (cross_entropy(COVERED) + cross_entropy(BARE)) / 2 + 2 * float(contrast)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_features_are_what_the_last_linear_layer_is_given():
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 7), nn.Identity())
    tap, image = FeatureTap(network), torch.randn(5, 4)
    network(image)
    assert torch.equal(tap.take(), network[1](network[0](image)))
    with pytest.raises(ConfigError, match="has no linear layer"):
        FeatureTap(nn.Sequential(nn.Conv2d(1, 7, 1)))


def test_contrast_of_equal_and_opposite_features_has_a_finite_gradient():
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], requires_grad=True)
    supervised_contrast(features, torch.tensor([0, 0, 1]), 0.01).backward()
    assert torch.isfinite(features.grad).all()


@pytest.mark.parametrize(
    "make", [Consistency, functools.partial(Distillation, teacher=nn.Linear(7, 7)), SupervisedContrastive]
)
def test_training_over_pairs_leaves_only_the_network_in_its_checkpoint(make, tmp_path):
    def items(count: int, **more: Any) -> list[dict[str, torch.Tensor]]:
        return [
            {
                "image": torch.eye(7)[i % 7],
                "label": torch.tensor(i % 7),
                **{name: torch.eye(7)[i % 7] for name in more},
            }
            for i in range(count)
        ]

    module = ExpressionClassifier(
        network=nn.Linear(7, 7), objective=make(class_counts=COUNTS), classes=7, seed=0, scheduler=constant,
        optimizer=functools.partial(torch.optim.SGD, lr=0.5),
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=20, logger=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(module, DataLoader(items(28, clean=True), 7), DataLoader(items(7), 7))
    assert float(trainer.callback_metrics["val_accuracy"]) == 1
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert set(state) == {"network.weight", "network.bias"}


@pytest.mark.parametrize(
    "make", [Consistency, functools.partial(Distillation, teacher=nn.Linear(7, 7)), SupervisedContrastive]
)
def test_a_resumed_training_over_pairs_ends_as_if_it_had_not_stopped(make, tmp_path):
    generator = torch.Generator().manual_seed(0)
    items = [
        {"image": torch.randn(7, generator=generator), "clean": torch.randn(7, generator=generator),
         "label": torch.tensor(i % 7)} for i in range(14)
    ]  # fmt: skip

    def fit(epochs: int, folder: Path, start: Path | None = None) -> torch.Tensor:
        torch.manual_seed(3)
        network = nn.Sequential(nn.Dropout(0.3), nn.Linear(7, 7))
        module = ExpressionClassifier(
            network=network, objective=make(class_counts=COUNTS), classes=7, seed=0, scheduler=constant,
            optimizer=functools.partial(torch.optim.AdamW, lr=0.1),
        )  # fmt: skip
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
            callbacks=checkpoint_callbacks(folder, patience=None),
        )  # fmt: skip
        # Without a generator of its own a loader draws from the one that drops out: see `FaceDataModule`.
        loader = DataLoader(items, 7, generator=torch.Generator())  # type: ignore[arg-type]
        trainer.fit(module, loader, loader, ckpt_path=start, weights_only=True)
        return network[1].weight.detach().clone()

    half, whole = fit(1, tmp_path / "half"), fit(3, tmp_path / "whole")
    assert not torch.equal(half, whole)
    assert torch.equal(fit(3, tmp_path / "half", tmp_path / "half" / "last.ckpt"), whole)


def test_odd_settings_are_refused():
    with pytest.raises(ConfigError, match=r"objective\.temperature above 0, found 0\.5 and 0"):
        SupervisedContrastive(class_counts=COUNTS, temperature=0)
    with pytest.raises(ConfigError, match=r"objective\.weight must be 0 or more"):
        Consistency(class_counts=COUNTS, weight=-1)
    with pytest.raises(ConfigError, match=r"objective\.temperature above 0"):
        Distillation(class_counts=COUNTS, teacher=Says(), temperature=0)
