"""`evaluate explain=...`: the record of where a run looks, beside its predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakes import TINY_TRAINING, tiny_fer2013
from fakes import emohevrdb as fake_emohevrdb
from occlufer.attention import ATTENTION_COLUMNS, REGIONS, read_attention
from occlufer.runs import Run, find_runs
from occlufer.types import ConfigError, RunError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def run(run_command, inputs, tmp_path) -> Run:
    words = [
        *inputs,
        *TINY_TRAINING,
        f"paths.outputs={tmp_path}",
        "conditions=[none,mask]",
        "model=plain_cnn",
    ]
    run_command("train", [word for word in words if not word.startswith("model.")])
    (found,) = find_runs(tmp_path / "fer2013")
    return found


def words(inputs: list[str], run: Run, *more: str) -> list[str]:
    paths = [word for word in inputs if word.startswith("paths.cache")]
    return [f"run={run.folder}", "loader.num_workers=0", *paths, *more]


def columns(rows: pd.DataFrame, kind: str) -> np.ndarray:
    return rows[[f"{kind}_{region}" for region in REGIONS]].to_numpy(dtype=float)


def test_it_leaves_rows_and_a_picture_and_the_predictions_as_they_were(run_command, inputs, run):
    before = run.predictions()
    run_command("evaluate", words(inputs, run, "conditions=[none,mask]", "explain=true"))
    pd.testing.assert_frame_equal(run.predictions(), before)
    rows = read_attention(run)
    assert tuple(rows.columns) == ATTENTION_COLUMNS
    assert len(rows) == len(before) == 2 * 27
    both = rows.merge(before, on=["key", "condition"], suffixes=("", "_said"), validate="one_to_one")
    assert (both["prediction"] == both["prediction_said"]).all()
    assert (both["label"] == both["label_said"]).all()
    for kind in ("mass", "untrained", "area"):
        sums = columns(rows, kind).sum(axis=1)
        assert sums[~np.isnan(sums)] == pytest.approx(np.ones((~np.isnan(sums)).sum()), abs=1e-5)
    bare, masked = (rows[rows["condition"] == name] for name in ("none", "mask"))
    assert (bare["area_occluder"] == 0).all()
    assert (masked["area_occluder"] > 0.1).all()
    assert (masked["area_mouth"] < 0.2 * bare["area_mouth"].to_numpy()).all()
    assert np.nanmax(np.abs(columns(rows, "mass") - columns(rows, "untrained"))) > 0.02
    assert set(rows["method"]) == {"Grad-CAM"}
    with Image.open(run.folder / "figures" / "attention.png") as sheet:
        assert sheet.size[0] == 7 * 98 + 2  # one face of each expression

    # Other conditions later, on some of the faces: the rows of before stay.
    run_command("evaluate", words(inputs, run, "conditions=[mask,headset]", "explain=9"))
    after = read_attention(run)
    assert after.groupby("condition").size().to_dict() == {"none": 27, "mask": 9, "headset": 9}
    kept = after[after["condition"] == "none"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, bare.reset_index(drop=True))
    again = after[after["condition"] == "mask"].set_index("key")
    np.testing.assert_allclose(
        columns(again, "mass"), columns(masked.set_index("key").loc[again.index], "mass"), atol=1e-5
    )


def test_the_faces_are_the_same_in_every_run(run_command, inputs, run, tmp_path):
    more = [*inputs, *TINY_TRAINING, f"paths.outputs={tmp_path}", "conditions=[none]", "seed=3"]
    run_command("train", more)
    chosen = []
    for found in find_runs(tmp_path / "fer2013"):
        run_command("evaluate", words(inputs, found, "conditions=[none]", "explain=10"))
        chosen.append(read_attention(found)["key"].tolist())
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 10


def test_what_cannot_be_explained_is_refused(run_command, inputs, run, tmp_path):
    with pytest.raises(ConfigError, match="explain must be true"):
        run_command("evaluate", words(inputs, run, "explain=some"))
    root = fake_emohevrdb.make_fake(tmp_path / "headsets")
    other = ["dataset=emohevrdb", f"dataset.root={root}", "conditions=[as_is]", "view=full", "explain=true"]
    with pytest.raises(ConfigError, match="explain needs landmarks"):
        run_command("evaluate", words(inputs, run, *other))
    (run.folder / "attention.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(RunError, match=r"cannot be read .*explain=true"):
        read_attention(run)


def test_a_folder_without_it_has_no_rows(tmp_path: Path):
    assert read_attention(Run(tmp_path)).empty
