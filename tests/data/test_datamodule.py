from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fakes import MemoryFaces, fill_cache, frontal_landmarks
from occlufer.data.datamodule import FaceDataModule, LoaderSettings
from occlufer.data.image_format import ImageFormat
from occlufer.data.transforms import Augmentation
from occlufer.data.usable import left_out_notes, usable_faces
from occlufer.data.view import FullImage
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.records import CacheRecord
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.types import ConfigError, DatasetError, ImageError

# MemoryFaces: 14 faces in each of train (rows 0-13), validation (14-27) and test (28-41), two an expression.
WITHOUT = (1, 15, 30, 31)


class PartlyBroken(MemoryFaces):
    """Row 2 cannot be read at all."""

    def content_digest(self, index: int) -> bytes:
        if index == 2:
            raise ImageError("cut short")
        return super().content_digest(index)


@pytest.fixture
def make(tmp_path):
    def make(
        *,
        without: tuple[int, ...] = WITHOUT,
        faces: MemoryFaces | None = None,
        fill: bool = True,
        **loader: Any,
    ) -> FaceDataModule:
        faces = faces or MemoryFaces()
        cache = LandmarkCache(tmp_path / "cache", "f")
        if fill:
            fill_cache(cache, MemoryFaces(), without=without)
        return FaceDataModule(
            faces=faces,
            cache=cache,
            view=FullImage(),
            occluder=FaceMask(artwork=Surgical(colours={"blue": 1.0})),
            conditions={"none": NoOcclusion(), "mask": FaceMask(artwork=Surgical(colours={"blue": 1.0}))},
            augmentation=Augmentation(flip=0.5, rotation_range=(-9.0, 9.0)),
            image=ImageFormat.create(size=32, channels=1, mean=0.5, std=0.25),
            loader=LoaderSettings(**{"batch_size": 4, "num_workers": 0} | loader),
            seed=0,
            evaluation_seed=0,
        )

    return make


def rows(loader: Any) -> list[int]:
    return torch.cat([batch["index"] for batch in loader]).tolist()


def test_a_face_without_landmarks_leaves_every_split_and_condition(make):
    data = make(batch_size=5)
    assert set(rows(data.train_dataloader())) == set(range(14)) - {1}
    assert rows(data.val_dataloader()) == [row for row in range(14, 28) if row != 15]
    left = [row for row in range(28, 42) if row not in (30, 31)]
    assert [rows(loader) for loader in data.test_dataloader()] == [left, left]


def test_coverage_counts_every_face(make):
    table = make().coverage()
    assert list(table.columns) == ["split", "expression", "faces", "used", "dropped"]
    assert len(table) == 21
    assert (table["faces"] == 2).all()
    assert (table["used"] + table["dropped"] == table["faces"]).all()
    dropped = table[table["dropped"] > 0]
    assert dropped[["split", "expression", "dropped"]].to_numpy().tolist() == [
        ["train", "anger", 1], ["validation", "anger", 1], ["test", "disgust", 2],
    ]  # fmt: skip


def test_faces_that_are_left_out_are_listed_with_the_reason(make, tmp_path):
    faces, cache = PartlyBroken(), LandmarkCache(tmp_path / "cache", "f")
    fill_cache(cache, MemoryFaces(), without=(1,))
    beside = CacheRecord(
        faces.content_digest(40), frontal_landmarks(48) + np.float32([60, 0, 0]), "wide border", (48, 48)
    )
    with cache.writing():
        cache.append([beside])
    data = make(faces=faces, fill=False)
    table = data.left_out()
    assert table[["split", "expression"]].to_numpy().tolist() == [
        ["train", "anger"], ["train", "disgust"], ["test", "surprise"],
    ]  # fmt: skip
    assert table["key"].tolist() == faces.manifest.keys[[1, 2, 40]].tolist()
    assert table["reason"].tolist() == [
        "missed: no face", "the image cannot be read", "eyes, nose or mouth lie outside the image",
    ]  # fmt: skip
    assert 40 not in rows(data.test_dataloader()[0])
    assert len(left_out_notes(table)) == 2


def test_class_counts_are_of_used_training_faces(make):
    assert make().class_counts() == [1, 2, 2, 2, 2, 2, 2]


def test_unreadable_and_unseen_images_are_not_usable(make, tmp_path):
    data = make(faces=PartlyBroken())
    assert not data.usable[2]
    assert int(data.usable.sum()) == 42 - len(WITHOUT) - 1
    assert not usable_faces(MemoryFaces(), LandmarkCache(tmp_path / "none", "f")).any()


def test_an_empty_split_is_named(make):
    data = make(without=tuple(range(28, 42)))
    data.require("train", "validation")
    with pytest.raises(
        DatasetError, match=r"memory: none of the 14 images of the test split .*occlufer prepare"
    ):
        data.require("train", "test")


def items(loader: Any, epochs: int) -> list[dict[str, torch.Tensor]]:
    batches = []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        batches += list(loader)
    return batches


def test_workers_that_live_on_give_the_same_tensors(make):
    alone = make(num_workers=0).train_dataloader()
    helped = make(num_workers=2, fill=False).train_dataloader()
    assert helped.num_workers == 2
    assert helped.persistent_workers
    expected, found = items(alone, 2), items(helped, 2)
    assert len(expected) == len(found) > 4
    for left, right in zip(expected, found, strict=True):
        for name in ("image", "label", "index"):
            assert torch.equal(left[name], right[name]), name


@pytest.mark.parametrize("workers", [0, 1])
def test_an_iterator_that_was_taken_before_the_epoch_was_known_hands_out_that_epoch(make, workers):
    """As Lightning takes it when a training goes on; workers that began at once had faces of epoch 0 ready."""
    expected = make().train_dataloader()
    expected.sampler.set_epoch(3)
    loader = make(num_workers=workers, fill=False).train_dataloader()
    taken = iter(loader)
    loader.sampler.set_epoch(3)
    assert [batch["index"].tolist() for batch in taken] == [batch["index"].tolist() for batch in expected]


def test_the_test_faces_are_occluded_alike_each_time(make):
    data = make()
    first, second = (list(data.test_dataloader()[1]) for _ in range(2))
    for left, right in zip(first, second, strict=True):
        assert torch.equal(left["image"], right["image"])
        assert (left["covered_share"] > 0.2).all()


def test_conditions_differ_under_the_occluder_only(make):
    none, mask = (torch.cat([batch["image"] for batch in loader]) for loader in make().test_dataloader())
    same = (none == mask).float().mean(dim=(0, 1, 3))
    assert same[:8].mean() > 0.95  # the forehead is never under a mask
    assert same[22:28].mean() < 0.5


@pytest.mark.parametrize(("batch_size", "sizes"), [(4, [4, 4, 4]), (12, [12]), (5, [5, 5, 3]), (13, [13])])
def test_training_never_ends_in_a_batch_of_one(make, batch_size, sizes):
    """13 faces: batch normalisation fails on a single one."""
    batches = [len(batch["label"]) for batch in make(batch_size=batch_size).train_dataloader()]
    assert batches == sizes


def test_evaluation_drops_no_last_face(make):
    assert len(rows(make(batch_size=12).val_dataloader())) == 13


@pytest.mark.parametrize("values", [{"batch_size": 0}, {"num_workers": -1}])
def test_wrong_loaders_are_refused(make, values):
    with pytest.raises(ConfigError, match=r"loader\.batch_size must be at least 1"):
        make(**values)
