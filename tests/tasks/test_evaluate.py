"""What an evaluation says of a run that was trained under other drawings of the occluders."""

from __future__ import annotations

from dataclasses import replace

from launchers.sweep_fakes import SUMMARY
from occlufer.commands.app import conditions_alone
from occlufer.settings import DRAWING
from occlufer.tasks.evaluate import _redrawn


def test_an_older_run_under_occluders_of_today_is_told() -> None:
    asked = conditions_alone(["none", "mask", "headset"])
    assert _redrawn(SUMMARY, asked) == []
    older = replace(SUMMARY, drawing=DRAWING - 1)
    assert _redrawn(older, {"none": asked["none"]}) == []
    (told,) = _redrawn(older, asked)
    assert told.startswith(f"mask, headset: scored under version {DRAWING}")
    assert f"trained under version {DRAWING - 1}" in told
