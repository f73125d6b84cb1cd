"""The U-Net that paints faces back, and its scores."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from occlufer.learning.deoccluder import DeOccluder, UNet, masked_error, masked_psnr, masked_ssim
from occlufer.types import RunError

SIDE = 32


def pairs(count: int, *, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """Ramps whose direction is told by what is left of them, and a black box over their middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    items = []
    for _ in range(count):
        slope = rng.uniform(-0.2, 0.2, (3, 2))
        level = rng.choice([0.2, 0.8], (3, 1, 1))
        clean = torch.tensor(level + slope[:, :1, None] * (x - 0.5) + slope[:, 1:, None] * (y - 0.5)).float()
        alpha = torch.zeros(1, SIDE, SIDE)
        alpha[:, 8:24, 8:24] = 1
        items.append({"clean": clean, "alpha": alpha, "occluded": clean * (1 - alpha)})
    return items


@pytest.mark.parametrize("widths", [(4,), (4, 6), (4, 6, 8, 10)])
def test_only_covered_pixels_are_painted(widths):
    network = UNet(widths=widths).eval()
    item = pairs(1)[0]
    occluded, alpha = item["occluded"][None], item["alpha"][None]
    with torch.no_grad():
        restored = network(occluded, alpha)
        # What the occluder looks like says nothing of the face.
        other = network(torch.where(alpha > 0, torch.rand_like(occluded), occluded), alpha)
    assert restored.shape == (1, 3, SIDE, SIDE)
    free = (alpha == 0).expand_as(restored)
    assert torch.equal(restored[free], occluded[free])
    assert restored.min() >= 0
    assert restored.max() <= 1
    torch.testing.assert_close(other, restored)


def test_it_learns_to_go_on_with_a_ramp():
    pl.seed_everything(0, verbose=False)
    network = DeOccluder(widths=(8, 16), lr=1e-2, seed=0)
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=12, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, inference_mode=False,
    )  # fmt: skip
    held_out = DataLoader(pairs(8, seed=1), batch_size=8)  # type: ignore[arg-type]
    before = trainer.validate(network, held_out, verbose=False)[0]
    trainer.fit(network, DataLoader(pairs(64), batch_size=8), held_out)  # type: ignore[arg-type]
    after = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert after["val_psnr"] > before["val_psnr"] + 3
    assert after["val_error"] < 0.5 * before["val_error"]


def test_a_training_that_diverges_is_stopped():
    network = DeOccluder(widths=(4,), seed=0)
    torch.nn.init.constant_(network.network.colour.weight, torch.nan)
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    held_out = DataLoader(pairs(2), batch_size=2)  # type: ignore[arg-type]
    with pytest.raises(RunError, match=r"became nan in epoch 1\. Lower deoccluder\.lr"):
        trainer.fit(network, DataLoader(pairs(4), batch_size=2), held_out)  # type: ignore[arg-type]


def test_equal_seeds_make_equal_weights_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other = DeOccluder(widths=(4, 6), seed=3), DeOccluder(widths=(4, 6), seed=3)
    assert torch.equal(torch.rand(1), expected)
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)


def test_the_scores_agree_with_torchmetrics_where_all_is_covered():
    torch.manual_seed(0)
    clean = torch.rand(2, 3, SIDE, SIDE)
    restored = (clean + 0.1 * torch.randn_like(clean)).clamp(0, 1)
    everywhere = torch.ones(2, 1, SIDE, SIDE)
    expected = peak_signal_noise_ratio(restored, clean, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(masked_psnr(restored, clean, everywhere), expected)
    torch.testing.assert_close(
        masked_error(restored, clean, everywhere), (restored - clean).abs().mean(dim=(1, 2, 3))
    )
    # torchmetrics leaves a border out of its mean, which the map has.
    whole = structural_similarity_index_measure(restored, clean, data_range=1.0, reduction="none")
    torch.testing.assert_close(masked_ssim(restored, clean, everywhere), whole, atol=0.05, rtol=0)


def test_the_scores_look_inside_the_mask_only():
    clean = pairs(1)[0]["clean"][None]
    alpha = pairs(1)[0]["alpha"][None]
    spoilt = torch.where(alpha > 0, clean, 1 - clean)
    assert masked_error(spoilt, clean, alpha) == 0
    assert masked_psnr(spoilt, clean, alpha) == pytest.approx(80)
    shifted = torch.where(alpha > 0, clean + 0.1, clean)
    assert masked_error(shifted, clean, alpha).item() == pytest.approx(0.1, abs=1e-6)
    assert masked_psnr(shifted, clean, alpha).item() == pytest.approx(20, abs=1e-3)
    assert masked_error(clean, clean, torch.zeros_like(alpha)) == 0
