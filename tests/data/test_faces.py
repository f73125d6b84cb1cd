"""The hot path: what reaches the network, and what may change it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from fakes import MemoryFaces, fill_cache
from occlufer.data.faces import ConditionedFaces
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import FaceRenderer
from occlufer.data.transforms import Augmentation
from occlufer.data.view import FullImage
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.types import ConfigError

MOVING = Augmentation(flip=0.5, rotation_range=(-20.0, 20.0), brightness_range=(-0.3, 0.3))
GREY = ImageFormat.create(size=32, channels=1, mean=0.5, std=0.25)


class Greedy(Occluder[None]):
    """Draws `count` numbers and covers nothing."""

    def __init__(self, count: int) -> None:
        self.count = count

    def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> None:
        rng.random(self.count)

    def apply(self, image_HWC: Any, landmarks_N3: Any, params: None) -> tuple[Any, Any]:
        return image_HWC.copy(), np.zeros(image_HWC.shape[:2], np.float32)


class Level(Occluder[int]):
    """Paints the whole image in one drawn grey, so that the draw can be read from the pixels."""

    def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> int:
        return int(rng.integers(256))

    def apply(self, image_HWC: Any, landmarks_N3: Any, params: int) -> tuple[Any, Any]:
        return np.full_like(image_HWC, params), np.ones(image_HWC.shape[:2], np.float32)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> LandmarkCache:
    return fill_cache(LandmarkCache(tmp_path_factory.mktemp("cache"), "f"), MemoryFaces())


@pytest.fixture
def make(cache):
    def make(occluder: Occluder[Any], *, fixed: bool, split: str = "train", **more: Any) -> ConditionedFaces:
        faces = MemoryFaces()
        settings = {"augmentation": MOVING, "image": GREY} | more
        renderer = FaceRenderer(faces, cache, FullImage(), occluder, settings.pop("seed", 0))
        indices = faces.manifest.indices(split)
        return ConditionedFaces(renderer=renderer, indices=indices, fixed=fixed, **settings)

    return make


def images(faces: ConditionedFaces, epoch: int = 0) -> torch.Tensor:
    return torch.stack([faces[epoch, position]["image"] for position in range(len(faces))])


def test_an_item_is_what_the_network_takes(make):
    faces = make(FaceMask(artwork=Surgical(colours={"blue": 1.0})), fixed=True, split="validation")
    item = faces[0, 3]
    assert set(item) == {"image", "label", "index", "covered_share"}
    assert (item["image"].shape, item["image"].dtype) == ((1, 32, 32), torch.float32)
    row = int(item["index"])
    assert row == faces.indices[3]
    assert int(item["label"]) == faces.renderer.faces.manifest.labels[row]
    assert 0.2 < float(item["covered_share"]) < 0.9


@pytest.mark.parametrize("epoch", [0, 1])
def test_augmentation_is_the_same_however_much_an_occluder_draws(make, epoch):
    bare = images(make(NoOcclusion(), fixed=False), epoch)
    for count in (1, 1000):
        assert torch.equal(images(make(Greedy(count), fixed=False), epoch), bare)


def test_augmentation_is_at_work_in_training_only(make):
    plain = images(make(NoOcclusion(), fixed=False, augmentation=Augmentation()))
    assert not torch.equal(images(make(NoOcclusion(), fixed=False)), plain)
    assert torch.equal(images(make(NoOcclusion(), fixed=True)), plain)


def test_training_draws_anew_each_epoch_and_evaluation_does_not(make):
    fresh = [images(make(Level(), fixed=False, augmentation=Augmentation()), epoch) for epoch in range(3)]
    assert not torch.equal(fresh[0], fresh[1])
    assert not torch.equal(fresh[1], fresh[2])
    kept = [images(make(Level(), fixed=True), epoch) for epoch in range(3)]
    assert torch.equal(kept[0], kept[1])
    assert torch.equal(kept[0], kept[2])


def test_augmentation_changes_with_the_epoch(make):
    faces = make(NoOcclusion(), fixed=False)
    assert not torch.equal(images(faces, 0), images(faces, 1))


def test_faces_of_one_epoch_draw_apart(make):
    grey = images(make(Level(), fixed=True))[:, 0, 0, 0]
    assert len(grey.unique()) > 0.7 * len(grey)


def test_the_seed_changes_the_draws(make):
    assert not torch.equal(
        images(make(Level(), fixed=True, seed=0)), images(make(Level(), fixed=True, seed=1))
    )


def test_a_face_keeps_its_draw_when_others_leave(make):
    """Its draws follow its key: a smaller or otherwise ordered dataset shows it under the same occlusion."""
    every = make(Level(), fixed=True)
    fewer = make(Level(), fixed=True)
    fewer.indices = every.indices[::-3]
    for position, row in enumerate(fewer.indices):
        where = int(np.flatnonzero(every.indices == row)[0])
        assert torch.equal(fewer[0, position]["image"], every[0, where]["image"])


def test_order_of_reading_does_not_matter(make):
    faces = make(FaceMask(artwork=Surgical(colours={"blue": 1.0})), fixed=False)
    forward = images(faces, 2)
    assert torch.equal(
        torch.stack([faces[2, p]["image"] for p in reversed(range(len(faces)))]).flip(0), forward
    )


def test_the_share_is_measured_where_it_is_asked(make):
    assert float(make(Level(), fixed=True)[0, 0]["covered_share"]) == pytest.approx(1)
    assert float(make(NoOcclusion(), fixed=True)[0, 0]["covered_share"]) == 0
    assert torch.isnan(make(Level(), fixed=False)[0, 0]["covered_share"])


@pytest.mark.parametrize("size", [32, 48, 80])
def test_small_sources_are_enlarged_after_the_occluder(make, size):
    image = ImageFormat.create(size=size, channels=1, mean=0.0, std=1.0)
    seen: list[tuple[int, int]] = []

    class Watching(Greedy):
        def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> None:
            seen.append(image_hw)

    assert make(Watching(0), fixed=True, image=image)[0, 0]["image"].shape == (1, size, size)
    assert seen == [(min(size, 48),) * 2]


def test_grey_is_luminance():
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 200  # red
    tensor = torch.from_numpy(ImageFormat.create(size=16, channels=1, mean=0.5, std=0.25).to_array(image))
    assert tensor.shape == (1, 16, 16)
    # ITU-R BT.601: red weighs .299.
    torch.testing.assert_close(
        tensor, torch.full_like(tensor, (0.299 * 200 / 255 - 0.5) / 0.25), atol=0.01, rtol=0
    )


def test_rgb_keeps_its_order_and_its_own_normalisation():
    image = np.zeros((16, 16, 3), np.uint8)
    image[...] = (255, 51, 0)
    layout = ImageFormat.create(size=16, channels=3, mean=[0.5, 0.2, 0.1], std=[0.5, 1.0, 0.2])
    torch.testing.assert_close(
        torch.from_numpy(layout.to_array(image)[:, 4, 7]), torch.tensor([1.0, 0.0, -0.5])
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 15}, r"image\.size must be 16 to 1024 pixels, found 15"),
        ({"size": [48, 8]}, r"image\.size must be 16 to 1024 pixels, found \[48, 8\].*\[height,width\]"),
        ({"size": 4096}, r"image\.size must be 16 to 1024 pixels, found 4096"),
        ({"size": [48]}, r"image\.size must be 16 to 1024 pixels, found \[48\]"),
        ({"channels": 4}, r"model\.in_chans must be 1 .grey. or 3 .RGB., found 4"),
        ({"mean": [0.5, 0.5]}, r"image\.mean has 2 numbers for 1 channels"),
        ({"channels": 3, "std": [1.0]}, r"image\.std has 1 numbers for 3 channels"),
        ({"std": 0.0}, r"image\.std must be above 0"),
        ({"channels": 3, "std": [1.0, 1.0, -1.0]}, r"image\.std must be above 0"),
    ],
)
def test_wrong_formats_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ImageFormat.create(**{"size": 32, "channels": 1, "mean": 0.5, "std": 0.25} | values)
