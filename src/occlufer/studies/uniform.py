"""Study A's baseline: a uniform random classifier."""

from __future__ import annotations

import zlib
from typing import final

import numpy as np
import torch
from torch import nn

from occlufer.types import seeded_rng

_MARGIN = 1e-3  # logits by which the drawn class leads: its probability is 1/K to within a thousandth


@final
class UniformClassifier(nn.Module):
    """Names each class with the same probability, whatever the image shows.

    All classes get a probability of 1/K; one that is drawn leads by a hair, and is the prediction. The draw comes from
    (seed, fold, checksum of the image's bytes), not from a generator that moves on: the same image gets the same answer
    on one device or four, in any batch, and when a run is scored again, as with every other network here. Covering a
    face draws anew. A checksum says nothing of an expression, so accuracy is 1/K in expectation.

    There is nothing to train. One weight, of no effect, lets it go through the same pipeline: its gradient is 0.

    Args:
        num_classes: K.
        in_chans: 1 or 3; no matter.
        seed: of the draws.
        fold: another fold draws other answers; None without cross-validation.
    """

    def __init__(
        self, *, num_classes: int, in_chans: int = 1, seed: int = 0, fold: int | None = None
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.words = (seed, 0 if fold is None else fold + 1)
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float32 (B, K) of images float (B, C, S, S): 0, and a thousandth for the drawn class."""
        images: np.ndarray = image_BCHW.detach().float().contiguous().cpu().numpy()
        drawn = [
            int(seeded_rng(*self.words, zlib.crc32(image.tobytes())).integers(self.num_classes))
            for image in images
        ]
        index_B = torch.tensor(drawn, device=image_BCHW.device)
        return _MARGIN * nn.functional.one_hot(index_B, self.num_classes).float() + 0 * self.unused
