import pandas as pd
import pytest

from occlufer.datasets.counts import check_counts
from occlufer.datasets.rafdb import PUBLISHED
from occlufer.types import EXPRESSIONS, DatasetError


def frame_of(counts: dict[str, dict[str, int]]) -> pd.DataFrame:
    rows = [
        (split, EXPRESSIONS.index(expression))
        for split, classes in counts.items()
        for expression, size in classes.items()
        for _ in range(size)
    ]
    return pd.DataFrame(rows, columns=["split", "label"])


def check(counts: dict[str, dict[str, int]]) -> tuple[str, ...]:
    return check_counts(frame_of(counts), PUBLISHED, name="rafdb", title="RAF-DB")


def test_the_published_counts_need_no_word():
    assert check(PUBLISHED) == ()


def test_a_few_missing_faces_are_told_by_class():
    train = PUBLISHED["train"] | {"fear": 280, "anger": 700}
    assert check(PUBLISHED | {"train": train}) == (
        "Not the published numbers of faces of RAF-DB; found for published: train 12,265 for 12,271 "
        "(anger 700 for 705, fear 280 for 281).",
    )


def test_a_small_part_is_told_in_few_words():
    part = {split: dict.fromkeys(EXPRESSIONS, 4) for split in PUBLISHED}
    assert check(part) == (
        "Not the published numbers of faces of RAF-DB; found for published: train 28 for 12,271; test 28 for 3,068.",
    )


@pytest.mark.parametrize(
    "order",
    [
        ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),  # FER2013's csv file
        EXPRESSIONS,  # folders by the alphabet
        ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"),  # AffectNet
        ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),  # FERPlus
    ],
)
def test_labels_in_the_order_of_another_set_are_refused(order: tuple[str, ...]):
    """RAF-DB's numbers 1 to 7, read as another set's names, with two faces missing."""
    swapped = {split: dict(zip(order, classes.values(), strict=True)) for split, classes in PUBLISHED.items()}
    swapped["train"][order[3]] -= 2
    with pytest.raises(
        DatasetError, match=rf"train: .* in another order: .*{order[1]} has the size of fear \(281\)"
    ):
        check(swapped)


def test_two_classes_of_nearly_the_same_size_cannot_be_told_apart():
    """What the check cannot see: it is a net under the adapters, not a proof."""
    train = PUBLISHED["train"] | {"disgust": 705, "anger": 717}
    assert len(check(PUBLISHED | {"train": train})) == 1
