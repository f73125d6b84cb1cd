"""Faces that are covered already: used as they are, without landmarks, and under no other condition."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fakes import MemoryFaces, fill_cache
from occlufer.data.datamodule import FaceDataModule, LoaderSettings
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import FaceRenderer
from occlufer.data.transforms import Augmentation
from occlufer.data.view import FaceCrop, FullImage, StretchedImage, View
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import AsIs, NoOcclusion
from occlufer.studies.views import EyeStrip
from occlufer.types import ConfigError, ImageError, UInt8Array

MESSAGE = r"occlusion=as_is conditions=\[as_is\] view=full \(view=stretched"


class Covered(MemoryFaces):
    covered = True

    def load_image(self, index: int) -> UInt8Array:
        if index == 30:
            raise ImageError("cut short")
        return super().load_image(index)


@pytest.fixture
def make(tmp_path):
    def make(
        *, faces: MemoryFaces | None = None, view: View | None = None, occluder: Occluder[Any] | None = None,
        conditions: dict[str, Occluder[Any]] | None = None, size: Any = 32,
    ) -> FaceDataModule:  # fmt: skip
        return FaceDataModule(
            faces=faces or Covered(),
            cache=LandmarkCache(tmp_path / "cache", "f"),
            view=view or FullImage(),
            occluder=occluder or AsIs(),
            conditions=conditions or {"as_is": AsIs()},
            augmentation=Augmentation(flip=0.5),
            image=ImageFormat.create(size=size, channels=1, mean=0.5, std=0.25),
            loader=LoaderSettings(batch_size=8, num_workers=0),
            seed=0,
            evaluation_seed=0,
        )

    return make


@pytest.mark.parametrize(("view", "size"), [(FullImage(), 32), (StretchedImage(), [24, 48])])
def test_every_readable_face_is_used_and_its_share_is_unknown(make, view, size):
    data = make(view=view, size=size)
    data.require("train", "validation", "test")
    assert [len(data.indices[split]) for split in ("train", "validation", "test")] == [14, 14, 13]
    assert data.coverage()["dropped"].sum() == 1  # the image that is cut short
    batches = [*data.train_dataloader(), *data.test_dataloader()[0]]
    hw = (size, size) if isinstance(size, int) else tuple(size)
    assert {batch["image"].shape[1:] for batch in batches} == {(1, *hw)}
    assert all(torch.isnan(batch["covered_share"]).all() for batch in batches)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"occluder": NoOcclusion()}, r"need landmarks: occlusion\."),
        ({"conditions": {"as_is": AsIs(), "none": NoOcclusion()}}, r"need landmarks: condition none\."),
        ({"view": FaceCrop()}, r"need landmarks: view\."),
        ({"view": EyeStrip(), "occluder": NoOcclusion()}, r"need landmarks: occlusion, view\."),
    ],
)
def test_what_needs_landmarks_is_refused_with_the_overrides_that_fit(make, wrong, named):
    with pytest.raises(ConfigError, match=named + ".*" + MESSAGE):
        make(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"occluder": AsIs()}, {"occluder": NoOcclusion(), "conditions": {"as_is": AsIs()}}]
)
def test_as_is_is_no_second_name_for_none(make, wrong):
    with pytest.raises(ConfigError, match=r"asks for as_is.*those of memory are not\. Use none"):
        make(faces=MemoryFaces(), **wrong)


def test_a_renderer_is_checked_too(tmp_path):
    faces = MemoryFaces()
    cache = fill_cache(LandmarkCache(tmp_path, "f"), faces)
    with pytest.raises(ConfigError, match="as_is"):
        FaceRenderer(faces, cache, FullImage(), AsIs(), 0)
    with pytest.raises(ConfigError, match="covered already"):
        FaceRenderer(Covered(), cache, FullImage(), NoOcclusion(), 0)
