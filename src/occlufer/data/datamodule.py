"""Which faces, in which condition, in which order: the LightningDataModule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import cv2
import numpy as np
import pandas as pd
import pytorch_lightning as pl
import threadpoolctl
import torch
from torch.utils.data import DataLoader

from occlufer.data.faces import ConditionedFaces, FaceBatch
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import FaceRenderer, check_fit
from occlufer.data.sampler import FaceSampler
from occlufer.data.transforms import Augmentation
from occlufer.data.view import View
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.types import EXPRESSIONS, SPLITS, BoolArray, ConfigError, DatasetError, ImageError, IntArray


@dataclass(frozen=True, slots=True)
class LoaderSettings:
    """How batches are made.

    Attributes:
        batch_size: faces a step and device.
        num_workers: loader processes; 0 loads in the training process. Never changes a result.
        pin_memory: for GPUs.
    """

    batch_size: int
    num_workers: int = 2
    pin_memory: bool = False

    def __post_init__(self) -> None:
        whole = isinstance(self.batch_size, int) and isinstance(self.num_workers, int)
        if not whole or self.batch_size < 1 or self.num_workers < 0:
            raise ConfigError(
                f"loader.batch_size must be at least 1 and loader.num_workers at least 0, both whole numbers; "
                f"found {self.batch_size!r} and {self.num_workers!r}."
            )


@final
class FaceDataModule(pl.LightningDataModule):
    """Train and validation faces under one occluder, test faces under each condition.

    A face without landmarks leaves every split and every condition alike, so that conditions stay paired; faces that
    are covered already (`FaceDataset.covered`) need none.

    Args:
        faces: the dataset.
        cache: landmarks of all its faces that have any.
        view, augmentation, image: see `FaceRenderer` and `ConditionedFaces`.
        occluder: the condition of training and validation.
        conditions: the test conditions by name, in order.
        loader: see `LoaderSettings`.
        seed: of order and draws in training.
        evaluation_seed: fixes the occlusion of validation and test faces for all runs alike.

    Attributes:
        pairs: whether training batches hold each face without the occluder too; set it for an objective over pairs.

    Raises:
        ConfigError: see `occlufer.data.rendered.check_fit`.
    """

    def __init__(
        self,
        *,
        faces: FaceDataset,
        cache: LandmarkCache,
        view: View,
        occluder: Occluder[Any],
        conditions: Mapping[str, Occluder[Any]],
        augmentation: Augmentation,
        image: ImageFormat,
        loader: LoaderSettings,
        seed: int,
        evaluation_seed: int,
    ) -> None:
        super().__init__()
        check_fit(
            faces,
            view,
            {"occlusion": occluder} | {f"condition {name}": by for name, by in conditions.items()},
        )
        self.faces, self.cache = faces, cache
        self.view, self.augmentation, self.image = view, augmentation, image
        self.occluder, self.conditions = occluder, dict(conditions)
        self.loader, self.seed, self.evaluation_seed = loader, seed, evaluation_seed
        self.pairs = False
        self.usable = usable_faces(faces, cache)
        self.indices = {split: self._usable_of(split) for split in SPLITS}

    def _usable_of(self, split: str) -> IntArray:
        indices = self.faces.manifest.indices(split)
        kept: IntArray = indices[self.usable[indices]]
        return kept

    def require(self, *splits: str) -> None:
        """Raise `DatasetError` when one of the splits has no face with landmarks."""
        for split in splits:
            if len(self.indices[split]) == 0:
                found = len(self.faces.manifest.indices(split))
                if not found:
                    there = ", ".join(dict.fromkeys(self.faces.manifest.splits))
                    raise DatasetError(
                        f"{self.faces.name} has no {split} split, which this command needs; it has {there}. `occlufer "
                        "prepare` and `occlufer preview` work with any split; to train, give a dataset with all three."
                    )
                raise DatasetError(
                    f"{self.faces.name}: none of the {found} images of the {split} split has a face with landmarks. "
                    "Look at some with `occlufer preview`, and see what `occlufer prepare` says."
                )

    def coverage(self) -> pd.DataFrame:
        """Columns split, expression, faces, used, dropped: how many faces have landmarks, and how many left."""
        return coverage_table(self.faces, self.usable)

    def class_counts(self) -> list[int]:
        """Training faces of each expression, in the order of `EXPRESSIONS`."""
        labels = self.faces.manifest.labels[self.indices["train"]]
        return [int(count) for count in np.bincount(labels, minlength=len(EXPRESSIONS))]

    def condition(self, occluder: Occluder[Any], split: str, *, fixed: bool = True) -> ConditionedFaces:
        """The faces of a split under an occluder, as validation and test meet them (`fixed`) or as training does."""
        seed = self.evaluation_seed if fixed else self.seed
        return ConditionedFaces(
            renderer=FaceRenderer(self.faces, self.cache, self.view, occluder, seed),
            indices=self.indices[split],
            augmentation=self.augmentation,
            image=self.image,
            fixed=fixed,
            pairs=self.pairs and not fixed,
        )

    def train_dataloader(self) -> DataLoader[FaceBatch]:
        """Shuffled, augmented, occluded anew every epoch."""
        return self._loader(self.condition(self.occluder, "train", fixed=False), shuffle=True)

    def val_dataloader(self) -> DataLoader[FaceBatch]:
        """The validation faces under the training condition, the same every epoch."""
        return self._loader(self.condition(self.occluder, "validation"))

    def test_dataloader(self) -> list[DataLoader[FaceBatch]]:
        """The test faces, once for each condition."""
        # A test pass reads each loader once: workers that lived on would only hold memory.
        return [
            self._loader(self.condition(occluder, "test"), persistent=False)
            for occluder in self.conditions.values()
        ]

    def _loader(
        self, dataset: ConditionedFaces, *, shuffle: bool = False, persistent: bool = True
    ) -> DataLoader[FaceBatch]:
        rank, replicas = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = FaceSampler(
            count=len(dataset), seed=self.seed, shuffle=shuffle, rank=rank, replicas=replicas
        )
        workers = min(self.loader.num_workers, -(-len(sampler) // self.loader.batch_size))
        return _FaceLoader(
            dataset,
            batch_size=self.loader.batch_size,
            sampler=sampler,
            num_workers=workers,
            persistent_workers=workers > 0 and persistent,
            pin_memory=self.loader.pin_memory,
            worker_init_fn=_one_thread,
            # A loader without its own generator draws from torch's global one whenever it starts, and so would
            # shift the dropout of a resumed epoch.
            generator=torch.Generator(),
            # Batch normalisation cannot learn from a single face, and so drops a last batch of one.
            drop_last=shuffle and len(sampler) > 1 and len(sampler) % self.loader.batch_size == 1,
        )


@final
class _FaceLoader(DataLoader[FaceBatch]):
    """Starts to load when the first batch is asked for.

    Lightning takes an iterator to count the batches, before it has read at which epoch a resumed training goes on.
    Workers would begin at once, with the order and the draws of the first epoch.
    """

    def __iter__(self) -> Iterator[FaceBatch]:  # type: ignore[override]  # torch promises its own iterator
        yield from super().__iter__()


def _one_thread(_: int) -> None:
    """Loader workers share the cores with training: no library may start a thread for each of them there.

    numpy's BLAS solves the small systems of mask placement; its threads, waiting for each other, took twice the time
    of the whole hot path.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)


def usable_faces(faces: FaceDataset, cache: LandmarkCache) -> BoolArray:
    """For each face, whether the cache holds landmarks for it; of covered faces, whether it can be read.

    Bool (len(faces),).
    """
    indices = range(len(faces))
    if faces.covered:
        return np.array([_can_be_read(faces, index) for index in indices], dtype=np.bool_)
    return np.array([_has_landmarks(faces, cache, index) for index in indices], dtype=np.bool_)


def _can_be_read(faces: FaceDataset, index: int) -> bool:
    # Where landmarks are looked for, an image that is damaged half-way is found then.
    try:
        faces.load_image(index)
    except ImageError:
        return False
    return True


def _has_landmarks(faces: FaceDataset, cache: LandmarkCache, index: int) -> bool:
    try:
        digest = faces.content_digest(index)
    except ImageError:  # its bytes cannot be read
        return False
    return cache.contains(digest) and cache.landmarks(digest) is not None


def coverage_table(faces: FaceDataset, usable: BoolArray) -> pd.DataFrame:
    """Columns split, expression, faces, used, dropped; a row for each pair that has faces, in the fixed orders."""
    manifest = faces.manifest
    rows = []
    for split in SPLITS:
        for label, expression in enumerate(EXPRESSIONS):
            here = (manifest.splits == split) & (manifest.labels == label)
            total, used = int(here.sum()), int((here & usable).sum())
            if total:
                rows.append((split, expression, total, used, total - used))
    return pd.DataFrame(rows, columns=["split", "expression", "faces", "used", "dropped"])
