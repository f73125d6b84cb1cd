"""What a sweep knows of its jobs before they start is what they will find out themselves."""

from __future__ import annotations

from collections.abc import Iterator

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from occlufer.commands.checks import training_settings
from occlufer.launchers.jobs import Phase, Planner, list_jobs
from occlufer.settings import conf_folder


@pytest.fixture
def sweep() -> Iterator[DictConfig]:
    """Hydra's configuration of a sweep; Hydra stays initialised."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder()), job_name="train"):
        app = GlobalHydra.instance().hydra
        assert app is not None
        config = app.compose_config("train", [], run_mode=RunMode.MULTIRUN, with_log_configuration=False)
        HydraConfig.instance().set_config(config)
        yield config
    HydraConfig.instance().cfg = None


def counting(monkeypatch: pytest.MonkeyPatch, planner: Planner) -> list[list[str]]:
    seen: list[list[str]] = []
    load = planner._loader.load_sweep_config
    monkeypatch.setattr(
        planner._loader,
        "load_sweep_config",
        lambda config, words: (seen.append(words), load(config, words))[1],
    )
    return seen


WORDS = [
    ["seed=0", "occlusion=mask", "study=a"],
    ["seed=1", "occlusion=mask", "study=a"],
    ["seed=1", "image.size=[48,96]", "optimizer.lr=3e-4", "occlusion=mask"],
    ["seed=1", "occlusion=mask", "study=${hydra:job.num}"],
    ["seed=1", "+trainer.limit_train_batches=2", "trainer.max_epochs=3"],
    ["trainer.max_epochs=3", "~trainer.log_every_n_steps", "model=vgg16"],
    ["experiment=study_b", "fold=1"],
    ["experiment=study_b", "fold=2", "dataset.size=70", "dataset=synthetic"],
    ["conditions=[none,'mask@0.5']", "dataset.size=70"],
]


def test_settings_are_those_that_hydra_composes(sweep):
    loader = GlobalHydra.instance().config_loader()
    jobs = list_jobs(WORDS, 3)
    planner = Planner(loader, sweep)
    for job in jobs:
        planner.resolve(job)
        assert job.phase == Phase.WAITING, job.reason
        config = loader.load_sweep_config(sweep, list(job.overrides))
        with open_dict(config):
            config.hydra.job.num = job.number
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        assert job.settings == training_settings(config)
    assert len({job.folder.folder for job in jobs}) == len(jobs)


def test_values_of_a_choice_of_groups_are_composed_once(sweep, monkeypatch):
    planner = Planner(GlobalHydra.instance().config_loader(), sweep)
    seen = counting(monkeypatch, planner)
    jobs = list_jobs(
        [[f"seed={seed}", f"model={model}"] for seed in range(20) for model in ("vgg16", "resnet18")], 0
    )
    for job in jobs:
        planner.resolve(job)
    assert seen == [["model=vgg16"], ["model=resnet18"]]
    assert len({job.folder.name for job in jobs}) == 40


def test_a_value_that_cannot_be_set_is_told_in_hydras_words(sweep):
    planner = Planner(GlobalHydra.instance().config_loader(), sweep)
    jobs = list_jobs([["sead=1"], ["seed=1"]], 0)
    for job in jobs:
        planner.resolve(job)
    assert "Could not override 'sead'" in jobs[0].reason
    assert (jobs[0].phase, jobs[1].phase) == (Phase.FAILED, Phase.WAITING)
