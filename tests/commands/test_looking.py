"""prepare, preview and report: what a user looks at before and after training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import TINY_TRAINING, striped_face, tiny_fer2013
from fakes import fer2013 as fake_fer2013
from occlufer.types import ConfigError, DatasetError, RunError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


def test_prepare_prints_coverage_and_has_nothing_left_to_do(run_command, inputs, capsys):
    run_command("prepare", inputs)
    printed = capsys.readouterr().out
    assert "happiness" in printed
    assert "55 of 56 faces have landmarks, nothing to do" in printed
    assert "missed: no face 1" in printed


@pytest.mark.slow
def test_a_dataset_without_any_face_is_refused(run_command, tmp_path):
    root = fake_fer2013.make_fake(tmp_path / "stripes", images=striped_face)
    words = ["dataset=fer2013", f"dataset.root={root}", f"paths.outputs={tmp_path}", "landmarks.workers=0"]
    for command in ("prepare", "train"):
        with pytest.raises(DatasetError, match="no face was found in 56 images"):
            run_command(command, words)


def test_preview_draws_a_sheet(run_command, inputs, tmp_path):
    path = tmp_path / "sheet.png"
    words = [*inputs, "occlusion=mask", "view=full", f"output={path}", "count=14", "columns=7", "tile=64"]
    run_command("preview", words)
    width, height = size(path)
    run_command("preview", [*words, "side_by_side=true"])
    assert size(path)[0] == width
    assert size(path)[1] > 1.9 * height


def test_preview_shows_the_dial_and_scores_the_occluder(run_command, inputs, tmp_path, capsys):
    path = tmp_path / "dial.png"
    words = [
        *inputs,
        "occlusion=headset",
        f"output={path}",
        "columns=5",
        "tile=48",
        "severities=[0.0,0.5,1.0]",
    ]
    run_command("preview", [*words, "scores=true", "score_count=4"])
    assert size(path)[1] > 3 * 48
    # A detector that looks elsewhere does not find these drawings; `test_scoring` has faces that it finds.
    assert "Not one of 4 faces was found a second time" in capsys.readouterr().out


def test_preview_shows_several_draws_of_the_same_faces(run_command, inputs, tmp_path):
    path = tmp_path / "draws.png"
    words = [*inputs, "occlusion=cloth", f"output={path}", "columns=4", "tile=48"]
    run_command("preview", [*words, "draws=1", "count=4"])
    one = size(path)
    run_command(
        "preview", [*words, "draws=2", "side_by_side=true"]
    )  # the bare faces, and two rows of covered ones
    assert size(path)[0] == one[0]
    assert size(path)[1] > 2.9 * one[1]
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet).astype(int)
    bare, first, second = (pixels[row * (pixels.shape[0] // 3) :][18:60] for row in range(3))
    assert np.abs(bare - first).mean() > 5
    assert np.abs(first - second).mean() > 2
    run_command("preview", [*words, "draws=2", "severities=[0.5,1.0]"])
    assert size(path)[1] > 3.9 * one[1]
    with pytest.raises(ConfigError, match="draws must be a whole number"):
        run_command("preview", [*words, "draws=0"])


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as sheet:
        return sheet.size


def test_preview_of_an_unknown_split(run_command, inputs):
    with pytest.raises(ConfigError, match="Did you mean 'test'"):
        run_command("preview", [*inputs, "split=tset"])


@pytest.mark.usefixtures("undrawn_figures")
def test_report_of_a_study_given_by_name_or_by_path(run_command, inputs, tmp_path, capsys):
    outputs = f"paths.outputs={tmp_path}"
    run_command("train", [*inputs, *TINY_TRAINING, outputs, "study=small"])
    run_command("report", [outputs, "study=small"])
    page = (tmp_path / "small" / "report.html").read_text(encoding="utf-8")
    assert "headset" in page
    assert "report.html" in capsys.readouterr().out
    assert list((tmp_path / "small" / "tables").glob("*.csv"))
    (tmp_path / "small" / "report.html").unlink()
    run_command("report", [f"study={tmp_path / 'small'}"])
    assert (tmp_path / "small" / "report.html").is_file()


def test_report_needs_a_study(run_command, tmp_path):
    with pytest.raises(ConfigError, match="study=NAME"):
        run_command("report", [])
    with pytest.raises(RunError, match="no study folder"):
        run_command("report", ["study=nowhere", f"paths.outputs={tmp_path}"])
