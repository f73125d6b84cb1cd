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
from occlufer.data.usable import coverage_table, left_out_faces, reasons_left_out
from occlufer.data.view import View
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.promise import check_covers
from occlufer.types import EXPRESSIONS, SPLITS, ConfigError, DatasetError, IntArray


@dataclass(frozen=True, slots=True)
class LoaderSettings:
    """How batches are made.

    Attributes:
        batch_size: faces a step and device.
        num_workers: loader processes; 0 loads in the training process. Never changes a result.
        pin_memory: page-locked memory, which speeds up copies to a GPU.
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

    A face without landmarks, or whose eyes, nose or mouth lie outside the image, leaves every split and every condition
    alike, so that conditions stay paired; faces of pre-occluded datasets (`FaceDataset.covered`) need no landmarks.

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
        ConfigError: see `occlufer.data.rendered.check_fit` and `occlufer.occlusion.promise.check_covers`.
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
        named = {"occlusion": occluder} | {f"condition {name}": by for name, by in conditions.items()}
        check_fit(faces, view, named)
        check_covers(named)
        self.faces, self.cache = faces, cache
        self.view, self.augmentation, self.image = view, augmentation, image
        self.occluder, self.conditions = occluder, dict(conditions)
        self.loader, self.seed, self.evaluation_seed = loader, seed, evaluation_seed
        self.pairs = False
        self.tests_validation = False
        self.reasons = reasons_left_out(faces, cache)
        self._keep_usable()

    def _keep_usable(self) -> None:
        self.usable = self.reasons == ""
        of_split = {split: self.faces.manifest.indices(split) for split in SPLITS}
        self.indices: dict[str, IntArray] = {
            split: indices[self.usable[indices]] for split, indices in of_split.items()
        }

    def leave_out(self, reasons: Mapping[int, str]) -> None:
        """Take faces out of every condition; manifest row -> the reason, for the record."""
        for index, reason in reasons.items():
            self.reasons[index] = reason
        self._keep_usable()

    def left_out(self) -> pd.DataFrame:
        """Columns split, expression, key, reason: every face that is not used, first those of the manifest."""
        return left_out_faces(self.faces, self.reasons)

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

    @property
    def tested(self) -> list[tuple[str, str]]:
        """Condition and split of each test loader: every condition, and last the bare validation faces if asked for."""
        validation = [("none", "validation")] if self.tests_validation and "none" in self.conditions else []
        return [(name, "test") for name in self.conditions] + validation

    def test_dataloader(self) -> list[DataLoader[FaceBatch]]:
        """The faces of `tested`."""
        # A test pass reads each loader once: workers that lived on would only hold memory.
        return [
            self._loader(self.condition(self.conditions[name], split), persistent=False)
            for name, split in self.tested
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
    """A loader whose workers start when the first batch is asked for.

    Lightning makes an iterator to count the batches before it has read at which epoch a resumed training continues.
    torch's own iterator starts its workers at once, with the order and the draws of the first epoch.
    """

    def __iter__(self) -> Iterator[FaceBatch]:  # type: ignore[override]  # torch promises its own iterator
        yield from super().__iter__()


def _one_thread(_: int) -> None:
    """Keep every library in a loader worker to one thread: the workers share the cores with the training.

    BLAS threads that wait for each other over the small matrices of mask placement took twice as long as everything
    else that is done to a face.
    """
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
