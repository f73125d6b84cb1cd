from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fakes.image_folder import make_fake
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.near_duplicates import (
    find_near_duplicates,
    near_duplicate_notes,
    pairs_path,
    read_pairs,
    write_pairs,
)
from occlufer.types import DatasetError, UInt8Array


def blotches(label: int, number: int) -> UInt8Array:
    """A smooth random picture, another one for every number."""
    small = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_fake(tmp_path / "tree", per_class=2, images=blotches)


def variant(name: str) -> Image.Image:
    image = Image.fromarray(blotches(0, 0))
    dark = Image.fromarray((np.asarray(image) * 0.6 + 20).astype(np.uint8))
    return {
        "bright": dark,
        "small": image.resize((48, 48)),
        "cropped": image.crop((1, 1, 64, 64)).resize((64, 64)),
        "grey": image.convert("L"),
    }[name]


@pytest.mark.parametrize("name", ["bright", "small", "cropped", "grey"])
def test_a_changed_copy_is_found_and_nothing_else(root: Path, name: str):
    variant(name).save(root / "test" / "fear" / "copy.jpg", quality=60)
    pairs = find_near_duplicates(ImageFolder(root=root))
    assert pairs[["first", "second"]].to_numpy().tolist() == [
        ["train/anger/anger_0000.png", "test/fear/copy.jpg"]
    ]
    (note,) = near_duplicate_notes(pairs)
    assert note.startswith(
        "1 train images are near-duplicates of 1 test images (1 pairs, 1 with different labels"
    )


def test_copies_within_a_split_and_flat_images_are_no_pairs(root: Path):
    variant("small").save(root / "train" / "fear" / "copy.png")
    for number, split in enumerate(("train", "test")):
        noise = np.random.default_rng(7).integers(100, 102, (64, 64), dtype=np.uint8) + np.uint8(number)
        Image.fromarray(noise).save(root / split / "fear" / "flat.png")
    pairs = find_near_duplicates(ImageFolder(root=root))
    assert pairs.empty
    assert near_duplicate_notes(pairs) == ()


def test_an_image_that_cannot_be_read_is_passed_over(root: Path):
    whole = (root / "train" / "fear" / "fear_0004.png").read_bytes()
    (root / "test" / "fear" / "half.png").write_bytes(whole[: len(whole) // 2])
    seen: list[tuple[int, int]] = []
    assert find_near_duplicates(ImageFolder(root=root), on_progress=lambda *step: seen.append(step)).empty
    assert seen[-1] == (43, 43)


def test_pairs_are_kept_for_these_images_and_splits(root: Path, tmp_path: Path):
    faces = ImageFolder(root=root)
    path = pairs_path(tmp_path / "cache", faces)
    assert read_pairs(path) is None
    variant("small").save(root / "test" / "fear" / "copy.png")
    changed = ImageFolder(root=root)
    assert pairs_path(tmp_path / "cache", changed) != path
    pairs = find_near_duplicates(changed)
    write_pairs(path, pairs)
    again = read_pairs(path)
    assert again is not None
    assert again.to_numpy().tolist() == pairs.to_numpy().tolist()
    write_pairs(path, pairs.iloc[:0])
    none = read_pairs(path)
    assert none is not None
    assert none.empty
    path.write_text("x")
    with pytest.raises(DatasetError, match="no table of near-duplicates"):
        read_pairs(path)
