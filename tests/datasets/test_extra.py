"""More training images, tied to the faces that they were made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakes import image_folder as fake_image_folder
from fakes import jaffe as fake_jaffe
from fakes import striped_face
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.extra import LIST_NAME, WithExtra
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.jaffe import JAFFE
from occlufer.types import EXPRESSIONS, DatasetError


@pytest.fixture
def faces(tmp_path: Path) -> ImageFolder:
    root = fake_image_folder.make_fake(tmp_path / "faces", per_class=2, images=striped_face)
    return ImageFolder(root=root)


def write(folder: Path, *names: str, number: int = 5000) -> Path:
    for offset, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(striped_face(0, number + offset)).save(path)
    return folder


def write_list(folder: Path, **columns: list[str]) -> None:
    pd.DataFrame(columns).to_csv(folder / LIST_NAME, index=False)


def key_of(faces: FaceDataset, split: str, expression: str) -> str:
    rows = faces.manifest.indices(split)
    of = rows[faces.manifest.labels[rows] == EXPRESSIONS.index(expression)]
    return str(faces.manifest.keys[of[0]])


def test_listed_images_join_the_training_split(faces, tmp_path):
    source = key_of(faces, "train", "fear")
    folder = write(tmp_path / "extra", "a.png", "deeper/b.png")
    write_list(folder, path=["a.png", "deeper/b.png"], source=[source, source], expression=["fear", "fear"])
    more = WithExtra(faces, folder)
    assert len(more) == len(faces) + 2
    assert [more.manifest.row(index).key for index in range(len(faces))] == list(faces.manifest.keys)
    row = more.manifest.row(len(faces) + 1)
    assert (row.key, row.split, EXPRESSIONS[row.label]) == ("extra/deeper/b.png", "train", "fear")
    np.testing.assert_array_equal(more.load_image(len(faces)), striped_face(0, 5000))
    np.testing.assert_array_equal(more.load_image(3), faces.load_image(3))
    assert more.content_digest(3) == faces.content_digest(3)
    assert more.content_digest(len(faces)) != more.content_digest(len(faces) + 1)
    assert "2 extra training images" in more.notes[-1]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_was_made_from_held_out_faces_is_left_out(faces, tmp_path, split):
    folder = write(tmp_path / "extra", "a.png", "b.png")
    write_list(
        folder,
        path=["a.png", "b.png"],
        source=[key_of(faces, split, "anger"), key_of(faces, "train", "anger")],
    )
    more = WithExtra(faces, folder)
    assert list(more.manifest.keys[len(faces) :]) == ["extra/b.png"]
    assert any(
        "1 extra images were left out: they were made from validation or test" in note for note in more.notes
    )


def test_copies_of_test_faces_are_left_out(faces, tmp_path):
    folder = write(tmp_path / "extra", "b.png")
    stolen = key_of(faces, "test", "happiness")
    (folder / "a.png").write_bytes((faces.root / stolen).read_bytes())
    source = key_of(faces, "train", "happiness")
    write_list(folder, path=["a.png", "b.png"], source=[source, source])
    more = WithExtra(faces, folder)
    assert list(more.manifest.keys[len(faces) :]) == ["extra/b.png"]
    assert any("copies of validation or test faces" in note for note in more.notes)


def test_images_are_tied_by_name_where_there_is_no_list(faces, tmp_path):
    by_path, by_name = (Path(key_of(faces, "train", name)) for name in ("anger", "sadness"))
    folder = write(
        tmp_path / "extra", f"{by_path.with_suffix('')}.jpg", f"{by_name.stem}.bmp", "stranger.png"
    )
    more = WithExtra(faces, folder)
    labels = [EXPRESSIONS[label] for label in more.manifest.labels[len(faces) :]]
    assert sorted(labels) == ["anger", "sadness"]
    assert any(
        "1 extra images were left out: their source is not among the faces" in note for note in more.notes
    )


def test_dots_in_a_key_are_part_of_the_name(tmp_path):
    """JAFFE's keys look as if they had an ending."""
    faces = JAFFE(root=fake_jaffe.make_fake(tmp_path / "faces", images=striped_face))
    key = key_of(faces, "train", "fear")
    assert key.count(".") == 2
    more = WithExtra(faces, write(tmp_path / "extra", f"{key}.png"))
    row = more.manifest.row(len(faces))
    assert (EXPRESSIONS[row.label], row.subject) == ("fear", key[:2])


def test_a_name_that_two_faces_share_ties_nothing(tmp_path):
    root = tmp_path / "faces"
    for split in ("train", "validation", "test"):
        for label, expression in enumerate(EXPRESSIONS):
            path = root / split / expression / "same.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(striped_face(label, hash_of(split))).save(path)
    faces = ImageFolder(root=root)
    with pytest.raises(DatasetError, match="none of its 1 images is tied to a face"):
        WithExtra(faces, write(tmp_path / "extra", "same.png"))


def hash_of(text: str) -> int:
    return sum(map(ord, text))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.png"]}, "lacks the column source. Wanted: path, source; found: path"),
        ({"path": ["../a.png"], "source": ["x"]}, "leads out of its folder"),
        ({"path": ["/etc/passwd"], "source": ["x"]}, "leads out of its folder"),
        ({"path": ["a.png", "a.png"], "source": ["x", "x"]}, "listed more than once"),
        ({"path": ["b.png"], "source": ["x"]}, r"'b\.png': each is no file"),
        (
            {"path": ["a.png"], "source": ["x"]},
            "none of its 1 images is tied to a face of image_folder .* such as 'test/",
        ),
    ],
)
def test_a_bad_list_is_refused(faces, tmp_path, columns, message):
    folder = write(tmp_path / "extra", "a.png")
    write_list(folder, **columns)
    with pytest.raises(DatasetError, match=message):
        WithExtra(faces, folder)


def test_another_expression_than_the_source_has_is_refused(faces, tmp_path):
    folder = write(tmp_path / "extra", "a.png")
    write_list(folder, path=["a.png"], source=[key_of(faces, "train", "fear")], expression=["surprise"])
    with pytest.raises(DatasetError, match=r"a\.png \(surprise, its source fear\).*another expression"):
        WithExtra(faces, folder)


def test_a_damaged_list_and_missing_folders_are_refused(faces, tmp_path):
    with pytest.raises(DatasetError, match="is no folder"):
        WithExtra(faces, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"holds no images .* and no extra\.csv"):
        WithExtra(faces, tmp_path / "empty")
    folder = write(tmp_path / "extra", "a.png")
    (folder / LIST_NAME).write_bytes(b"\xff\xfe\x00path,source\n\xff")
    with pytest.raises(DatasetError, match=r"extra\.csv (cannot be read as a table|lacks the columns)"):
        WithExtra(faces, folder)


def test_images_that_the_list_does_not_name_and_its_half_rows_are_counted(faces, tmp_path):
    folder = write(tmp_path / "extra", "a.png", "b.png", "deep/c.png")
    write_list(folder, path=["a.png"], source=[key_of(faces, "train", "fear")])
    with (folder / LIST_NAME).open("a") as handle:
        handle.write("b.pn\n")
    notes = WithExtra(faces, folder).notes
    assert "Images left out because extra.csv does not name them: 'b.png', 'deep/c.png'." in notes
    assert any(
        note.startswith("Rows of extra.csv left out as unreadable: 'line 3: 1 cells") for note in notes
    )
