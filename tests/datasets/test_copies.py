from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from fakes.image_folder import make_fake
from occlufer.commands.app import command
from occlufer.datasets.copies import without_copies
from occlufer.datasets.folds import Fold
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.manifest import COLUMNS, Manifest
from occlufer.datasets.stores import ArrayStore
from occlufer.settings import conf_folder
from occlufer.types import DatasetError


def three_a_class(*splits: str, faces: int = 3) -> tuple[Manifest, ArrayStore]:
    """So many faces a class and split, in order of split and class, with an image of its own each."""
    rows = [
        (f"{split}/{label}/{number}", position, label, split, None)
        for position, (split, label, number) in enumerate(
            (split, label, number) for split in splits for label in range(7) for number in range(faces)
        )
    ]
    manifest = Manifest.from_frame(pd.DataFrame(rows, columns=list(COLUMNS), dtype=object), name="fake")
    images = np.random.default_rng(0).integers(0, 255, (len(rows), 16, 16), np.uint8)
    return manifest, ArrayStore(images)


def leaky() -> tuple[Manifest, ArrayStore]:
    """Copies: train 0 in test, 4 in validation and test, 6 in train; validation 1 in test under another label."""
    manifest, store = three_a_class("train", "validation", "test")
    images = store.images_NHW
    images[42 + 0] = images[0]
    images[42 + 5] = images[21 + 5] = images[4]
    images[42 + 20] = images[21 + 1]
    images[7] = images[6]
    return manifest, store


def contradicting() -> tuple[Manifest, ArrayStore]:
    """Train 0 (anger) is train 3 and 4 (disgust), train 6 (fear) is validation 0 (anger), test 0 is test 3."""
    manifest, store = three_a_class("train", "validation", "test")
    images = store.images_NHW
    images[3] = images[4] = images[0]
    images[21] = images[6]
    images[45] = images[42]
    return manifest, store


def lost(before: Manifest, after: Manifest) -> list[int]:
    return [row for row, key in enumerate(before.keys) if key not in set(after.keys)]


def test_leaks_are_dropped_from_the_earlier_split_and_counted():
    manifest, store = leaky()
    kept = without_copies(manifest, store)
    assert lost(manifest, kept.manifest) == [0, 4, 21 + 1, 21 + 5]
    assert (kept.manifest.counts().loc["test"] == 3).all()
    assert kept.notes == (
        "2 train images are byte for byte images of test (anger 1, disgust 1): dropped from train.",
        "2 validation images are byte for byte images of test (anger 1, disgust 1); 1 of them carry another label "
        "there: dropped from validation.",
        "2 train images are copies of 1 in the same split under the same label (train/2/0, train/2/1 and so on): KEPT.",
    )
    assert kept.left_out.iloc[0].tolist() == [
        "train", "anger", "train/0/0", "not in the dataset: a copy of it stands in test"]  # fmt: skip
    assert kept.left_out["key"].tolist() == [manifest.keys[row] for row in (0, 4, 22, 26)]
    assert kept.digests[5] == store.digest(5)
    assert without_copies(kept.manifest, store).notes == kept.notes[2:]


def test_contradictions_leave_train_and_validation_and_are_said_of_test():
    manifest, store = contradicting()
    kept = without_copies(manifest, store)
    assert lost(manifest, kept.manifest) == [0, 3, 4, 6, 21]
    assert kept.notes == (
        "4 train and 1 validation images are copies of 2 that stand under more than one label (anger 2, disgust 2, "
        "fear 1): dropped.",
        "2 test images are copies of 1 that stand under more than one label (anger 1, disgust 1): KEPT, as test loses "
        "no face.",
    )
    assert set(kept.left_out["reason"]) == {"not in the dataset: copies of it carry other labels"}


def test_copies_can_be_kept_or_refused():
    manifest, store = leaky()
    kept = without_copies(manifest, store, duplicates="keep")
    assert len(kept.manifest) == len(manifest)
    assert kept.left_out.empty
    assert "KEPT" in kept.notes[0]
    with pytest.raises(DatasetError, match="same image stands in two splits: 'train/0/0 = test/0/0'"):
        without_copies(manifest, store, duplicates="error")
    manifest, store = contradicting()
    kept = without_copies(manifest, store, contradictions="keep", duplicates="keep")
    assert len(kept.manifest) == len(manifest)
    assert "fear 1): KEPT (dataset.contradictions=keep)." in kept.notes[0]
    with pytest.raises(DatasetError, match="under more than one label: 'train/0/0 = train/1/0 = train/1/1'"):
        without_copies(manifest, store, contradictions="error")


def test_twice_in_one_split_is_refused_where_duplicates_are():
    manifest, store = three_a_class("train", "test")
    store.images_NHW[21] = store.images_NHW[22]
    with pytest.raises(DatasetError, match="same image stands twice in a split: 'test/0/0 = test/0/1'"):
        without_copies(manifest, store, duplicates="error")


def test_dropping_a_whole_class_is_an_error():
    manifest, store = three_a_class("train", "test", faces=1)
    store.images_NHW[0] = store.images_NHW[7]
    with pytest.raises(DatasetError, match="no face for 'anger in train'"):
        without_copies(manifest, store)


def test_folders_test_and_testing_both_there(tmp_path: Path):
    root = make_fake(tmp_path / "faces", per_class=3)
    make_fake(tmp_path / "again", per_class=3)
    (tmp_path / "again" / "test").rename(root / "testing")
    faces = ImageFolder(root=root)
    (note,) = (note for note in faces.notes if "same split" in note)
    assert note.startswith(
        "42 test images are copies of 21 in the same split under the same label (test/anger/"
    )
    with pytest.raises(DatasetError, match="stands twice in a split"):
        ImageFolder(root=root, duplicates="error")


def test_what_left_is_listed_through_folds(tmp_path: Path):
    root = make_fake(tmp_path, per_class=6)
    image = sorted((root / "train" / "fear").iterdir())[0]
    (root / "train" / "anger" / "copy.png").write_bytes(image.read_bytes())
    (root / "train" / "fear" / "empty.png").touch()
    faces = Fold(ImageFolder(root=root), fold=0, count=2, seed=0, honest=True)
    listed = dict(zip(faces.left_out["key"], faces.left_out["reason"], strict=True))
    assert listed == {
        "train/fear/empty.png": "not in the dataset: is empty (0 bytes)",
        "train/anger/copy.png": "not in the dataset: copies of it carry other labels",
        f"train/fear/{image.name}": "not in the dataset: copies of it carry other labels",
    }


@pytest.mark.parametrize(("protocol", "policy"), [("honest", "drop"), ("published", "keep"), (None, "drop")])
def test_the_protocol_decides(protocol: str | None, policy: str):
    assert command  # registers the resolver
    node = OmegaConf.load(conf_folder() / "dataset" / "_stored.yaml")
    config = OmegaConf.create({"dataset": node} | ({"protocol": protocol} if protocol else {}))
    assert config.dataset.contradictions == policy
