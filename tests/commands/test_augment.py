"""augment, and training with what it made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakes import TINY_TRAINING, striped_face
from fakes import fer2013 as fake_fer2013
from fakes import masked_faces as fake_masked_faces
from occlufer.datasets import fer2013
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings
from occlufer.landmarks.records import CacheRecord
from occlufer.landmarks.topology import mean_mesh
from occlufer.types import ConfigError, seeded_rng

TINY_NETWORK = [
    "deoccluder.side=16",
    "deoccluder.widths=[4,6]",
    "deoccluder.epochs=1",
    "deoccluder.num_workers=0",
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A FER2013 in which disgust is rare, with turned heads in its landmark cache."""
    folder = tmp_path_factory.mktemp("inputs")
    root = fake_fer2013.make_fake(folder / "fer2013", per_class=6, images=striped_face)
    for path in sorted((root / "train" / "disgust").iterdir())[:3]:
        path.unlink()
    faces = fer2013.FER2013(root=str(root))
    cache = LandmarkCache(folder / "cache" / "landmarks", DetectorSettings().fingerprint())
    with cache.writing():
        cache.append(
            CacheRecord(
                faces.content_digest(index),
                turned(seeded_rng(index).uniform(-40, 40)),
                "wide border",
                (48, 48),
            )
            for index in range(len(faces))
        )
    return ["dataset=fer2013", f"dataset.root={root}", f"paths.cache={folder / 'cache'}"]


def turned(yaw: float) -> np.ndarray:
    sine, cosine = np.sin(np.radians(yaw)), np.cos(np.radians(yaw))
    mesh = mean_mesh() @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]]) * 24 + [24, 20, 0]
    return mesh.astype(np.float32)


def listed(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "extra.csv")


def test_rare_expressions_are_filled_up_and_trained_with(run_command, inputs, tmp_path):
    folder = tmp_path / "extra"
    words = [*inputs, f"paths.outputs={tmp_path}", f"output={folder}"]
    run_command("augment", [*words, *TINY_NETWORK])
    table = listed(folder)
    assert set(table["expression"]) == {"disgust"}
    assert table["source"].str.startswith("train/disgust/").all()
    assert table["path"].is_unique
    for row in table.itertuples():
        with Image.open(folder / row.path) as image:
            assert image.size == (48, 48)
    quality = {row["way"]: row for row in json.loads((folder / "quality.json").read_text())}
    assert set(quality) == {"de-occluder", "mean colour", "OpenCV inpainting"}

    # The new images need landmarks too; in these stripes there are none to be found.
    dataset = fer2013.FER2013(root=inputs[1].split("=", 1)[1])
    cache = LandmarkCache(Path(inputs[2].split("=", 1)[1]) / "landmarks", DetectorSettings().fingerprint())
    from occlufer.datasets.extra import WithExtra

    more = WithExtra(dataset, folder)
    fresh = range(len(dataset), len(more))
    with cache.writing():
        cache.append(
            CacheRecord(more.content_digest(index), turned(5), "wide border", (48, 48)) for index in fresh
        )
    run_command(
        "train", [*inputs, *TINY_TRAINING, f"paths.outputs={tmp_path}", "study=s", f"dataset.extra={folder}"]
    )
    summary = json.loads(next((tmp_path / "s").glob("*/run.json")).read_text())
    counts = dataset.manifest.counts().loc["train"]
    assert summary["counts"]["train"] == counts.sum() + len(table)
    assert len(table) == counts.max() - counts["disgust"]
    assert any(f"{len(table)} extra training images" in note for note in summary["notes"])

    run = next((tmp_path / "s").glob("*/run.json")).parent
    for path in folder.rglob("*"):
        path.unlink() if path.is_file() else None
    run_command("evaluate", [f"run={run}", "conditions=[mask]", inputs[2], f"paths.outputs={tmp_path}"])


def test_a_second_call_makes_what_is_missing_and_nothing_else(run_command, inputs, tmp_path):
    folder = tmp_path / "extra"
    words = [*inputs, f"paths.outputs={tmp_path}", f"output={folder}", *TINY_NETWORK]
    run_command("augment", words)
    first = {path: path.read_bytes() for path in folder.rglob("*.png")}
    gone = sorted(first)[0]
    gone.unlink()
    kept = sorted(first)[1]
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(kept)
    marked = kept.read_bytes()
    (folder / "extra.csv").unlink()
    run_command("augment", words)
    assert gone.read_bytes() == first[gone]
    assert kept.read_bytes() == marked
    assert len(listed(folder)) == len(first)
    with pytest.raises(ConfigError, match=r"made with other settings .* Give another output=DIR"):
        run_command("augment", [*words, "seed=1"])


def test_frontal_images_are_made_once_a_face(run_command, inputs, tmp_path, capsys):
    folder = tmp_path / "frontal"
    run_command("augment", [*inputs, f"paths.outputs={tmp_path}", f"output={folder}", "method=frontal",
                            "frontal.yaw_range=[0,41]"])  # fmt: skip
    table = listed(folder)
    assert table["source"].is_unique
    rare = list(Path(inputs[1].split("=", 1)[1]).glob("train/disgust/*"))
    assert 0 < len(table) <= len(rare)
    if len(table) < 3:
        assert "no face is left that could serve for more" in capsys.readouterr().err


def test_a_reached_target_makes_nothing(run_command, inputs, tmp_path, capsys):
    run_command("augment", [*inputs, f"paths.outputs={tmp_path}", "target=0.01"])
    assert "none, the target is reached" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.png"))


def test_nothing_to_take_away_makes_nothing(run_command, inputs, tmp_path):
    folder = tmp_path / "extra"
    run_command(
        "augment", [*inputs, f"paths.outputs={tmp_path}", f"output={folder}", "occlusion=none", *TINY_NETWORK]
    )
    assert not list(folder.rglob("*.png"))
    assert len(listed(folder)) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method=magic"], "Unknown method 'magic'.*deocclude, frontal"),
        (["target=0"], "target must be over 0 and at most 10"),
        (["target=11"], "target must be over 0 and at most 10"),
        (["deoccluder.side=20"], "deoccluder.side must be divisible by 8"),
        (["deoccluder.epochs=0"], "deoccluder.epochs must be a whole number"),
        (["deoccluder.widths=[]"], "deoccluder.widths must be a list"),
        (["deoccluder.num_workers=-1"], "deoccluder.num_workers must be a whole number"),
        (["deoccluder.lr=-1"], "deoccluder.lr must be a number over 0"),
        (["view=eye_strip"], "works on square pictures.* Give view=full"),
        (["frontal.fill=1.5"], "frontal.fill must be a share from 0 to 1"),
        (["frontal.yaw_range=[5]"], "frontal.yaw_range must be two numbers"),
    ],
)
def test_odd_requests_are_refused_before_any_work(run_command, inputs, tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        run_command("augment", [*inputs, f"paths.outputs={tmp_path}", *words])


def test_faces_that_are_covered_already_are_refused(run_command, tmp_path):
    root = fake_masked_faces.make_fake(tmp_path / "masked", collection="M-FER2013")
    with pytest.raises(ConfigError, match=r"are covered already.* Choose a dataset of bare faces"):
        run_command(
            "augment", ["dataset=masked_fer2023", f"dataset.root={root}", f"paths.outputs={tmp_path}"]
        )
