"""Faces are cut out of photographs: the largest central one, once, with where it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from occlufer.landmarks import crops
from occlufer.landmarks.boxes import prominence, square_around
from occlufer.landmarks.crops import Crop, crop_path, crops_folder, cut_faces
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.types import ImageError, UInt8Array

from .landmark_fakes import draw_face

PLACES = [(700, 80, 150), (60, 420, 150), (420, 260, 170)]  # left, top, side of a face


def scene(*faces: tuple[int, int, int]) -> UInt8Array:
    """A photograph of 700 x 1000 pixels with faces at (left, top, side)."""
    image = np.full((700, 1000, 3), (120, 140, 150), np.uint8)
    for left, top, side in faces:
        image[top : top + side, left : left + side] = draw_face(side)
    return image


class Photos:
    """Photographs by index, of which some cannot be read, counting how often one is."""

    def __init__(self, *images: UInt8Array | None) -> None:
        self.images, self.read = images, 0

    def __len__(self) -> int:
        return len(self.images)

    def content_digest(self, index: int) -> bytes:
        image = self.images[index]
        return hashlib.blake2b(b"?" if image is None else image.tobytes(), digest_size=16).digest()

    def load_image(self, index: int) -> UInt8Array:
        self.read += 1
        if (image := self.images[index]) is None:
            raise ImageError("broken")
        return image


def cut(photos: Photos, folder: Path, workers: int = 0) -> list[Crop]:
    """The crops in the order of the photographs."""
    settings = DetectorSettings(workers=workers)
    found = cut_faces(
        photos, folder, settings=settings, on_progress=lambda *_: None, on_message=lambda _: None
    )
    return [found[photos.content_digest(index).hex()] for index in range(len(photos))]


@pytest.mark.parametrize("place", PLACES)
def test_a_small_face_anywhere_is_found_in_its_crop_and_not_in_the_photograph(
    tmp_path: Path, place: tuple[int, int, int]
) -> None:
    image, (left, top, side) = scene(place), place
    detector = LandmarkDetector(settings=DetectorSettings())
    assert detector.detect(image).landmarks_N3 is None
    (crop,) = cut(Photos(image), tmp_path)
    assert crop.box is not None
    assert crop.others == 0
    stored = cv2.imread(str(crop_path(tmp_path, crop.photo)))
    stored_HWC = np.ascontiguousarray(stored[:, :, ::-1])
    x0, y0, x1, y1 = crop.box
    assert stored_HWC.shape[:2] == (y1 - y0, x1 - x0)
    assert np.abs(stored_HWC.astype(int) - image[y0:y1, x0:x1]).mean() < 3
    mesh_N3 = detector.detect(stored_HWC).landmarks_N3
    assert mesh_N3 is not None
    eye_2 = mesh_N3[[33, 133], :2].mean(0) + np.array([x0, y0])
    assert np.abs(eye_2 - (left + side * 48 / 128, top + side * 60 / 128)).max() < 0.06 * side


def test_of_several_the_largest_central_one_is_cut_and_the_others_are_counted(tmp_path: Path) -> None:
    (crop,) = cut(Photos(scene((20, 20, 130), (430, 300, 170), (800, 40, 130))), tmp_path)
    assert crop.others == 2
    assert crop.box is not None
    x0, y0, x1, y1 = crop.box
    assert 300 < x0 < 515 < x1 < 700
    assert 200 < y0 < 385 < y1 < 600


def test_a_photograph_is_looked_at_once_and_again_where_its_crop_is_lost(tmp_path: Path) -> None:
    photos = Photos(scene(PLACES[0]), scene(), scene(PLACES[0]), None)
    first = cut(photos, tmp_path)
    assert [crop.box is None for crop in first] == [False, True, False, True]
    assert photos.read == 3, "equal photographs are one"
    assert cut(photos, tmp_path) == first
    assert photos.read == 3
    lines = tmp_path / "crops.jsonl"
    lines.write_text(lines.read_text()[:-9])  # as a kill leaves it
    assert cut(photos, tmp_path) == first
    assert photos.read == 4
    crop_path(tmp_path, first[0].photo).unlink()
    assert cut(photos, tmp_path) == first
    assert photos.read == 5


def test_the_same_crops_by_several_processes(tmp_path: Path) -> None:
    photos = Photos(*(scene(place) for place in PLACES))
    assert cut(photos, tmp_path / "two", workers=2) == cut(photos, tmp_path / "none")
    for crop in cut(photos, tmp_path / "two"):
        one, other = (crop_path(tmp_path / name, crop.photo).read_bytes() for name in ("two", "none"))
        assert one == other


def test_other_settings_make_another_folder(tmp_path: Path) -> None:
    assert crops_folder(tmp_path, DetectorSettings()) == crops_folder(tmp_path, DetectorSettings(workers=3))
    assert crops_folder(tmp_path, DetectorSettings()) != crops_folder(tmp_path, DetectorSettings(min_side=20))


def test_what_only_the_detector_takes_for_a_face_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large boxes over clouds would come before a small face."""
    (left, _, side) = PLACES[0]
    cloud, make = (200.0, 50.0, 800.0, 650.0), crops.FaceBoxes
    monkeypatch.setattr(crops, "FaceBoxes", lambda model: lambda image_HWC: [cloud, *make(model)(image_HWC)])
    (crop,) = cut(Photos(scene(PLACES[0])), tmp_path)
    assert crop.box is not None
    assert left - 60 < crop.box[0] < crop.box[2] < left + side + 60
    assert crop.others == 0


def test_squares_stay_in_the_picture() -> None:
    assert square_around((40, 40, 60, 80), 0.5, (200, 200)) == (10, 20, 90, 100)
    assert square_around((0, 0, 40, 40), 0.5, (50, 200)) == (0, 0, 60, 50)
    assert prominence((40, 40, 60, 60), (100, 100)) == pytest.approx(0.2)
    assert prominence((0, 0, 20, 20), (100, 100)) == pytest.approx(0.2 * 0.2)  # .8 of the way to the corner


def test_a_face_too_small_for_a_crop_that_can_be_read_is_not_cut_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector saw one of 7 pixels in a face of 48, and the crop of 14 was refused as an image."""
    monkeypatch.setattr(crops.FaceBoxes, "__call__", lambda self, image_HWC: [(20.0, 20.0, 27.0, 27.0)])
    (crop,) = cut(Photos(draw_face(48)), tmp_path)
    assert crop.box is None
    assert not list(tmp_path.glob("*.jpg"))
