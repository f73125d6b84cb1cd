"""Every file under conf/ composes, and names objects that exist and take the keys that it gives.

Found by glob: a new option is under test as soon as its YAML file is there.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from occlufer.building import build
from occlufer.commands.options import COMMANDS, command_help, group_options
from occlufer.data.transforms import Augmentation
from occlufer.data.view import View
from occlufer.landmarks.detector import DetectorSettings
from occlufer.learning.objectives.base import Objective, Outputs
from occlufer.occlusion.base import Occluder
from occlufer.settings import conf_folder
from occlufer.tracking import Mirror
from occlufer.trust import check_settings
from occlufer.types import EXPRESSIONS, ConfigError, seeded_rng

CONF = conf_folder()
GROUPS = {
    path.name: group_options(path.name)
    for path in sorted(CONF.iterdir())
    if path.is_dir() and path.name != "hydra"
}
OPTIONS = [(group, option) for group, options in GROUPS.items() for option in options]
# The default dataset draws faces; any other that needs no files to be composed serves as well.
DATASET = GROUPS["dataset"][0]


@pytest.fixture(autouse=True)
def hydra_ready() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        yield
    HydraConfig.instance().cfg = None


@cache
def composed(name: str, *overrides: str) -> DictConfig:
    return hydra.compose(name, list(overrides), return_hydra_config=True)


def compose(name: str, *overrides: str) -> DictConfig:
    """A command's configuration, as the command sees it, but for the values that have to be given (`???`)."""
    whole = composed(name, *overrides)
    HydraConfig.instance().set_config(whole)
    return OmegaConf.masked_copy(whole, [key for key in whole if key != "hydra"])


def default_groups(command: str) -> list[str]:
    """Groups that a command's configuration reads, from its defaults list."""
    defaults = yaml.safe_load((CONF / f"{command}.yaml").read_text())["defaults"]
    names = [next(iter(entry)) for entry in defaults if isinstance(entry, dict)]
    return [name for name in names if not name.startswith(("override ", "optional "))]


COMMAND_GROUPS = {name: default_groups(name) for name in COMMANDS if (CONF / f"{name}.yaml").is_file()}
PAIRS = [
    (command, group, option)
    for command, groups in COMMAND_GROUPS.items()
    for group in groups
    for option in GROUPS[group]
]


def given(command: str, group: str, option: str) -> DictConfig:
    words = [f"{group}={option}"]
    # An experiment chooses its own dataset.
    if "dataset" in COMMAND_GROUPS[command] and group not in ("dataset", "experiment"):
        words.append(f"dataset={DATASET}")
    return compose(command, *words)


def targets(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


def test_every_folder_of_conf_is_a_group_of_a_command():
    read = {group for groups in COMMAND_GROUPS.values() for group in groups}
    assert set(GROUPS) == read


def test_every_file_of_conf_is_a_command_or_an_option():
    shared = {"quiet"}
    tops = {path.stem for path in CONF.glob("*.yaml")}
    assert tops - shared <= set(COMMANDS)
    nested = {
        path.relative_to(CONF)
        for path in CONF.rglob("*.yaml")
        if path.parent != CONF and "hydra" not in path.parts and path.name[0] != "_"  # parts of others
    }
    assert nested == {Path(group) / f"{option}.yaml" for group, option in OPTIONS}


@pytest.mark.parametrize("command", COMMAND_GROUPS)
def test_a_command_composes_as_it_stands(command):
    OmegaConf.to_container(compose(command), resolve=True)


@pytest.mark.parametrize(("command", "group", "option"), PAIRS)
def test_every_option_composes_and_fits_what_it_names(command, group, option):
    config = OmegaConf.to_container(given(command, group, option), resolve=True)
    node = config if group in ("experiment", "recovery") else config.get(group, {})
    found = list(targets(node))
    assert found or group in ("paths", "grid"), f"{group}/{option} builds nothing"
    for target in found:
        fits(target)
    check_settings(config, "conf")


def fits(node: dict[str, Any]) -> None:
    """The target can be imported, and takes the keys by name."""
    name = node["_target_"]
    parameters = inspect.signature(get_object(name)).parameters
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values()), f"{name} takes whatever it is given"
    keys = {key for key in node if not key.startswith("_")}
    if "occlufer.datasets." in name:
        keys -= {"extra", "crop"}  # laid over any dataset by `make_faces`
    assert keys <= set(parameters), f"{name} takes no {keys - set(parameters)}"


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] != "paths"])
def test_our_own_files_explain_and_list_every_key(group, option):
    """A user can only set (key=value) what a file lists: each parameter of ours is there, or is given in code."""
    in_code = {"num_classes", "class_counts", "optimizer", "total_steps", "occluders", "on_progress"}
    config = OmegaConf.to_container(given("train", group, option), resolve=True).get(group) or {}
    target = config.get("_target_", "")
    if not target.startswith("occlufer.") or (group, option) in {
        ("augmentation", "none"),
        ("scheduler", "plateau"),
    }:
        return
    parameters = set(inspect.signature(get_object(target)).parameters)
    assert parameters - in_code <= set(config), (
        f"{target} could also be given {parameters - in_code - set(config)}"
    )


def conditions(config: DictConfig) -> list[str]:
    return list(config.get("conditions", []))


@pytest.mark.parametrize("experiment", [None, *GROUPS["experiment"]])
def test_conditions_of_every_experiment_exist(experiment):
    words = [f"experiment={experiment}"] if experiment else [f"dataset={DATASET}"]
    named = conditions(compose("train", *words))
    assert named
    assert set(named) <= set(GROUPS["occlusion"])


def test_conditions_of_evaluate_exist_and_are_those_of_train():
    named = conditions(compose("evaluate"))
    assert set(named) <= set(GROUPS["occlusion"])
    assert named == conditions(compose("train", f"dataset={DATASET}"))


@pytest.mark.parametrize("experiment", GROUPS["experiment"])
def test_an_experiment_sweeps_over_what_exists(experiment):
    config = composed("train", f"experiment={experiment}")
    for key, values in (config.hydra.sweeper.params or {}).items():
        names = [name.strip() for name in str(values).split(",")]
        if key in GROUPS:
            assert set(names) <= set(GROUPS[key])
        else:
            assert OmegaConf.select(config, key, throw_on_missing=True) is not None, f"no key {key}"


@pytest.mark.parametrize("option", GROUPS["recovery"])
def test_ways_of_recovery_cost_as_many_forward_passes(option):
    config = compose("train", "experiment=recovery", f"recovery={option}")
    passes = get_object(config.objective._target_).passes
    assert passes * config.trainer.max_epochs == compose("train", "experiment=recovery").trainer.max_epochs


# --- Options that need no data are built.


@pytest.mark.parametrize("option", GROUPS["view"])
def test_views_are_built(option):
    assert isinstance(build(given("train", "view", option).view), View)


@pytest.mark.parametrize("option", GROUPS["occlusion"])
def test_occluders_are_built(option):
    assert isinstance(build(given("train", "occlusion", option).occlusion), Occluder)


@pytest.mark.parametrize("option", GROUPS["augmentation"])
def test_augmentations_are_built(option):
    augment = build(given("train", "augmentation", option).augmentation)
    assert isinstance(augment, Augmentation)
    image = seeded_rng(0).integers(0, 255, (48, 48, 3)).astype("uint8")
    assert augment(image, seed=1).shape == image.shape


@pytest.mark.parametrize("option", GROUPS["model"])
def test_models_are_built(option):
    node = given("train", "model", option).model
    network = build(node, num_classes=len(EXPRESSIONS)).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, node.in_chans, 64, 64)).shape == (1, len(EXPRESSIONS))


@pytest.mark.parametrize("option", GROUPS["objective"])
def test_objectives_are_built(option):
    node = plain_but_missing(given("train", "objective", option).objective)
    if "teacher" in node:
        node["teacher"] = {"_target_": "torch.nn.Linear", "in_features": 9, "out_features": len(EXPRESSIONS)}
    objective = build(node, class_counts=[1] * len(EXPRESSIONS))
    assert isinstance(objective, Objective)
    logits = torch.zeros(2, len(EXPRESSIONS), requires_grad=True)
    image = torch.zeros(2, 9)
    outputs = Outputs(logits, logits + 1, logits + 2, logits + 3)
    loss = objective(outputs, {"image": image, "clean": image, "label": torch.tensor([0, 6])})
    assert loss.ndim == 0
    assert loss.requires_grad
    assert objective.state_dict() == {}


def plain_but_missing(node: DictConfig) -> dict[str, Any]:
    """In plain dicts, with `???` where a value is asked of the user."""
    made: dict[str, Any] = OmegaConf.to_container(node, resolve=True, throw_on_missing=False)  # type: ignore[assignment]
    return made


@pytest.mark.parametrize("option", GROUPS["optimizer"])
def test_optimizers_are_built(option):
    make = build(given("train", "optimizer", option).optimizer)
    assert isinstance(make, partial)
    weight = torch.zeros(2, requires_grad=True)
    optimizer = make([{"params": [weight], "weight_decay": 0.0}])
    weight.sum().backward()
    optimizer.step()
    assert (weight < 0).all()


@pytest.mark.parametrize("option", GROUPS["scheduler"])
def test_schedulers_are_built(option):
    make = build(given("train", "scheduler", option).scheduler)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    assert {"scheduler", "interval"} <= set(make(optimizer, 10))


@pytest.mark.parametrize("option", GROUPS["landmarks"])
def test_landmark_settings_are_built(option):
    settings = build(given("train", "landmarks", option).landmarks)
    assert isinstance(settings, DetectorSettings)
    assert settings.stages


def test_the_shipped_landmark_settings_are_the_defaults_of_the_code():
    """Two places that say the same thing; a user who calls the detector from Python shares the cache."""
    shipped = build(given("train", "landmarks", "default").landmarks)
    assert shipped.fingerprint() == DetectorSettings().fingerprint()


@pytest.mark.parametrize("option", GROUPS["logger"])
def test_loggers_are_built(option):
    assert isinstance(build(given("train", "logger", option).logger), Mirror)


@pytest.mark.parametrize("option", [name for name in GROUPS["trainer"] if "cpu" in name])
def test_cpu_trainers_are_built(option, tmp_path):
    node = given("train", "trainer", option).trainer
    trainer = build(dict(OmegaConf.to_container(node)), logger=False, default_root_dir=str(tmp_path))
    assert trainer.max_epochs == node.max_epochs


def test_a_gpu_trainer_brings_what_gpus_like():
    config = given("train", "trainer", "gpu")
    assert (config.channels_last, config.fused, config.loader.pin_memory) == (True, True, True)
    assert config.trainer.precision == "bf16-mixed"
    assert config.optimizer.fused is True
    ddp = given("train", "trainer", "ddp")
    assert (ddp.trainer.strategy, ddp.trainer.devices, ddp.trainer.precision) == ("ddp", "auto", "bf16-mixed")
    assert ddp.channels_last is True


# --- Help.


@pytest.mark.parametrize("command", COMMAND_GROUPS)
def test_help_names_every_option_that_can_be_chosen(command):
    text = command_help(command)
    for group in COMMAND_GROUPS[command]:
        if len(GROUPS[group]) == 1 and group not in COMMANDS[command].groups:
            continue  # nothing to choose
        lines = [line.split() for line in text.splitlines() if line.split()[:1] == [group]]
        assert lines, f"{group} is not in the help of {command}"
        assert {word.strip(",") for word in lines[0][1:]} == set(GROUPS[group])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_no_group_that_the_command_does_not_read(command):
    assert set(COMMANDS[command].groups) <= set(COMMAND_GROUPS.get(command, []))


@pytest.mark.parametrize("command", COMMAND_GROUPS)
def test_settings_in_the_help_exist(command):
    """`key=VALUE` in the help is a key of the composed configuration."""
    words = [f"dataset={DATASET}"] if "dataset" in COMMAND_GROUPS[command] else []
    config = compose(command, *words)
    known = OmegaConf.to_container(config)
    for setting, _ in COMMANDS[command].settings:
        key = setting.split("=")[0]
        if "/" in key:  # a group of Hydra's own
            assert (CONF / key).is_dir()
            continue
        node: Any = known
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                # A key of one option, and a group that nothing is chosen from until the user does.
                assert key == "dataset.size" or key in COMMAND_GROUPS[command], f"{command}: no key {key}"
                break
            node = node[part]


@pytest.mark.parametrize("mistake", ["view.margins", "occlusion.colors", "model.backbones"])
def test_a_key_added_by_force_is_refused_by_the_constructor(mistake):
    config = compose("train", f"dataset={DATASET}", "occlusion=mask", f"+{mistake}=1")
    group, key = mistake.split(".")
    more = {"num_classes": 7} if group == "model" else {}
    with pytest.raises(ConfigError, match=key):
        build(config[group], **more)
