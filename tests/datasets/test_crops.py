from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes.image_folder import make_fake
from occlufer.datasets.crops import CroppedFaces, check_crop
from occlufer.datasets.folds import Fold
from occlufer.datasets.image_folder import ImageFolder
from occlufer.types import ConfigError, ImageError


def photos_and_crops(tmp_path: Path) -> tuple[ImageFolder, CroppedFaces, Path]:
    """A set, and the same cropped: of its first image there is a crop, the second shows nobody."""
    photos = ImageFolder(root=make_fake(tmp_path / "photos"), name="mine")
    crop = tmp_path / "crop.png"
    Image.fromarray(np.full((30, 40, 3), 77, np.uint8)).save(crop)
    crops = {
        photos.content_digest(0).hex(): (crop, (5, 6, 45, 36), 2),
        photos.content_digest(1).hex(): (None, None, 0),
    }
    return photos, CroppedFaces(photos, crops), crop


def test_a_crop_stands_for_its_photograph(tmp_path: Path):
    photos, faces, _ = photos_and_crops(tmp_path)
    assert faces.manifest.keys.tolist() == photos.manifest.keys.tolist()
    assert faces.manifest.labels.tolist() == photos.manifest.labels.tolist()
    assert faces.load_image(0).shape == (30, 40, 3)
    assert (faces.load_image(1) == photos.load_image(1)).all()
    assert faces.content_digest(0) != photos.content_digest(0)
    assert faces.content_digest(1) == photos.content_digest(1)
    row = faces.manifest.frame.iloc[0]
    assert row[["left", "top", "right", "bottom", "others"]].tolist() == [5, 6, 45, 36, 2]
    assert faces.manifest.frame["left"].isna().sum() == len(photos) - 1
    assert faces.notes[-3:] == (
        "Faces cut out of 1 of 84 photographs (dataset.crop=face).",
        f"1 of them show 2 further faces; the largest central one is taken: '{faces.manifest.keys[0]}'.",
        faces.notes[-1],
    )
    assert faces.notes[-1].startswith("No face was seen in 83, which are used whole: ")


def test_folds_know_crops(tmp_path: Path):
    _, faces, _ = photos_and_crops(tmp_path)
    folded = Fold(faces, fold=0, count=2, seed=0, honest=True)
    assert "left" in folded.manifest.frame
    index = folded.manifest.keys.tolist().index(faces.manifest.keys[0])
    assert folded.load_image(index).shape == (30, 40, 3)


def test_a_crop_that_is_gone_is_an_image_that_cannot_be_read(tmp_path: Path):
    _, faces, crop = photos_and_crops(tmp_path)
    crop.unlink()
    with pytest.raises(ImageError, match="cannot be opened"):
        faces.content_digest(0)
    with pytest.raises(ImageError, match="cannot be opened"):
        faces.load_image(0)


def test_there_is_one_kind_of_crop():
    assert check_crop("face")
    assert not check_crop(None)
    with pytest.raises(ConfigError, match=r"dataset.crop=faces: wanted face, or null"):
        check_crop("faces")
