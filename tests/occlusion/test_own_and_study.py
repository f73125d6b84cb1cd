"""The user's own pictures, and the placements of published studies."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from occlufer.occlusion.headset import Headset
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.scores import placement_scores
from occlufer.occlusion.templates.own import (
    MASK_POINTS,
    MaskPack,
    OwnHeadset,
    OwnMask,
    Picture,
    homography,
    read_picture,
)
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.studies.placements import CentredPicture, SixPointMask
from occlufer.types import ConfigError, seeded_rng

_POINTS = {name: ((x + 1) * 100, (y + 0.2) * 100) for name, (x, y) in MASK_POINTS.items()}


def _save(path: Path, hw: tuple[int, int] = (170, 200)) -> str:
    """A mask-shaped red picture: 100 pixels a unit, the middle of the eyes at (100, 20)."""
    picture = np.zeros((*hw, 4), np.uint8)
    outline = np.array([(28, 63), (100, 31), (172, 63), (162, 109), (100, 145), (38, 109)], np.int32)
    cv2.fillPoly(picture, [outline], (0, 0, 200, 255))
    ok, data = cv2.imencode(".png", picture)
    assert ok
    path.write_bytes(data.tobytes())
    return str(path)


def _masks_cfg(folder: Path, text: str | None = None) -> str:
    _save(folder / "red.png")
    keys = [f"mask_{letter}: {x:g}, {y:g}" for letter, (x, y) in zip("abcdef", _POINTS.values(), strict=True)]
    path = folder / "masks.cfg"
    path.write_text(text or "\n".join(["[red]", "template: red.png", *keys]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("placement", [FaceMask, SixPointMask])
def test_own_mask_sits_on_nose_and_mouth(tmp_path, make_face, placement):
    face = make_face(160, share=0.3, centre=(0.5, 0.42))
    from_yaml = OwnMask(picture=_save(tmp_path / "red.png"), points=_POINTS)
    from_pack = MaskPack(config=_masks_cfg(tmp_path))
    results = [
        placement(artwork=art)(seeded_rng(0), face.image, face.landmarks) for art in (from_yaml, from_pack)
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    out, alpha = results[0]
    scores = placement_scores(alpha, face.landmarks)
    assert scores.mouth == 1
    assert scores.nose_and_mouth > 0.9
    assert scores.eyes == 0
    covered = out[alpha > 0.99].astype(int)
    assert (covered[:, 0] > covered[:, 1] + 20).all()  # red, not blue: channels in order


def test_own_headset_covers_the_eyes(tmp_path, make_face):
    picture = np.full((100, 300, 4), 255, np.uint8)
    path = tmp_path / "visor.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    points = {"right_edge": (20, 50), "left_edge": (280, 50), "top": (150, 0), "bottom": (150, 76)}
    face = make_face(160, share=0.3, centre=(0.5, 0.42))
    _, alpha = Headset(artwork=OwnHeadset(picture=str(path), points=points))(
        seeded_rng(0), face.image, face.landmarks
    )
    scores = placement_scores(alpha, face.landmarks)
    assert scores.eyes == 1
    assert scores.mouth == 0


def test_bad_points_are_named(tmp_path):
    picture = _save(tmp_path / "red.png")
    with pytest.raises(ConfigError, match="lacks the points chin"):
        OwnMask(picture=picture, points={k: v for k, v in _POINTS.items() if k != "chin"})
    with pytest.raises(ConfigError, match="Did you mean 'chin'"):
        OwnMask(picture=picture, points=_POINTS | {"chinn": (1, 1)})
    with pytest.raises(ConfigError, match=r"the point nose is \[9000.0, 3.0\].*200 x 170"):
        OwnMask(picture=picture, points=_POINTS | {"nose": (9000, 3)})
    with pytest.raises(ConfigError, match="lie on one line"):
        OwnMask(picture=picture, points={name: (i, i) for i, name in enumerate(_POINTS)})


def test_bad_pictures_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no picture .*away\.png"):
        Picture(picture=str(tmp_path / "away.png"))
    flat = tmp_path / "flat.png"
    flat.write_bytes(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    with pytest.raises(ConfigError, match="alpha channel; found uint8"):
        Picture(picture=str(flat))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ConfigError, match="something else"):
        Picture(picture=str(tmp_path / "text.png"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.replace("mask_d", "mask_x"), r"section \[red\]: the key mask_d is missing"),
        (lambda t: t.replace("mask_b: 100", "mask_b: one"), r"mask_b must be `x, y`; found"),
        (lambda t: t.replace("red.png", "blue.png"), r"template is blue\.png"),
        (lambda t: "", "no sections"),
        (lambda t: "mask_a: 1, 2", "cannot be read as an ini file"),
    ],
)
def test_a_bad_masks_cfg_says_what_is_wrong(tmp_path, change, sentence):
    config = Path(_masks_cfg(tmp_path))
    config.write_text(change(config.read_text()))
    with pytest.raises(ConfigError, match=sentence):
        MaskPack(config=str(config))


def test_masks_of_a_pack_are_chosen_by_name(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'red'"):
        MaskPack(config=_masks_cfg(tmp_path), masks={"redd": 1})


def test_study_a_is_a_similarity(tmp_path, make_face):
    """Width = distance of the two landmarks, centre = the third, whatever the head's roll."""
    path = tmp_path / "box.png"
    path.write_bytes(cv2.imencode(".png", np.full((50, 100, 4), 255, np.uint8))[1].tobytes())
    occluder = CentredPicture(artwork=Picture(picture=str(path)), centre=[15], width=[132, 361])
    for roll in (0, 30):
        face = make_face(200, roll=roll, share=0.26, centre=(0.5, 0.4))
        _, alpha = occluder(seeded_rng(0), face.image, face.landmarks)
        right, left, middle = face.landmarks[[132, 361, 15], :2]
        length = float(np.hypot(*(left - right)))
        assert alpha.sum() == pytest.approx(length * length / 2, rel=0.03)
        y, x = np.mgrid[:200, :200] + 0.5
        centre = np.array([(alpha * x).sum(), (alpha * y).sum()]) / alpha.sum()
        np.testing.assert_allclose(centre, middle, atol=0.5)


def test_the_mask_of_the_studies_has_loops_that_end_at_the_ears():
    template = Surgical(colours={"blue": 1}).template("blue plain")
    opaque = (
        np.flatnonzero((template.levels[0][..., 3] > 0).any(0)) / template.resolution + template.origin[0]
    )
    assert 0.9 < opaque.max() < 0.97


def test_study_b_meets_its_six_anchors_best(make_face):
    face = make_face(200, yaw=10, share=0.26, centre=(0.5, 0.4))
    occluder = SixPointMask(artwork=Surgical(colours={"blue": 1}))
    _, alpha = occluder(seeded_rng(0), face.image, face.landmarks)
    scores = placement_scores(alpha, face.landmarks)
    assert scores.nose_and_mouth > 0.9
    assert scores.eyes < 0.05


def test_homography_is_exact_where_it_can_be():
    source = np.array([(0, 0), (100, 5), (110, 90), (-5, 80), (50, 40), (20, 70)], float)
    matrix = np.array([[1.1, 0.1, 5], [-0.2, 0.9, 7], [0.001, -0.0005, 1]])
    target = np.column_stack([source, np.ones(6)]) @ matrix.T
    target = target[:, :2] / target[:, 2:]
    found = homography(source, target)
    np.testing.assert_allclose(found / found[2, 2], matrix, rtol=1e-4, atol=1e-5)


def test_bad_study_landmarks():
    art = Surgical(colours={"blue": 1})
    with pytest.raises(ConfigError, match="two landmarks"):
        CentredPicture(artwork=art, centre=[15], width=[1, 2, 3])
    with pytest.raises(ConfigError, match="centre must name landmarks"):
        CentredPicture(artwork=art, centre=[500], width=[1, 2])


def test_a_large_picture_is_scaled_down_and_sits_where_it_did(tmp_path, make_face):
    """49 megapixels took 79 s and gigabytes, as every pixel was softened in floating point."""
    small = np.zeros((700, 700, 4), np.uint8)
    small[100:600, 150:550] = (200, 120, 40, 255)
    large = np.kron(small, np.ones((4, 4, 1), np.uint8))
    places = {"upper_right": (150, 100), "nose": (350, 100), "upper_left": (550, 100),
              "lower_right": (150, 500), "chin": (350, 600), "lower_left": (550, 500)}  # fmt: skip
    templates = []
    for name, picture, factor in (("small", small, 1), ("large", large, 4)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        points = {point: (factor * x, factor * y) for point, (x, y) in places.items()}
        mask = OwnMask(picture=str(tmp_path / f"{name}.png"), points=points)
        templates.append(mask.template(next(iter(mask.shares))))
    pixels, scale = read_picture(str(tmp_path / "large.png"))
    assert pixels.shape == (2048, 2048, 4)
    assert scale == pytest.approx(2800 / 2048)
    assert set(np.unique(pixels[pixels[..., 3] > 200][:, 0])) <= {39.0, 40.0, 41.0}  # no colour of the ground
    alike = [template.levels[0] for template in templates]
    assert np.abs(alike[0].astype(float) - alike[1].astype(float)).mean() < 0.5
