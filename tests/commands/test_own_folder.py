"""An occluder in a folder of one's own, given by --config-dir or hydra.searchpath, counts wherever ours do."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.building import conf_folders
from occlufer.commands.app import condition_configs
from occlufer.commands.hints import spelling_hint
from occlufer.commands.options import command_help
from occlufer.launchers.jobs import Job, train_command
from occlufer.runs import find_runs
from occlufer.settings import conf_folder
from occlufer.types import override

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
def test_it_trains_tests_sweeps_and_evaluates(occlufer, own, tmp_path):
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
    scored = occlufer(
        "evaluate", *words, f"run={run.folder}", "conditions=[scarf]", f"paths.cache={tmp_path / 'cache'}",
        "loader.num_workers=0", cwd=tmp_path,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    refused = occlufer("evaluate", f"run={run.folder}", "conditions=[none]", cwd=tmp_path)
    assert "scarves.Scarf" in refused.stderr  # a stranger's run names what nobody here vouched for


def test_conditions_and_the_jobs_of_launchers_know_it(own):
    words = [f'hydra.searchpath=["file://{own}"]', "occlusion=scarf", "study=s"]
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", words, return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        assert condition_configs(["none", "scarf"])["scarf"]["_target_"] == "scarves.Scarf"
        job = Job(0, tuple(words[1:]), settings={"paths": {"outputs": "o", "cache": "c"}})
        command = train_command(job, words[:1], conf_folders(config))
        HydraConfig.instance().cfg = None
        assert command[:4] == [sys.executable, "-m", "occlufer.cli", "train"]
        assert hydra.compose("train", command[4:]).occlusion._target_ == "scarves.Scarf"
    GlobalHydra.instance().clear()


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


def test_a_training_that_fails_for_another_reason_gets_no_hint(occlufer, own, tmp_path):
    said = occlufer(
        "train", "--config-dir", str(own), "dataset=fer2013", override("dataset.root", "nowhere"), "occlusion=scarf",
        "logger=csv", "view=full", cwd=tmp_path,
    ).stderr  # fmt: skip
    assert "nowhere" in said
    assert "Did you mean" not in said
    assert "Unknown" not in said
