"""Cross-entropy with label smoothing and class weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F

from occlufer.learning.objectives.base import Batch, Objective, Outputs
from occlufer.types import EXPRESSIONS, ConfigError


@final
class CrossEntropy(Objective):
    """Mean cross-entropy of the faces under the training condition.

    Args:
        class_counts: training faces of each expression, in label order; used by `balanced`.
        label_smoothing: share of the target spread over all classes, 0..1 (Szegedy et al. 2016).
        class_weights: None; "balanced" for n / (classes present * count of the class), whose mean over the
            training faces is 1; or one number for each expression.
    """

    weight_K: torch.Tensor | None

    def __init__(
        self,
        *,
        class_counts: Sequence[int],
        label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ConfigError(f"objective.label_smoothing must be in 0..1, found {label_smoothing}.")
        self.label_smoothing = label_smoothing
        weights = _weights(class_weights, class_counts)
        # Not persistent: it follows from the configuration and the data, and a checkpoint is of the network.
        self.register_buffer("weight_K", weights, persistent=False)

    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """See `Objective.forward`."""
        return self.of(outputs.logits_BK, batch["label"])

    def of(self, logits_BK: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
        """Loss of logits float (B, K) and labels int64 (B,), a scalar."""
        return F.cross_entropy(
            logits_BK, labels_B, weight=self.weight_K, label_smoothing=self.label_smoothing
        )


def _weights(given: str | Sequence[float] | None, counts: Sequence[int]) -> torch.Tensor | None:
    if given is None:
        return None
    if given == "balanced":
        counts_K = torch.tensor(counts, dtype=torch.float32)
        present = int((counts_K > 0).sum())
        return counts_K.sum() / (present * counts_K.clamp(min=1))
    if isinstance(given, str) or len(given) != len(EXPRESSIONS) or min(given) < 0:
        raise ConfigError(
            f"objective.class_weights must be null, balanced, or {len(EXPRESSIONS)} numbers of 0 or more in the order "
            f"{', '.join(EXPRESSIONS)}; found {given!r}."
        )
    return torch.tensor(list(given), dtype=torch.float32)
