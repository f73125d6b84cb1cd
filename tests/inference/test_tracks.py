"""Faces followed from frame to frame: who is who, and how long is remembered."""

from __future__ import annotations

import math

import pytest

from occlufer.inference.predictor import Prediction
from occlufer.inference.tracks import Tracks


def said(face: int, left: float, happy: float, condition: str = "none") -> Prediction:
    name = "happiness" if happy > 0.5 else "fear"
    probabilities = {"happiness": happy, "fear": 1 - happy}
    return Prediction(face, (left, 0, left + 100, 100), "face mesh", condition, name, probabilities, 0.0)


def test_a_face_keeps_its_number_when_another_comes_and_goes():
    tracks = Tracks(1.0)
    assert [number for number, _ in tracks([said(0, 200, 0.5)], 0.0)] == [0]
    assert [number for number, _ in tracks([said(0, 20, 0.5), said(1, 210, 0.5)], 0.1)] == [1, 0]
    assert [number for number, _ in tracks([said(0, 220, 0.5)], 0.2)] == [0]
    assert [number for number, _ in tracks([said(0, 30, 0.5), said(1, 230, 0.5)], 0.9)] == [1, 0]


def test_two_faces_that_meet_are_told_apart_by_the_larger_overlap():
    tracks = Tracks(1.0)
    tracks([said(0, 0, 0.5), said(1, 60, 0.5)], 0.0)
    assert [number for number, _ in tracks([said(0, 45, 0.5), said(1, 100, 0.5)], 0.1)] == [1, 2]


def test_the_weight_of_an_older_frame_falls_with_time_and_not_with_frames():
    for steps in (1, 10, 100):
        tracks = Tracks(2.0)
        tracks([said(0, 0, 1.0)], 0.0)
        for step in range(1, steps + 1):
            ((_, smoothed),) = tracks([said(0, 0, 0.0)], step * 0.8 / steps)
        assert smoothed.probabilities["happiness"] == pytest.approx(math.exp(-0.4))
        assert smoothed.expression == "happiness"
        assert sum(smoothed.probabilities.values()) == pytest.approx(1)


def test_conditions_are_smoothed_apart():
    tracks = Tracks(1e9)
    tracks([said(0, 0, 1.0), said(0, 0, 0.0, "mask")], 0.0)
    (_, bare), (_, mask) = tracks([said(0, 0, 0.5), said(0, 0, 0.5, "mask")], 0.1)
    assert bare.probabilities["happiness"] == pytest.approx(1.0)
    assert mask.probabilities["happiness"] == pytest.approx(0.0, abs=1e-6)


def test_who_was_away_for_more_than_a_second_is_somebody_new_and_memory_stays_flat():
    tracks = Tracks(1.0)
    tracks([said(0, 0, 1.0)], 0.0)
    ((number, fresh),) = tracks([said(0, 0, 0.0)], 1.5)
    assert (number, fresh.probabilities["happiness"]) == (1, 0.0)
    for frame in range(500):
        tracks([said(0, 1000.0 * frame, 0.5)], 2 + frame / 10)
    assert len(tracks._tracks) <= 11
