import pickle

import numpy as np
import pandas as pd
import pytest

from occlufer.datasets.manifest import Manifest, ManifestRow, named
from occlufer.types import EXPRESSIONS, DatasetError


def table(per_split: int = 14, splits: tuple[str, ...] = ("train", "validation", "test")) -> pd.DataFrame:
    rows = [
        {"key": f"{split}/{i}", "source": f"{split}/{i}.png", "label": i % 7, "split": split, "subject": None}
        for split in splits
        for i in range(per_split)
    ]
    return pd.DataFrame(rows)


def build(frame: pd.DataFrame, **kwargs: object) -> Manifest:
    return Manifest.from_frame(frame, name="toy", **kwargs)  # type: ignore[arg-type]


def test_rows_and_arrays_agree_with_the_table():
    frame = table()
    frame.loc[2, "subject"] = "S01"
    manifest = build(frame)
    assert len(manifest) == 42
    assert manifest.row(2) == ManifestRow("train/2", "train/2.png", 2, "train", "S01")
    assert manifest.row(3).subject is None
    assert manifest.labels.dtype == np.int64
    assert manifest.labels.tolist() == frame["label"].tolist()
    assert manifest.indices("validation").tolist() == list(range(14, 28))
    assert manifest.indices("validation").dtype == np.int64
    assert list(manifest.keys) == frame["key"].tolist()
    with pytest.raises(IndexError):
        manifest.row(42)


def test_array_indices_stay_integers():
    manifest = build(table().assign(source=range(42)))
    source = manifest.row(5).source
    assert type(source) is int
    assert source == 5


def test_extra_columns_are_kept_and_the_frame_is_a_copy():
    manifest = build(table().assign(yaw=0.5))
    copy = manifest.frame
    assert list(copy["yaw"].unique()) == [0.5]
    copy["label"] = 0
    assert manifest.frame["label"].max() == 6


def test_counts_by_split_and_expression():
    counts = build(table()).counts()
    assert counts.index.tolist() == ["train", "validation", "test"]
    assert counts.columns.tolist() == list(EXPRESSIONS)
    assert (counts == 2).all().all()


def test_select_by_mask_and_by_indices_keeps_the_order_given():
    manifest = build(table())
    assert list(manifest.select([5, 3]).keys) == ["train/5", "train/3"]
    assert list(manifest.select(manifest.splits == "test").splits) == ["test"] * 14
    assert len(manifest.select([])) == 0


def test_digest_changes_with_label_split_and_order_but_not_with_extra_columns():
    frame = table()
    digest = build(frame).digest()
    assert build(frame.assign(yaw=1.0)).digest() == digest
    assert build(frame.iloc[::-1]).digest() != digest
    swapped = frame.copy()
    swapped.loc[[0, 1], "label"] = [1, 0]
    assert build(swapped).digest() != digest
    moved = frame.copy()
    moved.loc[0, "split"] = "test"
    assert build(moved).digest() != digest


def test_pickles():
    manifest = build(table())
    again = pickle.loads(pickle.dumps(manifest))
    assert again.digest() == manifest.digest()
    assert again.row(4) == manifest.row(4)


def test_missing_columns_are_named():
    with pytest.raises(DatasetError, match="lacks the columns split, subject"):
        build(table().drop(columns=["split", "subject"]))


def test_empty_table():
    with pytest.raises(DatasetError, match="empty"):
        build(table().iloc[:0])


@pytest.mark.parametrize("label", [7, -1, "anger", 1.5, True, None])
def test_unknown_labels_name_the_value_and_the_key(label: object):
    frame = table().astype({"label": object})
    frame.loc[3, "label"] = label
    with pytest.raises(DatasetError, match=r"unknown labels.*'train/3'.*0 anger"):
        build(frame)


def test_a_label_outside_the_declared_classes_is_unknown():
    with pytest.raises(DatasetError, match="unknown labels in 6 rows: 4 "):
        build(table(), classes=[name for name in EXPRESSIONS if name != "neutral"])


def test_unknown_split():
    frame = table()
    frame.loc[0, "split"] = "dev"
    with pytest.raises(DatasetError, match=r"'dev'.*'train/0'.*train, validation, test"):
        build(frame)
    with pytest.raises(DatasetError, match="Did you mean 'validation'"):
        build(table()).indices("validaton")


def test_duplicate_keys_are_named_a_few_and_counted():
    frame = table()
    frame.loc[frame["split"] == "test", "key"] = [f"train/{i}" for i in range(14)]
    with pytest.raises(DatasetError, match=r"'train/0'.*'train/4' and 9 more \(14 in all\)"):
        build(frame)


def test_key_that_is_no_text():
    with pytest.raises(DatasetError, match="non-empty Unicode text"):
        build(table().assign(key=[None, *range(41)]))
    frame = table().astype({"key": object})
    frame.loc[0, "key"] = "train/\udcff.png"  # how Python holds a file name that is not UTF-8
    with pytest.raises(DatasetError, match="Rename files"):
        build(frame)


def test_class_without_faces_is_an_error_only_in_splits_that_exist():
    build(table(splits=("train", "test")))
    frame = table()
    frame = frame[~((frame["split"] == "test") & (frame["label"] == 6))]
    with pytest.raises(DatasetError, match="empty class: no face for 'surprise in test'"):
        build(frame)


def test_a_dataset_may_declare_fewer_classes():
    frame = table()
    six = build(frame[frame["label"] != 4], classes=[name for name in EXPRESSIONS if name != "neutral"])
    assert six.classes == tuple(name for name in EXPRESSIONS if name != "neutral")
    assert "neutral" not in six.counts().columns


def test_unknown_declared_class():
    with pytest.raises(DatasetError, match="Did you mean 'anger'"):
        build(table(), classes=["angerr"])


def test_named_shows_five():
    assert named("abcde") == "'a', 'b', 'c', 'd', 'e'"
    assert named("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more (7 in all)"
