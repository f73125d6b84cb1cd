"""A run's network, loaded without what trained it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.data.view import FullImage
from occlufer.inference import network as network_module
from occlufer.inference.network import _run_of, load_network
from occlufer.runs import Run, find_runs
from occlufer.types import EXPRESSIONS, ConfigError, RunError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def run(run_command, inputs, tmp_path) -> Run:
    run_command(
        "train", [*inputs, *TINY_TRAINING, f"paths.outputs={tmp_path}", "conditions=[none]", "view=full"]
    )
    (found,) = find_runs(tmp_path / "fer2013")
    return found


def test_it_says_what_the_run_recorded(run):
    loaded = load_network(run.folder)
    said_of = loaded.description
    assert said_of.classes == EXPRESSIONS
    assert isinstance(said_of.view, FullImage)
    assert not loaded.network.training
    rows = run.predictions()
    root = Path(run.config()["dataset"]["root"])
    assert said_of.image.channels == 1
    by_checkpoint = load_network(run.checkpoint_best)
    for weights, others in zip(loaded.network.parameters(), by_checkpoint.network.parameters(), strict=True):
        assert torch.equal(weights, others)
    from PIL import Image

    for _, row in rows.head(5).iterrows():
        image = np.asarray(Image.open(root / row["key"]).convert("RGB"))
        seen, landmarks = said_of.view(image, np.zeros((468, 3), np.float32), hw=said_of.image.hw)
        array = said_of.image.to_array(said_of.view.finish(seen, landmarks, hw=said_of.image.hw))
        with torch.inference_mode():
            said = loaded.network(torch.from_numpy(array)[None]).softmax(1)[0].numpy()
        np.testing.assert_allclose(said, [row[f"prob_{name}"] for name in EXPRESSIONS], atol=1e-5)


def test_what_trained_it_may_be_gone(run):
    config = run.config()
    for name in ("objective", "optimizer", "scheduler", "logger", "trainer", "dataset"):
        del config[name]
    run.write_config(config)
    assert load_network(run.folder).description.classes == EXPRESSIONS


def test_an_unfinished_or_foreign_folder_is_refused(run, tmp_path):
    with pytest.raises(RunError, match="There is no run folder"):
        load_network(tmp_path / "nowhere")
    (run.folder / "run.json").unlink()
    with pytest.raises(RunError, match="not a finished run"):
        load_network(run.folder)


def test_a_network_is_distilled_from_a_run_that_takes_the_same_images(
    run, run_command, inputs, tmp_path, monkeypatch
):
    read = []
    monkeypatch.setattr(
        network_module, "load_network", lambda source: read.append(source) or load_network(source)
    )
    words = [
        *inputs,
        *TINY_TRAINING,
        f"paths.outputs={tmp_path}",
        "conditions=[none]",
        "study=d",
        "occlusion=mask",
    ]
    words += ["objective=distillation", f"objective.teacher.run={run.folder}"]
    run_command("train", [*words, "view=full"])
    assert len(read) == 1  # checked before any work starts, and kept
    (student,) = find_runs(tmp_path / "d")
    state = torch.load(student.checkpoint_last, weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"network"}
    assert load_network(student.folder).description.classes == EXPRESSIONS
    with pytest.raises(ConfigError, match=r"The teacher .* takes images of"):
        run_command("train", [*words, "view=full", "image.mean=0.4"])
    with pytest.raises(ConfigError, match=r"The teacher .* takes images of"):
        run_command("train", [*words, "view=full", "model.in_chans=3"])
    with pytest.raises(
        ConfigError, match=r"The teacher .* was trained under FullImage .* training has FaceCrop"
    ):
        run_command("train", [*words, "view=face"])


def test_the_teacher_of_a_study_is_its_run_on_bare_faces_of_the_same_replicate(run, tmp_path):
    study = tmp_path / "study"
    copies = {}
    for name, change in {
        "bare": {}, "other_seed": {"seed": 5}, "flips": {"flip_test": True},
        "masked": {"occlusion": {"_target_": "occlufer.occlusion.controls.Box"}},
    }.items():  # fmt: skip
        copies[name] = shutil.copytree(run.folder, study / name)
        path = copies[name] / "config.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | change))
    (copies["other_seed"] / "notes.txt").write_text("not a run's")
    assert _run_of(study, run.config()["seed"], None) == copies["bare"]
    assert _run_of(study, 5, None) == copies["other_seed"]
    assert _run_of(copies["masked"], 5, None) == copies["masked"]
    with pytest.raises(RunError, match=r"holds 0 finished runs .* seed 7.*Train it first"):
        _run_of(study, 7, None)
    shutil.copytree(copies["bare"], study / "again")
    with pytest.raises(RunError, match=r"holds 2 finished runs .*objective.teacher.run="):
        _run_of(study, run.config()["seed"], None)


def test_a_network_that_estimates_what_is_covered_is_trained_and_loaded_again(run_command, inputs, tmp_path):
    words = [*inputs, *(word for word in TINY_TRAINING if not word.startswith("model"))]
    words += ["recovery=occlusion_aware", "model.network.widths=[4,8]", "conditions=[none,mask]"]
    run_command("train", [*words, f"paths.outputs={tmp_path}", "trainer.max_epochs=1", "study=aware"])
    (found,) = find_runs(tmp_path / "aware")
    assert found.summary().condition == "mixed+occlusion_aware"
    network = load_network(found.folder).network
    state = torch.load(found.checkpoint_last, weights_only=True)["state_dict"]
    assert torch.equal(network.estimate.weight, state["network.estimate.weight"])
