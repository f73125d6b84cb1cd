"""Predictor: from pictures to expressions, in Python. Runs the shipped network by onnxruntime, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from occlufer.data.rendered import RenderedFace
from occlufer.data.view import FullImage, View
from occlufer.datasets.images import read_image
from occlufer.inference.description import SHIPPED, Description
from occlufer.inference.faces import BY_SIZE, FaceFinder, FaceFinders, FoundFace, FramedLikeFER
from occlufer.inference.onnx_file import read_onnx
from occlufer.inference.sources import MAX_PIXELS
from occlufer.landmarks.boxes import Box
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import NoOcclusion
from occlufer.types import ConfigError, FloatArray, RunError, UInt8Array, seeded_rng

BARE = "none"
_BATCH = 64


class Network(Protocol):
    """What a predictor asks: `LoadedNetwork` by torch, or `OnnxNetwork` by onnxruntime."""

    @property
    def description(self) -> Description:
        """What it wants and means."""

    def logits(self, image_BCHW: FloatArray) -> FloatArray:
        """Logits float32 (B, K) of normalised images float32 (B, C, H, W)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one face under one condition.

    Attributes:
        face: number of the face in its picture, from 0, from left to right.
        box: left, top, right, bottom in pixels of the picture.
        found_by: "face mesh", "face detector", "given box" or "whole image".
        condition: "none", or the name of the occluder that was put on the face.
        expression: the most probable one.
        probabilities: of each expression, 0..1, together 1.
        covered_share: of the face's oval under that occluder, 0..1; NaN where the face has no mesh.
    """

    face: int
    box: Box
    found_by: str
    condition: str
    expression: str
    probabilities: Mapping[str, float]
    covered_share: float

    @property
    def confidence(self) -> float:
        """The probability of `expression`."""
        return self.probabilities[self.expression]


def open_network(source: str | Path | None = None, *, trusted: Sequence[str] = ()) -> Network:
    """The shipped network (None), a run folder, a checkpoint, a `.safetensors` or an `.onnx` file.

    Only runs, checkpoints and safetensors import torch. Raises `RunError` for what is no network.
    """
    if source is None:
        found = sorted(SHIPPED.glob("*.onnx"))
        if not found:
            raise RunError("No network comes with this build of occlufer. Give one: --run outputs/STUDY/RUN.")
        return read_onnx(found[0])
    path = Path(source).expanduser()
    if path.suffix == ".onnx":
        return read_onnx(path, trusted=trusted)
    from occlufer.inference.network import load_network  # with torch

    return load_network(path, trusted=trusted)


class Predictor:
    """Reads the expression of every face in a picture.

        >>> predictor = Predictor()                        # doctest: +SKIP
        >>> predictor.predict(["photo.jpg"])[0][0].expression
        'happiness'

    Args:
        source: see `open_network`.
        occluders: put on each face that has a mesh, by name, beside the bare face.
        flip: whether the mean over a face and its mirror image is given, which costs twice the time.
    """

    def __init__(
        self, source: str | Path | None = None, *, occluders: Mapping[str, Occluder[Any]] | None = None,
        flip: bool = True, trusted: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.network = open_network(source, trusted=trusted)
        self.occluders, self.flip = dict(occluders or {}), flip
        self._finders = FaceFinders()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the expressions, in the order of `probabilities`."""
        return self.network.description.classes

    def find(self, image_HWC: UInt8Array) -> list[FoundFace]:
        """The faces of a picture, uint8 RGB (H, W, 3)."""
        return self._finders.each(FaceFinder.__call__, [image_HWC])[0]

    def predict(
        self, images: Sequence[str | Path | UInt8Array], *, boxes: Sequence[Sequence[Box]] | None = None
    ) -> list[list[Prediction]]:
        """What the network says of every face of every picture; all faces of a call go through it in batches.

        Faces are looked for in several pictures at a time, as many as there are cores.

        Args:
            images: paths, or arrays uint8 RGB (H, W, 3). Any other array is refused: channels and range are never
                guessed.
            boxes: where the faces are, a list a picture; None: they are looked for.

        Returns:
            A list a picture: a prediction a face and condition, empty where no face was found.

        Raises:
            ImageError: a file that cannot be read.
            ConfigError: something that is no picture, or boxes for another number of pictures.
        """
        if isinstance(images, str | Path | np.ndarray):
            raise ConfigError(
                "predict wants a list of pictures, found one picture. Write predict([picture])."
            )
        if boxes is not None and len(boxes) != len(images):
            raise ConfigError(
                f"predict wants a list of boxes for each of {len(images)} pictures, found {len(boxes)}."
            )
        pictures = [_picture(image) for image in images]
        if boxes is None:
            faces = self._finders.each(FaceFinder.__call__, pictures)
        else:
            given = [
                (picture, [_checked(box, picture) for box in known])
                for picture, known in zip(pictures, boxes, strict=True)
            ]
            faces = self._finders.each(_in_boxes, given)
        shown = [
            [self.render(picture, face) for face in found]
            for picture, found in zip(pictures, faces, strict=True)
        ]
        return self.answers(faces, shown)

    def answers(
        self, faces: Sequence[Sequence[FoundFace]], shown: Sequence[Sequence[Mapping[str, RenderedFace]]]
    ) -> list[list[Prediction]]:
        """As `predict`, for faces that were found before.

        Args:
            faces: a list a picture.
            shown: what `render` made of each of them.
        """
        inputs: list[FloatArray] = []
        places: list[tuple[int, int, FoundFace, str, float]] = []
        for number, (found, rendered) in enumerate(zip(faces, shown, strict=True)):
            for index, (face, conditions) in enumerate(zip(found, rendered, strict=True)):
                for condition, one in conditions.items():
                    inputs.append(self.network.description.image.to_array(one.occluded_HWC))
                    share = one.covered_share if condition != BARE else 0.0
                    places.append((number, index, face, condition, share))
        said: list[list[Prediction]] = [[] for _ in faces]
        for (number, index, face, condition, share), row in zip(
            places, self._probabilities(inputs), strict=True
        ):
            probabilities = dict(zip(self.classes, map(float, row), strict=True))
            best = max(probabilities, key=probabilities.__getitem__)
            said[number].append(
                Prediction(index, face.box, face.found_by, condition, best, probabilities, share)
            )
        return said

    def render(
        self, picture: UInt8Array, face: FoundFace, *, occluders: Mapping[str, Occluder[Any]] | None = None
    ) -> dict[str, RenderedFace]:
        """The face as the network is shown it, by condition: bare, and under each occluder if it has a mesh.

        `occluders`: others than those of the predictor.
        """
        view = self._view(face)
        worn: dict[str, Occluder[Any]] = {BARE: NoOcclusion()}
        if face.landmarks_N3 is not None:
            worn |= self.occluders if occluders is None else occluders
        return {
            name: RenderedFace(
                picture, face.framing_N3, view=view, occluder=occluder, hw=self.network.description.image.hw,
                rng=seeded_rng(0),
            )
            for name, occluder in worn.items()
        }  # fmt: skip

    def _view(self, face: FoundFace) -> View:
        if face.found_by == BY_SIZE:
            return FullImage()
        view = self.network.description.view
        return view if view.needs_landmarks else FramedLikeFER()

    def _probabilities(self, inputs: Sequence[FloatArray]) -> FloatArray:
        """float32 (N, K), each row summing to 1."""
        parts: list[FloatArray] = []
        for start in range(0, len(inputs), _BATCH):
            batch = np.stack(inputs[start : start + _BATCH])
            shown = np.concatenate([batch, batch[..., ::-1]]) if self.flip else batch
            found = _softmax(self.network.logits(shown))
            parts.append(found.reshape(-1, len(batch), len(self.classes)).mean(axis=0))
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes)), np.float32)


def _picture(image: str | Path | UInt8Array) -> UInt8Array:
    if isinstance(image, str | Path):
        return read_image(Path(image).expanduser(), max_pixels=MAX_PIXELS)
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ConfigError(
            f"A picture must be a path, or an array uint8 (height, width, 3) in the order red, green, blue; "
            f"found {found}. Convert it first: for OpenCV's order cv2.cvtColor(image, cv2.COLOR_BGR2RGB)."
        )
    if min(image.shape[:2]) < 16:
        raise ConfigError(
            f"A picture must be at least 16 pixels a side, found {image.shape[1]}x{image.shape[0]}."
        )
    return image


def _in_boxes(finder: FaceFinder, given: tuple[UInt8Array, Sequence[Box]]) -> list[FoundFace]:
    picture, boxes = given
    return [finder.in_box(picture, box) for box in boxes]


def _checked(box: Box, picture: UInt8Array) -> Box:
    height, width = picture.shape[:2]
    left, top, right, bottom = box if len(box) == 4 else (math.nan,) * 4
    if not (left < right and top < bottom and left < width and top < height and right > 0 and bottom > 0):
        raise ConfigError(
            f"A box must be left, top, right, bottom in pixels of its picture, here of {width}x{height}; found {box}."
        )
    return float(left), float(top), float(right), float(bottom)


def _softmax(logits_BK: FloatArray) -> FloatArray:
    raised = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
