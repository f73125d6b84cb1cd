"""A small U-Net that paints the face back where an occluder lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import pytorch_lightning as pl
import torch
from torch import nn
from torchmetrics import MeanMetric
from torchmetrics.functional.image import structural_similarity_index_measure

from occlufer.types import RunError

Pairs = Mapping[str, torch.Tensor]
"""occluded and clean float (B, 3, S, S) in 0..1, alpha float (B, 1, S, S) in 0..1."""

_EPSILON = 1e-8


@final
class UNet(nn.Module):
    """Occluded face and alpha -> the face, float (B, 3, S, S) in 0..1 (U-Net: Ronneberger et al. 2015).

    Pixels where alpha is 0 are taken from the input; the network paints the others only.

    Args:
        widths: channels at each depth; S must be divisible by 2 ** (len(widths) - 1).
    """

    def __init__(self, *, widths: Sequence[int] = (24, 48, 96, 128)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        before = 4
        down = []
        for width in self.widths:
            down.append(_block(before, width))
            before = width
        up = []
        for width in reversed(self.widths[:-1]):
            up.append(_block(before + width, width))
            before = width
        self.down, self.up = nn.ModuleList(down), nn.ModuleList(up)
        self.colour = nn.Conv2d(before, 3, 1)

    def forward(self, occluded_B3SS: torch.Tensor, alpha_B1SS: torch.Tensor) -> torch.Tensor:
        """The restored faces, float (B, 3, S, S) in 0..1."""
        # The occluder's own colours say nothing of the face: they are blacked out.
        features = torch.cat([occluded_B3SS * (1 - alpha_B1SS), alpha_B1SS], dim=1)
        skipped = []
        for depth, block in enumerate(self.down):
            features = block(nn.functional.max_pool2d(features, 2) if depth else features)
            skipped.append(features)
        for block, skip in zip(self.up, reversed(skipped[:-1]), strict=True):
            larger = nn.functional.interpolate(
                features, scale_factor=2.0, mode="bilinear", align_corners=False
            )
            features = block(torch.cat([larger, skip], dim=1))
        painted = torch.sigmoid(self.colour(features))
        hidden = (alpha_B1SS > 0).to(painted.dtype)
        return painted * hidden + occluded_B3SS * (1 - hidden)


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs in (before, after):
        layers += [
            nn.Conv2d(inputs, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


@final
class DeOccluder(pl.LightningModule):
    """Trains a `UNet` on pairs (occluded, clean) by the mean absolute error inside the mask.

    Logs `train_error` and, on held-out pairs, `val_error`, `val_psnr`, `val_ssim`, all inside the mask.

    Args:
        widths: see `UNet`.
        lr: the first learning rate of AdamW; it falls to zero along half a cosine.
        seed: of the weights.
    """

    def __init__(self, *, widths: Sequence[int] = (24, 48, 96, 128), lr: float = 2e-3, seed: int = 0) -> None:
        super().__init__()
        self.save_hyperparameters({"widths": list(widths), "lr": lr, "seed": seed})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = UNet(widths=widths)
        self.lr = lr
        self.scores = nn.ModuleDict(
            {
                name: MeanMetric(nan_strategy=math.nan)
                for name in ("train_error", "val_error", "val_psnr", "val_ssim")
            }
        )

    def forward(self, occluded_B3SS: torch.Tensor, alpha_B1SS: torch.Tensor) -> torch.Tensor:
        """See `UNet.forward`."""
        restored: torch.Tensor = self.network(occluded_B3SS, alpha_B1SS)
        return restored

    def training_step(self, batch: Pairs, batch_idx: int) -> torch.Tensor:
        """The error of a batch."""
        restored = self(batch["occluded"], batch["alpha"])
        loss = masked_error(restored, batch["clean"], batch["alpha"]).mean()
        self._note("train_error", loss.detach(), len(restored))
        return loss

    def validation_step(self, batch: Pairs, batch_idx: int) -> None:
        """The scores of a batch."""
        restored = self(batch["occluded"], batch["alpha"])
        pair = (restored, batch["clean"], batch["alpha"])
        self._note("val_error", masked_error(*pair).mean(), len(restored))
        self._note("val_psnr", masked_psnr(*pair).mean(), len(restored))
        self._note("val_ssim", masked_ssim(*pair).mean(), len(restored))

    def on_train_epoch_end(self) -> None:
        """Raise `RunError` when the error is not finite, before a checkpoint is written."""
        error = float(self.trainer.callback_metrics["train_error"])
        if not math.isfinite(error):
            raise RunError(
                f"The de-occluder's training error became {error} in epoch {self.current_epoch + 1}. Lower "
                "deoccluder.lr and give another output=DIR."
            )

    def _note(self, name: str, value: torch.Tensor, weight: int) -> None:
        self.scores[name].update(value, weight)  # type: ignore[operator]
        self.log(name, self.scores[name], on_step=False, on_epoch=True)  # type: ignore[arg-type]

    def configure_optimizers(self) -> Any:
        """AdamW under a cosine."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def masked_error(
    restored_B3SS: torch.Tensor, clean_B3SS: torch.Tensor, alpha_B1SS: torch.Tensor
) -> torch.Tensor:
    """Mean absolute difference inside the mask, (B,) in 0..1; 0 for a face that nothing covers."""
    return _inside((restored_B3SS - clean_B3SS).abs(), alpha_B1SS)


def masked_psnr(
    restored_B3SS: torch.Tensor, clean_B3SS: torch.Tensor, alpha_B1SS: torch.Tensor
) -> torch.Tensor:
    """Peak signal-to-noise ratio inside the mask, (B,) in dB for a peak of 1; at most 80."""
    squared = _inside((restored_B3SS - clean_B3SS).square(), alpha_B1SS)
    return -10 * torch.log10(squared.clamp_min(_EPSILON))


def masked_ssim(
    restored_B3SS: torch.Tensor, clean_B3SS: torch.Tensor, alpha_B1SS: torch.Tensor
) -> torch.Tensor:
    """Structural similarity (Wang et al. 2004, Gaussian window of sd 1.5), its map averaged inside the mask, (B,)."""
    _, similarity = structural_similarity_index_measure(
        restored_B3SS, clean_B3SS, data_range=1.0, return_full_image=True, reduction="none"
    )
    return _inside(similarity, alpha_B1SS)


def _inside(values_BCSS: torch.Tensor, alpha_B1SS: torch.Tensor) -> torch.Tensor:
    weight = alpha_B1SS.expand_as(values_BCSS)
    return (values_BCSS * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3)).clamp_min(_EPSILON)
