"""What a message says to type is what Hydra reads, and what the dataset understands."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import hydra
import pytest

from fakes.image_folder import make_fake
from occlufer.building import build, plain
from occlufer.datasets.base import FaceDataset
from occlufer.settings import conf_folder
from occlufer.types import DatasetError, override


def opened(*words: str) -> FaceDataset:
    """The dataset that a command would open."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = plain(hydra.compose("prepare", ["dataset=image_folder", *words]))
    laid_over = ("extra", "crop")  # any dataset, by the command
    faces: FaceDataset = build(
        {name: value for name, value in config["dataset"].items() if name not in laid_over}
    )
    return faces


@pytest.mark.parametrize(
    "name", ["Gähnen", "a (1)", "it's", 'say "x"', "a: b, c", "微妙", "x=y", "[1]", "{a}"]
)
@pytest.mark.parametrize("above", ["plain", "面 (1), it's"])
def test_an_unknown_folder_is_left_out_by_the_line_of_its_message(tmp_path: Path, name: str, above: str):
    root = make_fake(tmp_path / above)
    shutil.copytree(root / "train" / "anger", root / "train" / name)
    (where,) = shlex.split(override("dataset.root", str(root)))
    with pytest.raises(DatasetError, match="unknown class folder") as told:
        opened(where)
    (line,) = shlex.split(str(told.value).split(" out say ")[1].split("; to use")[0])
    assert len(opened(where, line)) == 84


def test_a_reading_of_numbers_is_one_word(tmp_path: Path):
    root = make_fake(tmp_path, splits=())
    for number, folder in enumerate(sorted(root.iterdir())):
        folder.rename(root / str(number))
    with pytest.raises(DatasetError, match="in different orders") as told:
        opened(f"dataset.root={root}")
    lines = [shlex.split(line, comments=True) for line in str(told.value).splitlines()[1:]]
    for line in lines[:-1]:
        faces = opened(f"dataset.root={root}", *line)
        assert len(faces) == 4 * len(faces.manifest.classes)
    own = lines[-1][0].replace('"3: null"', '"3: happiness"')
    assert opened(f"dataset.root={root}", own).manifest.classes == ("happiness",)


def test_a_table_of_names_may_be_typed_too(tmp_path: Path):
    root = make_fake(tmp_path)
    shutil.copytree(root / "train" / "anger", root / "train" / "yawn")
    assert len(opened(f"dataset.root={root}", "+dataset.classes.yawn=null")) == 84
    assert len(opened(f"dataset.root={root}", "dataset.classes={yawn: null}")) == 84
