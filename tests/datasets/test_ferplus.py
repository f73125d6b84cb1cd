from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fakes import marked, marked_label
from fakes.fer2013 import make_fake as make_fer2013
from fakes.ferplus import make_fake
from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.ferplus import VOTES_FILE, FERPlus
from occlufer.datasets.ferplus_votes import CHOICES, Ballots, majority, read_votes
from occlufer.types import EXPRESSIONS, DatasetError


def rewritten(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


@pytest.mark.parametrize("layout", ["fer2013.csv", "icml_face_data.csv"])
def test_labels_mean_what_the_pictures_show(tmp_path: Path, layout: str):
    dataset = FERPlus(root=make_fake(tmp_path, layout=layout, images=marked))
    assert (dataset.manifest.counts() == 4).all().all()
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label
    assert not dataset.covered


def test_columns_are_those_of_the_published_file(tmp_path: Path):
    """Its first rows as they were published, written by hand: the order of columns is neither ours nor FER2013's."""
    (tmp_path / VOTES_FILE).write_text(
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0\nTraining,fer0000001.png,6,0,1,1,0,0,0,0,2,0\n"
        "Training,fer0000006.png,2,0,0,8,0,0,0,0,0,0\nTraining,fer0000007.png,0,10,0,0,0,0,0,0,0,0\n"
        "Training,fer0000009.png,0,0,6,0,0,0,4,0,0,0\nTraining,fer0000010.png,2,0,0,0,8,0,0,0,0,0\n"
        "Training,,0,0,0,0,0,0,0,0,0,10\nTraining,fer0000021.png,1,0,1,2,0,0,5,0,1,0\n"
    )
    labels, left_out = majority(read_votes(tmp_path / VOTES_FILE)[0])
    assert [EXPRESSIONS[label] if label >= 0 else None for label in labels] == [
        None, "neutral", "sadness", "happiness", "surprise", "anger", None, "fear"]  # fmt: skip
    assert left_out == {"without a majority": 1, "without an image name": 1}


def voted(**votes: int) -> tuple[str | None, str | None]:
    """The expression that a row of votes gives, or why it is left out."""
    counts = np.array([[votes.get(choice, 0) for choice in CHOICES]], np.int64)
    labels, left_out = majority(Ballots(("Training",), (True,), counts))
    return (EXPRESSIONS[labels[0]] if labels[0] >= 0 else None), next(iter(left_out), None)


@pytest.mark.parametrize(
    ("votes", "expression"),
    [({"anger": 6, "fear": 4}, "anger"), ({"fear": 3, "anger": 2, "disgust": 1, "sadness": 1, "unknown": 1}, "fear"),
     ({"disgust": 2, "neutral": 1, "happiness": 1, "NF": 1}, "disgust")],
)  # fmt: skip
def test_single_votes_do_not_count(votes: dict[str, int], expression: str):
    assert voted(**votes) == (expression, None)


@pytest.mark.parametrize(
    ("votes", "reason"),
    [({"anger": 5, "fear": 5}, "without a majority"), ({"anger": 4, "fear": 2, "sadness": 2}, "without a majority"),
     (dict.fromkeys(CHOICES, 1), "without a majority"), ({}, "without a majority"),
     ({"contempt": 6, "anger": 4}, "contempt (not one of the seven expressions)"),
     ({"unknown": 6, "anger": 3}, "of an unknown expression"), ({"NF": 9}, "not of a face"),
     ({"anger": 4, "unknown": 4, "NF": 2}, "without a majority")],
)  # fmt: skip
def test_rows_that_are_left_out(votes: dict[str, int], reason: str):
    assert voted(**votes) == (None, reason)


def test_what_is_left_out_and_unusual_is_counted_in_the_notes(tmp_path: Path):
    notes = FERPlus(root=make_fake(tmp_path)).notes
    assert notes[0] == (
        "Not the published number of rows of FERPlus; found for published: Training 33 for 28,709, "
        "PublicTest 28 for 3,589, PrivateTest 28 for 3,589."
    )
    assert notes[1] == (
        "5 faces are left out by FERPlus's majority rule: 1 contempt (not one of the seven expressions), 1 of an "
        "unknown expression, 2 without a majority, 1 without an image name."
    )
    assert notes[2] == "FER2013's own labels are the voted ones for 100.0% of the faces kept."


def test_a_face_has_one_key_and_split_in_both_datasets(tmp_path: Path):
    root = make_fake(tmp_path)
    plus, plain = (data.manifest.frame.set_index("key") for data in (FERPlus(root=root), FER2013(root=root)))
    assert set(plus.index) <= set(plain.index)
    assert (plus["split"] == plain.loc[plus.index, "split"]).all()
    assert (plus["source"] == plain.loc[plus.index, "source"]).all()


def test_roots_one_may_give(tmp_path: Path):
    make_fake(tmp_path / "fer2013")
    for root in (tmp_path, tmp_path / "fer2013", tmp_path / "fer2013" / "fer2013.csv"):
        assert len(FERPlus(root=str(root))) == 84
    away = tmp_path / "elsewhere.csv"
    (tmp_path / "fer2013" / VOTES_FILE).rename(away)
    assert len(FERPlus(root=tmp_path, votes=str(away))) == 84
    with pytest.raises(
        DatasetError, match=r"no file of votes: looked for .*fer2013new.csv.*dataset.votes=FILE"
    ):
        FERPlus(root=tmp_path)
    with pytest.raises(DatasetError, match=r"no file of votes: looked for .*gone.csv"):
        FERPlus(root=tmp_path, votes=tmp_path / "gone.csv")


def test_roots_without_a_csv_file(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"class folders do not serve.*say dataset=fer2013"):
        FERPlus(root=make_fer2013(tmp_path / "folders"))
    root = make_fake(tmp_path / "votes")
    (root / "fer2013.csv").unlink()
    for given in (root, root / VOTES_FILE):
        with pytest.raises(DatasetError, match="holds no csv file of FER2013"):
            FERPlus(root=given)


def test_an_older_file_without_image_names(tmp_path: Path):
    root = make_fake(tmp_path, images=marked)

    def without_names(lines: list[str]) -> list[str]:
        return [",".join([line.split(",")[0], *line.split(",")[2:]]) for line in lines]

    rewritten(root / VOTES_FILE, without_names)
    dataset = FERPlus(root=root)
    assert all(marked_label(sample.image_HWC) == sample.label for sample in dataset)
    assert "1 not of a face" in dataset.notes[1]


# --- Rows and columns that do not belong to each other.


@pytest.mark.parametrize(
    ("one", "other"), [("sadness", "surprise"), ("neutral", "anger"), ("disgust", "fear")]
)
def test_swapped_columns_are_refused(tmp_path: Path, one: str, other: str):
    root = make_fake(tmp_path)

    def swap(lines: list[str]) -> list[str]:
        header = lines[0].replace(one, "?").replace(other, one).replace("?", other)
        return [header, *lines[1:]]

    rewritten(root / VOTES_FILE, swap)
    with pytest.raises(DatasetError, match=rf"better in another order: .*{one} is mostly {other} there"):
        FERPlus(root=root)


def test_columns_in_the_order_of_fer2013_are_refused(tmp_path: Path):
    """As if the votes had been written under the names of FER2013's codes."""
    root = make_fake(tmp_path)
    header = "Usage,Image name,anger,disgust,fear,happiness,sadness,surprise,neutral,contempt,unknown,NF"
    rewritten(root / VOTES_FILE, lambda lines: [header, *lines[1:]])
    with pytest.raises(DatasetError, match="anger is mostly neutral there"):
        FERPlus(root=root)


def test_moved_columns_are_found_by_name(tmp_path: Path):
    root = make_fake(tmp_path, images=marked)
    order = [11, 1, 0, *range(10, 1, -1)]
    rewritten(
        root / VOTES_FILE, lambda lines: [",".join(line.split(",")[i] for i in order) for line in lines]
    )
    dataset = FERPlus(root=root)
    assert all(marked_label(sample.image_HWC) == sample.label for sample in dataset)
    assert len(dataset) == 84


def test_shuffled_rows_are_refused(tmp_path: Path):
    root = make_fake(tmp_path)

    def turned(lines: list[str]) -> list[str]:
        """Within each usage, half of the faces get the votes of their neighbour of another class."""
        header, odd, rows = lines[0], lines[1:6], lines[6:]
        mixed = [rows[(i + 4) % 28 + i // 28 * 28] if i % 4 else rows[i] for i in range(len(rows))]
        return [header, *odd, *mixed]

    rewritten(root / VOTES_FILE, turned)
    with pytest.raises(DatasetError, match=r"another order|agree for only"):
        FERPlus(root=root)


def test_chance_agreement_is_refused(tmp_path: Path):
    """Votes that fit no other order either: the next and the one after the next class in turn."""
    root = make_fake(tmp_path, per_class=9)

    def mixed(lines: list[str]) -> list[str]:
        rows = []
        for i, line in enumerate(lines[6:]):
            label = i // 9 % 7
            shown = EXPRESSIONS[(label + (0, 0, 0, 1, 1, 2, 2, 3, 4)[i % 9]) % 7]
            rows.append(",".join([*line.split(",")[:2], *("10" if c == shown else "0" for c in CHOICES)]))
        return [*lines[:6], *rows]

    rewritten(root / VOTES_FILE, mixed)
    with pytest.raises(DatasetError, match="labels agree for only 33% of the faces"):
        FERPlus(root=root)


def test_rows_that_do_not_belong_to_each_other(tmp_path: Path):
    root = make_fake(tmp_path)
    rewritten(
        root / VOTES_FILE,
        lambda lines: [*lines[:40], lines[39].replace("PublicTest", "Training"), *lines[41:]],
    )
    with pytest.raises(
        DatasetError, match=r"row 39 \(from 0\) is publictest in one and Training in the other"
    ):
        FERPlus(root=root)
    rewritten(root / VOTES_FILE, lambda lines: lines[:-1])
    with pytest.raises(DatasetError, match="89 and 88 rows"):
        FERPlus(root=root)
    make_fake(tmp_path / "b")
    make_fer2013(tmp_path / "b", layout="train.csv")
    (tmp_path / "b" / "fer2013.csv").unlink()
    with pytest.raises(DatasetError, match="28 and 89 rows"):
        FERPlus(root=tmp_path / "b")


@pytest.mark.parametrize(
    ("line", "old", "new", "message"),
    [(0, "contempt", "scorn", "lacks the column contempt"), (0, "Usage,", "usage,", None),
     (3, ",5", ",x", "line 4: .* are no votes"), (3, ",5", ",5,5", "line 4: 13 cells, 12 column names"),
     (3, ",5", ",-5", "line 4"), (3, ",5", ",5.0", "line 4")],
)  # fmt: skip
def test_bad_votes_name_the_line(tmp_path: Path, line: int, old: str, new: str, message: str | None):
    root = make_fake(tmp_path)

    def broken(lines: list[str]) -> list[str]:
        assert old in lines[line]
        return [text.replace(old, new, 1) if i == line else text for i, text in enumerate(lines)]

    rewritten(root / VOTES_FILE, broken)
    if message is None:
        assert len(FERPlus(root=root)) == 84
    else:
        with pytest.raises(DatasetError, match=message):
            FERPlus(root=root, unreadable="error")


@pytest.mark.parametrize("file", [VOTES_FILE, "fer2013.csv"])
def test_a_half_row_costs_its_face_and_no_other(tmp_path: Path, file: str):
    whole = FERPlus(root=make_fake(tmp_path))
    rewritten(tmp_path / file, lambda lines: [*lines[:12], lines[12][:12], *lines[13:]])
    faces = FERPlus(root=tmp_path)
    assert {*whole.manifest.keys} - {*faces.manifest.keys} == {"Training_00011"}
    label_of = dict(zip(whole.manifest.keys, whole.manifest.labels, strict=True))
    assert all(label_of[sample.key] == sample.label for sample in faces)
    assert any(note.startswith(f"Rows of {file} left out as unreadable: 'line 13: ") for note in faces.notes)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b"Usage,neutral\n"])
def test_files_that_are_no_votes(tmp_path: Path, content: bytes):
    root = make_fake(tmp_path)
    (root / VOTES_FILE).write_bytes(content)
    with pytest.raises(DatasetError, match=VOTES_FILE):
        FERPlus(root=root)
    rewritten(make_fake(tmp_path) / VOTES_FILE, lambda lines: lines[:1])
    with pytest.raises(DatasetError, match="column names but no rows"):
        FERPlus(root=root)


def test_without_private_test_public_test_is_test(tmp_path: Path):
    root = make_fake(tmp_path)
    for path in (root / VOTES_FILE, root / "fer2013.csv"):
        rewritten(path, lambda lines: [line for line in lines if "PrivateTest" not in line])
    counts = FERPlus(root=root, validation_share=0.25).manifest.counts()
    assert counts.loc[["train", "validation", "test"]].to_numpy().tolist() == [[3] * 7, [1] * 7, [4] * 7]


def test_limit(tmp_path: Path):
    assert len(FERPlus(root=make_fake(tmp_path), limit=7)) == 21
