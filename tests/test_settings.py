"""Which settings are a run's identity, and which tell the runs of a study apart."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from occlufer.analysis.core.grouping import design, in_groups, telling_apart
from occlufer.analysis.core.trainings import Training
from occlufer.commands.checks import training_settings
from occlufer.runs import Run
from occlufer.settings import (
    COMPARED,
    MOVED,
    NEUTRAL,
    PROTOCOLS,
    REPLICATE,
    Protocol,
    conf_folder,
    config_hash,
    run_folder_name,
)
from occlufer.types import ConfigError

# Written by hand: what may differ between two runs of one design. Anything else must tell them apart.
CANNOT_CHANGE_A_RESULT = {
    "paths.outputs", "paths.cache", "study", "published", "retry", "weights", "logger._target_", "logger.project",
    "logger.mode", "logger.images", "names.dataset", "names.occlusion", "names.model", "loader.num_workers",
    "loader.pin_memory", "landmarks.workers", "dataset.cache", "dataset.workers", "trainer.enable_progress_bar",
}  # fmt: skip
MAY_BE_AVERAGED = {"seed", "fold", "conditions", "dataset.root"}
ONLY_WITH_FOLDS = {"fold_count", "fold_seed"}


def composed(*words: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", ["study=s", *words], return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        return training_settings(config)


def leaves(config: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, value in config.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def changed(config: dict[str, Any], leaf: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(config)
    *path, last = leaf.split(".")
    node = config
    for key in path:
        node = node[key]
    node[last] = value
    return config


CONFIG = composed("dataset=synthetic", "paths.outputs=o", "paths.cache=c", "names.model=plain")
CHOICES = [
    (group, option.stem)
    for group in ("dataset", "view", "augmentation", "model", "objective", "optimizer", "scheduler", "trainer",
                  "experiment")
    for option in sorted((conf_folder() / group).glob("[!_]*.yaml"))
]  # fmt: skip


def told_apart(config: dict[str, Any], other: dict[str, Any], seeds: tuple[int, int] = (0, 1)) -> list[str]:
    """The settings that keep two runs, of seeds 0 and 1 and one train condition, from being averaged."""
    runs = zip(seeds, (config, other), strict=True)
    return telling_apart(
        [design("mask", Training(seed, None), node | {"seed": seed}) for seed, node in runs]
    )[0]


def check(config: dict[str, Any], leaf: str) -> None:
    if leaf == "fold":
        config = config | {"fold": 0}
    other = changed(config, leaf, 1 if leaf == "fold" else "another")
    same_run = config_hash(other) == config_hash(config)
    apart = told_apart(config, other)
    if leaf in CANNOT_CHANGE_A_RESULT:
        assert (same_run, apart) == (True, []), leaf
    elif leaf in MAY_BE_AVERAGED:
        assert (same_run, leaf in apart) == (False, False), leaf
    elif leaf in ONLY_WITH_FOLDS and config["fold"] is None:
        assert (same_run, apart) == (True, []), leaf
    else:
        assert (same_run, apart) == (False, ["fold" if leaf in ONLY_WITH_FOLDS else leaf]), leaf


@pytest.mark.parametrize("leaf", list(leaves(CONFIG)))
def test_every_setting_is_neutral_for_a_reason_or_tells_runs_apart(leaf):
    check(CONFIG, leaf)


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_so_is_every_setting_of_every_other_option(group, option):
    root = [] if option == "synthetic" or group not in ("dataset", "experiment") else ["dataset.root=r"]
    root += ["objective.teacher.run=r"] if option == "distillation" else []
    try:
        config = composed(f"{group}={option}", *root, "paths.outputs=o", "paths.cache=c")
    except Exception as error:
        if "dataset.root" not in str(error):
            raise
        config = composed(f"{group}={option}", "paths.outputs=o", "paths.cache=c")
    for leaf in set(leaves(config)) - set(leaves(CONFIG)):
        check(config, leaf)


def test_the_lists_name_what_there_is_and_say_why():
    known = set(leaves(CONFIG)) | {"dataset.root"}
    for name, reason in (NEUTRAL | COMPARED).items():
        assert any(leaf == name or leaf.startswith(f"{name}.") for leaf in known), name
        assert len(reason) > 10
    assert set(REPLICATE) <= known
    assert known >= CANNOT_CHANGE_A_RESULT | MAY_BE_AVERAGED | ONLY_WITH_FOLDS


@pytest.mark.parametrize(
    "word",
    ["loader.batch_size=32", "model.drop_rate=0.5", "model.widths=[4,8]", "dataset.difficulty=hard",
     "+dataset.limit=90",
     "occlusion.severity_range=[0.5,0.5]", "evaluation_seed=1", "image.size=32", "trainer.accelerator=gpu"],
)  # fmt: skip
def test_unlike_runs_are_never_averaged(word):
    words = ("dataset=synthetic", "model=plain_cnn", "occlusion=mask")
    assert told_apart(composed(*words), composed(*words, word)) == [word.split("=")[0].removeprefix("+")]
    assert told_apart(composed(*words), composed(*words)) == []


def test_what_covers_test_faces_counts_where_both_runs_say_so():
    one = composed("dataset=synthetic", "conditions=[none,mask]")
    other = composed("dataset=synthetic", "conditions=[none,headset]")
    assert told_apart(one, other) == []
    redrawn = copy.deepcopy(one)
    redrawn["condition_occluders"]["mask"]["scale_range"] = [2.0, 2.0]
    assert told_apart(one, redrawn) == ["condition_occluders.mask.scale_range"]


def test_a_new_key_changes_the_hash_and_the_order_of_keys_does_not():
    assert config_hash(CONFIG | {"new": None}) != config_hash(CONFIG)
    backwards = dict(reversed(CONFIG.items()))
    assert config_hash(backwards) == config_hash(CONFIG)


def test_the_folder_name_is_readable_and_safe():
    assert run_folder_name(CONFIG) == f"none_plain_seed0_{config_hash(CONFIG)}"
    wild = changed(changed(CONFIG, "names.model", "hf_hub:owner/a net"), "names.occlusion", "../up")
    name = run_folder_name(wild)
    assert Path(name).name == name
    assert name == f"..-up_hf_hub-owner-a-net_seed0_{config_hash(CONFIG)}"


def test_the_folder_name_tells_the_fold():
    folded = CONFIG | {"fold": 0}
    assert run_folder_name(folded) == f"none_plain_seed0_fold0_{config_hash(folded)}"
    assert run_folder_name(CONFIG | {"fold": None}).startswith("none_plain_seed0_")
    assert config_hash(folded) != config_hash(CONFIG | {"fold": 1})


def test_how_folds_are_cut_counts_where_there_is_one():
    for fold, counts in ((None, False), (0, True)):
        config = CONFIG | {"fold": fold, "fold_count": 5, "fold_seed": 42}
        for other in ({"fold_count": 10}, {"fold_seed": 0}):
            assert (config_hash(config | other) != config_hash(config)) == counts


def test_stored_runs_keep_up_with_what_has_moved(tmp_path):
    """A run of before the move names classes where they were: it is read, grouped and built by today's names."""
    run = Run(tmp_path)
    for old, new in MOVED.items():
        module, _, name = new.rpartition(".")
        assert hasattr(importlib.import_module(module), name)
        run.write_config({"view": {"_target_": old, "deep": [{"_target_": old}]}, "told": old})
        assert run.config() == {"view": {"_target_": new, "deep": [{"_target_": new}]}, "told": old}


def test_a_protocol_is_made_of_its_name():
    assert Protocol.of({}) is Protocol.of({"protocol": "honest"}) is PROTOCOLS["honest"]
    published = Protocol.of({"protocol": "published"})
    assert (published.scored, published.chosen_by, published.duplicates) == ("last", "test", "keep")
    with pytest.raises(ConfigError, match=r"Unknown protocol 'honets'. Did you mean 'honest'"):
        Protocol.of({"protocol": "honets"})


@pytest.mark.parametrize(("name", "duplicates"), [("honest", "drop"), ("published", "keep")])
def test_a_dataset_asks_its_protocol(name, duplicates):
    made = composed("dataset=fer2013_study_b", "dataset.root=x", f"protocol={name}")
    assert made["dataset"]["duplicates"] == duplicates


def test_a_teacher_of_the_same_seed_is_no_other_design():
    """Only runs of distillation have the setting, and it follows their seed."""
    plain = [design("none", Training(seed, None), {"seed": seed}) for seed in (0, 1)]
    distilled = [
        design("mixed", Training(seed, None), {"seed": seed, "objective": {"teacher": {"seed": seed}}})
        for seed in (0, 1)
    ]
    assert telling_apart([*plain, *distilled]) == ([], [])
    other = design("mixed", Training(1, None), {"seed": 1, "objective": {"teacher": {"seed": 0}}})
    assert telling_apart([*plain, distilled[0], other])[1] == ["objective.teacher.seed"]


def test_many_settings_of_a_group_are_counted():
    names = ["flip_test", "objective.a", "objective.b.c", "objective.b.d", "trainer.max_epochs"]
    assert in_groups(names) == "flip_test, objective (3 settings), trainer.max_epochs"
