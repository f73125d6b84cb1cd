"""Faces of a video followed from frame to frame, and what is said of each smoothed over time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

from occlufer.inference.predictor import Prediction
from occlufer.landmarks.boxes import Box

_LOST_AFTER = 1.0  # seconds that a face may be out of sight, or turned away
_LEAST_OVERLAP = 0.3


@dataclass(slots=True)
class _Track:
    number: int
    box: Box
    seen: float
    means: dict[str, dict[str, float]] = field(default_factory=dict)  # by condition


@final
class Tracks:
    """Gives faces that overlap in following frames one number, and smooths their probabilities exponentially.

    It remembers the faces of the last second alone, however long the video is.

    Args:
        seconds: time in which the weight of an older frame falls to 1/e; above 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tracks: list[_Track] = []
        self._count = 0

    def __call__(self, answers: Sequence[Prediction], at: float) -> list[tuple[int, Prediction]]:
        """The answers of a frame `at` so many seconds, smoothed, each with its face's number in the video."""
        self._tracks = [track for track in self._tracks if at - track.seen <= _LOST_AFTER]
        followed = self._follow({answer.face: answer.box for answer in answers}, at)
        smoothed = [
            (followed[one.face].number, self._smoothed(followed[one.face], one, at)) for one in answers
        ]
        for answer in answers:
            followed[answer.face].box, followed[answer.face].seen = answer.box, at
        return smoothed

    def _follow(self, boxes: dict[int, Box], at: float) -> dict[int, _Track]:
        """The track of each face of a frame: those that overlap most first, a new one for the rest."""
        pairs = sorted(
            ((_shared(track.box, box), -face, place) for face, box in boxes.items()
             for place, track in enumerate(self._tracks)), reverse=True,
        )  # fmt: skip
        found: dict[int, _Track] = {}
        taken: set[int] = set()
        for shared, negative, place in pairs:
            if shared >= _LEAST_OVERLAP and -negative not in found and place not in taken:
                found[-negative] = self._tracks[place]
                taken.add(place)
        for face, box in boxes.items():
            if face not in found:
                found[face] = _Track(self._count, box, at)
                self._tracks.append(found[face])
                self._count += 1
        return found

    def _smoothed(self, track: _Track, answer: Prediction, at: float) -> Prediction:
        before = track.means.get(answer.condition)
        weight = 1.0 if before is None else 1 - math.exp(-(at - track.seen) / self._seconds)
        mean = {
            name: value if before is None else before[name] + weight * (value - before[name])
            for name, value in answer.probabilities.items()
        }
        track.means[answer.condition] = mean
        return dataclasses.replace(answer, expression=max(mean, key=mean.__getitem__), probabilities=mean)


def _shared(one: Box, other: Box) -> float:
    """The common area of two boxes as a share of the area that either covers."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high / (sum(areas) - wide * high)
