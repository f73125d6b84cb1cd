from __future__ import annotations

import subprocess
import sys

import pytest

from occlufer.types import (
    EXPRESSIONS,
    ConfigError,
    DatasetError,
    ImageError,
    LandmarkError,
    OccluferError,
    RunError,
    seeded_rng,
    unknown_name,
)


def test_the_label_order_is_the_one_of_the_design():
    assert EXPRESSIONS == ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")


def test_a_misspelt_name_is_told_the_right_one():
    told = unknown_name("expression", "happines", EXPRESSIONS)
    assert told.startswith("Unknown expression 'happines'. Did you mean 'happiness'? Known: anger, ")


def test_unknown_name_without_a_near_one_still_names_all():
    assert unknown_name("split", "zzz", ["train", "test"]) == "Unknown split 'zzz'. Known: train, test."
    assert unknown_name("split", "x", iter([])) == "Unknown split 'x'. Known: none."


@pytest.mark.parametrize("kind", [ConfigError, DatasetError, ImageError, LandmarkError, RunError])
def test_errors_for_users_are_one_family(kind):
    assert issubclass(kind, OccluferError)
    assert issubclass(kind, ValueError)


def test_an_image_error_is_a_dataset_error():
    assert issubclass(ImageError, DatasetError)


def test_seeded_draws_follow_their_words():
    draws = {
        words: tuple(seeded_rng(*words).integers(2**32, size=4))
        for words in ((0,), (0, 1), (1, 0), (0, 1, 2))
    }
    assert len(set(draws.values())) == len(draws)
    assert draws[0, 1] == tuple(seeded_rng(0, 1).integers(2**32, size=4))


def test_seeded_draws_are_the_same_in_another_process():
    code = "from occlufer.types import seeded_rng; print(seeded_rng(3, 1, 4).integers(2**62))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) == seeded_rng(3, 1, 4).integers(2**62)


def test_negative_words_are_refused():
    with pytest.raises(ValueError):
        seeded_rng(0, -1)
