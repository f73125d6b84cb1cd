from __future__ import annotations

from pathlib import Path

import pytest

import fakes_runs
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.study import load_study
from occlufer.analysis.core.words import condition_phrase, count, p_value, signed
from occlufer.analysis.sections import effects, make_sections


def sentences(folder: Path) -> str:
    core = Core(load_study(folder), resamples=100)
    (block,) = core.study.blocks
    sections = make_sections(core)
    found = [text for section in sections for _, text in section.answers(block)]
    found += [text for section in sections for text in section.findings(block)]
    return "\n".join(found + [text for section in sections for text in section.cautions(block)])


def test_sentences_are_built_from_the_numbers(study_folder: Path) -> None:
    text = sentences(study_folder)
    matrix = Core(load_study(study_folder), resamples=10).matrix.set_index(["train", "test"])
    clean, covered = (100 * matrix.loc[("none", test), "accuracy_mean"] for test in ("none", "mask"))
    lost = f"Masks cut the accuracy of networks trained on bare faces by {clean - covered:.1f} points, "
    assert f"{lost}from {clean:.1f} % to {covered:.1f} % (95 % interval " in text
    assert "Headsets cut the accuracy" in text
    assert "140 test faces and 2 trainings of each network, which is little" in text


def test_an_occluder_of_ones_own_is_one_thing_and_no_change_is_no_rise(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "scarf"), tests=("none", "scarf"), n=300)
    assert "The occluder scarf cuts the accuracy of networks trained on bare faces by " in sentences(folder)
    row = {"kind": "cover", "low": -0.01, "high": 0.01, "accuracy_first": 0.5, "accuracy_second": 0.5}
    sides = {"train_second": "none", "test_second": "scarf@0.1"}
    told = effects._sentence({**row, **sides, "difference": 0.0})
    assert told.startswith(
        "The occluder scarf@0.1 changes the accuracy of networks trained on bare faces by 0.0 points"
    )
    assert "Masks (dial at 0.1) raise" in effects._sentence(
        {**row, **sides, "test_second": "mask@0.1", "difference": 0.01}
    )


def answers_of(folder: Path) -> dict[str, str]:
    core = Core(load_study(folder), resamples=100)
    return dict(answer for section in make_sections(core) for answer in section.answers(core.study.blocks[0]))


def test_what_wins_it_back_is_named_with_its_price(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(
        tmp_path, conditions=("none", "mask", "mixed"), tests=("none", "mask"), n=300
    )
    answers = answers_of(folder)
    assert list(answers) == ["What is lost", "How sure", "What wins it back"]
    recovery = Core(load_study(folder), resamples=100)
    rows = next(s for s in make_sections(recovery) if s.anchor == "recovery").tables["recovery"]
    own = rows[rows["train"] == "mask"].iloc[0]
    words = f"training on masked faces wins back {100 * own['recovery']:.0f} % of the loss"
    assert f"On masked faces, {words}" in answers["What wins it back"]
    assert "training on mixed faces wins " in answers["What wins it back"]
    assert "points on bare faces" in answers["What wins it back"]


def test_a_training_that_loses_more_wins_nothing_back(tmp_path: Path) -> None:
    for condition, skill in (("none", 0.0), ("mixed", -0.3)):
        fakes_runs.make_run(tmp_path / "s", condition=condition, tests=("none", "mask"), n=300, skill=skill)
    text = answers_of(tmp_path / "s")["What wins it back"]
    assert "training on mixed faces wins nothing back, the loss grows by " in text
    assert "wins back −" not in text


def test_one_seed_is_said_to_be_one_seed(tmp_path: Path) -> None:
    text = sentences(fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=60))
    assert "1 training of each network, so how much another training would differ is not known" in text


def test_networks_tested_on_their_own_condition_alone_are_set_against_bare_faces(tmp_path: Path) -> None:
    text = sentences(fakes_runs.make_grid(tmp_path, models={"vgg16": 0.0}, folds=range(2), n=300))
    assert "less than those trained and tested on bare faces, from " in text
    assert "than those trained and tested on faces under study_a_mask, from " in text
    assert "2 trainings of each network" in text
    assert "Folds of one split share most of their training faces" in text


def test_no_better_than_the_largest_class_is_said(tmp_path: Path) -> None:
    fakes_runs.make_run(tmp_path / "s", tests=("none",), n=60, skill=-0.6)
    assert "no better on bare faces" in sentences(tmp_path / "s")


@pytest.mark.parametrize(
    ("name", "words"),
    [("none", "bare faces"), ("mask", "masked faces"), ("headset", "faces wearing a headset"),
     ("mixed+distillation", "mixed faces with distillation"), ("none+flips", "bare faces with flips at test time"),
     ("veil", "faces under veil"), ("mask@0.5", "masked faces (dial at 0.5)"), ("veil@0.5", "faces under veil@0.5")],
)  # fmt: skip
def test_conditions_have_the_words_of_the_field(name: str, words: str) -> None:
    assert condition_phrase(name) == words


def test_numbers_are_written_plainly() -> None:
    assert [signed(value) for value in (-0.123, 0.05, -0.0001, float("nan"))] == ["−12.3", "+5.0", "0.0", "–"]
    assert [p_value(value) for value in (1e-9, 0.012, 1.0, 0.9999)] == ["< .001", ".012", "> .999", "> .999"]
    assert [count(1, "face"), count(2, "face"), count(1234, "face")] == ["1 face", "2 faces", "1,234 faces"]
