"""Predictor: every face of any picture, in batches, and nothing guessed."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import occlufer
from inference.network_fakes import portrait, small_onnx, two_people
from occlufer.inference.predictor import Predictor
from occlufer.occlusion.controls import Box
from occlufer.types import ConfigError, ImageError


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(small_onnx(tmp_path_factory.mktemp("network")))


def test_it_is_at_the_top_of_the_package():
    assert occlufer.Predictor is Predictor


def test_every_face_is_read_from_left_to_right(predictor):
    ((left, right),) = predictor.predict([two_people()])
    assert (left.face, right.face) == (0, 1)
    assert left.box[2] < 330 < right.box[0] + 60
    for face in (left, right):
        assert face.found_by == "face mesh"
        assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert face.probabilities[face.expression] == max(face.probabilities.values()) == face.confidence


def test_a_batch_answers_as_one_by_one(predictor):
    pictures = [portrait(index) for index in range(5)]
    together = predictor.predict(pictures)
    for picture, (face,) in zip(pictures, together, strict=True):
        ((alone,),) = predictor.predict([picture])
        assert list(alone.probabilities.values()) == pytest.approx(
            list(face.probabilities.values()), abs=1e-5
        )


def test_the_eight_orientations_of_a_file_are_one_answer(predictor, tmp_path):
    upright = Image.fromarray(portrait())
    undo = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}  # fmt: skip
    paths = []
    for orientation in range(1, 9):
        stored = upright if orientation == 1 else upright.transpose(undo[orientation])
        exif = Image.Exif()
        exif[274] = orientation
        paths.append(tmp_path / f"{orientation}.png")
        stored.save(paths[-1], exif=exif)
    answers = [list(faces[0].probabilities.values()) for faces in predictor.predict(paths)]
    for answer in answers:
        assert answer == pytest.approx(answers[0], abs=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3), np.float32), np.zeros((64, 64, 4), np.uint8),
     np.zeros((3, 64, 64), np.uint8), b"text", np.zeros((8, 8, 3), np.uint8)],
    ids=["grey", "float", "rgba", "channels first", "bytes", "tiny"],
)  # fmt: skip
def test_what_is_no_picture_is_refused_and_never_guessed(predictor, wrong):
    with pytest.raises(ConfigError, match="A picture must be"):
        predictor.predict([wrong])


def test_one_picture_is_not_a_list(predictor, tmp_path):
    with pytest.raises(ConfigError, match="wants a list of pictures"):
        predictor.predict(portrait())
    with pytest.raises(ConfigError, match="a list of boxes for each of 1 pictures, found 2"):
        predictor.predict([portrait()], boxes=[[], []])
    with pytest.raises(ImageError, match="cannot be opened"):
        predictor.predict([tmp_path / "gone.jpg"])


@pytest.mark.parametrize(
    "box", [(90, 10, 10, 90), (0, 0, float("nan"), 9), (300, 0, 400, 90), (0, -90, 9, -10), (1, 2, 3)]
)
def test_a_box_that_is_none_is_refused(predictor, box):
    with pytest.raises(ConfigError, match="A box must be left, top, right, bottom"):
        predictor.predict([portrait()], boxes=[[box]])


def test_boxes_may_be_given(predictor):
    ((found,),) = predictor.predict([portrait()])
    ((given,),) = predictor.predict([portrait()], boxes=[[found.box]])
    assert given.found_by == "face mesh"
    assert list(given.probabilities.values()) == pytest.approx(list(found.probabilities.values()), abs=0.05)
    blank = np.full((200, 200, 3), 90, np.uint8)
    ((nothing,),) = predictor.predict([blank], boxes=[[(50.0, 50.0, 150.0, 150.0)]])
    assert nothing.found_by == "given box"
    assert np.isnan(nothing.covered_share) or nothing.covered_share == 0


def test_a_picture_without_a_face_has_none_and_a_small_one_may_be_a_face(predictor):
    blank = np.full((400, 400, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    nobody, (somebody,) = predictor.predict([blank, noise])
    assert nobody == []
    assert somebody.found_by == "whole image"


def test_an_occluder_changes_what_is_seen(tmp_path):
    occluders = {"box": Box(region="lower_face")}
    predictor = Predictor(small_onnx(tmp_path, by_mesh=True), occluders=occluders)
    bare, covered = predictor.predict([portrait()])[0]
    assert (bare.condition, covered.condition) == ("none", "box")
    assert bare.face == covered.face
    assert bare.covered_share == 0 < covered.covered_share
    assert bare.probabilities != covered.probabilities
