"""The de-occluder of `occlufer augment`: its training, its scores beside plain fills, and its use on a face."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from occlufer.console import say
from occlufer.data.pairs import OccludedPairs, Pair, pair_tensors, unit_tensor
from occlufer.data.rendered import RenderedFace
from occlufer.data.sampler import FaceSampler
from occlufer.data.view import resized
from occlufer.learning.callbacks import AtomicCheckpointIO
from occlufer.learning.deoccluder import DeOccluder, masked_error, masked_psnr, masked_ssim
from occlufer.restoration.fills import fill_inpainted, fill_mean
from occlufer.types import RunError, UInt8Array

Restore = Callable[[RenderedFace], UInt8Array]
"""An occluded face -> the restored one, uint8 RGB of the same size."""


class _EpochLine(pl.Callback):
    """A line after each epoch."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        scores = trainer.callback_metrics
        say(
            f"De-occluder: epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, held-out faces inside the mask: "
            f"PSNR {float(scores['val_psnr']):.2f} dB, SSIM {float(scores['val_ssim']):.3f}"
        )


def trained_deoccluder(
    train: OccludedPairs, validation: OccludedPairs, settings: Mapping[str, Any], *, seed: int, folder: Path
) -> DeOccluder:
    """Train a de-occluder in `folder`, or go on with the one that is there; returned ready to use.

    Args:
        train, validation: pairs of the training faces, and of the faces that it is scored on.
        settings: the `deoccluder` settings of conf/augment.yaml.
        seed: of weights and order.
        folder: holds last.ckpt.

    Raises:
        RunError: a checkpoint that cannot be read.
    """
    pl.seed_everything(seed, verbose=False)
    network = DeOccluder(widths=settings["widths"], lr=settings["lr"], seed=seed)
    last = folder / "last.ckpt"
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        max_epochs=settings["epochs"],
        callbacks=[
            _EpochLine(),
            ModelCheckpoint(
                dirpath=folder,
                filename="last",
                monitor=None,
                save_on_train_epoch_end=True,
                enable_version_counter=False,
            ),
        ],
        plugins=[AtomicCheckpointIO()],
        logger=False,
        default_root_dir=str(folder),
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_model_summary=False,
        enable_progress_bar=False,
        log_every_n_steps=1,
    )
    batches = _loader(train, settings, seed, shuffle=True)
    held_out = _loader(validation, settings, seed, shuffle=False)
    checkpoint = str(last) if last.is_file() else None
    try:
        trainer.fit(network, batches, held_out, ckpt_path=checkpoint, weights_only=True)
    except (RuntimeError, KeyError, EOFError) as error:
        if checkpoint is None:
            raise
        raise RunError(
            f"{last} is damaged or of another network, so that the training cannot continue from it ({error}). Delete "
            "it and run again, or give another output=DIR."
        ) from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    return network.eval()


def _loader(
    pairs: OccludedPairs, settings: Mapping[str, Any], seed: int, *, shuffle: bool
) -> DataLoader[Pair]:
    sampler = FaceSampler(count=len(pairs), seed=seed, shuffle=shuffle)
    return DataLoader(
        pairs,
        batch_size=settings["batch_size"],
        sampler=sampler,
        num_workers=settings["num_workers"],
        persistent_workers=settings["num_workers"] > 0,
        generator=torch.Generator(),
        drop_last=shuffle and len(pairs) % settings["batch_size"] == 1,
    )


def restorer(network: DeOccluder, side: int) -> Restore:
    """The network as a function: it works at `side` pixels, and what nothing covers keeps its own pixels."""

    def restore(face: RenderedFace) -> UInt8Array:
        clean_HWC, alpha_HW = face.clean_HWC, face.alpha_HW
        hw, small = clean_HWC.shape[:2], (side, side)
        way = cv2.INTER_AREA if side < hw[0] else cv2.INTER_LINEAR
        occluded_3SS = unit_tensor(resized(face.occluded_HWC, small, way))
        alpha_SS = torch.from_numpy(resized(alpha_HW, small, way))
        with torch.inference_mode():
            painted = network(occluded_3SS[None], alpha_SS[None, None])[0]
        painted_SSC = (painted * 255).round().byte().permute(1, 2, 0).numpy()
        restored = resized(painted_SSC, (hw[0], hw[1]), cv2.INTER_AREA if hw[0] < side else cv2.INTER_LINEAR)
        # The occluder's alpha includes its shadow: every pixel that it changed is painted anew.
        return np.where((alpha_HW > 0)[..., None], restored, clean_HWC)

    return restore


def quality(network: DeOccluder, pairs: OccludedPairs, *, most: int) -> pd.DataFrame:
    """How near each way of filling comes to the bare face, inside the mask.

    Args:
        pairs: held-out faces; the first `most` that anything covers are scored.

    Returns:
        Columns way, error (mean absolute difference, 0..1), psnr (dB), ssim, faces; a row for the de-occluder, the mean
        colour and OpenCV's inpainting.
    """
    ways: dict[str, Restore] = {
        "de-occluder": restorer(network, pairs.side),
        "mean colour": lambda face: fill_mean(face.occluded_HWC, face.alpha_HW),
        "OpenCV inpainting": lambda face: fill_inpainted(face.occluded_HWC, face.alpha_HW),
    }
    rows = []
    for face in _occluded_faces(pairs, most):
        truth = pair_tensors(face)
        for way, fill in ways.items():
            pair = (unit_tensor(fill(face))[None], truth["clean"][None], truth["alpha"][None])
            rows.append((way, *(float(score(*pair)) for score in (masked_error, masked_psnr, masked_ssim))))
    frame = pd.DataFrame(rows, columns=["way", "error", "psnr", "ssim"])
    grouped = frame.groupby("way", sort=False)
    return grouped.mean().assign(faces=grouped.size()).reset_index()


def _occluded_faces(pairs: OccludedPairs, most: int) -> Iterator[RenderedFace]:
    rendered = (pairs.render(int(index), 0) for index in pairs.indices)
    return itertools.islice((face for face in rendered if float(face.alpha_HW.max()) > 0), most)
