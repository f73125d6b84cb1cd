"""The table of scores, with a detector that says what the test wants."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import MemoryFaces, fill_cache
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import Detection, DetectorSettings
from occlufer.occlusion.controls import Box
from occlufer.tasks import placement


@pytest.fixture
def table(monkeypatch, tmp_path):
    """Lines of the table for 6 faces, the second look shifted by so many pixels; the first is not found again."""
    faces, cache = MemoryFaces(), LandmarkCache(tmp_path / "cache", "f")
    fill_cache(cache, faces)

    def make(shift: float) -> list[str]:
        known = {
            faces[i].image_HWC.tobytes(): cache.landmarks(faces.content_digest(i)) + np.float32([shift, 0, 0])
            for i in range(1, 6)
        }

        class Detector:
            def __init__(self, *, settings: DetectorSettings) -> None:
                assert settings.stages[0].pad != DetectorSettings().stages[0].pad

            def detect(self, image_HWC):
                found = known.get(image_HWC.tobytes())
                return Detection(found, "A" if found is not None else "missed: no face")

        monkeypatch.setattr(placement, "LandmarkDetector", Detector)
        box = Box(region="eyes")
        return placement.score_table(faces, range(6), cache, box, settings=DetectorSettings(), seed=0)

    return make


def _row(lines: list[str], start: str) -> list[str]:
    return next(line for line in lines if line.startswith(start))[32:].split()


def test_an_eye_box_covers_eyes(table):
    lines = table(0.0)
    names = _row(lines, "covered share of")
    values = dict(zip(names, map(float, _row(lines, "all faces")), strict=True))
    assert values["faces"] == 5
    assert values["eyes"] == 1
    assert values["mouth"] == 0
    assert _row(lines, "detections agree") == _row(lines, "all faces")
    assert "1 face not found a second time, and left out" in lines[-1]


def test_wrong_detections_are_told_apart(table):
    lines = table(20.0)
    assert _row(lines, "all faces")[0] == "5"
    assert not any(line.startswith("detections agree") for line in lines)
