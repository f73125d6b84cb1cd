"""Test conditions: names of the occlusion group, with a place on the dial if wanted."""

from __future__ import annotations

import json

import pytest

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.commands.app import condition_configs
from occlufer.datasets import fer2013
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings
from occlufer.landmarks.records import CacheRecord
from occlufer.types import ConfigError


@pytest.fixture
def composing(run_command):
    """`condition_configs` as a command calls it: hydra is ready."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from occlufer.settings import conf_folder

    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        yield condition_configs


def test_a_severity_sets_the_dial_and_nothing_else(composing):
    nodes = composing(["mask", "mask@0.25", "none"])
    assert list(nodes) == ["mask", "mask@0.25", "none"]
    assert nodes["mask@0.25"] == nodes["mask"] | {"severity_range": [0.25, 0.25]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["maks@0.5"], "Unknown condition 'maks'. Did you mean 'mask'"),
        (["mask@2"], "severity of 0 to 1 after the @. Example: mask@0.5"),
        (["mask@"], "severity of 0 to 1 after the @"),
        (["mask@nan"], "severity of 0 to 1 after the @"),
        (["none@0.5"], "none has no dial. Use none"),
        (["mask", "mask"], "each once"),
        ([], "at least one"),
        ("mask", "must be a list"),
    ],
)
def test_odd_conditions_are_refused(composing, names, message):
    with pytest.raises(ConfigError, match=message):
        composing(names)


def test_a_run_is_tested_along_the_dial(run_command, tmp_path):
    inputs = tiny_fer2013(tmp_path)
    words = [*inputs, *TINY_TRAINING, "study=dial", "conditions=[mask@0.0,mask@0.5,mask]"]
    run_command("train", words)
    (path,) = (tmp_path / "outputs" / "dial").glob("*/run.json")
    assert json.loads(path.read_text())["conditions"] == ["mask@0.0", "mask@0.5", "mask"]

    import pandas as pd

    shares = pd.read_parquet(path.parent / "predictions.parquet").groupby("condition")["covered_share"].mean()
    assert shares["mask@0.0"] == 0
    assert 0.05 < shares["mask@0.5"] < 0.9 * shares["mask"]


def test_a_face_that_an_occluder_leaves_bare_leaves_the_conditions_of_before_too(run_command, tmp_path):
    """Its mesh is a point in the middle of the image, so that it has landmarks and nothing can be put on it."""
    import numpy as np
    import pandas as pd

    inputs = tiny_fer2013(tmp_path)
    faces = fer2013.FER2013(root=str(tmp_path / "fer2013"))
    odd = int(faces.manifest.indices("test")[5])
    cache = LandmarkCache(tmp_path / "cache" / "landmarks", DetectorSettings().fingerprint())
    with cache.writing():
        point = np.full((468, 3), 24, np.float32)
        cache.append([CacheRecord(faces.content_digest(odd), point, "wide border", (48, 48))])
    run_command("train", [*inputs, *TINY_TRAINING, "study=bare", "conditions=[none]"])
    (path,) = (tmp_path / "outputs" / "bare").glob("*/run.json")

    def keys() -> dict[str, set[str]]:
        rows = pd.read_parquet(path.parent / "predictions.parquet")
        return {str(name): set(of["key"]) for name, of in rows.groupby("condition")}

    key = faces.manifest.row(odd).key
    before = keys()["none"]
    assert key in before
    for condition in ("mask", "headset"):
        run_command("evaluate", [f"run={path.parent}", f"conditions=[{condition}]", *inputs[2:]])
        assert set(map(frozenset, keys().values())) == {frozenset(before - {key})}
    assert set(keys()) == {"none", "mask", "headset"}
    notes = [note for note in json.loads(path.read_text())["notes"] if "Left out" in note]
    assert len(notes) == 1
    assert "the occluder of mask covers (almost) nothing: test" in notes[0]
    dropped = pd.read_csv(path.parent / "dropped.csv", dtype=str)
    assert "occluder of mask" in dropped.set_index("key").loc[key, "reason"]
