"""Names of conditions: their order, pairs of them, and the places of an occluder's dial (`mask@0.25`)."""

from __future__ import annotations

from collections.abc import Iterable

_FIRST = ("none", "mask", "headset")
_LEAST_PLACES = 3  # of a dial, for a line to be drawn through them
_MOST_PARTIAL = 3  # places other than the full one that the matrix takes as columns


def condition_order(names: Iterable[str]) -> list[str]:
    """The conditions without repeats: none, mask, headset first, then the others alphabetically.

    Places of an occluder's dial follow each other, least severity first: mask@0.25, mask@0.5, mask.
    """
    return sorted(set(names), key=_place)


def _place(name: str) -> tuple[int, str, float, str]:
    occluder, severity = dial(name)
    first = _FIRST.index(occluder) if occluder in _FIRST else len(_FIRST)
    return first, occluder, severity, name


def dial(name: str) -> tuple[str, float]:
    """Occluder and severity 0..1 of a condition: `mask@0.25` -> (mask, .25), `mask` -> (mask, 1)."""
    occluder, _, place = name.rpartition("@")
    try:
        severity = float(place)
    except ValueError:
        return name, 1.0
    return (occluder, severity) if occluder and 0 <= severity <= 1 else (name, 1.0)


def is_partial(name: str) -> bool:
    """Whether the condition is a place of a dial other than the full one."""
    return dial(name)[1] < 1


def dial_lines(tests: Iterable[str]) -> dict[str, list[str]]:
    """Occluder -> the conditions along its dial, for those with three places or more; `none` begins each."""
    order = condition_order(tests)
    lines = {}
    for occluder in dict.fromkeys(dial(name)[0] for name in order if name != "none"):
        along = [name for name in order if name == "none" or dial(name)[0] == occluder]
        if len({0.0 if name == "none" else dial(name)[1] for name in along}) >= _LEAST_PLACES:
            lines[occluder] = along
    return lines


def set_aside(cells: Iterable[tuple[str, str]]) -> set[str]:
    """Test conditions that stand beside the severity figure alone, as they would clutter the matrix.

    With more than three places of dials other than the full ones, these are set aside, unless one of them is on no
    line of some train condition or networks were trained under it.

    Args:
        cells: the (train, test) conditions of one matrix.
    """
    tests: dict[str, set[str]] = {}
    for train, test in cells:
        tests.setdefault(train, set()).add(test)
    partial = {name for names in tests.values() for name in names if is_partial(name)} - set(tests)
    if len(partial) <= _MOST_PARTIAL:
        return set()
    alone = {
        name for names in tests.values() for name in names.difference(*map(set, dial_lines(names).values()))
    }
    return partial - alone


def mask_and_headset(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a mask and the headset of its family: (mask, headset), (study_a_mask, study_a_headset)."""
    found = list(dict.fromkeys(names))
    pairs = [(name, name.replace("mask", "headset")) for name in found if "mask" in name]
    return [pair for pair in pairs if pair[1] in found]
