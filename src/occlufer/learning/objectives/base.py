"""The interface of objectives: a loss of a batch and the network's outputs; teachers, and features of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from occlufer.types import ConfigError

Batch = Mapping[str, torch.Tensor]
"""`occlufer.data.faces.FaceBatch` after collation: image float32 (B, C, H, W), label int64 (B,), ..."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network puts out for a batch.

    Attributes:
        logits_BK: float (B, K), of the faces under the training condition.
        clean_logits_BK: float (B, K), of the same faces without the occluder; None unless the objective wants them.
        features_BD, clean_features_BD: float (B, D), the inputs of the network's last linear layer for either; None
            unless the objective wants them.
        covered_logits_BHW: float (B, h, w), the network's own estimate of what is covered at each place of its last
            feature map; None unless the objective wants it.
    """

    logits_BK: torch.Tensor
    clean_logits_BK: torch.Tensor | None = None
    features_BD: torch.Tensor | None = None
    clean_features_BD: torch.Tensor | None = None
    covered_logits_BHW: torch.Tensor | None = None


class Objective(nn.Module, ABC):
    """A loss over a batch. Its constructor is given `class_counts`, the training faces of each expression.

    Buffers must not be persistent: a checkpoint holds the network alone.

    Attributes:
        wants_pairs: whether training batches hold each face without the occluder too (`batch["clean"]`).
        wants_clean_outputs: whether the network runs on those too, which doubles the cost of a step.
        wants_features: whether `Outputs` holds features.
        wants_estimate: whether `Outputs` holds the network's estimate of what is covered, which `OcclusionAware` makes.
        passes: forward passes for each training face, a teacher's included: the unit of cost of experiment=recovery.
    """

    wants_pairs: ClassVar[bool] = False
    wants_clean_outputs: ClassVar[bool] = False
    wants_features: bool = False
    wants_estimate: ClassVar[bool] = False
    passes: ClassVar[int] = 1

    @abstractmethod
    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """The loss, a scalar. In validation there are no pairs, and the terms over pairs are left out."""


class Teacher:
    """A frozen network whose outputs an objective uses, kept out of its parameters, its state and every checkpoint.

    Args:
        network: float (B, C, H, W) -> logits float (B, K).
        features: whether its features are wanted too.
    """

    def __init__(self, network: nn.Module, *, features: bool = False) -> None:
        self._network = network.eval().requires_grad_(False)
        self._features = FeatureTap(network) if features else None

    @torch.no_grad()
    def __call__(self, image_BCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits float (B, K), and features float (B, D) where wanted, on the device of the images."""
        logits_BK: torch.Tensor = self._network.to(image_BCHW.device)(image_BCHW)
        return logits_BK, None if self._features is None else self._features.take()


class FeatureTap:
    """Reads the features of a network: the input of its last linear layer at the latest call.

    Args:
        network: any that ends in a linear layer.

    Raises:
        ConfigError: it has none.
    """

    def __init__(self, network: nn.Module) -> None:
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
        if not layers:
            raise ConfigError(
                "This objective compares features, which are what a network's last linear layer is given, and this "
                "model has no linear layer. Choose another model=, or objective=cross_entropy."
            )
        layers[-1].register_forward_pre_hook(self._keep)
        self._features_BD: torch.Tensor | None = None

    def _keep(self, layer: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        (self._features_BD,) = given

    def take(self) -> torch.Tensor:
        """Features of the latest call, float (B, D)."""
        features_BD, self._features_BD = self._features_BD, None
        assert features_BD is not None, "the network was not called, or does not call its last linear layer"
        return features_BD.flatten(1)
