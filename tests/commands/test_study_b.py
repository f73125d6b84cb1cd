"""Study B: each cell of its protocol as it is composed, and runs of it at reduced size."""

from __future__ import annotations

import json
from typing import Any

import hydra
import numpy as np
import pytest
from omegaconf import OmegaConf, open_dict
from PIL import Image

from fakes import masked_faces as fake_masked_faces
from fakes import striped_face, tiny_fer2013
from occlufer.building import build
from occlufer.occlusion.templates.own import MaskPack
from occlufer.runs import find_runs
from occlufer.settings import conf_folder
from occlufer.studies.placements import SixPointMask
from occlufer.types import ConfigError

QUICK = ["trainer.max_epochs=1", "trainer.enable_progress_bar=false", "loader.num_workers=0", "logger=csv"]


def composed(*words: str) -> dict[str, Any]:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", list(words), return_hydra_config=True)
    with open_dict(config):
        del config["hydra"], config["names"], config["study"]
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def test_the_recipe_for_fer2013():
    config = composed("experiment=study_b")
    assert config["dataset"]["_target_"].endswith("FER2013")
    assert config["dataset"]["validation_share"] == 0.08
    assert config["loader"]["batch_size"] == 64
    assert config["trainer"]["max_epochs"] == 150
    optimizer = {
        name: config["optimizer"].get(name)
        for name in ("_target_", "lr", "momentum", "nesterov", "weight_decay")
    }
    assert optimizer == {"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9, "nesterov": True,
                         "weight_decay": None}  # fmt: skip
    schedule = {name: value for name, value in config["scheduler"].items() if not name.startswith("_")}
    assert schedule == {
        "factor": 0.75,
        "patience": 5,
        "min_lr": 1e-4,
        "decay": 1e-4,
        "monitor": "val_accuracy",
    }
    augmentation = {name: value for name, value in config["augmentation"].items() if name != "_target_"}
    assert augmentation == {
        "flip": 0.5, "rotation_range": [-15, 15], "scale_range": [0.9, 1.1], "shift_range": [-0.08, 0.08],
        "shear_range": [-0.1, 0.1], "brightness_range": [0, 0], "contrast_range": [0, 0],
    }  # fmt: skip
    assert config["objective"]["label_smoothing"] == 0
    assert config["objective"]["class_weights"] is None


def test_the_input_and_the_network():
    config = composed("experiment=study_b")
    assert config["image"] == {"size": [48, 96], "mean": 0, "std": 1}
    assert config["view"]["_target_"].endswith("EyeStrip")
    assert config["view"]["cut"] == [24, 48]
    assert (config["model"]["in_chans"], config["model"]["drop_rate"]) == (1, 0.3)
    network = build(config["model"], num_classes=7)
    assert sum(weight.numel() for weight in network.parameters()) == 36_862_055  # by hand in test_maskthefer


def test_the_recipe_for_ckplus():
    config, other = composed("experiment=study_b_ckplus"), composed("experiment=study_b")
    assert config["dataset"]["one_per_subject_and_class"] is True
    shares = config["dataset"]["validation_share"], config["dataset"]["test_share"]
    assert shares[0] / (1 - shares[1]) == pytest.approx(0.25)
    assert config["loader"]["batch_size"] == 16
    assert config["trainer"]["max_epochs"] == 150
    assert config["scheduler"] == other["scheduler"] | {"patience": 10}
    assert config["augmentation"] == other["augmentation"] | {
        "scale_range": [0.85, 1.15],
        "shift_range": [-0.15, 0.15],
    }
    for same in ("model", "view", "occlusion", "optimizer", "image", "protocol", "published"):
        assert config[same] == other[same]


def test_the_mask_is_six_points_and_takes_a_pack_of_ones_own(tmp_path):
    assert isinstance(build(composed("experiment=study_b")["occlusion"]), SixPointMask)
    Image.fromarray(np.full((40, 60, 4), 255, np.uint8)).save(tmp_path / "mask.png")
    points = {"a": "5,5", "b": "30,0", "c": "55,5", "d": "12,30", "e": "30,38", "f": "48,30"}
    lines = ["[surgical]", "template: mask.png", *(f"mask_{name}: {at}" for name, at in points.items())]
    (tmp_path / "masks.cfg").write_text("\n".join(lines))
    pack = f"{{_target_: occlufer.occlusion.templates.own.MaskPack, config: {tmp_path}/masks.cfg}}"
    node = composed("experiment=study_b", "~occlusion.artwork", f"+occlusion.artwork={pack}")["occlusion"]
    assert isinstance(build(node).artwork, MaskPack)


@pytest.mark.parametrize(
    ("words", "duplicates"),
    [
        (["experiment=study_b"], "keep"),
        (["experiment=study_b", "protocol=published"], "keep"),
        (["experiment=study_b", "protocol=honest"], "drop"),
        (["experiment=study_b_masked"], "keep"),
        (["experiment=study_b_masked", "protocol=honest"], "drop"),
    ],
)
def test_the_protocol_decides_about_copies(words, duplicates):
    assert composed(*words)["dataset"]["duplicates"] == duplicates


def test_commands_without_a_protocol_are_honest():
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("prepare", ["dataset=fer2013_study_b"])
    assert config.dataset.duplicates == "drop"
    assert config.dataset.public_test == "test"


def test_study_b_runs_from_end_to_end(run_command, tmp_path):
    inputs = [word for word in tiny_fer2013(tmp_path) if not word.startswith("dataset=")]
    run_command("train", ["experiment=study_b", *inputs, *QUICK, "loader.batch_size=8"])
    (run,) = find_runs(tmp_path / "outputs" / "study_b")
    assert run.name.startswith("study_b_mask_maskthefer_seed0_")
    assert run.summary().parameters == 36_862_055
    rows = run.predictions()
    assert rows["condition"].unique().tolist() == ["none", "study_b_mask"]
    masked = rows.loc[rows.condition == "study_b_mask", "covered_share"]
    assert (masked > 0.2).all()
    rate = run.history()["learning_rate"].iloc[-1]
    steps = -(-run.summary().counts["train"] // 8)
    assert rate == pytest.approx(0.01 / (1 + 1e-4 * steps))


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("covered")
    root = fake_masked_faces.make_fake(
        folder, collection="M-FER2013", cropped=True, images=striped_face, per_class=4
    )
    return [f"dataset.root={root}", f"paths.outputs={folder / 'outputs'}"]


SMALL = ["model=plain_cnn", "loader.batch_size=8", *QUICK]


@pytest.mark.usefixtures("undrawn_figures")
def test_the_published_images_run_as_they_are(run_command, covered, tmp_path):
    outputs = f"paths.outputs={tmp_path}"
    run_command("train", ["experiment=study_b_masked", *covered, *SMALL, outputs, "trainer.max_epochs=3"])
    (run,) = find_runs(tmp_path / "study_b")
    rows = run.predictions()
    assert set(rows["condition"]) == {"as_is"}
    assert rows["covered_share"].isna().all()
    assert run.coverage()["dropped"].sum() == 0
    assert run.summary().best_epoch == 3  # the last one is scored: protocol=published
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["as_is"]["n"] == len(rows)
    run_command("report", [outputs, "study=study_b"])
    assert (tmp_path / "study_b" / "report.html").is_file()
    with pytest.raises(ConfigError, match=r"need landmarks: condition mask.*conditions=\[as_is\]"):
        run_command("evaluate", [f"run={run.folder}", "conditions=[mask]", outputs])


def test_prepare_and_preview_of_covered_faces(run_command, covered, tmp_path, capsys):
    dataset = ["dataset=masked_fer2023", *covered]
    run_command("prepare", dataset)
    printed = capsys.readouterr()
    assert "Readable faces in masked_fer2023" in printed.out
    assert "covered already, no landmarks are looked for in them" in printed.err
    path = tmp_path / "sheet.png"
    sheet = [*dataset, "view=stretched", "size=[48,96]", f"output={path}", "count=7"]
    run_command("preview", [*sheet, "occlusion=as_is"])
    assert path.is_file()
    for words, message in (
        (["occlusion=mask"], "Use occlusion=as_is"),
        (["occlusion=as_is", "side_by_side=true"], "no bare face to show. Leave side_by_side out"),
        (["occlusion=as_is", "scores=true"], "nothing is placed on them.* Leave scores out"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_command("preview", [*sheet, *words])
