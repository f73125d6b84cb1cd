"""An occluder in a folder of one's own, given by --config-dir or hydra.searchpath, counts wherever ours do."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from PIL import Image

from fakes import TINY_TRAINING, tiny_fer2013
from inference.network_fakes import portrait, small_onnx
from occlufer.building import conf_folders
from occlufer.commands import app
from occlufer.commands.app import composing, condition_configs
from occlufer.commands.hints import spelling_hint
from occlufer.commands.options import command_help
from occlufer.launchers.jobs import Job, train_command
from occlufer.notebook import settings
from occlufer.runs import find_runs
from occlufer.settings import conf_folder
from occlufer.types import ConfigError, RunError

SCARF = """
from occlufer.occlusion.controls import Box

class Scarf(Box):
    def __init__(self, *, colour):
        super().__init__(region="lower_face", colour=colour)
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "my conf é"
    (folder / "occlusion").mkdir(parents=True)
    (folder / "occlusion" / "scarf.yaml").write_text("_target_: scarves.Scarf\ncolour: [200, 30, 30]\n")
    (folder / "scarves.py").write_text(SCARF)
    return folder


@pytest.mark.slow
def test_it_trains_tests_sweeps_and_evaluates(occlufer, run_command, own, tmp_path, monkeypatch):
    inputs = [*tiny_fer2013(tmp_path), *TINY_TRAINING, "trainer.max_epochs=1"]
    words = ["--config-dir", str(own)]
    swept = occlufer(
        "train", *words, *inputs, "-m", "hydra/launcher=local", "occlusion=scarf", "conditions=[none,scarf]", "seed=0",
        cwd=tmp_path,
    )  # fmt: skip
    assert swept.returncode == 0, swept.stderr
    (run,) = find_runs(tmp_path / "outputs" / "fer2013")
    rows = run.predictions()
    assert (rows.loc[rows.condition == "scarf", "covered_share"] > 0.2).all()
    paths = f"paths.cache={tmp_path / 'cache'}"
    evaluate = [f"run={run.folder}", "conditions=[scarf]", "loader.num_workers=0", paths]
    with monkeypatch.context() as patch:
        patch.syspath_prepend(own)  # as a command does
        run_command("evaluate", [*evaluate, f'hydra.searchpath=["file://{own}"]'])
    assert set(run.predictions()["condition"]) == {"none", "scarf"}
    # Without the folder it is a stranger's run, which names what nobody here vouched for.
    with pytest.raises(RunError, match=r"scarves\.Scarf"):
        run_command("evaluate", [f"run={run.folder}", "conditions=[none]", paths])


def test_conditions_and_the_jobs_of_launchers_know_it(own):
    words = [f'hydra.searchpath=["file://{own}"]', "occlusion=scarf", "study=s"]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        assert condition_configs(["none", "scarf"])["scarf"]["_target_"] == "scarves.Scarf"
        with pytest.raises(ConfigError, match=r"write `severity_range: \[1, 1\]` into its YAML file"):
            condition_configs(["scarf@0.5"])
        job = Job(0, tuple(words[1:]), settings={"paths": {"outputs": "o", "cache": "c"}})
        command = train_command(job, words[:1], conf_folders(config))
        HydraConfig.instance().cfg = None
        assert command[:4] == [sys.executable, "-m", "occlufer.cli", "train"]
        assert hydra.compose("train", command[4:]).occlusion._target_ == "scarves.Scarf"
    GlobalHydra.instance().clear()


def test_its_picture_is_looked_for_where_the_command_runs_and_beside_its_file(own, tmp_path, monkeypatch):
    """In training and as a condition alike; the run keeps a path that leads there from everywhere."""
    artwork = "_target_: occlufer.occlusion.mask.FaceMask\nartwork: {_target_: any.Picture, picture: faces/cloth.png}\n"
    (own / "occlusion" / "cloth_of_mine.yaml").write_text(artwork)
    monkeypatch.chdir(tmp_path)

    def pictures() -> set[str]:
        words = [f'hydra.searchpath=["file://{own}"]', "occlusion=cloth_of_mine", "conditions=[none]"]
        with composing("train", words):
            node = condition_configs(["cloth_of_mine"])["cloth_of_mine"]
        asked = settings(*words)
        return {node["artwork"]["picture"], asked["occlusion"]["artwork"]["picture"]}

    assert pictures() == {"faces/cloth.png"}  # nowhere: the occluder itself says so
    for place in (own, own / "occlusion", tmp_path):
        (place / "faces").mkdir()
        (place / "faces" / "cloth.png").touch()
        app._occlusion.cache_clear()
        assert pictures() == {"faces/cloth.png" if place == tmp_path else str(place / "faces" / "cloth.png")}


def test_predict_puts_it_on(occlufer, own, tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    words = ["face.png", "--model", str(small_onnx(tmp_path)), "--json", "--occlude", "scarf,mask"]
    done = occlufer("predict", "--config-dir", own.name, *words, cwd=own.parent)
    assert done.returncode == 0, done.stderr
    _, scarf, mask = json.loads(done.stdout)["rows"]
    assert (scarf["condition"], mask["condition"]) == ("scarf", "mask")
    assert scarf["covered_share"] > 0.2
    assert "Unknown condition 'scarf'" in occlufer("predict", *words, cwd=tmp_path).stderr


@pytest.mark.parametrize("shape", ["--config-dir {}", "--config-dir={}", "-cd {}", "hydra.searchpath=[{}]"])
def test_hints_and_help_know_it(own, shape):
    plain = own.rename(own.parent / "own")
    words = shlex.split(shape.format(plain))
    assert "scarf" in command_help("train", words)
    assert "scarf" not in command_help("train")
    assert spelling_hint("train", [*words, "occlusion=scarf", "occlusion.colour=[1,2,3]", "seed=1"]) is None
    assert "Did you mean 'scarf'?" in (spelling_hint("train", [*words, "occlusion=scarv"]) or "")
    assert "'occlusion.colour'" in (
        spelling_hint("train", [*words, "occlusion=scarf", "occlusion.color=1"]) or ""
    )


def test_a_command_that_fails_for_another_reason_gets_no_hint(occlufer, own, tmp_path):
    said = occlufer(
        "preview", "--config-dir", str(own), "dataset=fer2013", "dataset.root=nowhere", "occlusion=scarf", cwd=tmp_path
    ).stderr  # fmt: skip
    assert "nowhere" in said
    assert "Did you mean" not in said
    assert "Unknown" not in said
