from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from occlufer.datasets.manifest import Manifest
from occlufer.datasets.splits import assign_splits, carve_validation, limit_faces
from occlufer.types import EXPRESSIONS, DatasetError

SIZES = (100, 20, 60, 200, 90, 80, 50)


def manifest_of(
    sizes: tuple[int, ...] = SIZES,
    *,
    splits: tuple[str, ...] = ("train",),
    subject: Callable[[int], str | None] = lambda i: None,
) -> Manifest:
    rows: list[dict[str, object]] = []
    for split in splits:
        for label, size in enumerate(sizes):
            for i in range(size):
                number = len(rows)
                rows.append({"key": f"{split}/{label}/{i:03d}", "source": number, "label": label,
                             "split": split, "subject": subject(i)})  # fmt: skip
    return Manifest.from_frame(pd.DataFrame(rows), name="toy")


def validation_keys(manifest: Manifest) -> set[str]:
    return set(manifest.keys[manifest.indices("validation")])


def test_carving_is_stratified_and_loses_nobody():
    before = manifest_of(splits=("train", "test"))
    after = carve_validation(before, share=0.1, seed=0)
    assert after.counts().loc["validation"].tolist() == [round(size * 0.1) for size in SIZES]
    assert list(after.keys) == list(before.keys)
    assert after.counts().loc["test"].tolist() == list(SIZES)
    assert before.indices("validation").size == 0


def test_the_seed_decides_and_the_order_of_rows_does_not():
    before = manifest_of()
    first = validation_keys(carve_validation(before, share=0.1, seed=0))
    assert validation_keys(carve_validation(before, share=0.1, seed=0)) == first
    assert validation_keys(carve_validation(before, share=0.1, seed=1)) != first
    shuffled = before.select(np.random.default_rng(0).permutation(len(before)))
    assert validation_keys(carve_validation(shuffled, share=0.1, seed=0)) == first


def test_a_small_class_gives_one_and_keeps_one():
    counts = carve_validation(manifest_of((2,) * 7), share=0.1, seed=0).counts()
    assert (counts.loc[["train", "validation"]] == 1).all().all()
    with pytest.raises(
        DatasetError,
        match=r"disgust has only 1 face left .*'dataset.classes=\[\"disgust: null\"\]' leaves out",
    ):
        carve_validation(manifest_of((9, 1, 9, 9, 9, 9, 9)), share=0.1, seed=0)


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_subjects_move_as_a_whole(share: float):
    before = manifest_of((60,) * 7, subject=lambda i: f"S{i % 30:02d}")
    after = carve_validation(before, share=share, seed=0)
    frame = after.frame
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert abs((frame["split"] == "validation").mean() - share) < 0.05
    assert validation_keys(carve_validation(before, share=share, seed=0)) == validation_keys(after)
    assert validation_keys(carve_validation(before, share=share, seed=1)) != validation_keys(after)


def test_few_subjects_are_enough_and_one_is_not():
    after = carve_validation(manifest_of((12,) * 7, subject=lambda i: "AB"[i % 2]), share=0.1, seed=0)
    assert after.frame.groupby("split")["subject"].nunique().tolist() == [1, 1]
    with pytest.raises(DatasetError, match=r"too few subjects \('A'\)"):
        carve_validation(manifest_of((12,) * 7, subject=lambda i: "A"), share=0.1, seed=0)


def test_assign_splits_makes_all_three_with_shares_of_the_whole():
    after = assign_splits(manifest_of((100,) * 7), validation_share=0.1, test_share=0.2, seed=0)
    assert after.counts().loc["train"].tolist() == [70] * 7
    assert after.counts().loc["validation"].tolist() == [10] * 7
    assert after.counts().loc["test"].tolist() == [20] * 7


def test_shares_that_cannot_be():
    with pytest.raises(DatasetError, match="nothing to train on"):
        assign_splits(manifest_of(), validation_share=0.5, test_share=0.5, seed=0)
    for share in (0, 1, -0.1, 1.5):
        with pytest.raises(DatasetError, match="over 0, below 1"):
            carve_validation(manifest_of(), share=share, seed=0)


def test_limit_keeps_proportions_every_class_and_the_order():
    manifest = manifest_of(splits=("train", "test"))
    small = limit_faces(manifest, limit=60, seed=0)
    counts = small.counts()
    assert counts.sum(axis=1).tolist() == [60, 60]
    expected = np.array(SIZES) * 60 / sum(SIZES)
    assert np.abs(counts.to_numpy() - expected).max() < 1.5
    assert list(small.keys) == [key for key in manifest.keys if key in set(small.keys)]
    assert list(limit_faces(manifest, limit=60, seed=0).keys) == list(small.keys)
    assert list(limit_faces(manifest, limit=60, seed=1).keys) != list(small.keys)


@pytest.mark.parametrize("limit", [7, 8, 13, 40, 599, 600, 601])
def test_limit_is_met_exactly(limit: int):
    small = limit_faces(manifest_of(), limit=limit, seed=0)
    assert len(small) == min(limit, sum(SIZES))
    assert set(small.labels) == set(range(len(EXPRESSIONS)))


def test_limit_below_the_number_of_classes():
    with pytest.raises(DatasetError, match=r"dataset.limit=6 is below one face for each of the 7 classes"):
        limit_faces(manifest_of(), limit=6, seed=0)
