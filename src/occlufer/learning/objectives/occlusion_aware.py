"""Cross-entropy, and an estimate of where the occluder lies: for `model=occlusion_aware`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F

from occlufer.learning.objectives.base import Batch, Objective, Outputs
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.types import ConfigError

_SAME = 0.05  # of normalised images: what differs by less from the face without the occluder counts as bare


@final
class OcclusionAwareLoss(Objective):
    """Cross-entropy, and the network's estimate of which places of its feature map are covered.

    loss = CE + weight * BCE(estimate, share of the place's pixels in which the face differs from itself without the
    occluder). The pair only says what the estimate should be: the network is never shown it, and costs one pass a face.

    Args:
        class_counts, label_smoothing, class_weights: see `CrossEntropy`.
        weight: of the estimate, 0 or more.
    """

    wants_pairs = True
    wants_estimate = True

    def __init__(
        self, *, class_counts: Sequence[int], weight: float = 0.5, label_smoothing: float = 0.0,
        class_weights: str | Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if weight < 0:
            raise ConfigError(f"objective.weight must be 0 or more, found {weight}.")
        self.weight = weight
        self.cross_entropy = CrossEntropy(
            class_counts=class_counts, label_smoothing=label_smoothing, class_weights=class_weights
        )

    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """See `Objective.forward`."""
        loss = self.cross_entropy.of(outputs.logits_BK, batch["label"])
        if "clean" not in batch or outputs.covered_logits_BHW is None:
            return loss
        estimate_BHW = outputs.covered_logits_BHW.float()
        covered_BHW = covered_places(
            batch["image"], batch["clean"], (estimate_BHW.shape[1], estimate_BHW.shape[2])
        )
        return loss + self.weight * F.binary_cross_entropy_with_logits(estimate_BHW, covered_BHW)


def covered_places(image_BCHW: torch.Tensor, clean_BCHW: torch.Tensor, hw: tuple[int, int]) -> torch.Tensor:
    """Share of covered pixels in each place of a map, float32 (B, h, w) in 0..1.

    Args:
        image_BCHW, clean_BCHW: normalised faces with and without the occluder.
        hw: height and width of the map.
    """
    differs_B1HW = ((image_BCHW - clean_BCHW).abs().amax(dim=1, keepdim=True) > _SAME).float()
    return F.adaptive_avg_pool2d(differs_B1HW, hw)[:, 0]
