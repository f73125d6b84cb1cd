"""Study A's protocol, cell by cell of its table (docs/studies.md), as `experiment=study_a` composes and runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import hydra
import numpy as np
import pandas as pd
import pytest
import torch
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.learning.callbacks import MONITOR, History
from occlufer.runs import Run, find_runs
from occlufer.settings import conf_folder
from occlufer.tasks.recording import Recorder
from occlufer.types import ConfigError

CONDITIONS = ["none", "study_a_mask", "study_a_headset"]


def composed(*words: str) -> DictConfig:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return hydra.compose("train", ["experiment=study_a", *words], return_hydra_config=True)


def jobs(*words: str) -> list[dict[str, str]]:
    """What Hydra's sweeper makes of the experiment and a command line."""
    params = composed(*[word for word in words if word.startswith("grid=")]).hydra.sweeper.params
    given = [f"{key}={values}" for key, values in params.items()]
    overrides = OverridesParser.create().parse_overrides([*given, *words])
    (batch,) = BasicSweeper.split_arguments(overrides, None)
    return [dict(word.split("=", 1) for word in job) for job in batch]


# --- What is asked for.


def test_the_settings_are_the_published_ones():
    config = composed()
    assert config.image == {"size": 224, "mean": 0.0, "std": 1.0}
    assert (config.loader.batch_size, config.trainer.max_epochs) == (16, 20)
    assert (config.fold_count, config.fold_seed) == (5, 42)
    assert (config.protocol, config.published) == ("published", "study_a")
    assert list(config.conditions) == CONDITIONS
    assert config.early_stopping.patience is None
    assert config.objective.label_smoothing == 0
    assert config.objective.class_weights is None
    assert set(config.augmentation) == {"_target_"}
    assert config.scheduler._target_.endswith(".constant")
    assert config.dataset._target_.endswith(".RAFDB")


@pytest.mark.parametrize(
    ("grid", "settings", "count"), [("full", 21, 1260), ("committed", 4, 240), ("one", 1, 60)]
)
def test_each_grid_is_one_sweep(grid, settings, count):
    made = jobs(f"grid={grid}")
    assert len(made) == count == settings * 5 * 4 * 3
    assert len({tuple(sorted(job.items())) for job in made}) == count
    assert {job["model"] for job in made} == {"vgg16", "resnet50", "senet50", "uniform"}
    assert {job["occlusion"] for job in made} == set(CONDITIONS)
    assert {job["fold"] for job in made} == set("01234")
    table = {(job["model"], job["occlusion"], job["fold"]) for job in made[:60]}
    assert len(table) == 60, "the first sixty jobs are a whole table"


def test_the_grids_name_the_optimisers_and_rates_of_the_study():
    full, committed = jobs("grid=full"), jobs("grid=committed")
    names = "sgd rmsprop adagrad adadelta adam adamax nadam"
    assert {job["optimizer"] for job in full} == {f"keras_{name}" for name in names.split()}
    assert {float(job["optimizer.lr"]) for job in full} == {0.01, 0.001, 0.0001}
    assert {job["optimizer"] for job in committed} == {"keras_sgd", "keras_rmsprop"}
    assert {float(job["optimizer.lr"]) for job in committed} == {0.01, 0.001}


def test_a_word_on_the_command_line_narrows_the_sweep():
    assert len(jobs("grid=full", "model=vgg16", "optimizer=keras_adam", "fold=0")) == 3 * 3


def test_every_job_of_the_table_composes():
    for job in jobs("grid=one", "fold=4"):
        config = composed(*[f"{key}={value}" for key, value in job.items()])
        assert config.names.model == job["model"]


def test_weights_reach_the_backbones_and_not_the_baseline():
    assert composed("model=senet50", "weights=/w").model.pretrained == "/w"
    assert "pretrained" not in composed("model=uniform", "weights=/w").model


# --- What is done, on stripes.


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"), per_class=6)


TINY = [word for word in TINY_TRAINING if not word.startswith(("model", "view"))]
DENSE = ["model=resnet50", "model.backbone=test_resnet", "model.caffe_strides=false", "model.widths=[32,16]"]
SMALL = ["model=plain_cnn", "model.widths=[8,16]"]


@pytest.fixture
def train(run_command, inputs, tmp_path) -> Callable[..., list[Run]]:
    def run(*words: str) -> list[Run]:
        run_command("train", ["experiment=study_a", *inputs, *TINY, f"paths.outputs={tmp_path}", *words])
        return find_runs(tmp_path / "study_a")

    return run


def test_a_fold_of_the_dense_head_runs_to_its_end(train, tmp_path):
    (run,) = train(
        *DENSE, "fold=2", "occlusion=study_a_mask", "optimizer=keras_rmsprop", "trainer.max_epochs=3"
    )
    summary = run.summary()
    assert run.name.startswith("study_a_mask_resnet50_seed0_fold2_")
    assert (summary.fold, summary.condition, summary.model) == (2, "study_a_mask", "resnet50")
    assert set(run.predictions()["condition"]) == set(CONDITIONS)
    assert any(note.startswith("Fold 2 of 5 (stratified by expression") for note in summary.notes)
    assert {"train_loss", "val_loss", "train_accuracy", "val_accuracy"} <= set(run.history().columns)


def test_folds_hold_out_other_faces_and_test_the_same(train):
    runs = train(*SMALL, "fold=0") and train(*SMALL, "fold=1")
    first, second = (run.summary() for run in runs)
    assert [first.fold, second.fold] == [0, 1]
    assert (
        first.counts["train"] + first.counts["validation"]
        == second.counts["train"] + second.counts["validation"]
    )
    assert set(runs[0].predictions()["key"]) == set(runs[1].predictions()["key"])


def test_published_scores_the_last_epoch_and_honest_the_best(train, run_command, inputs):
    """The best checkpoint is made one that always says "happiness": whoever scores it cannot hide it."""
    (run,) = train(*SMALL, "conditions=[none]")
    checkpoint = torch.load(run.checkpoint_best, weights_only=True)
    (head,) = [value for value in checkpoint["state_dict"].values() if value.shape == (7,)]  # its biases
    head[3] += 1e3
    torch.save(checkpoint, run.checkpoint_best)
    before = run.predictions()
    again = [
        "evaluate",
        [f"run={run.folder}", "conditions=[none]", *[word for word in inputs if "paths" in word]],
    ]
    run_command(*again)
    pd.testing.assert_frame_equal(run.predictions(), before)
    run.write_config(run.config() | {"protocol": "honest"})
    run_command(*again)
    assert set(run.predictions()["prediction"]) == {3}


@pytest.mark.parametrize(("protocol", "epoch", "score"), [("published", 3, 0.3), ("honest", 2, 0.5)])
def test_the_record_names_the_epoch_that_is_scored(tmp_path, protocol, epoch, score):
    history = History(lambda rows: None)
    history.rows = [{"epoch": number, MONITOR: f1} for number, f1 in enumerate((0.2, 0.5, 0.3), start=1)]
    recorder = Recorder(Run(tmp_path), {"protocol": protocol})
    recorder.end_training(history, SimpleNamespace(interrupted=False, is_global_zero=True))
    written = json.loads((tmp_path / "trained.json").read_text())
    assert (written["best_epoch"], written["best_score"], written["epochs"]) == (epoch, score, 3)


def test_the_uniform_classifier_goes_the_same_way_and_is_run_once_a_fold(train, capsys):
    base = ["model=uniform", "fold=0", "trainer.max_epochs=4"]
    (run,) = train(*base, "optimizer=keras_sgd")
    rows, history = run.predictions(), run.history()
    assert len(history) == 1, "there is nothing to learn in more epochs"
    np.testing.assert_allclose(rows[[name for name in rows if name.startswith("prob_")]], 1 / 7, atol=1e-3)
    assert rows["prediction"].nunique() > 1
    assert len(train(*base, "optimizer=keras_nadam", "optimizer.lr=0.01", "scheduler=cosine")) == 1
    assert "finished already: skipped" in capsys.readouterr().err
    first = rows.set_index(["condition", "key"])["prediction"]
    other = next(r for r in train(*base[:1], "fold=1") if r.summary().fold == 1).predictions()
    assert not first.equals(other.set_index(["condition", "key"])["prediction"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fold=5"], r"fold=5 is not one of the 5 folds"),
        (["fold=two"], "fold must be a whole number"),
        (["fold_count=1"], "fold_count must be a whole number, at least 2"),
        (["protocol=publised"], "Unknown protocol 'publised'. Did you mean 'published'"),
        (["learns=maybe"], "learns must be true or false"),
        (["weights=/nowhere", *DENSE], "there is no file /nowhere"),
        (["model=vgg16", "image.size=16"], "vgg16 needs images of 32 px and more"),
        (["model=senet50", "model.caffe_strides=true"], r"model\.caffe_strides"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(train, words: list[str], told: str):
    with pytest.raises(ConfigError, match=told):
        train(*words)


def test_a_run_without_a_fold_has_no_fold_in_its_name(train, inputs):
    (run,) = train("model=uniform", "fold=null", "conditions=[none]")
    assert "_fold" not in run.name
    assert run.summary().fold is None
