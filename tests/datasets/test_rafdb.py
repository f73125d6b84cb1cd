from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fakes import marked, marked_label
from fakes.rafdb import make_fake
from occlufer.datasets import rafdb
from occlufer.datasets.manifest import COLUMNS
from occlufer.datasets.rafdb import CODES, LABEL_FILES, PUBLISHED, RAFDB
from occlufer.datasets.rafdb_occlusions import only_occluded
from occlufer.types import EXPRESSIONS, DatasetError

LIST = "rafdb_occlusion_list.txt"
FER_CSV_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def labels_of(root: Path) -> Path:
    return root / "basic/EmoLabel" / LABEL_FILES[0]


def edited(path: Path, change: Callable[[str], str]) -> None:
    path.write_bytes(change(path.read_bytes().decode()).encode())


@pytest.mark.parametrize("layout", ["official", "mirror"])
def test_labels_mean_what_the_pictures_show(tmp_path: Path, layout: str):
    dataset = RAFDB(root=make_fake(tmp_path, layout=layout, images=marked))
    assert len(dataset) == 56
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label
    assert not dataset.covered
    assert {row.subject for row in map(dataset.manifest.row, range(56))} == {None}


def test_codes_are_those_of_the_label_file():
    """Written by hand from the archive's readme, so that reader and writer cannot be wrong together."""
    assert list(CODES.items()) == [("1", "surprise"), ("2", "fear"), ("3", "disgust"), ("4", "happiness"),
                                   ("5", "sadness"), ("6", "anger"), ("7", "neutral")]  # fmt: skip
    assert sum(PUBLISHED["train"].values()) == 12_271
    assert sum(PUBLISHED["test"].values()) == 3_068
    assert PUBLISHED["train"]["happiness"] == 4772


def test_both_layouts_are_one_dataset(tmp_path: Path):
    official = RAFDB(root=make_fake(tmp_path / "a", images=marked))
    mirror = RAFDB(root=make_fake(tmp_path / "b", layout="mirror", images=marked))
    columns = ["key", "label", "split"]
    one, other = (
        data.manifest.frame[columns].sort_values("key", ignore_index=True) for data in (official, mirror)
    )
    assert one.equals(other)
    assert one["key"].iloc[0] == "test_0029"


@pytest.mark.parametrize("spelling", LABEL_FILES)
def test_both_spellings_of_the_label_file(tmp_path: Path, spelling: str):
    root = make_fake(tmp_path, label_file=spelling)
    for place in (root, root / "basic"):
        assert len(RAFDB(root=str(place))) == 56


def test_label_rows_may_carry_the_files_full_names_and_crlf(tmp_path: Path):
    root = make_fake(tmp_path, images=marked)
    edited(labels_of(root), lambda text: text.replace(".jpg", "_aligned.jpg").replace("\n", "\r\n"))
    assert all(marked_label(sample.image_HWC) == sample.label for sample in RAFDB(root=root))


def test_the_mirror_may_lie_anywhere_near_its_tables(tmp_path: Path):
    root = make_fake(tmp_path, layout="mirror")
    assert len(RAFDB(root=root / "DATASET")) == 56
    for split in ("train", "test"):
        (root / f"{split}_labels.csv").unlink()
    assert len(RAFDB(root=root)) == 56


def test_validation_is_carved_out_of_train(tmp_path: Path):
    dataset = RAFDB(root=make_fake(tmp_path, per_class=10), validation_share=0.2)
    assert dataset.manifest.counts().loc[["train", "validation", "test"]].to_numpy().tolist() == [
        [8] * 7, [2] * 7, [10] * 7]  # fmt: skip
    keys = dataset.manifest.keys[dataset.manifest.indices("validation")]
    assert all(key.startswith("train_") for key in keys)


def test_unusual_numbers_of_faces_are_noted_in_one_sentence(tmp_path: Path):
    notes = RAFDB(root=make_fake(tmp_path), limit=7).notes
    assert [note for note in notes if "published" in note] == [
        "Not the published numbers of faces of RAF-DB; found for published: train 28 for 12,271; test 28 for 3,068."
    ]


@pytest.fixture
def uneven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RAF-DB whose published sizes are 2 to 8 faces for the labels 1 to 7, in both parts."""
    root = make_fake(tmp_path, per_class=8)
    kept = []
    seen: dict[tuple[str, str], int] = {}
    for line in labels_of(root).read_text().splitlines():
        part, code = line[:4], line.split()[1]
        seen[part, code] = seen.get((part, code), 0) + 1
        if seen[part, code] <= int(code) + 1:
            kept.append(line)
    labels_of(root).write_text("\n".join(kept))
    sizes = {expression: int(code) + 1 for code, expression in CODES.items()}
    monkeypatch.setattr(rafdb, "PUBLISHED", {"train": sizes, "test": sizes})
    return root


def test_a_whole_set_is_not_remarked_upon(uneven: Path):
    notes = RAFDB(root=uneven).notes
    assert not any("published" in note for note in notes)
    assert "list_patition_label.txt does not list them" in notes[0]


def test_labels_in_the_order_of_fer2013_are_refused_by_the_sizes_of_classes(uneven: Path):
    place = {expression: str(code) for code, expression in enumerate(FER_CSV_ORDER, start=1)}
    swap = {code: place[expression] for code, expression in CODES.items()}
    lines = [line.split() for line in labels_of(uneven).read_text().splitlines()]
    labels_of(uneven).write_text("\n".join(f"{name} {swap[code]}" for name, code in lines))
    with pytest.raises(
        DatasetError, match=r"published sizes of RAF-DB in another order: .*surprise has the size of"
    ):
        RAFDB(root=uneven)


def test_labels_from_0_are_refused(tmp_path: Path):
    root = make_fake(tmp_path)
    lines = [line.split() for line in labels_of(root).read_text().splitlines()]
    labels_of(root).write_text("\n".join(f"{name} {int(code) - 1}" for name, code in lines))
    with pytest.raises(
        DatasetError, match=r"line 25: '0' is not a label of RAF-DB. Wanted: 1 surprise, 2 fear, "
    ):
        RAFDB(root=root)


def test_a_mirror_whose_folders_and_tables_disagree_is_refused(tmp_path: Path):
    root = make_fake(tmp_path, layout="mirror")
    for split in ("train", "test"):  # folders numbered in the order of FER2013's csv file
        folder = root / "DATASET" / split
        for code, expression in CODES.items():
            (folder / code).rename(folder / expression)
        for number, expression in enumerate(FER_CSV_ORDER, start=1):
            (folder / expression).rename(folder / str(number))
    with pytest.raises(
        DatasetError,
        match=r"train_labels.csv and the folders disagree: 'train_00001 6 anger, folder surprise'",
    ):
        RAFDB(root=root)


def test_mirror_images_in_the_wrong_part_and_strange_names(tmp_path: Path):
    root = make_fake(tmp_path, layout="mirror")
    image = next((root / "DATASET/test/3").iterdir())
    image.rename(root / "DATASET/train/3" / image.name)
    with pytest.raises(DatasetError, match=f"in the folder of another: 'train/3/{image.name}'"):
        RAFDB(root=root)
    (root / "DATASET/train/3" / image.name).rename(root / "DATASET/train/3/my.jpg")
    with pytest.raises(DatasetError, match=r"do not have RAF-DB's names.*'train/3/my.jpg'"):
        RAFDB(root=root)


@pytest.mark.parametrize(
    ("line", "message"),
    [("train_00001.jpg", "line 1: 1 words"), ("train_00001.jpg 8", "line 1: '8' is not a label"),
     ("val_00001.jpg 1", "line 1: 'val_00001.jpg' is no name of RAF-DB"),
     ("train_00001.jpg 5.0", "line 1: '5.0' is not a label")],
)  # fmt: skip
def test_bad_label_rows_are_named(tmp_path: Path, line: str, message: str):
    root = make_fake(tmp_path)
    edited(labels_of(root), lambda text: line + "\n" + text)
    with pytest.raises(DatasetError, match=message):
        RAFDB(root=root, unreadable="error")
    if "label" not in message:
        faces = RAFDB(root=root)
        assert len(faces) == 56
        assert any(note.startswith("Rows of list_patition_label.txt left out") for note in faces.notes)


def test_missing_images_and_parts(tmp_path: Path):
    root = make_fake(tmp_path)
    (root / "basic/Image/aligned/train_00002_aligned.jpg").unlink()
    with pytest.raises(
        DatasetError, match=r"1 of the 56 images .*'train_00002_aligned.jpg'. Unpack aligned.zip"
    ):
        RAFDB(root=root, unreadable="error")
    edited(labels_of(root), lambda text: "\n".join(line for line in text.split("\n") if "test" in line))
    with pytest.raises(DatasetError, match="holds no train faces"):
        RAFDB(root=root)


def test_a_twice_listed_face_is_refused(tmp_path: Path):
    root = make_fake(tmp_path)
    edited(labels_of(root), lambda text: text + "test_0029.jpg 6\n")
    with pytest.raises(DatasetError, match=r"keys must be unique.*'test_0029'"):
        RAFDB(root=root)


# --- The list of occluded test faces.


@pytest.mark.parametrize("layout", ["official", "mirror"])
def test_the_list_leaves_its_test_faces_only(tmp_path: Path, layout: str):
    root = make_fake(tmp_path, layout=layout, images=marked)
    whole, some = RAFDB(root=root), RAFDB(root=root, occlusions=str(root / LIST))
    listed = {row.split()[0].removesuffix("_aligned") for row in (root / LIST).read_text().split("\n") if row}
    assert set(some.manifest.keys[some.manifest.indices("test")]) == listed
    assert len(listed) == 14
    for split in ("train", "validation"):
        one, other = (set(data.manifest.keys[data.manifest.indices(split)]) for data in (whole, some))
        assert one == other
    assert all(marked_label(sample.image_HWC) == sample.label for sample in some)
    kinds = some.manifest.frame.set_index("key")["occlusion_type"]
    assert kinds["test_0029"] == 1
    assert kinds["test_0031"] == 2
    assert (kinds[~kinds.index.isin(listed)] == 0).all()
    told = "14 faces of rafdb_occlusion_list.txt (15 rows, 1 of them repeated; the published list has 734) out of 28"
    assert any(told in note for note in some.notes)


def test_published_rows_fit_the_folders_in_which_the_faces_lie(tmp_path: Path):
    """Three rows of the published list, and the mirror's folders of these faces: neither written by our own code."""
    (tmp_path / "list.txt").write_bytes(
        b"test_0003_aligned 3 4\r\ntest_0017_aligned 5 3\r\ntest_0274_aligned 1 2\r\n"
    )
    folders = {"test_0003": "4", "test_0017": "6", "test_0274": "2", "test_0001": "5"}
    rows = [(key, key, EXPRESSIONS.index(CODES[code]), "test", None) for key, code in folders.items()]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    kept, _ = only_occluded(frame, tmp_path / "list.txt", name="rafdb", codes=CODES)
    assert kept["key"].tolist() == ["test_0003", "test_0017", "test_0274"]
    assert kept["occlusion_type"].tolist() == [4, 3, 2]


def test_the_lists_labels_count_from_0_in_the_order_of_rafdb(tmp_path: Path):
    """Anger, 6 in the label file, is 5 in the list."""
    root = make_fake(tmp_path)
    assert "test_0029.jpg 6" in labels_of(root).read_text().split("\n")
    assert (root / LIST).read_bytes().startswith(b"test_0029_aligned 5 1\r\n")
    (root / "list.txt").write_bytes(b"test_0029_aligned 6 1\r\n")
    with pytest.raises(DatasetError, match=r"'line 1: test_0029_aligned 6 \(neutral\), not anger'"):
        RAFDB(root=root, occlusions=root / "list.txt")


def test_a_list_in_the_order_of_fer2013_is_refused(tmp_path: Path):
    root = make_fake(tmp_path)
    rows = [row.split() for row in (root / LIST).read_text().split("\n") if row]
    rows = [[name, str(FER_CSV_ORDER.index(CODES[str(int(code) + 1)])), kind] for name, code, kind in rows]
    (root / LIST).write_text("\n".join(map(" ".join, rows)))
    with pytest.raises(
        DatasetError, match=r"line 1: test_0029_aligned 0 \(surprise\), not anger.*0 surprise, 1 fear"
    ):
        RAFDB(root=root, occlusions=root / LIST)


@pytest.mark.parametrize(
    ("row", "message"),
    [("test_0029_aligned 5", "line 1: 2 words, wanted 3"), ("test_0029_aligned 5 9", "wanted name, label"),
     ("test_0029_aligned x 1", "wanted name, label"), ("test_9999_aligned 5 1", "'test_9999_aligned' is no test face"),
     ("train_00001_aligned 5 1", "is no test face"), ("test_0029_aligned 7 1", r"7 \(no label\), not anger")],
)  # fmt: skip
def test_bad_rows_of_the_list_are_named(tmp_path: Path, row: str, message: str):
    root = make_fake(tmp_path)
    (root / "list.txt").write_text(row)
    with pytest.raises(DatasetError, match=message):
        RAFDB(root=root, occlusions=root / "list.txt")
    with pytest.raises(DatasetError, match=r"gone.txt cannot be read"):
        RAFDB(root=root, occlusions=root / "gone.txt")


def test_listed_images_that_are_not_there_are_left_out_and_counted(tmp_path: Path):
    root = make_fake(tmp_path)
    (root / "basic/Image/aligned/train_00002_aligned.jpg").rename(root / "basic/Image/aligned/train_09.png")
    faces = RAFDB(root=root)
    assert len(faces) == 55
    assert any(
        note.endswith("their images are not there: 'train_00002_aligned.jpg'.") for note in faces.notes
    )
    assert any(note.endswith("does not list them: 'train_09.png'.") for note in faces.notes)
