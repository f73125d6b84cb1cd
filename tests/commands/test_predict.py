"""`occlufer predict` and `occlufer export`, as commands: a row for everything, and honest exit statuses.

They run in this process, but where a process of its own is what a test is about.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inference.network_fakes import portrait, small_network, small_onnx, two_people
from occlufer.inference.network import write_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_onnx(tmp_path_factory.mktemp("network"))


def occlufer(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    main = importlib.import_module(f"occlufer.commands.{name}").main
    said, told = io.StringIO(), io.StringIO()
    status: object = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, *map(str, words)])
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            try:
                main()
            except SystemExit as ended:
                status = ended.code
    assert isinstance(status, int)
    return subprocess.CompletedProcess([name], status, said.getvalue(), told.getvalue())


def rows(*words: object) -> tuple[int, list[dict[str, Any]]]:
    done = occlufer("predict", *words, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)["rows"]


def mixed_folder(folder: Path) -> Path:
    """Everything that a folder of a researcher may hold."""
    folder.mkdir()
    Image.fromarray(portrait()).save(folder / "a face é.jpg")
    Image.fromarray(two_people()).convert("CMYK").save(folder / "b two.jpg")
    Image.fromarray(portrait(1)).convert("L").save(folder / "c grey.png")
    Image.fromarray(portrait(2)).convert("RGBA").save(folder / "d rgba.png")
    frames = [Image.fromarray(portrait(index)) for index in (3, 4)]
    frames[0].save(folder / "e animated.gif", save_all=True, append_images=frames[1:])
    grey = np.asarray(Image.fromarray(portrait(5)).convert("L")).astype(np.uint16) * 257
    Image.fromarray(grey).save(folder / "f sixteen.png")
    Image.new("RGB", (500, 500), (90, 90, 90)).save(folder / "g nobody.png")
    (folder / "h broken.jpg").write_bytes((folder / "a face é.jpg").read_bytes()[:900])
    (folder / "i notes.txt").write_text("no picture")
    (folder / "j empty.png").write_bytes(b"")
    (folder / "deeper").mkdir()
    Image.fromarray(portrait(6)).save(folder / "deeper" / "k.png")
    return folder


def test_a_mixed_folder_gives_a_row_each(model, tmp_path):
    folder = mixed_folder(tmp_path / "mixed")
    status, found = rows(
        folder, "--model", model, "--csv", tmp_path / "out.csv", "--annotate", tmp_path / "seen"
    )
    assert status == 0
    by_name = {Path(row["source"]).name: row for row in found}
    assert len(by_name) == 11
    assert set(found[0]) == {"source", "face", "frame", "seconds", "box", "found_by", "condition", "expression",
                             "probabilities", "covered_share", "note"}  # fmt: skip
    read = {name for name, row in by_name.items() if row["expression"] is not None}
    assert read == {
        "a face é.jpg",
        "b two.jpg",
        "c grey.png",
        "d rgba.png",
        "e animated.gif",
        "f sixteen.png",
        "k.png",
    }
    assert sum(Path(row["source"]).name == "b two.jpg" for row in found) == 2
    assert by_name["g nobody.png"]["note"] == "no face was found."
    assert "cannot be decoded" in by_name["h broken.jpg"]["note"]
    assert "is not an image" in by_name["i notes.txt"]["note"]
    assert "is empty" in by_name["j empty.png"]["note"]
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["expression"] for row in table] == [row["expression"] or "" for row in found]
    assert float(table[0]["prob_anger"]) == pytest.approx(found[0]["probabilities"]["anger"])
    assert len(list((tmp_path / "seen").iterdir())) == 8  # each picture that could be opened


def test_exit_statuses_and_wrong_calls(model, tmp_path):
    Image.new("RGB", (500, 500), (90, 90, 90)).save(tmp_path / "nobody.png")
    assert rows(tmp_path / "nobody.png", "--model", model)[0] == 3
    for words, message in (
        ((tmp_path / "gone.jpg",), "there is no file, folder or match"),
        ((tmp_path / "nobody.png", "--config-dir", tmp_path / "gone"), "there is no such folder"),
        ((tmp_path / "nobody.png", "--model", tmp_path / "gone.onnx"), "There is no network file"),
        ((tmp_path / "nobody.png", "--min-confidence", "2"), "--min-confidence must be in 0..1"),
        ((tmp_path / "nobody.png", "--model", model, "--occlude", "maskk"), "Did you mean 'mask'"),
    ):
        done = occlufer("predict", *words)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_missing_file_is_a_row_beside_those_that_are_there(model, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    Image.new("RGB", (500, 500), (90, 90, 90)).save(tmp_path / "nobody.png")
    gone = tmp_path / "gone.jpg"
    status, (missing, read) = rows(gone, tmp_path / "face.png", "--model", model)
    assert status == 0
    assert (missing["source"], missing["expression"]) == (str(gone), None)
    assert missing["note"].startswith("there is no file")
    assert read["expression"]
    assert rows(gone, tmp_path / "nobody.png", "--model", model)[0] == 3


def test_a_face_without_a_mesh_has_a_row_for_each_occluder(model, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)).save(tmp_path / "n.png")
    words = (
        tmp_path / "n.png",
        "--occlude",
        "mask,headset",
        "--annotate",
        tmp_path / "seen",
        "--model",
        model,
    )
    status, (bare, *covered) = rows(*words)
    assert status == 0
    assert bare["found_by"] == "whole image"
    assert [row["condition"] for row in covered] == ["mask", "headset"]
    for row in covered:
        assert (row["face"], row["box"], row["found_by"]) == (0, bare["box"], "whole image")
        assert (row["expression"], row["probabilities"]) == (None, None)
        assert "nothing can be put on this face" in row["note"]
    assert [path.name for path in (tmp_path / "seen").iterdir()] == ["00000_n.png"]
    assert "face 0 under mask: no mesh" in occlufer("predict", *words).stdout


def test_pictures_of_covered_faces_are_left_beside_the_bare_ones(model, tmp_path):
    Image.fromarray(two_people()).save(tmp_path / "two.png")
    status, found = rows(
        tmp_path / "two.png",
        "--occlude",
        "mask,headset@0.5",
        "--annotate",
        tmp_path / "seen",
        "--model",
        model,
    )
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == [
        "00000_two.png", "00000_two_headset@0.5.png", "00000_two_mask.png"
    ]  # fmt: skip
    bare, mask, headset = (
        np.asarray(Image.open(tmp_path / "seen" / f"00000_two{name}.png")).astype(int)
        for name in ("", "_mask", "_headset@0.5")
    )
    assert bare.shape == mask.shape == headset.shape == two_people().shape
    for row in found:
        x0, y0, x1, y1 = (round(value) for value in row["box"])
        half = (y0 + y1) // 2
        changed = np.abs((headset if "headset" in row["condition"] else mask) - bare).max(axis=2) > 20
        upper, lower = (
            changed[y0 + 6 : half, x0 + 6 : x1 - 6].mean(),
            changed[half : y1 - 6, x0 + 6 : x1 - 6].mean(),
        )
        if row["condition"] == "mask":
            assert lower > 0.5 > upper
        elif row["condition"] == "headset@0.5":
            assert upper > lower


def test_occluders_and_doubt(model, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    _, found = rows(
        tmp_path / "face.png", "--model", model, "--occlude", "mask,headset", "--min-confidence", "1"
    )
    assert [row["condition"] for row in found] == ["none", "mask", "headset"]
    assert {row["face"] for row in found} == {0}
    assert found[0]["covered_share"] == 0
    assert min(row["covered_share"] for row in found[1:]) > 0.2
    assert [row["expression"] for row in found] == ["unsure"] * 3


def test_a_video_is_read_frame_by_frame_with_its_times(model, tmp_path):
    path = str(tmp_path / "v.avi")
    video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (256, 256))
    face, empty = portrait()[..., ::-1], np.full((256, 256, 3), 90, np.uint8)
    for number in range(30):
        video.write(np.ascontiguousarray(empty if number % 3 == 2 else face))
    video.release()
    status, found = rows(path, "--model", model)
    assert status == 0
    assert [row["frame"] for row in found] == list(range(30))
    assert [row["seconds"] for row in found] == pytest.approx(
        [number / 10 for number in range(30)], abs=0.051
    )
    assert [row["frame"] for row in found if row["found_by"] == "face mesh"] == [
        n for n in range(30) if n % 3 != 2
    ]
    assert len(rows(path, "--model", model, "--every", "1")[1]) == 3
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])
    status, cut = rows(path, "--model", model)
    assert status == 0
    assert 3 < len(cut) < 30
    (tmp_path / "w.mp4").write_bytes(b"no video")
    assert rows(tmp_path / "w.mp4", "--model", model)[0] == 3


def changing(path: Path, *, frames: int) -> None:
    """A video of two places with a face each, that changes from frame to frame."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (640, 320))
    pairs = [np.hstack([portrait(number, 320), portrait(number + 8, 320)])[..., ::-1] for number in (0, 1)]
    for number in range(frames):
        video.write(np.ascontiguousarray(pairs[number % 2]))
    video.release()


def test_faces_of_a_video_are_followed_and_smoothed_only_when_asked(model, tmp_path):
    changing(tmp_path / "v.avi", frames=8)
    _, plain = rows(tmp_path / "v.avi", "--model", model)
    _, smooth = rows(tmp_path / "v.avi", "--model", model, "--smooth", "1", "--csv", tmp_path / "out.csv")
    assert "track" not in plain[0]
    assert [row["box"] for row in smooth] == [row["box"] for row in plain]

    def course(found: list[dict[str, Any]], left: bool) -> list[float]:
        return [row["probabilities"]["fear"] for row in found if (row["box"][0] < 300) == left]

    for left in (True, False):
        before, after = course(plain, left), course(smooth, left)
        assert len(before) == len(after) == 8
        assert after[0] == before[0]
        assert np.abs(np.diff(after)).sum() < 0.3 * np.abs(np.diff(before)).sum()
        assert len({row["track"] for row in smooth if (row["box"][0] < 300) == left}) == 1
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-4) for row in smooth)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert {row["track"] for row in csv.DictReader(file)} == {"0", "1"}


def test_progress_goes_to_standard_error_as_lines_for_a_log(model, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(40):
        (tmp_path / "many" / f"{number}.txt").write_text("no picture")
    done = occlufer("predict", tmp_path / "many", "--model", model, "--json")
    assert len(json.loads(done.stdout)["rows"]) == 40
    lines = done.stderr.splitlines()
    assert lines[-1] == "Files: 40 of 40"
    assert 5 <= len(lines) <= 12
    assert occlufer("predict", tmp_path / "many", "--model", model).stderr == ""
    changing(tmp_path / "v.avi", frames=8)
    done = occlufer("predict", tmp_path / "v.avi", "--model", model, "--csv", tmp_path / "out.csv")
    assert (done.stdout, done.stderr.splitlines()[-1]) == ("", "Frames: 8 of 8")


def test_nobody_need_read_to_the_end(model, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    command = [sys.executable, "-m", "occlufer", "predict", str(tmp_path), "--model", str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as done:
        assert done.stdout is not None
        assert done.stderr is not None
        done.stdout.close()
        assert done.stderr.read() == ""
        assert done.wait() == 0


def test_a_name_that_is_no_text_comes_back_as_it_is(model, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.png"
    try:
        Path(os.fsdecode(name)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    Path(os.fsdecode(name)).write_bytes((tmp_path / "face.png").read_bytes())
    status, (row,) = rows(os.fsdecode(name), "--model", model, "--csv", tmp_path / "out.csv")
    assert status == 0
    assert os.fsencode(row["source"]) == name
    assert name in (tmp_path / "out.csv").read_bytes()


def test_a_prediction_imports_no_torch(model, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "occlufer",
        "predict",
        str(tmp_path / "face.png"),
        "--model",
        str(model),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {
        line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line
    }
    assert "onnxruntime" in imported
    assert not imported & {"torch", "torchvision", "timm", "pytorch_lightning", "wandb", "albumentations"}


def test_export_writes_both_kinds(tmp_path):
    write_weights(small_network(), tmp_path / "n.safetensors")
    # What torch says on the way would be seen.
    command = [sys.executable, "-m", "occlufer", "export", "n.safetensors", "m.onnx"]
    written = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    for done in (written, occlufer("export", tmp_path / "n.safetensors", tmp_path / "m.safetensors")):
        assert (done.returncode, done.stderr) == (0, "")
    for name in ("m.onnx", "m.safetensors"):
        assert (tmp_path / name).stat().st_size > 1000
    done = occlufer("export", tmp_path / "n.safetensors", tmp_path / "m.pt")
    assert done.returncode == 2
    assert "must end in .onnx or .safetensors" in done.stderr


def test_explain_leaves_a_picture_of_each_face(tmp_path):
    write_weights(small_network(by_mesh=True), tmp_path / "small.safetensors")
    Image.fromarray(two_people()).save(tmp_path / "two.png")
    words = (tmp_path / "two.png", "--occlude", "mask", "--explain", tmp_path / "why")
    status, found = rows(*words, "--model", tmp_path / "small.safetensors")
    assert status == 0
    assert len(found) == 4
    names = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert names == ["00000_two_face0.png", "00000_two_face1.png"]
    with Image.open(tmp_path / "why" / names[0]) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    bare, masked = pixels[: len(pixels) // 2], pixels[len(pixels) // 2 :]
    assert np.abs(bare - masked).max() > 50  # a row a condition
    assert np.ptp(bare[40:200, 300:480], axis=2).max() > 40  # the right half is coloured

    (tmp_path / "onnx").mkdir()
    done = occlufer("predict", *words, "--model", small_onnx(tmp_path / "onnx"))
    assert done.returncode == 2
    assert "knows no gradients" in done.stderr
    assert "--run outputs/STUDY/RUN" in done.stderr
