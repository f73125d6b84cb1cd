"""How far an occluder looks like a thing that was photographed: light, silhouette, placement and variety, as one table.

python benchmarks/realism.py --faces FOLDER|GLOB [--faces ...] [--count N] [--occlusion NAME,NAME] [--json FILE]

Cells hold one figure a set of faces, in the order of --faces. Landmarks that did not place an occluder measure it,
as in `preview scores=true`. Opaque: alpha over .95. An eye distance is that of the outer corners.

light       Each draw is the same on all faces. Left over right: log ratio of the luma at landmarks and their mirror
            images over their distance on the mean face, median of the pairs, once of the opaque occluder and once of
            bare skin in the uncovered face; red over blue: log ratio of means, colour faces only. Slope of the
            occluder's on the skin's through all faces, an intercept a draw: 1 follows the light, 0 ignores it.
sharpness   At 48 px: mean difference of neighbours over that of pixels four apart, of the opaque occluder, over the
            same of the uncovered face's oval. 1 is as sharp.
silhouette  Of alpha from .5 up, on an image continued at its borders, in the head's own axes; the face's width is that
            of its oval. Body: the columns at least half as high as the upper quartile. Far edge: contour over hull of
            what lies beyond the nose bridge of a turned head; 1 is round.
placement   Covered shares and shares outside, as `occlufer.occlusion.scores` has them.
variety     Four draws on one face. Correlation: Pearson's, of the luma of the pixels that two draws both cover
            opaquely, mean of the six pairs; fine: after a blur of a fifth of an eye distance was taken off. Spread:
            standard deviation over mean of the covered share of the face, and of the whole alpha.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from occlufer.data.rendered import RenderedFace
from occlufer.data.view import FaceCrop
from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.stores import FileStore
from occlufer.landmarks import topology
from occlufer.landmarks.build import build_landmarks
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.geometry import HeadPose, head_pose
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.compositing import polygon_mask
from occlufer.occlusion.scores import covered_share, placement_scores
from occlufer.tasks.placement import TURNED, independent
from occlufer.types import BoolArray, ConfigError, FloatArray, OccluferError, UInt8Array, seeded_rng

DRAWS = 4
_OPAQUE = 0.95
_FEWEST = 5  # pairs of points that make a ratio
_COLOURED = 4.0  # mean spread of the channels from which a face is in colour
_OVAL = np.array(topology.FACE_OVAL)
_BRIDGE, _BASE, _EYES = 168, 2, [33, 263]
_MEAN = topology.mean_mesh()
_LEFT = np.flatnonzero(_MEAN[:, 0] > 0.05)
_RIGHT = np.array(topology.MIRROR)[_LEFT]
_APART = _MEAN[_LEFT, 0] - _MEAN[_RIGHT, 0]
# Points that lie away from eyes, brows, lips and the outline.
_EDGES = np.array([*topology.EYES, *topology.BROWS, *topology.LIPS, *topology.FACE_OVAL])
_SKIN = np.linalg.norm(_MEAN[:, None] - _MEAN[_EDGES], axis=2).min(axis=1) > 0.12
_CANVAS, _FACE = 320, 100  # pixels of the silhouette's picture, and of a face's width in it

ROWS = (
    ("all", "light: left over right, slope", ">= .7"),
    ("all", "light: red over blue, slope", ">= .6"),
    ("all", "sharpness at 48 px", "1"),
    ("all", "sharpness within 30 %, share", ">= .90"),
    ("frontal", "width over the face's", ""),
    ("frontal", "body's width over the face's", "headset 1.2 to 1.4"),
    ("frontal", "height over brows to nose", ""),
    ("turned", "far edge, contour over hull", "1"),
    ("all", "eyes", "mask <= .005, headset >= .995"),
    ("all", "brows", "headset >= .97"),
    ("all", "nose_and_mouth", "mask >= .99"),
    ("all", "mouth", "headset <= .005"),
    ("all", "nostrils", "headset <= .05"),
    ("all", "outside", "mask <= .05"),
    ("all", "outside_mesh", ""),
    ("turned", "eyes", "mask <= .005"),
    ("turned", "nose_and_mouth", "mask >= .99"),
    ("turned", "outside", ""),
    ("turned", "outside_mesh", "mask <= .06"),
    ("all", "correlation of two draws", "<= .6"),
    ("all", "fine correlation of two draws", ""),
    ("all", "spread of the covered share", ">= .06"),
    ("all", "spread of the whole area", ""),
)
"""Faces, measure, and what is asked for; means over the faces but for the slopes."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face with two meshes, float32 (468, 3): one places, the other measures."""

    image_HWC: UInt8Array
    placing_N3: FloatArray
    other_N3: FloatArray
    pose: HeadPose

    @property
    def in_colour(self) -> bool:
        """Whether the image has colours."""
        return bool(np.ptp(self.image_HWC.astype(np.int16), axis=2).mean() > _COLOURED)

    @property
    def eye_distance(self) -> float:
        """Pixels between the outer corners of the eyes."""
        return float(np.hypot(*np.subtract(*self.other_N3[_EYES, :2])))


class Pictures:
    """Image files as `build_landmarks` wants them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths, self.store = paths, FileStore(Path("/"))

    def __len__(self) -> int:
        return len(self.paths)

    def content_digest(self, index: int) -> bytes:
        """16 bytes of the file's content."""
        return self.store.digest(self.paths[index])

    def load_image(self, index: int) -> UInt8Array:
        """uint8 RGB (H, W, 3)."""
        return self.store.load(self.paths[index])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for; exits 1 with a sentence when that cannot be done."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument(
        "--faces", action="append", required=True, help="a folder of images, or a glob in quotes"
    )
    made.add_argument(
        "--count", type=int, default=500, help="at most so many images of each, taken at random (seed 0)"
    )
    made.add_argument("--occlusion", default="mask,headset", help="names of conf/occlusion, by commas")
    made.add_argument("--cache", default="outputs/cache", help="as paths.cache")
    made.add_argument("--json", help="a file for the figures")
    options = made.parse_args(arguments)
    try:
        found = measure(options)
    except OccluferError as error:
        sys.exit(f"Error: {error}")
    print_table(found)
    if options.json:
        Path(options.json).write_text(
            json.dumps({"faces": options.faces, "measures": found}, indent=1) + "\n"
        )


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """{occluder: for each set of faces {"faces, measure": figure}}."""
    import hydra

    from occlufer.building import build
    from occlufer.commands.app import conditions_alone
    from occlufer.settings import conf_folder

    nodes = conditions_alone(options.occlusion.split(","))
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        settings = build(hydra.compose("landmarks/default")["landmarks"])
    sets = [find_faces(where, options.count, settings, Path(options.cache)) for where in options.faces]
    return {name: [figures(build(node), faces) for faces in sets] for name, node in nodes.items()}


def find_faces(where: str, count: int, settings: Any, cache: Path) -> list[Face]:
    """Faces of a folder or glob that are found twice; raises `ConfigError` where there is none."""
    pattern = Path(where).resolve() / "**/*" if Path(where).is_dir() else Path(where).absolute()
    found = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
    paths = sorted(str(path) for path in found if path.suffix.lower() in EXTENSIONS)
    pictures = Pictures([paths[index] for index in sorted(seeded_rng(0).permutation(len(paths))[:count])])
    caches = []
    for by in (settings, independent(settings)):
        caches.append(LandmarkCache(cache / "landmarks", by.fingerprint()))
        build_landmarks(pictures, caches[-1], settings=by, workers=0)
    faces = []
    for index in range(len(pictures)):
        placing, other = (kept.landmarks(pictures.content_digest(index)) for kept in caches)
        if placing is not None and other is not None:
            faces.append(Face(pictures.load_image(index), placing, other, head_pose(other)))
    if not faces:
        raise ConfigError(
            f"No face was found in {where}. Give a folder of uncovered faces, or a glob in quotes."
        )
    return faces


def figures(occluder: Occluder[Any], faces: Sequence[Face]) -> dict[str, float]:
    """All measures of `ROWS` of one occluder on one set of faces, and how many faces each group has."""
    turned = np.array([abs(face.pose.yaw) >= TURNED for face in faces])
    groups = {"all": np.ones(len(faces), bool), "turned": turned, "frontal": ~turned}
    rows = []
    for number, face in enumerate(faces):
        _, alpha_HW = occluder(seeded_rng(0, number), face.image_HWC, face.placing_N3)
        scores = asdict(placement_scores(alpha_HW, face.other_N3))
        sharp = sharpness_ratio(occluder, face, number)
        outline, varied = silhouette(occluder, face, number), variety(occluder, face, number)
        rows.append(scores | outline | varied | {"sharpness at 48 px": sharp, "sharpness within 30 %, share":
                    np.nan if np.isnan(sharp) else float(abs(sharp - 1) <= 0.3)})  # fmt: skip
    light = np.array([[lights(occluder, face, draw) for face in faces] for draw in range(DRAWS)])
    slopes = {
        "light: left over right, slope": slope(light[..., 0], light[..., 1]),
        "light: red over blue, slope": slope(light[..., 2], light[..., 3]),
    }
    found = {f"{group}, faces": float(chosen.sum()) for group, chosen in groups.items()}
    found["colour, faces"] = float((~np.isnan(light[..., 3])).any(axis=0).sum())
    for group, name, _ in ROWS:
        chosen = [row[name] for row, take in zip(rows, groups[group], strict=True) if take and name in row]
        found[f"{group}, {name}"] = slopes[name] if name in slopes else _mean(chosen)
    return found


def slope(of_DF: FloatArray, on_DF: FloatArray) -> float:
    """Least-squares slope of `of_DF` on `on_DF` over faces, an intercept a draw; nan where nothing varies."""
    known = ~(np.isnan(of_DF) | np.isnan(on_DF))
    if not known.any():
        return np.nan
    y, x = (
        values - np.nanmean(np.where(known, values, np.nan), axis=1, keepdims=True)
        for values in (of_DF, on_DF)
    )
    return float(np.sum((x * y)[known]) / np.sum((x * x)[known]))


def lights(occluder: Occluder[Any], face: Face, draw: int) -> tuple[float, float, float, float]:
    """Log left over right of occluder and bare skin, then log red over blue of both; nan where too few show."""
    image_HWC, alpha_HW = occluder(seeded_rng(1, draw), face.image_HWC, face.placing_N3)
    side = max(int(0.06 * face.eye_distance), 1) | 1
    covered_N, found = _read(alpha_HW, face.other_N3), []
    for picture, taken_N in (
        (image_HWC, covered_N > _OPAQUE),
        (face.image_HWC, (covered_N < 1 - _OPAQUE) & _SKIN),
    ):
        colour_N3 = _read(cv2.blur(picture.astype(np.float32), (side, side)), face.other_N3) + 1.0
        luma_N = colour_N3 @ (0.299, 0.587, 0.114)
        both = taken_N[_LEFT] & taken_N[_RIGHT]
        pairs = (np.log(luma_N[_LEFT] / luma_N[_RIGHT]) / _APART)[both]
        enough = len(pairs) >= _FEWEST
        red, _, blue = colour_N3[taken_N].mean(axis=0) if enough else (np.nan,) * 3
        coloured = float(np.log(red / blue)) if face.in_colour else np.nan
        found.append((float(np.median(pairs)) if enough else np.nan, coloured))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def _read(picture: Any, landmarks_N3: FloatArray) -> Any:
    """Values of the pixels in which the landmarks lie, nan outside the image."""
    height, width = picture.shape[:2]
    x, y = np.floor(landmarks_N3[:, :2]).astype(int).T
    values = picture[y.clip(0, height - 1), x.clip(0, width - 1)].astype(np.float64)
    values[(x < 0) | (x >= width) | (y < 0) | (y >= height)] = np.nan
    return values


def sharpness_ratio(occluder: Occluder[Any], face: Face, number: int) -> float:
    """Sharpness of the occluder over that of the uncovered face, at 48 pixels; nan where nothing is opaque."""
    shown = RenderedFace(face.image_HWC, face.placing_N3, view=FaceCrop(), occluder=occluder, hw=(48, 48),
                         rng=seeded_rng(2, number))  # fmt: skip
    assert shown.landmarks_N3 is not None
    oval = polygon_mask(shown.landmarks_N3[_OVAL, :2], (48, 48)) > _OPAQUE
    worn, bare = _sharpness(shown.occluded_HWC, shown.alpha_HW > _OPAQUE), _sharpness(shown.clean_HWC, oval)
    return worn / bare if bare > 0 else np.nan


def _sharpness(picture: UInt8Array, inside: BoolArray) -> float:
    luma, sums = _luma(picture), []
    for step in (1, 4):
        down, right = inside[step:] & inside[:-step], inside[:, step:] & inside[:, :-step]
        apart = (np.abs(luma[step:] - luma[:-step])[down], np.abs(luma[:, step:] - luma[:, :-step])[right])
        sums.append(np.concatenate(apart))
    return float(sums[0].mean() / sums[1].mean()) if len(sums[1]) and sums[1].any() else np.nan


def _luma(picture: UInt8Array) -> FloatArray:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def silhouette(occluder: Occluder[Any], face: Face, number: int) -> dict[str, float]:
    """The four measures of an outline, on an image continued by most of a face on all sides; empty for none."""
    across = face.pose.rotation[:2, 0] / np.hypot(*face.pose.rotation[:2, 0])
    axes = np.array([across, (-across[1], across[0])])
    points = face.other_N3[:, :2] @ axes.T
    low, high = points[_OVAL].min(axis=0), points[_OVAL].max(axis=0)
    scale, border = _FACE / (high - low)[0], int(0.8 * (high - low).max())
    wide = cv2.copyMakeBorder(face.image_HWC, border, border, border, border, cv2.BORDER_REPLICATE)
    moved = (face.placing_N3 + np.array([border, border, 0])).astype(np.float32)
    _, alpha_HW = occluder(seeded_rng(0, number), np.asarray(wide, np.uint8), moved)
    shift = _CANVAS / 2 - scale * ((low + high) / 2 + axes @ np.array([border, border]))
    seen = cv2.warpAffine(alpha_HW, np.column_stack([scale * axes, shift]), (_CANVAS, _CANVAS))
    shape = np.asarray(seen >= 0.5, np.uint8)
    heights = shape.sum(axis=0)
    if not heights.any():
        return {}
    shown = np.flatnonzero(heights)
    body = np.flatnonzero(heights >= 0.5 * np.quantile(heights[shown], 0.75))
    brows_to_nose = scale * (points[_BASE, 1] - points[list(topology.BROWS), 1].min())
    bridge = scale * (points[_BRIDGE, 0] - (low + high)[0] / 2) + _CANVAS / 2
    contour = max(cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea)
    far = contour[(contour[:, 0, 0] < bridge) == (face.pose.yaw > 0)]
    return {
        "width over the face's": float(np.ptp(shown) + 1) / _FACE,
        "body's width over the face's": float(np.ptp(body) + 1) / _FACE,
        "height over brows to nose": float(np.median(heights[body])) / brows_to_nose,
        "far edge, contour over hull": cv2.arcLength(far, True) / cv2.arcLength(cv2.convexHull(far), True)
        if len(far) > _FEWEST else np.nan,
    }  # fmt: skip


def variety(occluder: Occluder[Any], face: Face, number: int) -> dict[str, float]:
    """The four measures of how unlike several draws on one face are; empty where they cover nothing."""
    drawn = [occluder(seeded_rng(3, number, draw), face.image_HWC, face.placing_N3) for draw in range(DRAWS)]
    opaque = [alpha > _OPAQUE for _, alpha in drawn]
    x, y, width, height = cv2.boundingRect(np.any(opaque, axis=0).astype(np.uint8))  # a blur is dear
    if not width:  # nothing is opaque, such as a mask that would be seen from behind
        return {}
    box, sigma = (slice(y, y + height), slice(x, x + width)), max(0.2 * face.eye_distance, 1.0)
    lumas = [_luma(image)[box] for image, _ in drawn]
    both, fine = [], []
    for one, other in itertools.combinations(range(DRAWS), 2):
        common = (opaque[one] & opaque[other])[box]
        both.append(_correlation(lumas[one][common], lumas[other][common]))
        weight = common.astype(np.float32)
        around = _blurred(weight, sigma) + 1e-6
        rest = [lumas[at] - _blurred(lumas[at] * weight, sigma) / around for at in (one, other)]
        fine.append(_correlation(rest[0][common], rest[1][common]))
    shares = np.array([(covered_share(alpha, face.other_N3), float(alpha.sum())) for _, alpha in drawn])
    of_face, of_all = (shares.std(axis=0, ddof=1) / shares.mean(axis=0)).tolist()
    return {
        "correlation of two draws": _mean(both),
        "fine correlation of two draws": _mean(fine),
        "spread of the covered share": of_face,
        "spread of the whole area": of_all,
    }


def _blurred(layer: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float32)


def _mean(values: Sequence[float]) -> float:
    """Of those that are known; nan where none is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def _correlation(one: FloatArray, other: FloatArray) -> float:
    varied = len(one) > _FEWEST and np.ptp(one) > 0 and np.ptp(other) > 0
    return float(np.corrcoef(one, other)[0, 1]) if varied else np.nan


def print_table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """As Markdown: a row a measure, a column an occluder, the sets of faces in one cell."""
    print("| faces | measure | asked | " + " | ".join(found) + " |")
    print("|---" * (3 + len(found)) + "|")
    for group in ("all", "turned", "frontal", "colour"):
        cells = (" / ".join(f"{one[f'{group}, faces']:.0f}" for one in of) for of in found.values())
        print(f"| {group} | number | | " + " | ".join(cells) + " |")
    for group, name, wanted in ROWS:
        cells = (" / ".join(_text(one[f"{group}, {name}"]) for one in of) for of in found.values())
        print(f"| {group} | {name} | {wanted} | " + " | ".join(cells) + " |")


def _text(value: float) -> str:
    return (
        "-" if np.isnan(value) else f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
    )


if __name__ == "__main__":
    main()
