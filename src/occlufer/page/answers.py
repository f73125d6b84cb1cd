"""What the page asks and is told, as plain values: the faces of a picture, and one of them under occluders."""

from __future__ import annotations

import base64
import binascii
import functools
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import cv2
import numpy as np
from PIL import Image

from occlufer.building import build
from occlufer.data.rendered import RenderedFace
from occlufer.data.view import StretchedImage
from occlufer.datasets.images import decode_image
from occlufer.inference.faces import BY_BOX, BY_DETECTOR, BY_MESH, BY_SIZE, FoundFace
from occlufer.inference.heat import overlay
from occlufer.inference.predictor import Prediction, Predictor
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import NoOcclusion
from occlufer.synthesis.faces import FACES_A_PERSON, draw_face
from occlufer.types import EXPRESSIONS, LANDMARK_COUNT, ConfigError, FloatArray, UInt8Array, seeded_rng

MAX_PIXELS = 50_000_000
"""Width times height from which a picture is refused."""

MOST_FACES = 12
"""Of more faces in one picture the largest are shown."""

SAMPLES = len(EXPRESSIONS)
"""Drawn faces to try the page with, one of each expression."""

_CUT = 480  # pixels: longest side of what is shown of a face
_HEAT = 192  # pixels: longest side of a heat map
_AROUND = 1.8  # times the longer side of its box: hair, ears and straps
_FAR = 1e5  # pixels, no mesh of a cut reaches so far


Attribute = Callable[[FloatArray, Sequence[int]], FloatArray]


@final
class Answers:
    """What a predictor says, for the page. It keeps nothing: a face goes to the browser and comes back with a question.

    Args:
        predictor: the network.
        nodes: configuration of each occluder with a dial, by name.
        network: what the page calls the network.
        attribution: makes what says which pixels speak for an answer: of a normalised batch (1, C, H, W) and the
            numbers of the classes, a heat map (1, H, W). Called when first asked for, as it loads torch.
    """

    def __init__(
        self, predictor: Predictor, nodes: Mapping[str, Mapping[str, Any]], *, network: str,
        attribution: Callable[[], Attribute],
    ) -> None:  # fmt: skip
        self._predictor, self._nodes, self._network = predictor, dict(nodes), network
        self._attribution = functools.cache(attribution)

    def choices(self) -> dict[str, Any]:
        """What can be chosen: occluders with their colours, the likeliest first, and the names of the expressions."""
        occluders = [
            {"name": name, "colours": _colours(node), "severity": sum(node["severity_range"]) / 2}
            for name, node in self._nodes.items()
        ]
        return {
            "occluders": occluders,
            "classes": list(self._predictor.classes),
            "network": self._network,
            "samples": list(EXPRESSIONS),
        }

    def faces(self, content: bytes) -> dict[str, Any]:
        """The faces of an image file: a cut-out of each with its mesh, from left to right.

        Raises `ImageError` for a file that cannot be read.
        """
        picture_HWC = decode_image(content, where="This file", max_pixels=MAX_PIXELS)
        found = self._predictor.find(picture_HWC)
        large = sorted(found, key=_side, reverse=True)[:MOST_FACES]
        shown = [_cut_out(picture_HWC, face) for face in sorted(large, key=lambda face: face.box[0])]
        return {"faces": shown, "found": len(found)}

    def under(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A face of `faces` bare and under each of the chosen occluders.

        Args:
            asked: `face` as `faces` gave it, `worn`, a list of {occluder, colour, severity 0..1}, and `explain`,
                whether `heat` is wanted.

        Returns:
            `panels`, the bare face first: `picture`, `seen` (the network's input), `heat` (what speaks for the answer,
            over that), `probabilities`, `expression`, and `covered_share`, None where the face has no mesh; a face
            without one is shown bare alone.

        Raises:
            ConfigError, ImageError: what was asked is not of that kind.
            RunError: `heat` is not to be had of this network.
        """
        picture_HWC, face = _face_of(asked.get("face"))
        chosen = asked.get("worn", [])
        if not isinstance(chosen, list) or len(chosen) > 4:
            raise ConfigError(f"`worn` must be a list of at most 4 occluders; found {chosen!r}.")
        explain = asked.get("explain") is True
        worn = {f"{number}": self._occluder(one) for number, one in enumerate(chosen)}
        seen = self._predictor.render(picture_HWC, face, occluders=worn)
        (said,) = self._predictor.answers([[face]], [[seen]])
        panels = []
        for one in said:
            occluder = worn.get(one.condition, NoOcclusion())
            panels.append(
                {
                    "picture": as_url(_worn(picture_HWC, face, occluder)),
                    "seen": as_url(self._as_shown(seen[one.condition].occluded_HWC)),
                    "heat": as_url(self._heat(seen[one.condition].occluded_HWC, one)) if explain else None,
                    "probabilities": {name: round(value, 4) for name, value in one.probabilities.items()},
                    "expression": one.expression,
                    "covered_share": None if math.isnan(one.covered_share) else round(one.covered_share, 4),
                }
            )
        return {"panels": panels}

    def _heat(self, seen_HWC: UInt8Array, answer: Prediction) -> UInt8Array:
        """What speaks for the answer, over an enlarged picture of what the network sees."""
        shown = self._predictor.network.description.image.to_array(seen_HWC)[None]
        (heat_HW,) = self._attribution()(shown, [self._predictor.classes.index(answer.expression)])
        height, width = seen_HWC.shape[:2]
        scale = max(_HEAT // max(height, width), 1)
        size = (width * scale, height * scale)
        large_HWC = np.asarray(cv2.resize(seen_HWC, size, interpolation=cv2.INTER_LINEAR), np.uint8)
        return overlay(large_HWC, heat_HW)

    def _as_shown(self, seen_HWC: UInt8Array) -> UInt8Array:
        """Grey where the network sees grey."""
        if self._predictor.network.description.image.channels != 1:
            return seen_HWC
        return np.asarray(cv2.cvtColor(seen_HWC, cv2.COLOR_RGB2GRAY), np.uint8)

    def _occluder(self, chosen: Any) -> Occluder[Any]:
        """The occluder of {occluder, colour, severity}."""
        given = chosen if isinstance(chosen, dict) else {}
        name, colour, severity = (given.get(key) for key in ("occluder", "colour", "severity"))
        if name not in self._nodes:
            raise ConfigError(f"There is no occluder {name!r}. Known: {', '.join(self._nodes)}.")
        if not isinstance(severity, int | float) or not 0 <= severity <= 1:
            raise ConfigError(f"severity must be a number of 0 to 1; found {severity!r}.")
        node = dict(self._nodes[name])
        if colour:
            if colour not in (known := _colours(node)):
                raise ConfigError(f"{name} has no colour {colour!r}. Known: {', '.join(known) or 'none'}.")
            node["artwork"] = {**node["artwork"], "colours": {colour: 1.0}}
        worn: Occluder[Any] = build(node)
        return worn.at_severity(severity)


def _colours(node: Mapping[str, Any]) -> list[str]:
    weights: Mapping[str, float] = node.get("artwork", {}).get("colours", {})
    return sorted(weights, key=lambda name: -weights[name])


@functools.cache
def sample(number: int) -> bytes:
    """A drawn face as a PNG file, 0 <= number < `SAMPLES`: another person for each expression."""
    index = FACES_A_PERSON * (3 * number + 1) + number
    drawn = draw_face(index, seed=0, difficulty="easy", size=400)
    return _png(drawn.image_HWC)


def as_url(image: UInt8Array) -> str:
    """A picture uint8 (H, W, 3) or (H, W) as a `data:` address."""
    return "data:image/png;base64," + base64.b64encode(_png(image)).decode()


def _png(image: UInt8Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG", compress_level=1)
    return file.getvalue()


def _side(face: FoundFace) -> float:
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)


def _cut_out(picture_HWC: UInt8Array, face: FoundFace) -> dict[str, Any]:
    """A face with what is around it, scaled down to what a page can show; box and mesh move along."""
    height, width = picture_HWC.shape[:2]
    x0, y0, x1, y1 = face.box
    reach = _AROUND * _side(face) / 2
    left, top, right, bottom = 0, 0, width, height
    if face.found_by != BY_SIZE:
        left, right = max(int((x0 + x1) / 2 - reach), 0), min(math.ceil((x0 + x1) / 2 + reach), width)
        top, bottom = max(int((y0 + y1) / 2 - reach), 0), min(math.ceil((y0 + y1) / 2 + reach), height)
    cut_HWC = picture_HWC[top:bottom, left:right]
    scale = min(1.0, _CUT / max(cut_HWC.shape[:2]))
    if scale < 1:
        size = (round(cut_HWC.shape[1] * scale), round(cut_HWC.shape[0] * scale))
        cut_HWC = np.asarray(cv2.resize(cut_HWC, size, interpolation=cv2.INTER_AREA), np.uint8)
    box = np.array([x0 - left, y0 - top, x1 - left, y1 - top]) * scale
    mesh = None
    if face.landmarks_N3 is not None:
        moved_N3 = (face.landmarks_N3.astype(np.float64) - [left, top, 0]) * scale
        mesh = np.round(moved_N3, 3).tolist()
    return {
        "picture": as_url(np.ascontiguousarray(cut_HWC)),
        "box": box.round(3).tolist(),
        "mesh": mesh,
        "found_by": face.found_by,
    }


def _face_of(given: Any) -> tuple[UInt8Array, FoundFace]:
    """What `_cut_out` made, read back; nothing that comes from outside is believed."""
    if not isinstance(given, dict):
        raise ConfigError("The question names no face. Reload the page.")
    try:
        content = base64.b64decode(str(given.get("picture")).partition(",")[2], validate=True)
    except binascii.Error as error:
        raise ConfigError(f"The face's picture is no base64 ({error}). Reload the page.") from None
    picture_HWC = decode_image(content, where="The face's picture", max_pixels=_CUT * _CUT)
    found_by, mesh = given.get("found_by"), given.get("mesh")
    if found_by not in (BY_MESH, BY_DETECTOR, BY_BOX, BY_SIZE):
        raise ConfigError(f"found_by must say how the face was found; found {found_by!r}. Reload the page.")
    x0, y0, x1, y1 = _numbers(given.get("box"), (4,), "box").tolist()
    landmarks_N3 = None if mesh is None else _numbers(mesh, (LANDMARK_COUNT, 3), "mesh")
    if not (x0 < x1 and y0 < y1):
        raise ConfigError(f"The face's box is empty: {given.get('box')}. Reload the page.")
    return picture_HWC, FoundFace((x0, y0, x1, y1), landmarks_N3, found_by)


def _numbers(given: Any, shape: Sequence[int], what: str) -> FloatArray:
    try:
        values = np.asarray(given, np.float64)
    except (ValueError, TypeError, OverflowError):
        values = np.zeros(0)
    if values.shape != tuple(shape) or not (np.abs(values) < _FAR).all():
        raise ConfigError(
            f"The face's {what} must hold {'x'.join(map(str, shape))} numbers. Reload the page."
        )
    return values.astype(np.float32)


def _worn(picture_HWC: UInt8Array, face: FoundFace, occluder: Occluder[Any]) -> UInt8Array:
    """The cut-out under an occluder, as a person would see it."""
    return RenderedFace(
        picture_HWC, face.framing_N3, view=StretchedImage(), occluder=occluder, hw=None, rng=seeded_rng(0)
    ).occluded_HWC
