"""From Python, in a notebook or a program: what the commands make, by the same words. See docs/python.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from occlufer.building import build
from occlufer.commands.app import composing, condition_configs
from occlufer.commands.checks import check_train, training_settings
from occlufer.data.datamodule import FaceDataModule
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.occlusion.base import Occluder
from occlufer.runs import Run
from occlufer.settings import run_folder
from occlufer.tasks.assemble import make_datamodule
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.tasks.train import train as _train
from occlufer.types import EXPRESSIONS, ConfigError, FloatArray, UInt8Array


def find_landmarks(image_HWC: UInt8Array, *, least_share: float = 0.2) -> FloatArray | None:
    """The mesh of the largest central face, float32 (468, 3) in pixels of the image, or None where none is found.

    Args:
        image_HWC: uint8 RGB (H, W, 3).
        least_share: of the image's height that a face must have.
    """
    if not isinstance(image_HWC, np.ndarray) or image_HWC.dtype != np.uint8 or image_HWC.shape[2:] != (3,):
        raise ConfigError(
            "find_landmarks wants an array uint8 (height, width, 3) in the order red, green, blue."
        )
    detector = LandmarkDetector(settings=DetectorSettings(min_face_share=least_share))
    return detector.detect(image_HWC).landmarks_N3


def make_occluder(name: str, *overrides: str) -> Occluder[Any]:
    """The occluder of a condition: a file of conf/occlusion, or `NAME@SEVERITY`.

    Args:
        name: such as "mask" or "headset@0.5".
        overrides: such as `hydra.searchpath=[file:///my/conf]` for occluders of one's own.
    """
    with composing("train", overrides):
        occluder: Occluder[Any] = build(condition_configs([name])[name])
    return occluder


def settings(*overrides: str) -> dict[str, Any]:
    """What `occlufer train` with these overrides would be asked for, resolved, in plain dicts and lists."""
    with composing("train", overrides) as config:
        asked = training_settings(config)
    check_train(asked)
    return asked


def make_data(*overrides: str) -> FaceDataModule:
    """The data module of `occlufer train` with these overrides; landmarks that are not known yet are looked for."""
    asked = settings(*overrides)
    faces = make_faces(asked)
    cache, _ = prepare_landmarks(asked, faces)
    return make_datamodule(asked, faces, cache, asked["condition_occluders"])


def train(*overrides: str) -> Run:
    """`occlufer train` with these overrides, in this process; the finished run.

    A finished run is not trained again, an interrupted one goes on.
    """
    with composing("train", overrides) as config:
        asked = training_settings(config)
        check_train(asked)
        _train(asked)
    return Run(run_folder(asked))


def predictions(run: str | Path | Run) -> pd.DataFrame:
    """A run's record, a row a test face and condition, with `expression` and `answer` by name, and `correct`.

    The other columns are those of `occlufer.runs.PREDICTION_COLUMNS`.
    """
    rows = (run if isinstance(run, Run) else Run(Path(run).expanduser())).predictions()
    names = np.array(EXPRESSIONS)
    return rows.assign(
        expression=names[rows["label"]],
        answer=names[rows["prediction"]],
        correct=rows["label"] == rows["prediction"],
    )
