from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mediapipe.tasks.metadata import schema_py_generated as schema

from occlufer.landmarks import model as model_module
from occlufer.landmarks.detector import DetectorSettings
from occlufer.landmarks.face_mesh import FaceMesh
from occlufer.landmarks.model import FACE_MESH, make_task, model_file, model_identity
from occlufer.types import LandmarkError

from .landmark_fakes import draw_face


@pytest.fixture(scope="module")
def networks() -> dict[str, bytes]:
    """Both networks as the wheel has them: without metadata, the mesh with its 468 points."""
    found = {}
    with zipfile.ZipFile(model_file(None)) as task:
        for name in task.namelist():
            network = schema.ModelT.InitFromPackedBuf(bytearray(task.read(name)))
            network.metadata, graph = None, network.subgraphs[0]
            last = graph.operators[-1]
            if last.builtinOptionsType == schema.BuiltinOptions.PadOptions:
                graph.operators.pop()
                graph.outputs = np.array([last.inputs[0], *graph.outputs[1:]], np.int32)
            found[name] = model_module._packed(network, b"TFL3")
    return found


def written(folder: Path, content: bytes) -> str:
    path = folder / "own.task"
    path.write_bytes(content)
    return str(path)


def points(path: Path) -> np.ndarray:
    found = FaceMesh(path, 0.5).find(draw_face())
    return found[0]


def test_a_made_file_gives_the_mesh(tmp_path: Path, networks: dict[str, bytes]) -> None:
    made = model_file(written(tmp_path, make_task(networks)))
    np.testing.assert_array_equal(points(made), points(model_file(None)))
    assert np.abs(points(made)[(33, 263, 13), :2] - [(40.5, 60), (87.5, 60), (64, 94)]).max() < 4


def test_a_mesh_of_468_points_is_refused_and_would_have_been_misread(
    tmp_path: Path, networks: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(model_module, "_pad_output", lambda network: None)
        own = written(tmp_path, make_task(networks))
    with pytest.raises(LandmarkError, match="1404 outputs"):
        model_file(own)
    wrong = np.abs(points(Path(own)) - points(model_file(None)))[:, :2].mean()
    assert wrong > 10  # mediapipe takes it without a word: this is what the refusal is for


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"<html>"])
def test_what_is_no_face_landmarker_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LandmarkError, match="no MediaPipe face landmarker"):
        model_file(written(tmp_path, content))
    with zipfile.ZipFile(tmp_path / "own.task", "w") as task:
        task.writestr("face_landmarks_detector.tflite", content)
    with pytest.raises(LandmarkError, match="no MediaPipe face landmarker"):
        model_file(str(tmp_path / "own.task"))


def test_a_file_of_ones_own_has_its_own_landmarks_by_its_content(tmp_path: Path) -> None:
    assert model_identity(None) == FACE_MESH
    assert len({model_identity(written(tmp_path, content)) for content in (b"a", b"b", b"a")}) == 2
    own = DetectorSettings(model=written(tmp_path, b"a")).fingerprint()
    assert own != DetectorSettings().fingerprint()
    (tmp_path / "moved").write_bytes(b"a")
    assert own == DetectorSettings(model=str(tmp_path / "moved")).fingerprint()
    with pytest.raises(LandmarkError, match=r"landmarks\.model=nowhere cannot be read"):
        DetectorSettings(model="nowhere").fingerprint()


def test_without_a_model_both_ways_to_one_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "ERROR: no route to host\n")
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: failed)
    with pytest.raises(LandmarkError) as told:
        model_file(None)
    for part in (
        "no route to host",
        "python -m occlufer.landmarks.model",
        "landmarks.model=face_landmarker.task",
    ):
        assert part in str(told.value)
    assert str(tmp_path / "occlufer" / "face_mesh.task") in str(told.value)


def test_another_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def download(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        if "--dest" in words:
            with zipfile.ZipFile(Path(words[words.index("--dest") + 1], "other.whl"), "w") as wheel:
                for member, _ in model_module._IN_WHEEL.values():
                    wheel.writestr(member, b"another network")
        return subprocess.CompletedProcess(words, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    with pytest.raises(LandmarkError, match="not the network that was published"):
        model_file(None)
    assert not (tmp_path / "occlufer" / "face_mesh.task").exists()
