"""`dataset=synthetic`."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml

from occlufer.datasets.synthetic import SyntheticFaces
from occlufer.synthesis import store
from occlufer.types import EXPRESSIONS, ConfigError

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def faces(cache: Path) -> SyntheticFaces:
    return SyntheticFaces(cache=str(cache), size=45, image_size=32, workers=1)


def test_faces_come_in_the_order_of_the_manifest(faces: SyntheticFaces) -> None:
    assert len(faces) == 45
    sample = faces[10]
    assert sample.image_HWC.shape == (32, 32, 3)
    assert sample.image_HWC.dtype == np.uint8
    assert EXPRESSIONS[sample.label] == EXPRESSIONS[10 % 7]
    assert sample.key == faces.manifest.row(10).key
    assert faces.true_landmarks(10).shape == (468, 3)


def test_splits_share_nobody_and_are_balanced(faces: SyntheticFaces) -> None:
    frame = faces.manifest.frame
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    counts = faces.manifest.counts()
    assert list(counts.index) == ["train", "validation", "test"]
    assert (counts.loc[["validation", "test"]].nunique(axis=1) == 1).all()
    assert counts.loc["train"].max() - counts.loc["train"].min() <= 1


def test_manifest_says_what_was_drawn(faces: SyntheticFaces) -> None:
    frame = faces.manifest.frame
    assert {"au_1", "au_12", "au_26", "yaw", "pitch", "roll", "skin_type", "hair", "glasses"} <= set(
        frame.columns
    )
    happy = frame["label"] == EXPRESSIONS.index("happiness")
    assert frame.loc[happy, "au_12"].mean() > frame.loc[~happy, "au_12"].mean() + 0.3
    assert frame["yaw"].abs().max() <= 45


def test_digests_differ_between_faces(faces: SyntheticFaces) -> None:
    digests = {faces.content_digest(index) for index in range(len(faces))}
    assert len(digests) == len(faces)
    assert all(len(digest) == 16 for digest in digests)


def test_pickling_carries_no_pixels(faces: SyntheticFaces) -> None:
    image = faces.load_image(0)
    faces.true_landmarks(0)
    packed = pickle.dumps(faces)
    assert len(packed) < 45 * 32 * 32 * 3
    np.testing.assert_array_equal(pickle.loads(packed).load_image(0), image)


def test_a_loaded_image_may_be_changed(faces: SyntheticFaces) -> None:
    image = faces.load_image(1)
    image[:] = 0
    assert faces.load_image(1).any()


def test_the_set_is_drawn_once(faces: SyntheticFaces, cache: Path) -> None:
    called: list[int] = []
    again = SyntheticFaces(
        cache=str(cache), size=45, image_size=32, on_progress=lambda done, total: called.append(done)
    )
    assert not called
    np.testing.assert_array_equal(again.load_image(3), faces.load_image(3))


def test_progress_without_a_terminal_is_a_few_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SyntheticFaces(cache=str(tmp_path), size=21, image_size=24, workers=1)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 12
    assert lines[-1] == "Drawing faces: 21 of 21"


def test_a_damaged_set_is_drawn_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = SyntheticFaces(cache=str(tmp_path), size=21, image_size=24, workers=1)
    image = first.load_image(5)
    (path,) = tmp_path.glob(f"*/{store.IMAGES}")
    path.write_bytes(path.read_bytes()[:-100])
    second = SyntheticFaces(cache=str(tmp_path), size=21, image_size=24, workers=1)
    np.testing.assert_array_equal(second.load_image(5), image)
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 20}, "at least 21"),
        ({"image_size": 8}, "24 to 512"),
        ({"seed": -1}, "0 or more"),
        ({"test_share": 0.0}, "above 0"),
        ({"test_share": 0.6, "validation_share": 0.4}, "left to train"),
        ({"workers": -2}, "null"),
        ({"difficulty": "esay"}, "Did you mean 'easy'"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SyntheticFaces(cache=str(tmp_path), **arguments)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_configuration_holds_the_defaults() -> None:
    config = yaml.safe_load((_ROOT / "conf/dataset/synthetic.yaml").read_text())
    parameters = inspect.signature(SyntheticFaces).parameters
    for name, parameter in parameters.items():
        if parameter.default is not inspect.Parameter.empty and name != "on_progress":
            assert config[name] == parameter.default, name
    assert set(config) - {"_target_"} == set(parameters) - {"on_progress"}
