"""The speed table is made from end to end and says what it measured. Nothing here asserts how fast anything is."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from PIL import Image

import steps
from hot_path import FORMAT, main
from occlufer.data.view import FaceCrop
from occlufer.datasets.images import decode_image
from occlufer.landmarks.detector import DetectorSettings


class FakeDetector:
    """Finds a face in every image whose first pixel is not black."""

    def __init__(self, *, settings):
        self.settings = settings

    def detect(self, image_HWC):
        height, width = image_HWC.shape[:2]
        points = np.zeros((468, 3), np.float32)
        points[:, 0] = np.linspace(0.2, 0.8, 468) * width
        points[:, 1] = np.tile([0.3, 0.7], 234) * height
        return type("Found", (), {"landmarks_N3": points if image_HWC[0, 0].any() else None})()


@pytest.fixture
def fake_detector(monkeypatch):
    monkeypatch.setattr(steps, "LandmarkDetector", FakeDetector)


def save(path, *, black=False, side=64):
    pixels = np.zeros((side, side, 3), np.uint8) if black else np.full((side, side, 3), 120, np.uint8)
    Image.fromarray(pixels).save(path)


def test_drawn_faces_from_end_to_end(tmp_path, fake_detector, capsys):
    files = {"--json": tmp_path / "new" / "bench.json", "--csv": tmp_path / "bench.csv"}
    words = ["--quick", "--count", "2", "--sides", "48", "64", "--occlusions", "mask", "box_lower"]
    main(words + [str(word) for pair in files.items() for word in pair])
    found = json.loads(files["--json"].read_text())
    assert (found["format"], found["faces"], found["count"]) == (FORMAT, "synthetic", 2)
    assert found["machine"]["cores"] == os.cpu_count()
    assert {row["side"] for row in found["steps"]} == {48, 64}
    names = {"decode", "view", "resize from half", "augment", "normalise"}
    names |= {f"{name}: {part}" for name in ("mask", "box_lower") for part in ("sample", "apply")}
    assert {row["step"] for row in found["steps"]} == names
    assert len(found["steps"]) == 2 * len(names)
    assert all(row["ms"] >= row["lower quartile"] >= 0 for row in found["steps"])
    assert [(row["side"], row["occluder"]) for row in found["shares"]] == [
        (48, "mask"), (48, "box_lower"), (64, "mask"), (64, "box_lower"),
    ]  # fmt: skip
    routes = {row["route"]: row for row in found["routes"]}
    assert set(routes) == {
        "landmarks from the cache", "a detector for every image", "writing covered copies", "reading covered copies",
    }  # fmt: skip
    assert routes["landmarks from the cache"]["times the first"] == 1
    assert {row["side"] for row in found["routes"]} == {64}  # the size nearest to 112
    with files["--csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["ms"]) for row in rows] == [row["ms"] for row in found["steps"]]
    shown = capsys.readouterr().out
    for part in ("48 px", "64 px", "mask: apply", "covered copies", "cores"):
        assert part in shown


def test_a_folder_of_images(tmp_path, fake_detector):
    save(tmp_path / "a.png")
    save(tmp_path / "black.png", black=True)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xffnothing")
    (tmp_path / "below").mkdir()
    save(tmp_path / "below" / "b.jpg", side=80)
    found = steps.found_faces(tmp_path, 10, DetectorSettings())
    assert sorted(image.shape[0] for image, _ in found) == [64, 80]
    assert len(steps.found_faces(tmp_path, 1, DetectorSettings())) == 1


@pytest.mark.parametrize("side", [48, 112])
def test_faces_are_scaled_until_their_crop_has_the_size(fake_detector, tmp_path, side):
    save(tmp_path / "a.png", side=200)
    view = FaceCrop(margin=0.1)
    faces = steps.found_faces(tmp_path, 1, DetectorSettings())
    (face,) = steps.scaled_faces(faces, view, side)
    assert view.square(face.landmarks_N3, face.image_HWC.shape[:2])[2] == pytest.approx(side, rel=0.02)
    assert decode_image(face.content, where="here").shape == face.image_HWC.shape


def test_cpu_times_are_per_item_and_without_the_first_round(monkeypatch):
    clock = iter([0, 900, 1000, 1004, 2000, 2008, 3000, 3012])  # four rounds, the first a slow one
    monkeypatch.setattr(steps.time, "process_time_ns", lambda: next(clock) * 1_000_000)
    calls: list[int] = []
    median, quartile = steps.cpu_times(calls.append, [1, 2], repeats=3)
    assert calls == [1, 2] * 4
    assert (median, quartile) == (4.0, 3.0)


def test_shares_are_of_decoding_and_augmenting():
    took = {"decode": 1.0, "augment": 3.0, "view": 9.0, "mask: sample": 0.5, "mask: apply": 1.5}
    rows = [{"side": 48, "step": step, "ms": ms} for step, ms in took.items()]
    assert steps.share_rows(rows) == [{"side": 48, "occluder": "mask", "overlay ms": 2.0, "adds": 0.5}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--occlusions", "maks"], "Unknown occlusion 'maks'. Did you mean 'mask'?"),
        (["--sides", "7"], "--sides must be whole numbers from 32 to 1024"),
        (["--count", "0"], "--count must be from 1 to 5000"),
        (["--faces", "nowhere/at/all"], "nowhere/at/all is no folder"),
    ],
)
def test_mistakes_are_told_in_a_sentence(capsys, words, told):
    with pytest.raises(SystemExit) as exit_:
        main([*words, "--quick"])
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("black", "told"), [(None, "holds no image"), (True, "No face was found")])
def test_folders_without_a_face(tmp_path, fake_detector, capsys, black, told):
    if black:
        save(tmp_path / "black.png", black=True)
    with pytest.raises(SystemExit):
        main(["--faces", str(tmp_path), "--quick"])
    assert told in capsys.readouterr().err
