"""What the page is told: the same answers as `predict`, for anything that a browser may send."""

from __future__ import annotations

import base64
import copy
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference.network_fakes import portrait, small_onnx, two_people
from occlufer.datasets.images import decode_image
from occlufer.inference.predictor import Predictor
from occlufer.page import answers as answers_module
from occlufer.page.answers import SAMPLES, Answers, sample
from occlufer.types import ConfigError, ImageError, RunError, UInt8Array

MASK = {
    "_target_": "occlufer.occlusion.mask.FaceMask",
    "artwork": {
        "_target_": "occlufer.occlusion.templates.surgical.Surgical",
        "colours": {"blue": 0.4, "black": 0.6},
    },
    "severity_range": [0.5, 1.0],
}
BOX = {"_target_": "occlufer.occlusion.controls.Box", "region": "eyes", "severity_range": [1.0, 1.0]}


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor(small_onnx(tmp_path_factory.mktemp("network")))


@pytest.fixture(scope="module")
def answers(predictor: Predictor) -> Answers:
    return Answers(predictor, {"mask": MASK, "box": BOX}, network="a test", attribution=lambda: brightness)


@pytest.fixture(scope="module")
def face(answers: Answers) -> dict[str, Any]:
    (found,) = answers.faces(png(portrait()))["faces"]
    return dict(found)


def brightness(image_BCHW: np.ndarray, targets: list[int]) -> np.ndarray:
    """A heat map that shows that it is of this picture and this answer."""
    return image_BCHW.max(1) - image_BCHW.min() + np.reshape(targets, (-1, 1, 1))


def png(image: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def worn(name: str = "mask", severity: float = 1.0, colour: str = "") -> dict[str, Any]:
    return {"occluder": name, "colour": colour, "severity": severity}


def test_the_choices_are_those_of_the_configuration(answers):
    said = answers.choices()
    assert said["occluders"] == [
        {"name": "mask", "colours": ["black", "blue"], "severity": 0.75},
        {"name": "box", "colours": [], "severity": 1.0},
    ]
    assert len(said["samples"]) == SAMPLES == len({sample(number) for number in range(SAMPLES)})
    json.dumps(said)


def test_the_bare_face_is_answered_as_predict_answers_it(answers, predictor, face):
    """The face went to the browser and came back: through JSON, as a PNG, cut out of its picture."""
    for picture in (portrait(), two_people()):
        said = json.loads(json.dumps(answers.faces(png(picture))["faces"]))
        for found, expected in zip(said, predictor.predict([picture])[0], strict=True):
            (bare,) = answers.under({"face": found, "worn": []})["panels"]
            assert bare["expression"] == expected.expression
            assert bare["probabilities"] == pytest.approx(expected.probabilities, abs=2e-3)
            assert bare["covered_share"] == 0


def test_a_large_face_is_shrunk_and_still_answered_alike(answers, predictor):
    picture = portrait(3, 1200)
    (found,) = answers.faces(png(picture))["faces"]
    assert len(found["picture"]) < 1_000_000
    (bare,) = answers.under({"face": found})["panels"]
    ((expected,),) = predictor.predict([picture])
    assert bare["probabilities"] == pytest.approx(expected.probabilities, abs=0.05)


def test_the_slider_covers_more_and_the_answer_follows(answers, face):
    steps = [answers.under({"face": face, "worn": [worn(severity=s)]})["panels"] for s in (0, 0.4, 0.7, 1)]
    shares = [covered["covered_share"] for _, covered in steps]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] > 0.3
    assert len({json.dumps(covered["probabilities"]) for _, covered in steps}) == 4
    assert len({json.dumps(bare) for bare, _ in steps}) == 1
    assert steps[0][1]["probabilities"] == steps[0][0]["probabilities"]


def test_colours_and_occluders_are_seen(answers, face):
    chosen = [worn(colour="blue"), worn(colour="black"), worn("box")]
    panels = answers.under({"face": face, "worn": chosen})["panels"]
    assert len({panel["picture"] for panel in panels}) == 4
    assert all(panel["seen"].startswith("data:image/png;base64,") for panel in panels)


def test_what_speaks_for_an_answer_is_shown_when_asked_for(answers, predictor, face):
    plain = answers.under({"face": face, "worn": [worn()]})["panels"]
    assert [panel["heat"] for panel in plain] == [None, None]
    panels = answers.under({"face": face, "worn": [worn()], "explain": True})["panels"]
    assert [panel | {"heat": None} for panel in panels] == plain
    pictures = [decode_image(base64.b64decode(panel["heat"].split(",")[1]), where="heat") for panel in panels]
    assert [picture.shape for picture in pictures] == [(192, 192, 3)] * 2
    assert not np.array_equal(*pictures)

    def no_torch() -> Any:
        raise RunError("not of this network")

    other = Answers(predictor, {}, network="another", attribution=no_torch)
    with pytest.raises(RunError, match="not of this network"):
        other.under({"face": face, "explain": True})


def test_a_face_without_a_mesh_is_shown_bare(answers):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    (found,) = answers.faces(png(noise))["faces"]
    assert (found["mesh"], found["found_by"]) == (None, "whole image")
    assert len(answers.under({"face": found, "worn": [worn()]})["panels"]) == 1


def test_of_many_faces_the_largest_are_shown(answers, monkeypatch):
    assert len(answers.faces(png(two_people()))["faces"]) == 2
    monkeypatch.setattr(answers_module, "MOST_FACES", 1)
    said = answers.faces(png(two_people()))
    assert (said["found"], len(said["faces"])) == (2, 1)


def test_what_is_no_picture_is_an_error(answers, tmp_path: Path):
    for content in (b"", b"text", png(portrait())[:900]):
        with pytest.raises(ImageError, match="This file"):
            answers.faces(content)
    assert answers.faces(png(np.full((400, 400, 3), 90, np.uint8))) == {"faces": [], "found": 0}


def changed(face: dict[str, Any], **values: Any) -> dict[str, Any]:
    return copy.deepcopy(face) | values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"picture": "data:image/png;base64,%%%"}, "no base64"),
        ({"picture": 7}, "The face's picture"),
        ({"picture": "x,bm8gcGljdHVyZQ=="}, "is not an image"),
        ({"found_by": "magic"}, "found_by"),
        ({"box": [1, 2, 3]}, "box must hold 4 numbers"),
        ({"box": [9, 9, 1, 1]}, "box is empty"),
        ({"mesh": [[1, 2, 3]]}, "mesh must hold 468x3 numbers"),
        ({"mesh": [["a", 2, 3]] * 468}, "mesh must hold"),
        ({"mesh": [[float("nan"), 2, 3]] * 468}, "mesh must hold"),
        ({"mesh": [[1e300, 2, 3]] * 468}, "mesh must hold"),
    ],
)
def test_a_face_that_was_tampered_with_is_refused(answers, face, values, message):
    with pytest.raises((ConfigError, ImageError), match=message):
        answers.under({"face": changed(face, **values)})


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("mask", "must be a list"),
        ([worn()] * 5, "at most 4"),
        ([7], "no occluder None"),
        ([worn("wig")], "no occluder 'wig'. Known: mask, box"),
        ([worn(severity=1.5)], "severity must be"),
        ([worn(severity=float("nan"))], "severity must be"),
        ([worn(colour="gold")], "no colour 'gold'. Known: black, blue"),
        ([worn("box", colour="blue")], "box has no colour 'blue'. Known: none"),
    ],
)
def test_a_choice_that_is_none_is_refused(answers, face, chosen, message):
    with pytest.raises(ConfigError, match=message):
        answers.under({"face": face, "worn": chosen})
    with pytest.raises(ConfigError, match="names no face"):
        answers.under({"worn": chosen})
