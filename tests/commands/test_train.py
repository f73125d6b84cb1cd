from __future__ import annotations

import json
from pathlib import Path

import hydra
import numpy as np
import pandas as pd
import pytest

from fakes import TINY_TRAINING, tiny_fer2013
from fakes import emohevrdb as fake_emohevrdb
from occlufer.datasets import emohevrdb
from occlufer.runs import PREDICTION_COLUMNS, PROBABILITY_COLUMNS, Run, find_runs
from occlufer.settings import conf_folder
from occlufer.tracking import NoMirror
from occlufer.types import ConfigError, DatasetError, RunError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


def outputs(inputs: list[str], folder: Path) -> list[str]:
    return [*inputs, *TINY_TRAINING, f"paths.outputs={folder}"]


def only_run(folder: Path, study: str = "fer2013") -> Run:
    (run,) = find_runs(folder / study)
    return run


def test_a_run_leaves_the_whole_folder(run_command, inputs, tmp_path, monkeypatch):
    told: list[float] = []
    monkeypatch.setattr(
        NoMirror, "log_metrics", lambda self, metrics, step=None: told.append(metrics["epoch"])
    )
    score = run_command("train", [*outputs(inputs, tmp_path), "occlusion=mask"])
    run = only_run(tmp_path)
    summary = run.summary()
    assert score == summary.best_score
    assert run.name.startswith("mask_test_resnet_seed0_")
    assert summary.condition == "mask"
    assert summary.conditions == ("none", "mask", "headset")
    assert summary.counts == {"train": 21, "validation": 7, "test": 27, "dropped": 1}
    for name in ("config.yaml", "environment.json", "conditions.json", "metrics.json", "figures/samples.png"):
        assert (run.folder / name).is_file(), name
    assert list(run.history()["epoch"]) == told == [1, 2]  # of Lightning a tracker hears nothing
    assert run.coverage()[["faces", "used", "dropped"]].sum().tolist() == [56, 55, 1]

    rows = run.predictions()
    assert tuple(rows.columns) == PREDICTION_COLUMNS
    assert rows.groupby("condition")["key"].nunique().to_dict() == {"none": 27, "mask": 27, "headset": 27}
    assert len(rows) == 3 * 27
    np.testing.assert_allclose(rows[list(PROBABILITY_COLUMNS)].sum(axis=1), 1, atol=1e-5)
    assert (rows.loc[rows.condition == "none", "covered_share"] == 0).all()
    assert (rows.loc[rows.condition == "mask", "covered_share"] > 0.2).all()
    validation = run.validation()
    assert set(zip(validation["split"], validation["condition"], strict=True)) == {("validation", "none")}
    assert validation["key"].nunique() == len(validation) == 7
    paired = [frame["key"].tolist() for _, frame in rows.groupby("condition")]
    assert paired[0] == paired[1] == paired[2]


def test_a_finished_run_is_skipped(run_command, inputs, tmp_path, capsys):
    first = run_command("train", outputs(inputs, tmp_path))
    before = (only_run(tmp_path).folder / "run.json").stat().st_mtime_ns
    # Neither workers nor the tracker make it another run.
    again = run_command("train", [*outputs(inputs, tmp_path), "loader.num_workers=1", "logger=wandb"])
    assert again == first
    assert (only_run(tmp_path).folder / "run.json").stat().st_mtime_ns == before
    assert "finished already: skipped" in capsys.readouterr().err


def test_a_network_learns_the_stripes(run_command, inputs, tmp_path):
    """The labels reach the network in the right order: the stripes are learnt, and named rightly."""
    run_command(
        "train",
        [*outputs(inputs, tmp_path), "trainer.max_epochs=25", "augmentation=none", "model.drop_rate=0",
         "optimizer.lr=0.01", "conditions=[none]"],
    )  # fmt: skip
    metrics = json.loads((only_run(tmp_path).folder / "metrics.json").read_text())
    assert metrics["none"]["accuracy"] > 0.8


def test_evaluate_adds_conditions_and_keeps_rows(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none,mask]"])
    run = only_run(tmp_path)
    before = run.predictions()
    paths = [word for word in outputs(inputs, tmp_path) if word.startswith("paths.")]
    run_command(
        "evaluate", [f"run={run.folder}", "conditions=[mask,headset]", *paths, "loader.num_workers=0"]
    )
    after = run.predictions()
    assert run.summary().conditions == ("none", "mask", "headset")
    assert after["condition"].unique().tolist() == ["none", "mask", "headset"]
    # Scoring again the condition that was scored before gives the same rows: the occlusion is fixed per face.
    pd.testing.assert_frame_equal(after[after.condition != "headset"].reset_index(drop=True), before)


def test_evaluate_on_another_dataset_leaves_the_run_alone(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none]"])
    run = only_run(tmp_path)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    root = fake_emohevrdb.make_fake(tmp_path / "headsets")
    words = [f"run={run.folder}", "dataset=emohevrdb", f"dataset.root={root}", "loader.num_workers=0",
             *(word for word in outputs(inputs, tmp_path) if word.startswith("paths."))]  # fmt: skip
    with pytest.raises(ConfigError, match=r"covered already.*conditions=\[as_is\]"):
        run_command("evaluate", words)
    run_command("evaluate", [*words, "conditions=[as_is]", "view=full"])
    there = run.folder / "elsewhere" / "emohevrdb"
    rows = Run(there).predictions()
    assert rows["condition"].unique().tolist() == ["as_is"]
    assert len(rows) == len(emohevrdb.EmoHeVRDB(root=str(root)).manifest.indices("test"))
    assert rows["covered_share"].isna().all()
    assert json.loads((there / "metrics.json").read_text())["as_is"]["n"] == len(rows)
    assert (there / "figures" / "samples.png").is_file()
    assert json.loads((there / "view.json").read_text())["_target_"].startswith("occlufer.data.view.")
    assert {path: path.read_bytes() for path in before} == before
    assert [found.folder for found in find_runs(run.folder.parent)] == [run.folder]
    with pytest.raises(ConfigError, match="view= goes with dataset="):
        run_command("evaluate", [f"run={run.folder}", "view=full"])


def test_evaluate_refuses_foreign_code(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none]"])
    run = only_run(tmp_path)
    config = run.config()
    config["model"]["_target_"] = "os.system"
    run.write_config(config)
    with pytest.raises(RunError, match=r"'os\.system'"):
        run_command("evaluate", [f"run={run.folder}", "conditions=[none]"])


_WRITER = {"_target_": "pathlib.Path.write_text", "_args_": ["SENTINEL", "gone through"]}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("conditions.json", {"mask": _WRITER}, "pathlib.Path.write_text"),
        ("conditions.json", {"mask": {"inner": [_WRITER]}}, "pathlib.Path.write_text"),
        ("config.yaml", {"view": _WRITER}, "pathlib.Path.write_text"),
        (
            "config.yaml",
            {"dataset": {
                "_target_": "occlufer.datasets.folds.Fold", "fold": 0, "count": 2, "seed": 0, "honest": True,
                "faces": {"_target_": "occlufer.datasets.synthetic.SyntheticFaces", "cache": "SENTINEL"},
            }},
            "SyntheticFaces",
        ),
        ("config.yaml", {"occlusion": {"_target_": "occlufer.datasets.synthetic.SyntheticFaces"}}, "SyntheticFaces"),
        (
            "config.yaml",
            {"model": {"_target_": "occlufer.learning.models.timm_network.timm_network", "backbone": "hf_hub:a/x"}},
            r"trusted=\[hf_hub\]",
        ),
    ],
)  # fmt: skip
def test_no_file_of_a_run_folder_builds_what_is_not_known(
    run_command, inputs, tmp_path, name, change, message
):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none,mask]"])
    run = only_run(tmp_path)
    sentinel = tmp_path / "written"
    changed = json.loads(json.dumps(change).replace("SENTINEL", str(sentinel)))
    if name == "config.yaml":
        run.write_config(run.config() | changed)
    else:
        run.write_json(name, json.loads((run.folder / name).read_text()) | changed)
    paths = [word for word in outputs(inputs, tmp_path) if word.startswith("paths.")]
    with pytest.raises(RunError, match=message):
        run_command("evaluate", [f"run={run.folder}", "conditions=[none]", "loader.num_workers=0", *paths])
    assert not sentinel.exists()


def test_nothing_is_written_through_a_link_in_a_study(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none]"])
    run = only_run(tmp_path)
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "matrix.csv").write_text("mine")
    (run.folder.parent / "tables").symlink_to(victim)
    with pytest.raises(RunError, match=r"tables is a link to .*victim"):
        run_command("report", [f"study={run.folder.parent}"])
    (run.folder / "elsewhere").symlink_to(victim)
    with pytest.raises(RunError, match=r"elsewhere is a link to .*victim"):
        run_command("evaluate", [f"run={run.folder}", "conditions=[none]", "loader.num_workers=0"])
    assert [path.read_text() for path in victim.iterdir()] == ["mine"]


def test_an_evaluation_killed_before_run_json_is_mended_from_the_rows(
    run_command, inputs, tmp_path, monkeypatch
):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none]"])
    run = only_run(tmp_path)
    words = [word for word in outputs(inputs, tmp_path) if word.startswith("paths.")]

    def evaluate(condition):
        run_command(
            "evaluate", [f"run={run.folder}", f"conditions=[{condition}]", *words, "loader.num_workers=0"]
        )

    with monkeypatch.context() as patch:
        patch.setattr(Run, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            evaluate("mask")
    assert run.summary().conditions == ("none",)
    evaluate("headset")
    rows = run.predictions()["condition"]
    assert run.summary().conditions == ("none", "mask", "headset") == tuple(rows.unique())
    assert rows.value_counts().nunique() == 1


def test_evaluate_names_what_an_older_config_lacks(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path), "conditions=[none]"])
    run = only_run(tmp_path)
    config = run.config()
    del config["view"]
    run.write_config(config)
    with pytest.raises(RunError, match=r"'view'.*older version"):
        run_command("evaluate", [f"run={run.folder}", "conditions=[none]"])


def test_a_diverged_training_fails_with_a_reason(run_command, inputs, tmp_path):
    words = [*outputs(inputs, tmp_path), "optimizer=sgd", "optimizer.lr=1e30", "scheduler=constant"]
    with pytest.raises(RunError, match=r"Lower optimizer\.lr"):
        run_command("train", words)
    run = only_run(tmp_path)
    assert not run.finished
    assert "Lower optimizer.lr" in run.state()
    assert not run.checkpoint_best.exists()


def test_a_damaged_checkpoint_is_named(run_command, inputs, tmp_path):
    run_command("train", outputs(inputs, tmp_path))
    run = only_run(tmp_path)
    for name in ("run.json", "trained.json"):
        (run.folder / name).unlink()
    run.checkpoint_last.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(RunError, match=r"last\.ckpt is damaged.*Delete it"):
        run_command("train", outputs(inputs, tmp_path))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["conditions=[none,maks]"], "Did you mean 'mask'"),
        (["conditions=[]"], "at least one"),
        (["conditions=[none,none]"], "each once"),
        (["model.backbone=resnet99"], "Unknown backbone 'resnet99'"),
        (["model.pretrained=/nowhere.pth"], "there is no file"),
        (["model.in_chans=2"], "1 .grey. or 3"),
        (["image.size=8"], "at least 16"),
        (["image.mean=[.5,.5]"], "image.mean has 2 numbers"),
        (["objective.class_weights=[1,2]"], "7 numbers"),
        (["objective.label_smoothing=2"], "label_smoothing"),
        (["view.margin=-1", "view=face"], "view.margin"),
        (["loader.batch_size=0"], "batch_size"),
        (["trainer=gpu"], "torch sees none"),
        (["logger=wandb", "logger.mode=ofline"], "Did you mean 'offline'"),
        (["seed=-1"], "at least 0"),
    ],
)
def test_wrong_values_are_refused_with_a_reason(run_command, inputs, tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        run_command("train", [*outputs(inputs, tmp_path), *words])


def test_a_missing_root_says_which_setting(run_command, tmp_path):
    with pytest.raises(DatasetError, match=r"dataset\.root="):
        run_command("train", ["dataset=fer2013", f"paths.outputs={tmp_path}"])


def test_an_unfinished_run_that_was_moved_is_refused(run_command, inputs, tmp_path):
    run_command("train", [*outputs(inputs, tmp_path / "old"), "conditions=[none]"])
    run = only_run(tmp_path / "old")
    for name in ("run.json", "trained.json"):
        (run.folder / name).unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(RunError, match=r"was moved here from .*old"):
        run_command("train", [*outputs(inputs, tmp_path / "new"), "conditions=[none]"])


def test_a_run_that_fails_before_its_data_are_read_is_seen_by_the_report(run_command, tmp_path):
    with pytest.raises(DatasetError):
        run_command(
            "train", ["dataset=fer2013", "dataset.root=/nowhere", f"paths.outputs={tmp_path}", "logger=csv"]
        )
    assert "/nowhere" in only_run(tmp_path).state()


@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_gpu_trainers_set_what_gpus_like(trainer):
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", ["dataset=fer2013", f"trainer={trainer}"])
    assert config.trainer.precision == "bf16-mixed"
    assert config.channels_last
    assert config.optimizer.fused
    assert config.loader.pin_memory
    assert config.trainer.strategy == ("ddp" if trainer == "ddp" else "auto")


def test_bf16_channels_last_and_fused_run_on_cpu_too(run_command, inputs, tmp_path):
    words = ["channels_last=true", "fused=true", "trainer.precision=bf16-mixed", "trainer.deterministic=warn"]
    run_command("train", [*outputs(inputs, tmp_path), *words, "conditions=[none]"])
    assert only_run(tmp_path).finished
