from __future__ import annotations

import pytest

from occlufer.analysis.core.conditions import (
    condition_order,
    dial,
    dial_lines,
    is_partial,
    mask_and_headset,
    set_aside,
)

MASKS = ["mask@0.25", "mask@0.5", "mask@0.75", "mask"]


def test_conditions_come_in_report_order_without_repeats() -> None:
    assert condition_order(["veil", "headset", "hand", "none", "none"]) == ["none", "headset", "hand", "veil"]


def test_places_of_a_dial_follow_each_other_by_severity() -> None:
    names = ["mask", "veil", "mask@0.5", "hand@1.0", "hand@0.05", "headset", "none", "mask@0.10", "veil@0.5"]
    assert condition_order(names) == [
        "none", "mask@0.10", "mask@0.5", "mask", "headset", "hand@0.05", "hand@1.0", "veil@0.5", "veil"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["mask@", "mask@much", "mask@nan", "mask@2", "@0.5", "no<b>ne"])
def test_a_name_that_is_no_place_of_a_dial_stands_for_itself(name: str) -> None:
    assert dial(name) == (name, 1.0)
    assert not is_partial(name)


def test_a_line_needs_three_places_and_begins_uncovered() -> None:
    assert dial_lines(["none", "mask", "mask@0.5", "headset"]) == {"mask": ["none", "mask@0.5", "mask"]}
    assert dial_lines(["none", "mask@0.0", "mask"]) == {}  # none is place 0 as well
    assert list(dial_lines(["mask", "mask@0.5", "mask@0.25"])) == ["mask"]


def test_many_places_of_a_dial_stand_aside_and_few_do_not() -> None:
    tests = ["none", *MASKS]
    assert set_aside(("none", test) for test in tests) == set()
    assert set_aside(("none", test) for test in [*tests, "mask@0.1"]) == {"mask@0.1", *MASKS[:3]}


def test_a_place_that_would_stand_nowhere_else_stays_in_the_matrix() -> None:
    cells = [("none", test) for test in ["none", "mask@0.1", *MASKS, "headset@0.5"]]
    assert set_aside(cells) == {"mask@0.1", *MASKS[:3]}
    assert set_aside([*cells, ("mask@0.5", "none")]) == {"mask@0.1", "mask@0.25", "mask@0.75"}


def test_masks_meet_the_headset_of_their_family() -> None:
    assert mask_and_headset(["none", "study_a_mask", "study_a_headset", "mask"]) == [
        ("study_a_mask", "study_a_headset")
    ]
