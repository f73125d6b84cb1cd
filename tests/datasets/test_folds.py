from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from fakes import MemoryFaces
from occlufer.datasets.folds import Fold
from occlufer.datasets.manifest import Manifest
from occlufer.types import ConfigError, DatasetError

COUNT = 5


def faces(*, per_class: int = 10, people: int = 0) -> MemoryFaces:
    """Faces of everybody in turn, where people are named."""
    made = MemoryFaces(per_class=per_class)
    if people:
        frame = made.manifest.frame
        frame["subject"] = [f"person-{row % people}" for row in range(len(frame))]
        made.manifest = Manifest.from_frame(frame, name=made.name)
    return made


def folded(
    source: MemoryFaces, number: int, *, honest: bool = False, seed: int = 42, count: int = COUNT
) -> Fold:
    return Fold(source, fold=number, count=count, seed=seed, honest=honest)


def keys(dataset: Fold | MemoryFaces, split: str) -> set[str]:
    return set(dataset.manifest.keys[dataset.manifest.indices(split)])


def test_every_training_face_is_held_out_once_and_test_is_untouched():
    source = faces()
    pool = keys(source, "train") | keys(source, "validation")
    held = [keys(folded(source, number), "validation") for number in range(COUNT)]
    assert sum(map(len, held)) == len(pool)
    assert set.union(*held) == pool
    for number in range(COUNT):
        fold = folded(source, number)
        assert keys(fold, "train") == pool - held[number]
        assert keys(fold, "test") == keys(source, "test")


def test_it_is_scikit_learns_stratified_k_fold_over_the_sorted_keys():
    source = faces()
    pool = source.manifest.frame.query("split != 'test'").sort_values("key")
    splits = StratifiedKFold(5, shuffle=True, random_state=42).split(pool["key"], pool["label"])
    for number, (_, held) in enumerate(splits):
        assert keys(folded(source, number), "validation") == set(pool["key"].iloc[held])


def test_every_fold_has_the_mix_of_expressions():
    for number in range(COUNT):
        manifest = folded(faces(), number).manifest
        assert manifest.counts().loc["validation"].tolist() == [4] * 7


def test_the_order_on_disk_does_not_matter_and_the_seed_does():
    source, shuffled = faces(), faces()
    shuffled.manifest = shuffled.manifest.select(np.random.default_rng(0).permutation(len(shuffled)))
    assert keys(folded(source, 1), "validation") == keys(folded(shuffled, 1), "validation")
    assert keys(folded(source, 1), "validation") != keys(folded(source, 1, seed=43), "validation")


def test_images_follow_their_rows():
    source = faces()
    source.manifest = source.manifest.select(np.arange(len(source))[::-1])
    fold = pickle.loads(pickle.dumps(folded(source, 2)))
    for row in (0, 17, len(fold) - 1):
        assert fold.manifest.keys[row] == source.manifest.keys[row]
        np.testing.assert_array_equal(fold[row].image_HWC, source[row].image_HWC)
        assert fold.content_digest(row) == source.content_digest(row)


def people_of(fold: Fold, split: str) -> set[str]:
    frame = fold.manifest.frame
    return set(frame.loc[frame["split"] == split, "subject"])


def test_honest_folds_part_people_and_published_ones_part_their_faces():
    source = faces(per_class=12, people=23)
    for number in range(COUNT):
        honest = folded(source, number, honest=True)
        assert not people_of(honest, "train") & people_of(honest, "validation")
        assert "by subject" in honest.notes[-1]
    published = folded(source, 0)
    assert people_of(published, "train") & people_of(published, "validation")


class Copied(MemoryFaces):
    """Faces of one expression are the same image twice over."""

    def content_digest(self, index: int) -> bytes:
        return super().content_digest(index // 2 * 2)


def test_honest_training_loses_the_copies_of_held_out_faces():
    source = Copied(per_class=10)
    honest, published = folded(source, 0, honest=True), folded(source, 0)
    held = {honest.content_digest(row) for row in honest.manifest.indices("validation")}
    assert not held & {honest.content_digest(row) for row in honest.manifest.indices("train")}
    lost = len(published) - len(honest)
    assert lost > 0
    assert (
        honest.notes[-1] == f"{lost} training faces are byte for byte faces of that fold: dropped from train."
    )
    assert keys(honest, "validation") == keys(published, "validation")
    # Rows have shifted: each must still bring its own image.
    for row in (0, len(honest) // 2, len(honest) - 1):
        at = list(source.manifest.keys).index(honest.manifest.keys[row])
        np.testing.assert_array_equal(honest[row].image_HWC, source[at].image_HWC)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"fold": 5}, r"fold=5 is not one of the 5 folds, .*Give fold=0 to fold=4"),
        ({"fold": -1}, "fold must be a whole number, at least 0; found -1"),
        ({"fold": "two"}, "found 'two'"),
        ({"fold": True}, "found True"),
        ({"fold": 1.0}, "found 1.0"),
        ({"count": 1}, "fold_count must be a whole number, at least 2"),
        ({"seed": -1}, "fold_seed"),
    ],
)
def test_values_that_cannot_be_are_refused(settings, told):
    with pytest.raises(ConfigError, match=told):
        Fold(faces(), **{"fold": 0, "count": 5, "seed": 42, "honest": True} | settings)


def test_too_few_faces_or_subjects_are_named():
    with pytest.raises(DatasetError, match=r"fewer training faces than the 5 folds of 'anger \(4\)'"):
        folded(faces(per_class=2), 0)
    with pytest.raises(DatasetError, match=r"3 subjects in train cannot fill 5 folds"):
        folded(faces(people=3), 0, honest=True)


def test_what_the_dataset_says_is_kept():
    source = faces()
    source.notes, source.covered = ("drawn",), True
    fold = folded(source, 3)
    assert fold.notes[0] == "drawn"
    assert fold.notes[1].startswith(
        "Fold 3 of 5 (stratified by expression, shuffled with seed 42): 28 of 140 "
    )
    assert (fold.name, fold.covered) == ("memory", True)
    pd.testing.assert_frame_equal(
        fold.manifest.frame.drop(columns="split"), source.manifest.frame.drop(columns="split")
    )
