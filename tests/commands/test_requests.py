"""What a training in a sweep is refused for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import open_dict

from occlufer.commands.checks import check_train, training_settings
from occlufer.runs import Run
from occlufer.settings import conf_folder, config_hash
from occlufer.tasks.recording import check_sweep, left_out
from occlufer.types import ConfigError


@pytest.fixture(autouse=True)
def hydra_is_put_back() -> Iterator[None]:
    yield
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def request_in(mode: RunMode, *words: str) -> None:
    """Ask for a training as Hydra's own launcher would, in a sweep or by itself."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", ["dataset=synthetic", *words], return_hydra_config=True)
        with open_dict(config):
            config.hydra.mode = mode
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        settings = training_settings(config)
        check_train(settings)
        check_sweep(settings["trainer"])


@pytest.mark.parametrize(
    "words",
    [["trainer=ddp_cpu"], ["trainer=ddp"], ["trainer.devices=2"], ["trainer.strategy=fsdp"],
     ["trainer.accelerator=gpu", "trainer.devices=[0,1]"]],
)  # fmt: skip
def test_a_sweep_in_one_process_refuses_several_devices(words):
    with pytest.raises(
        ConfigError, match=r"BasicLauncher, inside one process.* hydra/launcher=local, ray or slurm"
    ):
        request_in(RunMode.MULTIRUN, *words)
    request_in(RunMode.RUN, *words)


def test_a_sweep_in_one_process_over_one_device_is_fine():
    request_in(RunMode.MULTIRUN, "trainer=cpu")


def test_an_unknown_retry_is_refused():
    with pytest.raises(ConfigError, match=r"retry must be null .* or failed, found 'fialed'"):
        request_in(RunMode.RUN, "retry=fialed")


def test_an_unknown_published_study_is_refused():
    assert settings_of("published=study_b")["published"] == "study_b"
    with pytest.raises(ConfigError, match=r"Unknown published study 'studya'\. Did you mean 'study_a'\?"):
        settings_of("published=studya")


def test_retry_failed_leaves_out_what_did_not_fail(tmp_path, capsys):
    run = Run(tmp_path / "run")
    assert not left_out(run, retry=None)
    assert left_out(run, retry="failed")
    assert "did not fail" in capsys.readouterr().err
    run.write_json("failure.json", {"message": "no"})
    assert not left_out(run, retry="failed")


def test_retry_failed_is_decided_by_the_first_process_alone(tmp_path, monkeypatch):
    """It takes failure.json back when it begins, and starts the other ranks after that."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert not left_out(Run(tmp_path / "run"), retry="failed")


def settings_of(*words: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", ["dataset=synthetic", "study=s", *words], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        settings = training_settings(config)
        check_train(settings)
        return settings


def test_more_extra_images_are_another_run(tmp_path):
    """`occlufer augment` adds to its folder: a run that was trained with fewer images must not be taken for it."""
    folder = tmp_path / "extra"
    folder.mkdir()
    without = config_hash(settings_of())
    word = f"dataset.extra={folder}"
    seen = [without, config_hash(settings_of(word))]
    (folder / "extra.csv").write_text("path,source\na.png,b\n")
    seen.append(config_hash(settings_of(word)))
    (folder / "sad").mkdir()
    (folder / "sad" / "a.png").write_bytes(b"one")
    seen.append(config_hash(settings_of(word)))
    (folder / "sad" / "a.png").write_bytes(b"another")
    seen.append(config_hash(settings_of(word)))
    assert len(set(seen)) == 5
    (folder / "quality.json").write_text("{}")
    assert config_hash(settings_of(word)) == seen[-1]
    assert config_hash(settings_of()) == without
