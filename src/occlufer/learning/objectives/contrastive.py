"""Supervised contrastive loss over conditions: features of one expression are drawn together, bare or covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F

from occlufer.learning.objectives.base import Batch, Objective, Outputs
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.types import ConfigError


@final
class SupervisedContrastive(Objective):
    """Cross-entropy on both faces of a pair, and the supervised contrastive loss of the features of all of them.

    loss = (CE(occluded) + CE(bare)) / 2 + weight * contrast. There is no projection head: the contrast is on what the
    network's last linear layer is given, so that nothing is trained that the network does not keep.

    Args:
        class_counts, label_smoothing, class_weights: see `CrossEntropy`.
        weight: of the contrast, 0 or more.
        temperature: of the contrast, above 0.
    """

    wants_pairs = True
    wants_clean_outputs = True
    passes = 2
    wants_features = True

    def __init__(
        self, *, class_counts: Sequence[int], weight: float = 0.5, temperature: float = 0.1,
        label_smoothing: float = 0.0, class_weights: str | Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if weight < 0 or temperature <= 0:
            raise ConfigError(
                "objective.weight must be 0 or more and objective.temperature above 0, found "
                f"{weight} and {temperature}."
            )
        self.weight, self.temperature = weight, temperature
        self.cross_entropy = CrossEntropy(
            class_counts=class_counts, label_smoothing=label_smoothing, class_weights=class_weights
        )

    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """See `Objective.forward`."""
        labels_B = batch["label"]
        occluded = self.cross_entropy.of(outputs.logits_BK, labels_B)
        features_BD, bare_BD = outputs.features_BD, outputs.clean_features_BD
        if outputs.clean_logits_BK is None or features_BD is None or bare_BD is None:
            return occluded
        bare = self.cross_entropy.of(outputs.clean_logits_BK, labels_B)
        contrast = supervised_contrast(
            torch.cat([features_BD, bare_BD]).float(), labels_B.repeat(2), self.temperature
        )
        return (occluded + bare) / 2 + self.weight * contrast


def supervised_contrast(
    features_ND: torch.Tensor, labels_N: torch.Tensor, temperature: float
) -> torch.Tensor:
    """The loss L_out of Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2; a scalar.

    For each face i and the others P(i) of its label: the mean over p in P(i) of -log(exp(z_i z_p / T) / sum over all
    j != i of exp(z_i z_j / T)); then the mean over the faces that have such others.

    Args:
        features_ND: float32 (N, D), made unit vectors z here.
        labels_N: int64 (N,).
        temperature: T, above 0.
    """
    unit_ND = F.normalize(features_ND, dim=1)
    itself_NN = torch.eye(len(labels_N), dtype=torch.bool, device=labels_N.device)
    similar_NN = (unit_ND @ unit_ND.T / temperature).masked_fill(itself_NN, float("-inf"))
    log_share_NN = similar_NN.log_softmax(dim=1).masked_fill(itself_NN, 0.0)
    others_NN = (labels_N[:, None] == labels_N[None]) & ~itself_NN
    counts_N = others_NN.sum(dim=1)
    losses_N = -(log_share_NN * others_NN).sum(dim=1) / counts_N.clamp(min=1)
    return losses_N.sum() / (counts_N > 0).sum().clamp(min=1)
