from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakes.image_folder import make_fake
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.manifest import COLUMNS, Manifest
from occlufer.datasets.near_duplicates import (
    LEAST_LIKENESS,
    find_near_duplicates,
    least_likeness,
    near_duplicate_notes,
    pairs_path,
    read_pairs,
    write_pairs,
)
from occlufer.datasets.near_search import NearSearch, _differences
from occlufer.datasets.synthetic import SyntheticFaces
from occlufer.types import DatasetError, IntArray, UInt8Array


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


class Pictures(FaceDataset):
    """Grey pictures (N, 48, 48) in train and test."""

    name = "pictures"

    def __init__(self, images_NHW: UInt8Array, in_test: IntArray) -> None:
        self.images_NHW = images_NHW
        rows = [
            (f"{number:03d}", number, number % 7, "test" if number in in_test else "train", None)
            for number in range(len(images_NHW))
        ]
        self.manifest = Manifest.from_frame(
            pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), name="pictures"
        )

    def load_image(self, index: int) -> UInt8Array:
        return np.repeat(self.images_NHW[index][:, :, None], 3, axis=2)

    def content_digest(self, index: int) -> bytes:
        return self.images_NHW[index].tobytes()[:16]


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> UInt8Array:
    """Drawn faces of 24 people, cut so that eyes and mouths lie in one place, as CK+48's are: uint8 (168, 48, 48)."""
    faces = SyntheticFaces(
        cache=str(tmp_path_factory.mktemp("drawn")), size=168, image_size=96, difficulty="easy", workers=1
    )
    cut = []
    for index in np.argsort(faces.manifest.keys):
        landmarks = faces.true_landmarks(int(index))[:, :2]
        points = np.stack(
            [landmarks[[33, 133]].mean(0), landmarks[[362, 263]].mean(0), landmarks[[13, 14]].mean(0)]
        )
        place = cv2.getAffineTransform(points, np.float32([[13, 14], [35, 14], [24, 38]]))  # type: ignore[arg-type]
        grey = cv2.cvtColor(faces.load_image(int(index)), cv2.COLOR_RGB2GRAY)
        cut.append(cv2.warpAffine(grey, place, (48, 48), borderMode=cv2.BORDER_REPLICATE))
    return np.array(cut, np.uint8)


TEST = np.arange(126, 168)  # the last six people


def test_strangers_in_aligned_crops_are_no_near_duplicates(aligned: UInt8Array):
    differences = _differences(aligned, 2)
    assert (differences[:126] @ differences[126:].T > LEAST_LIKENESS).sum() > 5  # what was enough once
    assert find_near_duplicates(Pictures(aligned, TEST)).empty


@pytest.mark.parametrize("change", ["jpeg", "moved", "darker"])
def test_copies_in_aligned_crops_are_found_and_nothing_else(aligned: UInt8Array, change: str):
    def changed(image: UInt8Array) -> UInt8Array:
        made = {
            "jpeg": cv2.imdecode(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE
            ),
            "moved": np.roll(image, (1, 1), (0, 1)),
            "darker": (image * 0.6 + 20).astype(np.uint8),
        }
        return np.asarray(made[change], np.uint8)

    originals = np.arange(0, 126, 9)
    images = np.concatenate([aligned, np.stack([changed(aligned[row]) for row in originals])])
    pairs = find_near_duplicates(Pictures(images, np.arange(126, len(images))))
    expected = {(f"{row:03d}", f"{168 + place:03d}") for place, row in enumerate(originals)}
    assert {*zip(pairs["first"], pairs["second"], strict=True)} == expected


def test_cells_find_what_comparing_all_finds():
    rng = np.random.default_rng(0)
    images = np.stack(
        [cv2.cvtColor(blotches(0, number), cv2.COLOR_RGB2GRAY)[:48, :48] for number in range(600)]
    )
    copies = np.clip(images[:60] + rng.normal(0, 12, (60, 48, 48)), 0, 255).astype(np.uint8)
    search = NearSearch(np.concatenate([images, copies]), np.repeat([0, 1], [600, 60]), candidates=16)
    first, second, likeness = search.pairs()
    assert len(first) < 600  # of 36,000
    found = likeness >= LEAST_LIKENESS
    assert sorted(zip(first[found], second[found], strict=True)) == [(row, 600 + row) for row in range(60)]


@pytest.mark.parametrize(
    ("found", "of_strangers", "least"),
    [
        ([0.99, 0.9, 0.72, 0.69], [0.6], LEAST_LIKENESS + 0.02),
        ([0.99, 0.82, 0.8], [0.8, 0.79], 0.99),
        ([0.82, 0.8], [0.8, 0.79], 2.0),
        ([0.6], [], 2.0),
        ([], [0.9], 2.0),
    ],
)
def test_the_measure_of_strangers_decides(found: list[float], of_strangers: list[float], least: float):
    assert least_likeness(np.float32(found), np.float32(of_strangers)) == pytest.approx(least)
