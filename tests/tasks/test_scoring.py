"""Prediction rows: what of the manifest reaches them, and which faces leave them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fakes import MemoryFaces, fill_cache
from occlufer.data.datamodule import FaceDataModule, LoaderSettings
from occlufer.data.image_format import ImageFormat
from occlufer.data.transforms import Augmentation
from occlufer.data.usable import left_out_notes
from occlufer.data.view import FullImage
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.runs import Run
from occlufer.tasks.scoring import record_facts, score, validation_rows
from occlufer.types import RunError

MASK = FaceMask(artwork=Surgical(colours={"blue": 1.0}))


class People(MemoryFaces):
    """`MemoryFaces` of three persons."""

    def __init__(self, subjects: bool) -> None:
        super().__init__()
        if subjects:
            frame = self.manifest.frame.assign(subject=[f"person-{row % 3}" for row in range(len(self))])
            self.manifest = type(self.manifest).from_frame(frame, name="people")


def datamodule(folder: Path, faces: MemoryFaces) -> FaceDataModule:
    return FaceDataModule(
        faces=faces, cache=fill_cache(LandmarkCache(folder, "f"), faces), view=FullImage(), occluder=MASK,
        conditions={"none": NoOcclusion(), "mask": MASK, "mask@0": MASK.at_severity(0.0)},
        augmentation=Augmentation(), image=ImageFormat.create(size=32, channels=1, mean=0.5, std=0.25),
        loader=LoaderSettings(batch_size=4, num_workers=0), seed=0, evaluation_seed=0,
    )  # fmt: skip


def scored(data: FaceDataModule, bare: tuple[int, ...] = ()) -> pd.DataFrame:
    """The rows of a network that says nothing; the mask lies on all test faces but those whose rows are `bare`."""
    trainer = SimpleNamespace(test=lambda *_, **__: None)
    return score(trainer, network(data, bare), data)  # type: ignore[arg-type]


def network(data: FaceDataModule, bare: tuple[int, ...]) -> Any:
    rows: list[dict[str, Any]] = [
        {"index": index, "probabilities": np.full((len(index), 7), 1 / 7),
         "covered_share": np.where(np.isin(index, bare) | (name != "mask"), 0, 0.5).astype(np.float32)}
        for name, split in data.tested
        for index in [data.indices[split].copy()]
    ]  # fmt: skip
    return SimpleNamespace(test_rows=rows)


@pytest.mark.parametrize("subjects", [True, False])
def test_rows_say_who_is_shown(subjects, tmp_path):
    data = datamodule(tmp_path, People(subjects))
    rows = scored(data)
    frame = data.faces.manifest.frame.iloc[data.indices["test"]]
    for _, of_condition in rows.groupby("condition"):
        assert of_condition["subject"].tolist() == frame["subject"].tolist()
        assert of_condition["key"].tolist() == frame["key"].tolist()


def test_a_face_that_an_occluder_leaves_bare_leaves_all_conditions_and_is_counted(tmp_path):
    data = datamodule(tmp_path, People(subjects=False))
    first = int(data.indices["test"][0])
    keys = data.faces.manifest.keys[[first, first + 3]].tolist()
    rows = scored(data, bare=(first, first + 3))
    assert set(rows.groupby("condition").size()) == {12}
    assert not rows["key"].isin(keys).any()
    left_out = data.left_out()
    assert left_out["key"].tolist() == keys
    assert left_out["split"].tolist() == ["test", "test"]
    assert left_out["expression"].tolist() == ["anger", "disgust"]
    assert len(data.indices["test"]) == 12
    (note,) = left_out_notes(left_out)
    assert note == (
        "Left out of all conditions, as the occluder of mask covers (almost) nothing: test anger 1, test disgust 1 "
        "(dropped.csv names the files)."
    )


def test_a_score_of_bare_faces_alone_is_refused(tmp_path):
    data = datamodule(tmp_path, People(subjects=False))
    with pytest.raises(RunError, match=r"No test face is left .*mask covers \(almost\) nothing"):
        scored(data, bare=tuple(data.indices["test"]))


def test_bare_validation_faces_are_scored_beside_the_test_faces_where_asked_for(tmp_path):
    data = datamodule(tmp_path, People(subjects=False))
    plain = scored(data)
    assert validation_rows(network(data, ()), data) is None
    data.tests_validation = True
    assert len(data.test_dataloader()) == 4
    pd.testing.assert_frame_equal(scored(data), plain)
    rows = validation_rows(network(data, ()), data)
    assert set(zip(rows["split"], rows["condition"], strict=True)) == {("validation", "none")}
    assert rows["key"].tolist() == data.faces.manifest.keys[data.indices["validation"]].tolist()
    del data.conditions["none"]
    assert validation_rows(network(data, ()), data) is None


def test_what_is_known_of_the_test_faces_is_recorded(tmp_path):
    data = datamodule(tmp_path / "cache", People(subjects=True))
    keys = data.faces.manifest.keys[data.indices["test"]]
    data.faces.near_duplicates = pd.DataFrame({"first": ["elsewhere"], "second": [keys[2]]})
    (tmp_path / "run").mkdir()
    record_facts(Run(tmp_path / "run"), data)
    facts = pd.read_csv(tmp_path / "run" / "faces.csv").set_index("key")
    assert facts.index.tolist() == keys.tolist()
    assert facts.index[facts["near_duplicate"] == 1].tolist() == [keys[2]]
    assert (facts["person_in_training"] == 1).all()
    nothing = datamodule(tmp_path / "other", People(subjects=False))
    (tmp_path / "plain").mkdir()
    record_facts(Run(tmp_path / "plain"), nothing)
    assert not (tmp_path / "plain" / "faces.csv").exists()
