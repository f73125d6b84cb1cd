from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from occlufer.landmarks.detector import DEFAULT_STAGES, Detection, DetectorSettings, LandmarkDetector, Stage
from occlufer.landmarks.face_mesh import FaceDetector
from occlufer.landmarks.model import model_file
from occlufer.landmarks.turned import one_face
from occlufer.types import ConfigError, LandmarkError

from .landmark_fakes import draw_face

CONFIG = Path(__file__).parents[2] / "conf" / "landmarks" / "default.yaml"
MOUTH, CHIN, EYES = 13, 152, (33, 263)


@pytest.fixture(scope="module")
def detector() -> LandmarkDetector:
    return LandmarkDetector(settings=DetectorSettings())


def detector_of(*stages: Stage, **settings: float) -> LandmarkDetector:
    return LandmarkDetector(settings=DetectorSettings(stages=stages, **settings))  # type: ignore[arg-type]


def assert_on_the_drawing(landmarks: np.ndarray, unit: float, shift: tuple[float, float] = (0, 0)) -> None:
    """Within 4 of the drawing's 128 units: outer eye corners, mouth; the chin is vague: 6."""
    for point, x, y, within in (
        (33, 40.5, 60, 4),
        (263, 87.5, 60, 4),
        (MOUTH, 64, 94, 4),
        (CHIN, 64, 114, 6),
    ):
        distance = np.hypot(*(landmarks[point, :2] / unit - (x + shift[0], y + shift[1])))
        assert distance < within, (point, distance)


@pytest.mark.parametrize("size", [48, 128, 1200])
@pytest.mark.parametrize("stage", DEFAULT_STAGES, ids=lambda stage: stage.name)
def test_every_stage_gives_pixels_of_the_original(size: int, stage: Stage) -> None:
    found = detector_of(stage).detect(draw_face(size, shift=(5, -3)))
    assert found.stage == stage.name
    assert found.landmarks_N3 is not None
    assert found.landmarks_N3.shape == (468, 3)
    assert found.landmarks_N3.dtype == np.float32
    assert_on_the_drawing(found.landmarks_N3, size / 128, (5, -3))
    assert found.landmarks_N3[1, 2] < found.landmarks_N3[234, 2]  # the nose is nearer than the ear


@pytest.mark.parametrize("border", [(0, 0, 30, 20), (25, 35, 0, 0)])
def test_an_image_need_not_be_square(detector: LandmarkDetector, border: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = border
    image = cv2.copyMakeBorder(draw_face(), top, bottom, left, right, cv2.BORDER_REPLICATE)
    landmarks = detector.detect(image).landmarks_N3
    assert landmarks is not None
    assert_on_the_drawing(landmarks, 1, (left, top))


def test_an_answer_depends_on_the_image_alone(detector: LandmarkDetector) -> None:
    faces = [draw_face(64, shift=shift) for shift in ((0, 0), (9, 4), (-8, -5))]
    empty = np.full((64, 64, 3), 90, np.uint8)
    fresh = [detector_of(*DEFAULT_STAGES).detect(face).landmarks_N3 for face in faces]
    for order in ((0, 1, 2), (2, 0, 1), (1, 1, 0)):
        for number in order:
            again = detector.detect(faces[number]).landmarks_N3
            np.testing.assert_array_equal(again, fresh[number])
            assert detector.detect(empty).landmarks_N3 is None  # and no face of the image before


def test_the_image_is_left_alone(detector: LandmarkDetector) -> None:
    image = draw_face(64)
    image.setflags(write=False)
    assert detector.detect(image).landmarks_N3 is not None
    turned = np.ascontiguousarray(image[:, ::-1])[:, ::-1]  # negative strides
    np.testing.assert_array_equal(detector.detect(turned).landmarks_N3, detector.detect(image).landmarks_N3)


def test_misses_have_reasons(detector: LandmarkDetector) -> None:
    stage = replace(DEFAULT_STAGES[0], confirm_within=1e-5)
    noise = np.random.default_rng(0).integers(0, 255, (3, 3, 3), np.uint8)
    beside = np.full((300, 300, 3), (120, 140, 150), np.uint8)
    beside[:150, :150] = draw_face(150)
    assert detector.detect(np.zeros((48, 48, 3), np.uint8)).stage == "missed: no face"
    assert detector.detect(noise).stage == "missed: too small"
    assert detector.detect(np.zeros((1, 3000, 3), np.uint8)).stage == "missed: too small"
    assert detector.detect(beside).stage == "missed: implausible"  # too small a part of the image
    assert detector_of(stage).detect(draw_face(shift=(4, 2))).stage == "missed: doubtful"


def test_plausibility_follows_its_settings() -> None:
    face = draw_face(shift=(20, 0))
    assert detector_of(DEFAULT_STAGES[0]).detect(face).stage == "wide border"
    assert detector_of(DEFAULT_STAGES[0], min_face_share=0.8).detect(face).stage == "missed: implausible"
    narrow = LandmarkDetector(settings=DetectorSettings(centre_range=(0.4, 0.6)))
    assert narrow.detect(face).stage == "missed: implausible"


def test_the_next_stage_is_asked_when_one_gives_up() -> None:
    never = replace(DEFAULT_STAGES[0], name="never", confirm_within=1e-5)
    assert detector_of(never, DEFAULT_STAGES[1]).detect(draw_face(shift=(4, 2))).stage == "black border"


@pytest.mark.parametrize(
    "image", [np.zeros((48, 48), np.uint8), np.zeros((48, 48, 3)), np.zeros((0, 48, 3), np.uint8)]
)
def test_another_array_is_refused(detector: LandmarkDetector, image: np.ndarray) -> None:
    with pytest.raises(LandmarkError, match=r"uint8 \(height, width, 3\)"):
        detector.detect(image)


def test_a_detector_of_another_process_is_refused(
    detector: LandmarkDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(LandmarkError, match="another process"):
        detector.detect(draw_face(64))


def test_pickling_carries_the_settings(detector: LandmarkDetector) -> None:
    copy = pickle.loads(pickle.dumps(detector))
    image = draw_face(64)
    np.testing.assert_array_equal(copy.detect(image).landmarks_N3, detector.detect(image).landmarks_N3)


def test_the_fingerprint_follows_what_changes_landmarks() -> None:
    settings = DetectorSettings()
    assert settings.fingerprint() == DetectorSettings(workers=3).fingerprint()
    renamed = tuple(replace(stage, name=f"number {n}") for n, stage in enumerate(DEFAULT_STAGES))
    assert settings.fingerprint() == DetectorSettings(stages=renamed).fingerprint()
    assert (
        settings.former_fingerprint() == "b23de14a3787"
    )  # caches of MediaPipe 0.10.21, whose stages had letters
    assert settings.former_fingerprint() != settings.fingerprint()
    others = [
        DetectorSettings(stages=DEFAULT_STAGES[:2]),
        DetectorSettings(stages=DEFAULT_STAGES[::-1]),
        DetectorSettings(stages=(replace(DEFAULT_STAGES[0], threshold=0.4), *DEFAULT_STAGES[1:])),
        DetectorSettings(min_face_share=0.3),
        DetectorSettings(centre_range=(0.1, 0.8)),
        DetectorSettings(max_side=512),
        DetectorSettings(min_side=8),
        DetectorSettings(refuse_turned=False),
    ]
    assert len({other.fingerprint() for other in [settings, *others]}) == len(others) + 1


def test_the_config_file_holds_the_defaults() -> None:
    settings = instantiate(OmegaConf.load(CONFIG))
    assert settings == DetectorSettings()
    assert settings.fingerprint() == DetectorSettings().fingerprint()
    assert pickle.loads(pickle.dumps(settings)) == settings


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ({"treshold": 0.5}, "Did you mean 'threshold'"),
        ({"name": "A"}, "lacks threshold, pad, pad_colour"),
        ({"name": "A", "threshold": 0, "pad": 0.1, "pad_colour": "mean"}, r"number in \(0, 1\]"),
        ({"name": "A", "threshold": 0.5, "pad": -1, "pad_colour": "mean"}, "pad is -1"),
        ({"name": "A", "threshold": 0.5, "pad": 0.1, "pad_colour": "blck"}, "Did you mean 'black'"),
        ({"name": "missed", "threshold": 0.5, "pad": 0.1, "pad_colour": "mean"}, "no name"),
    ],
)
def test_a_wrong_stage_is_refused(stage: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        DetectorSettings(stages=(stage,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [
        {"stages": ()},
        {"stages": (DEFAULT_STAGES[0], DEFAULT_STAGES[0])},
        {"centre_range": (0.8, 0.2)},
        {"max_side": 10},
        {"workers": -1},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="landmarks"):
        DetectorSettings(**settings)  # type: ignore[arg-type]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_settings_and_cache_do_not_import_mediapipe(tmp_path: Path) -> None:
    done = run_python(
        "import sys\n"
        "from occlufer.landmarks.build import build_landmarks\n"
        "from occlufer.landmarks.cache import LandmarkCache\n"
        "from occlufer.landmarks.detector import DetectorSettings\n"
        f"LandmarkCache({str(tmp_path)!r}, DetectorSettings().fingerprint())\n"
        "print(sorted({'mediapipe', 'torch', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_mediapipe_says_nothing_and_we_are_heard() -> None:
    done = run_python(
        "import sys\n"
        "from landmark_fakes import draw_face\n"
        "from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector\n"
        "import numpy as np\n"
        "detector = LandmarkDetector(settings=DetectorSettings())\n"
        "found = [detector.detect(x).stage for x in (draw_face(64) * 0, draw_face(64), draw_face(64)[:50])]\n"
        "print(found, file=sys.stderr)\n"
    )
    assert done.returncode == 0
    assert done.stderr == "['missed: no face', 'wide border', 'wide border']\n"


def test_a_warning_of_mediapipe_at_a_later_image_is_held_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    detector = LandmarkDetector(settings=DetectorSettings())
    detector.detect(draw_face(64))

    def warned(image_HWC: object) -> object:
        os.write(
            2,
            b"W0000 00:00:1796019307.087587   10673 runner.cc:1433] Input tensor memory is not aligned\nE0\n",
        )
        return found

    found = detector.detect(draw_face(64))
    monkeypatch.setattr(detector, "_run_cascade", warned)
    capfd.readouterr()
    assert detector.detect(draw_face(64)) is found
    assert capfd.readouterr().err == "E0\n"


def test_a_training_after_the_search_is_not_killed() -> None:
    """Lightning writes back, when it ends, the handlers that Python knows of; mediapipe's profiler goes on ticking."""
    done = run_python(
        "import signal\n"
        "from landmark_fakes import draw_face\n"
        "from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector\n"
        "detector = LandmarkDetector(settings=DetectorSettings())\n"
        "detector.detect(draw_face(64))\n"
        "signal.signal(signal.SIGPROF, signal.getsignal(signal.SIGPROF))\n"
        "for _ in range(60):\n"
        "    detector.detect(draw_face(64))\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("size", [48, 128])
def test_a_turned_face_is_no_face_and_called_what_it_is(
    detector: LandmarkDetector, size: int, quarters: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(draw_face(size), quarters))
    former = LandmarkDetector(settings=DetectorSettings(refuse_turned=False)).detect(turned)
    assert former.landmarks_N3 is not None  # upside down: an upright mesh, its mouth where the eyes are
    assert detector.detect(turned).stage == "missed: looks turned"
    assert detector.check(turned, former).stage == "missed: looks turned"


def test_boxes_of_faces_are_pixels() -> None:
    image = np.full((200, 400, 3), (120, 140, 150), np.uint8)
    image[:, 200:] = draw_face(200)
    (score, (left, top, right, bottom)), *others = FaceDetector(model_file(None), 0.5).boxes(image)
    assert not others
    assert 0.5 < score <= 1
    assert 200 < left < 275 < 325 < right < 400  # between the eyes, at (275, 94) and (325, 94), and the edges
    assert 0 < top < 94 < 147 < bottom < 200  # the mouth is at 147


def test_a_check_lets_an_upright_face_pass(detector: LandmarkDetector) -> None:
    found = detector.detect(draw_face(64))
    assert detector.check(draw_face(64), found) is found
    missed = Detection(None, "missed: no face")
    assert detector.check(draw_face(64) * 0, missed) is missed


@pytest.mark.parametrize(
    ("width", "places", "nose", "others"),
    [
        (200, [(0, 200)], 100, 0),
        (400, [(0, 200), (200, 200)], 100, 1),  # of equal faces any
        (360, [(0, 160), (160, 200)], 261, 1),  # the larger one
        (480, [(0, 160), (160, 160), (320, 160)], 240, 2),  # the middle one
    ],
)
def test_of_several_faces_the_largest_central_one_is_taken(
    detector: LandmarkDetector, width: int, places: list[tuple[int, int]], nose: int, others: int
) -> None:
    image = np.full((max(side for _, side in places), width, 3), (120, 140, 150), np.uint8)
    for left, side in places:
        image[:side, left : left + side] = draw_face(side)
    found = detector.detect(image)
    assert found.landmarks_N3 is not None
    assert abs(found.landmarks_N3[1, 0] - nose) < 10
    assert found.others == others
    assert detector.detect(image[:, ::-1].copy()).others == others


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_meshes_of_one_face_in_a_turned_image_lie_on_each_other(quarters: int) -> None:
    rng = np.random.default_rng(0)
    mesh = rng.uniform(0, 60, (468, 3)).astype(np.float32)
    height, width = 80, 100
    turned = mesh.copy()
    for step in range(quarters):
        across = (width, height)[step % 2]
        turned[:, :2] = np.column_stack([turned[:, 1], across - turned[:, 0]])
    assert one_face(mesh, (height, width), turned, quarters)
    assert not one_face(mesh + 40, (height, width), turned, quarters)
    pixel = np.zeros((height, width))
    pixel[int(mesh[0, 1]), int(mesh[0, 0])] = 1
    y, x = np.argwhere(np.rot90(pixel, quarters))[0]
    np.testing.assert_allclose(turned[0, :2], (x + 0.5, y + 0.5), atol=0.51)
