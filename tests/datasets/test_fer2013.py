import functools
import pickle
from pathlib import Path

import numpy as np
import pytest

from fakes.fer2013 import make_fake
from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.fer2013_csv import read_csv
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array

CSV_LAYOUTS = ("fer2013.csv", "icml_face_data.csv", "train.csv")


def marked(label: int, number: int) -> UInt8Array:
    """The label can be read from the upper half, the number makes the lower half unique."""
    image = np.full((48, 48), label * 30, np.uint8)
    image[24:] = number
    return image


@pytest.mark.parametrize("layout", ["folders", *CSV_LAYOUTS])
def test_labels_mean_what_the_pictures_show(tmp_path: Path, layout: str):
    dataset = FER2013(root=make_fake(tmp_path, layout=layout, images=marked))
    for sample in dataset:
        assert sample.image_HWC.shape == (48, 48, 3)
        assert abs(int(sample.image_HWC[10, 10, 1]) - sample.label * 30) < 8


def test_csv_codes_are_the_ones_of_the_challenge(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together: happy is 3, sad 4, surprise 5, neutral 6."""
    path = tmp_path / "fer2013.csv"
    lines = [f"{code}," + " ".join([str(code)] * 2304) + ",Training" for code in range(7)]
    path.write_text("emotion,pixels,Usage\n" + "\n".join(lines))
    faces = read_csv(path)
    found = {
        int(faces.images_NHW[row.source, 0, 0]): EXPRESSIONS[row.label] for row in faces.frame.itertuples()
    }
    assert found == {
        0: "anger",
        1: "disgust",
        2: "fear",
        3: "happiness",
        4: "sadness",
        5: "surprise",
        6: "neutral",
    }


def test_folder_names_decide_and_not_their_order(tmp_path: Path):
    dataset = FER2013(root=make_fake(tmp_path))
    expressions = {"angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness",
                   "neutral": "neutral", "sad": "sadness", "surprise": "surprise"}  # fmt: skip
    for index in range(len(dataset)):
        row = dataset.manifest.row(index)
        assert expressions[row.key.split("/")[1]] == EXPRESSIONS[row.label]


@pytest.mark.parametrize("layout", ["folders", "fer2013.csv", "icml_face_data.csv"])
def test_public_test_is_validation_where_private_test_is_there(tmp_path: Path, layout: str):
    dataset = FER2013(root=make_fake(tmp_path, layout=layout, private_test=True))
    assert (dataset.manifest.counts() == 4).all().all()
    for split, usage in (("train", "Training"), ("validation", "PublicTest"), ("test", "PrivateTest")):
        keys = dataset.manifest.keys[dataset.manifest.indices(split)]
        assert all(usage in key for key in keys)
    (note,) = dataset.notes
    assert note.startswith(
        "Not the published numbers of faces of FER2013; found for published: train 28 for 28,709; "
    )


@pytest.mark.parametrize("layout", ["folders", "fer2013.csv", "icml_face_data.csv"])
def test_both_halves_of_the_test_part_can_be_tested_on(tmp_path: Path, layout: str):
    """As in study B: 7,178 test faces, and validation out of train."""
    root = make_fake(tmp_path, layout=layout, per_class=10, private_test=True)
    dataset = FER2013(root=root, public_test="test", validation_share=0.2)
    usages = {"train": {"Training"}, "validation": {"Training"}, "test": {"PublicTest", "PrivateTest"}}
    for split, count in (("train", 8), ("validation", 2), ("test", 20)):
        keys = dataset.manifest.keys[dataset.manifest.indices(split)]
        assert len(keys) == count * len(EXPRESSIONS)
        assert {
            usage for usage in usages["test"] | {"Training"} if any(usage in key for key in keys)
        } == usages[split]


def test_an_unknown_use_of_public_test_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"Unknown dataset\.public_test 'tset'. Did you mean 'test'"):
        FER2013(root=make_fake(tmp_path), public_test="tset")


@pytest.mark.parametrize("layout", ["folders", "fer2013.csv", "icml_face_data.csv"])
def test_without_private_test_validation_is_carved_out_of_train(tmp_path: Path, layout: str):
    dataset = FER2013(root=make_fake(tmp_path, layout=layout, per_class=10), validation_share=0.2)
    counts = dataset.manifest.counts()
    assert counts.loc[["train", "validation", "test"]].to_numpy().tolist() == [[8] * 7, [2] * 7, [10] * 7]
    keys = dataset.manifest.keys
    assert all("Training" in key for key in keys[dataset.manifest.indices("validation")])
    assert all("PublicTest" in key for key in keys[dataset.manifest.indices("test")])
    assert any("14 validation faces were carved" in note for note in dataset.notes)


def test_csv_without_usage_has_its_test_part_carved_too(tmp_path: Path):
    dataset = FER2013(root=make_fake(tmp_path, layout="train.csv", per_class=10), test_share=0.2)
    assert dataset.manifest.counts().loc[["train", "validation", "test"]].to_numpy().tolist() == [
        [7] * 7, [1] * 7, [2] * 7]  # fmt: skip
    assert "cannot be compared" in dataset.notes[0]


def test_roots_one_may_give(tmp_path: Path):
    make_fake(tmp_path / "a" / "FER2013")
    make_fake(tmp_path / "b" / "fer2013", layout="icml_face_data.csv")
    for root in (tmp_path / "a", tmp_path / "a" / "FER2013", tmp_path / "b", tmp_path / "b" / "fer2013",
                 tmp_path / "b" / "fer2013" / "icml_face_data.csv"):  # fmt: skip
        assert len(FER2013(root=str(root))) == 56


def test_the_more_complete_csv_is_preferred(tmp_path: Path):
    make_fake(tmp_path, layout="train.csv")
    make_fake(tmp_path, layout="icml_face_data.csv", private_test=True)
    assert len(FER2013(root=tmp_path)) == 84


def test_roots_that_hold_no_fer2013(tmp_path: Path):
    with pytest.raises(DatasetError, match="no root was given"):
        FER2013(root=None)
    with pytest.raises(DatasetError, match="does not exist"):
        FER2013(root=tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"holds no FER2013. Wanted: .*fer2013.csv.* Found: nothing"):
        FER2013(root=tmp_path)
    (tmp_path / "fer2013.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match=r"Found: fer2013.zip. Unzip fer2013.zip first"):
        FER2013(root=tmp_path)
    with pytest.raises(DatasetError, match="Unzip it first"):
        FER2013(root=tmp_path / "fer2013.zip")
    (tmp_path / "faces.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"faces\.txt holds no FER2013"):
        FER2013(root=tmp_path / "faces.txt")


def test_unknown_missing_and_empty_class_folders(tmp_path: Path):
    root = make_fake(tmp_path)
    (root / "train" / "boredom").mkdir()
    with pytest.raises(DatasetError, match=r"unknown class folder 'boredom'.*use dataset=image_folder"):
        FER2013(root=root)
    (root / "train" / "boredom").rmdir()
    for split in ("train", "test"):
        (root / split / "sad").rename(tmp_path / f"{split}_sad_away")
    (tmp_path / "train_sad_away").rename(tmp_path / ".a")
    (tmp_path / "test_sad_away").rename(tmp_path / ".b")
    with pytest.raises(DatasetError, match=r"not under .*: 'sad'"):
        FER2013(root=root)
    (root / "train" / "sad").mkdir()
    with pytest.raises(DatasetError, match="empty class: no face for 'sadness in train'"):
        FER2013(root=root)


@functools.cache
def _good_lines() -> tuple[str, ...]:
    rng = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for usage in ("Training", "Training", "PublicTest"):
        lines += [f"{code},{' '.join(map(str, rng.integers(0, 256, 2304)))},{usage}" for code in range(7)]
    return tuple(lines)


def good_lines() -> list[str]:
    return list(_good_lines())


def replaced(line: int, old: str, new: str, count: int = 1) -> list[str]:
    """The good file with something replaced in one line, counted from 1."""
    lines = good_lines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, count)
    return lines


def written(folder: Path, lines: list[str]) -> Path:
    path = folder / "fer2013.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def bad_csv() -> dict[str, tuple[list[str], str]]:
    return {
        "one pixel too few": (replaced(4, " ", ""), r"line 4: 2303 pixels, wanted 2304"),
        "one pixel too many": (replaced(4, " ", " 7 "), r"line 4: 2305 pixels, wanted 2304"),
        "no pixels": ([*good_lines()[:3], "2,,Training"], r"line 4: 1 pixels"),
        "no number": (replaced(5, " ", " x7 "), r"line 5: pixel 'x7' is not a whole number"),
        "fraction": (replaced(5, " ", " 7.5 "), r"line 5: pixel '7.5' is not a whole number"),
        "too bright": ([*good_lines()[:5], "4," + "256 " * 2304 + ",Training"], r"line 6: .* 256 to 256"),
        "far too bright": ([*good_lines()[:5], "4," + "99999999999 " * 2304 + ",Training"], r"line 6: "),
        "negative": ([*good_lines()[:5], "4," + "-1 " * 2304 + ",Training"], r"line 6: .* -1 to -1"),
        "label 7": (replaced(2, "0,", "7,"), r"line 2: emotion '7' is not a FER2013 label. Wanted: 0 anger"),
        "label text": (replaced(2, "0,", "angry,"), r"line 2: emotion 'angry'"),
        "no label": (replaced(2, "0,", ","), r"line 2: no emotion"),
        "usage": (replaced(3, "Training", "Test"), r"line 3: Usage 'Test' is not known. Wanted: Training, Public"),
        "cut off": ([*good_lines()[:9], good_lines()[9][:500]], r"line 10: 2 cells, 3 column names. Was the file cut"),
        "no pixel column": (replaced(1, "pixels", "pix"), r"lacks the column pixels. .*found: emotion, pix, usage"),
        "no column": (replaced(1, "emotion,pixels", "a,b"), r"lacks the columns emotion, pixels"),
        "empty file": ([""], r"lacks the columns .* found: an empty file"),
        "header only": (good_lines()[:1], r"no rows"),
        "no training rows of a class": ([good_lines()[0], *good_lines()[2:8], *good_lines()[9:]], "anger in train"),
    }  # fmt: skip


@pytest.mark.parametrize("case", bad_csv())
def test_bad_csv_files_name_the_line(tmp_path: Path, case: str):
    lines, message = bad_csv()[case]
    with pytest.raises(DatasetError, match=message):
        FER2013(root=written(tmp_path, lines), unreadable="error")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00\x01", b"\x89PNG\r\n\x1a\n\x00", b'emotion,pixels\n0,"' + b"1 " * 90_000]
)
def test_files_that_are_no_csv(tmp_path: Path, content: bytes):
    path = tmp_path / "faces.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"faces.csv"):
        FER2013(root=path)


def test_csv_with_crlf_a_mark_at_its_start_and_empty_lines(tmp_path: Path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*good_lines(), "", ""]).encode())
    assert len(FER2013(root=path)) == 21
    lines = good_lines()
    lines.insert(3, "")
    lines[6] = lines[6].replace(" ", " x", 1)
    with pytest.raises(DatasetError, match="line 7: pixel 'x"):
        FER2013(root=written(tmp_path, lines), unreadable="error")


@pytest.mark.parametrize(
    "case", ["cut off", "one pixel too few", "no number", "too bright", "no label", "cut usage"]
)
def test_a_bad_row_costs_the_row(tmp_path: Path, case: str):
    lines = [
        *good_lines(),
        *(line.replace("PublicTest", "PrivateTest") for line in reversed(good_lines()[1:])),
    ]
    label, pixels, usage = lines[10].split(",")
    whole = FER2013(root=written(tmp_path, lines), duplicates="keep")
    lines[10] = {
        "cut off": f"{label},{pixels[:500]}",
        "one pixel too few": f"{label},{pixels.rsplit(' ', 1)[0]},{usage}",
        "no number": f"{label},{pixels.replace(' ', ' x', 1)},{usage}",
        "too bright": f"{label},{'256 ' * 2304},{usage}",
        "no label": f",{pixels},{usage}",
        "cut usage": f"{label},{pixels},Train",
    }[case]
    faces = FER2013(root=written(tmp_path, lines), duplicates="keep")
    assert {*whole.manifest.keys} - {*faces.manifest.keys} == {"Training_00009"}
    assert any(
        note.startswith("Rows of fer2013.csv left out as unreadable: ") and "line 11: " in note
        for note in faces.notes
    )
    of_key = {sample.key: sample for sample in whole}
    assert all(np.array_equal(sample.image_HWC, of_key[sample.key].image_HWC) for sample in faces)


def test_images_held_in_an_array(tmp_path: Path):
    dataset = FER2013(root=make_fake(tmp_path, layout="fer2013.csv"))
    source = dataset.manifest.row(20).source
    assert isinstance(source, int)
    image = dataset.load_image(20)
    assert image.dtype == np.uint8
    assert np.ptp(image, axis=2).max() == 0
    image[:] = 0
    assert dataset.load_image(20).any()
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.load_image(20), dataset.load_image(20))
    digests = {dataset.content_digest(index) for index in range(len(dataset))}
    assert len(digests) == len(dataset)
    assert {len(digest) for digest in digests} == {16}


@pytest.mark.parametrize("layout", ["folders", "fer2013.csv"])
def test_faces_in_two_splits_leave_train(tmp_path: Path, layout: str):
    def repeating(label: int, number: int) -> UInt8Array:
        return marked(label, 255 if number in (0, 28) else number)  # the first of Training and of PublicTest

    dataset = FER2013(root=make_fake(tmp_path, layout=layout, images=repeating))
    assert len(dataset) == 55
    assert len(dataset.manifest.indices("test")) == 28
    assert any("images of test (anger 1)" in note for note in dataset.notes)
    with pytest.raises(DatasetError, match="stands in two splits"):
        FER2013(root=tmp_path, duplicates="error")


def test_tables_beside_the_faces_are_said(tmp_path: Path):
    path = written(tmp_path, good_lines())
    (tmp_path / "test.csv").write_text("pixels\n")
    assert "Files beside the faces that were not read: 'test.csv'." in FER2013(root=path).notes
