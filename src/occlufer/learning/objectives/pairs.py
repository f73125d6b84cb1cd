"""Losses over pairs: the same face with and without the occluder, and a teacher that sees the bare one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from torch import nn

from occlufer.learning.objectives.base import Batch, Objective, Outputs, Teacher
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.types import ConfigError


@final
class Consistency(Objective):
    """Cross-entropy on both faces of a pair, and agreement between what the network says about them.

    loss = (CE(occluded) + CE(bare)) / 2 + weight * JS(p_occluded, p_bare), the Jensen-Shannon divergence in nats, as
    AugMix has it over augmentations (Hendrycks et al. 2020, eq. 3-4).

    Args:
        class_counts, label_smoothing, class_weights: see `CrossEntropy`.
        weight: of the divergence, 0 or more.
    """

    wants_pairs = True
    wants_clean_outputs = True
    passes = 2

    def __init__(
        self, *, class_counts: Sequence[int], weight: float = 1.0, label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.weight = _at_least_0("weight", weight)
        self.cross_entropy = CrossEntropy(
            class_counts=class_counts, label_smoothing=label_smoothing, class_weights=class_weights
        )

    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """See `Objective.forward`."""
        covered = self.cross_entropy.of(outputs.logits_BK, batch["label"])
        if outputs.clean_logits_BK is None:
            return covered
        bare = self.cross_entropy.of(outputs.clean_logits_BK, batch["label"])
        logs = [F.log_softmax(logits.float(), 1) for logits in (outputs.logits_BK, outputs.clean_logits_BK)]
        middle = torch.stack(logs).exp().mean(0).clamp(1e-7, 1).log()
        divergence = sum(F.kl_div(middle, log, log_target=True, reduction="batchmean") for log in logs) / 2
        return (covered + bare) / 2 + self.weight * divergence


@final
class Distillation(Objective):
    """Cross-entropy, and nearness to a teacher that sees the same face without the occluder.

    loss = (1 - weight) * CE + weight * T^2 * KL(softmax(teacher / T) || softmax(student / T)) (Hinton et al. 2015)
    + feature_weight * (1 - cos(student's features, teacher's)), features being what a network's last linear layer is
    given, as hints of a layer inside were proposed by Romero et al. (FitNets, 2015). The teacher is asked once a face;
    its weights are in no checkpoint.

    Args:
        class_counts, label_smoothing, class_weights: see `CrossEntropy`.
        teacher: a trained network with the same input and the same expressions.
        weight: of the teacher's logits, 0..1.
        temperature: T, above 0.
        feature_weight: of the teacher's features, 0 or more; above 0 both networks must have as many.
    """

    wants_pairs = True
    passes = 2

    def __init__(
        self, *, class_counts: Sequence[int], teacher: nn.Module, weight: float = 0.5, temperature: float = 4.0,
        feature_weight: float = 0.0, label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not 0 <= weight <= 1 or temperature <= 0:
            raise ConfigError(
                "objective.weight must be in 0..1 and objective.temperature above 0, found "
                f"{weight} and {temperature}."
            )
        self.weight, self.temperature = weight, temperature
        self.feature_weight = _at_least_0("feature_weight", feature_weight)
        self.wants_features = feature_weight > 0
        self.teacher = Teacher(teacher, features=self.wants_features)
        self.cross_entropy = CrossEntropy(
            class_counts=class_counts, label_smoothing=label_smoothing, class_weights=class_weights
        )

    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """See `Objective.forward`; raises `ConfigError` when features of unlike number are to be compared."""
        labels = self.cross_entropy.of(outputs.logits_BK, batch["label"])
        if "clean" not in batch:
            return labels
        told_BK, told_BD = self.teacher(batch["clean"])
        told_BK = F.log_softmax(told_BK.float() / self.temperature, 1)
        said_BK = F.log_softmax(outputs.logits_BK.float() / self.temperature, 1)
        distance = F.kl_div(said_BK, told_BK, log_target=True, reduction="batchmean") * self.temperature**2
        loss = (1 - self.weight) * labels + self.weight * distance
        if told_BD is None or outputs.features_BD is None:
            return loss
        if told_BD.shape != outputs.features_BD.shape:
            raise ConfigError(
                f"The teacher has {told_BD.shape[1]} features and this model {outputs.features_BD.shape[1]}: they "
                "cannot be compared. Set objective.feature_weight=0, or choose a teacher of the same width."
            )
        nearness_B = F.cosine_similarity(outputs.features_BD.float(), told_BD.float())
        return loss + self.feature_weight * (1 - nearness_B).mean()


def _at_least_0(name: str, value: float) -> float:
    if value < 0:
        raise ConfigError(f"objective.{name} must be 0 or more, found {value}.")
    return value
