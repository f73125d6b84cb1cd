"""How well an occluder sits on a dataset's faces, by landmarks other than those that placed it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from occlufer.analysis.core.words import count
from occlufer.datasets.base import FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.landmarks.geometry import head_pose
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.scores import PlacementScores, placement_scores
from occlufer.types import FloatArray, seeded_rng

TURNED = 20.0
"""Degrees of yaw from which a face counts as turned."""
DOUBTFUL = 0.15
"""Two detections of one face that lie farther apart, in eye distances: at least one of them is wrong."""
_COLUMNS = ("lower_face", "nose_and_mouth", "mouth", "nostrils", "eyes", "brows", "outside", "outside_mesh",
            "face")  # fmt: skip
_EYE_CORNERS = [33, 263]


def independent(settings: DetectorSettings) -> DetectorSettings:
    """The settings of a second detector, which sees the image with other borders and so makes other errors."""
    stages = tuple(dataclasses.replace(stage, pad=stage.pad * 0.7) for stage in settings.stages)
    return dataclasses.replace(settings, stages=stages)


def score_table(
    faces: FaceDataset, indices: Iterable[int], cache: LandmarkCache, occluder: Occluder[Any], *,
    settings: DetectorSettings, seed: int,
) -> list[str]:  # fmt: skip
    """Lines of a table: covered shares of each region, over all faces, turned faces, and faces found twice alike.

    Args:
        faces, indices, cache: the faces, all with landmarks in the cache; images are scored at their own size.
        occluder: placed by the cache's landmarks.
        settings: of the detector that filled the cache.
        seed: of the occluder's draws.
    """
    detector = LandmarkDetector(settings=independent(settings))
    scores, turned, sure, missed = [], [], [], 0
    for index in indices:
        image_HWC = faces[index].image_HWC
        placing = cache.landmarks(faces.content_digest(index))
        other = detector.detect(image_HWC).landmarks_N3
        if placing is None or other is None:
            missed += 1
            continue
        _, alpha_HW = occluder(seeded_rng(seed, index), image_HWC, placing)
        scores.append(placement_scores(alpha_HW, other))
        turned.append(abs(head_pose(other).yaw) >= TURNED)
        sure.append(_disagreement(placing, other) <= DOUBTFUL)
    if not scores:
        return [f"Not one of {count(missed, 'face')} was found a second time, so there is no score."]
    groups = {
        "all faces": np.ones(len(scores), bool),
        f"turned over {TURNED:g} degrees": np.array(turned),
        f"detections agree within {DOUBTFUL:g}": np.array(sure),
    }
    lines = [f"{'covered share of':32s}{'faces':>6s}" + "".join(f"{name:>16s}" for name in _COLUMNS)]
    lines += [_line(name, scores, chosen) for name, chosen in groups.items() if chosen.any()]
    lines.append(
        "outside: share of the occluder outside the face's oval; outside_mesh: outside the outline of all landmarks, "
        "which has the nose of a turned head inside; face: share of the face under it."
    )
    if missed:
        lines.append(f"{count(missed, 'face')} not found a second time, and left out.")
    return lines


def _line(name: str, scores: list[PlacementScores], chosen: Any) -> str:
    rows: list[Mapping[str, float]] = [
        dataclasses.asdict(score) for score, take in zip(scores, chosen, strict=True) if take
    ]
    means = []
    for column in _COLUMNS:
        values = np.array([row[column] for row in rows])
        seen = values[~np.isnan(values)]
        means.append(f"{seen.mean():16.3f}" if len(seen) else f"{'-':>16s}")
    return f"{name:32s}{len(rows):6d}" + "".join(means)


def _disagreement(first_N3: FloatArray, second_N3: FloatArray) -> float:
    """Median distance of the points of two meshes, in eye distances of the second."""
    right, left = second_N3[_EYE_CORNERS, :2]
    apart = np.hypot(*(first_N3[:, :2] - second_N3[:, :2]).T)
    return float(np.median(apart) / (np.hypot(*(left - right)) + 1e-6))
