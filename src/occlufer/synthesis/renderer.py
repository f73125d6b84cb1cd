"""Draws a face: 3D head to pixels, with numpy and OpenCV alone.

The picture is made at twice its size in four layers: background, hair behind the head, head with neck and clothes, hair
in front of it; then glasses, and the film (`scene.develop`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.synthesis import shading
from occlufer.synthesis.deform import JAW_DROP, UNIT_NAMES
from occlufer.synthesis.glasses import wear
from occlufer.synthesis.hair import HairShell, grow
from occlufer.synthesis.identity import HAIR_STYLES, Identity
from occlufer.synthesis.mesh import (
    CLOTH,
    EAR,
    EYE,
    EYE_RINGS,
    MOUTH,
    MOUTH_RING,
    NECK,
    SKIN,
    mean_head,
    neck_rows,
)
from occlufer.synthesis.pose import Camera, camera_of, deformed, follow_share
from occlufer.synthesis.raster import cover, interpolate, vertex_normals
from occlufer.synthesis.scene import Scene, develop, paint_backdrop
from occlufer.synthesis.texture import paint
from occlufer.types import LANDMARK_COUNT, FloatArray, IntArray, UInt8Array

_OVERSAMPLING = 2
_TOOTH_EDGE = 0.035  # below the middle of the resting upper lip, head units
_SEEN_FROM_BEHIND = np.array([material in (EYE, MOUTH, EAR) for material in range(6)])
_LID_NEARNESS = np.r_[0.5, np.ones(7), 0.5, np.zeros(7), 0.35].astype(np.float32)  # rim of an eye, its middle


class Face(NamedTuple):
    """A drawn face and what is known about it.

    Attributes:
        image_HWC: uint8 RGB.
        landmarks_N3: float32 (468, 3), pixels as in `occlufer.types.LANDMARK_COUNT`.
    """

    image_HWC: UInt8Array
    landmarks_N3: FloatArray


@dataclass(frozen=True, slots=True)
class _Layer:
    """Pixels that a surface covers: their place, their triangle, and values interpolated over it."""

    y_P: IntArray
    x_P: IntArray
    triangle_P: NDArray[np.int32]
    values_CP: FloatArray


def render(
    identity: Identity, units_left: FloatArray, units_right: FloatArray, scene: Scene, size: int
) -> Face:
    """Draw one face.

    Args:
        identity: who.
        units_left, units_right: action unit weights of the image's left and right half, (units,).
        scene: pose, camera, light and so on.
        size: height and width in pixels.
    """
    large = size * _OVERSAMPLING
    head = mean_head()
    still = deformed(identity, units_left, units_right)
    camera = camera_of(scene, large)
    turned = camera.turned(still, follow_share(len(still)))
    normals = vertex_normals(turned, head.triangles_T3)
    picture = paint_backdrop(scene.backdrop, large)
    shell = grow(identity, still, normals @ camera.turn)
    style = HAIR_STYLES[identity.style]
    if shell is not None and (style.hang or style.curl):  # the far half of short hair is hidden by the head
        _paint_back_hair(picture, shell, camera, identity, scene)
    depth = np.full((large, large), 1e3, np.float32)
    units = (units_left + units_right) * np.float32(0.5)
    _paint_head(picture, depth, still, turned, normals, camera, identity, units, scene)
    if shell is not None:
        _paint_front_hair(picture, depth, shell, camera, identity, scene)
    if identity.glasses:
        wear(picture, still, camera, identity.glasses, scene)
    picture *= _exposure(identity, scene)
    landmarks = _landmarks(turned[:LANDMARK_COUNT], camera)
    return Face(develop(picture, scene, size), landmarks)


def _landmarks(turned_N3: FloatArray, camera: Camera) -> FloatArray:
    """Pixels of the finished picture; z on mediapipe's scale, 0 at the face's middle."""
    xy = camera.project(turned_N3)
    z = turned_N3[:, 2:3] * camera.scale
    # A pixel's centre is at +.5 of its left edge, in either picture.
    return np.asarray(np.concatenate([(xy + 0.5) / _OVERSAMPLING, z / _OVERSAMPLING], 1), np.float32)


def _exposure(identity: Identity, scene: Scene) -> float:
    """Dark faces are exposed longer, but not until they are light ones: half of the way."""
    brightness = float(identity.skin.mean()) / 255
    light = float(np.sqrt((scene.light_colour * 0.8 + scene.ambient_colour * 0.85).mean()))
    wanted = scene.exposure * (0.35 + 0.95 * brightness)
    return float((wanted / (brightness * light)) ** 2)


def _layer(xy: FloatArray, depth: FloatArray, triangles: IntArray, values: FloatArray, size: int) -> _Layer:
    rows = cover(xy, depth, triangles, size)
    y, x = np.nonzero(rows)
    row = rows[y, x] - 1
    return _Layer(y, x, row, interpolate(xy, values, triangles, row, x, y))


def _facing(xy: FloatArray, triangles: IntArray) -> FloatArray:
    """Twice the area on the screen, positive when seen from outside, (K,)."""
    a, b, c = (xy[triangles[:, corner]] for corner in range(3))
    ab, ac = b - a, c - a
    return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _sample(texture: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Bilinear texture lookup, (4, P). OpenCV's remap takes pictures up to 32767 wide, so the points are folded."""
    count = len(u)
    width = 256
    rows = -(-count // width)
    where = np.zeros((2, rows * width), np.float32)
    where[0, :count], where[1, :count] = u, v
    found = cv2.remap(texture, where[0].reshape(rows, width), where[1].reshape(rows, width), cv2.INTER_LINEAR,
                      borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    return np.asarray(found.reshape(-1, 4)[:count].T, np.float32)


def _locals(still: FloatArray, units: FloatArray) -> FloatArray:
    """Places on eyeballs and in the mouth for the vertices of their rims, (V, 3); see `shading`."""
    head = mean_head()
    place = np.zeros((len(still), 3), np.float32)
    for index, ring in enumerate(EYE_RINGS):
        points = [*ring, LANDMARK_COUNT + index]
        centre = still[[ring[0], ring[8]]].mean(0) + np.array([0, -0.012, 0], np.float32)
        place[points, :2] = still[points, :2] - centre[:2]
        place[points, 2] = _LID_NEARNESS
    rim = [*MOUTH_RING, LANDMARK_COUNT + 2]
    rest_y = float(head.vertices_V3[13, 1] + (still[2, 1] - head.vertices_V3[2, 1]))
    drop = float(units[UNIT_NAMES.index(26)]) * JAW_DROP
    middle = still[[61, 291], 0].mean()
    place[rim, 0] = still[rim, 0] - middle
    place[rim, 1] = still[rim, 1] - (rest_y + _TOOTH_EDGE)
    place[rim, 2] = still[rim, 1] - (rest_y + _TOOTH_EDGE + 0.05 + drop)
    return place


def _paint_head(
    picture: FloatArray, depth: FloatArray, still: FloatArray, turned: FloatArray, normals: FloatArray,
    camera: Camera, identity: Identity, units: FloatArray, scene: Scene,
) -> None:  # fmt: skip
    head = mean_head()
    xy = camera.project(turned)
    keep = (_facing(xy, head.triangles_T3) > 0) | _SEEN_FROM_BEHIND[head.materials_T]
    triangles, materials = head.triangles_T3[keep], head.materials_T[keep]
    far = turned[:, 2].copy()
    far[neck_rows(head).ravel()] += 1.0  # the neck lies behind whatever overlaps it
    values = np.concatenate([normals, turned[:, 2:3], head.uv_V2], 1)
    layer = _layer(xy, far, triangles, values, len(picture))
    material = materials[layer.triangle_P]
    normal = _unit(layer.values_CP[:3])
    normal[:, (material == EAR) & (normal[2] > 0)] *= -1  # the back of an ear
    depth[layer.y_P, layer.x_P] = layer.values_CP[3]
    lit = (scene.light_colour * 0.62 + scene.ambient_colour * 0.85).astype(np.float32)
    places = _locals(still, units)

    def local(part: IntArray, of: FloatArray) -> FloatArray:
        rows = layer.triangle_P[part]
        return interpolate(xy, of, triangles, rows, layer.x_P[part], layer.y_P[part])

    colour = np.zeros((3, len(material)), np.float32)
    part = np.flatnonzero(material == SKIN)
    texture = _sample(paint(identity, units), layer.values_CP[4, part], layer.values_CP[5, part])
    bump = _bump(layer, part, texture[3], scene, len(picture))
    colour[:, part] = shading.skin(normal[:, part], texture, bump, identity, scene)
    for plain, tint in ((EAR, (1.04, 0.93, 0.92)), (NECK, (1.0, 1.0, 1.0))):
        part = np.flatnonzero(material == plain)
        layers = np.zeros((4, len(part)), np.float32)
        layers[2] = local(part, head.shade_V[:, None])
        plain_skin = shading.skin(normal[:, part], layers, 0.0, identity, scene)
        colour[:, part] = plain_skin * np.array(tint, np.float32)[:, None]
    part = np.flatnonzero(material == CLOTH)
    light = shading.diffuse(normal[:, part], scene, (0.2, 0.2, 0.2))
    colour[:, part] = light * shading.linear(identity.cloth)[:, None]
    part = np.flatnonzero(material == EYE)
    colour[:, part] = shading.eye(local(part, places), identity, scene, lit)
    part = np.flatnonzero(material == MOUTH)
    colour[:, part] = shading.mouth(local(part, places), identity, lit)
    picture[layer.y_P, layer.x_P] = colour.T
    _neck_shadow(picture, layer, material)


def _unit(normal_3P: FloatArray) -> FloatArray:
    x, y, z = normal_3P
    return np.asarray(normal_3P / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-6), np.float32)


def _bump(layer: _Layer, part: IntArray, relief_P: FloatArray, scene: Scene, size: int) -> FloatArray:
    """What the relief adds to the cosine of the light, (P,)."""
    height = np.zeros((size, size), np.float32)
    y, x = layer.y_P[part], layer.x_P[part]
    height[y, x] = relief_P
    strength = 0.1 * size / 256
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)[y, x]
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)[y, x]
    return np.asarray(
        -strength * (slope_x * scene.light[0] + slope_y * scene.light[1]).clip(-3, 3), np.float32
    )


def _neck_shadow(picture: FloatArray, layer: _Layer, material: IntArray) -> None:
    """The head's soft shadow on neck and shoulders."""
    size = len(picture)
    head = np.zeros((size, size), np.float32)
    on_head = material < NECK
    head[layer.y_P[on_head], layer.x_P[on_head]] = 1
    small = cv2.resize(head, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
    shadow = cv2.GaussianBlur(small, (0, 0), size / 4 * 0.03)
    shift = np.array([[1, 0, 0], [0, 1, size / 4 * 0.05]], np.float32)
    shadow = cv2.resize(cv2.warpAffine(shadow, shift, shadow.shape[::-1]), (size, size))
    y, x = layer.y_P[~on_head], layer.x_P[~on_head]
    picture[y, x] *= (1 - 0.6 * np.clip(shadow[y, x] * 1.2, 0, 1))[:, None]


def _hair_values(shell: HairShell, camera: Camera) -> tuple[FloatArray, FloatArray, FloatArray]:
    turned = camera.turned(shell.points_V3)
    normals = vertex_normals(turned, shell.triangles_T3)
    return camera.project(turned), turned, np.concatenate([normals, turned[:, 2:3], shell.map_V2], 1)


def _paint_back_hair(
    picture: FloatArray, shell: HairShell, camera: Camera, identity: Identity, scene: Scene
) -> None:
    """The inside of the far half of the hair, in shade."""
    xy, turned, values = _hair_values(shell, camera)
    triangles = shell.triangles_T3[_facing(xy, shell.triangles_T3) <= 0]
    layer = _layer(xy, turned[:, 2], triangles, values[:, 4:], len(picture))
    texture = _sample(shell.strands_HW4, layer.values_CP[0], layer.values_CP[1])
    base = shading.linear(identity.hair) * (scene.light_colour * 0.12 + scene.ambient_colour * 0.3)
    _blend(picture, layer, base[:, None] * (0.6 + 0.4 * texture[1]), texture[0])


def _blend(picture: FloatArray, layer: _Layer, colour_3P: FloatArray, alpha_P: FloatArray) -> None:
    before = picture[layer.y_P, layer.x_P].T
    picture[layer.y_P, layer.x_P] = (before + alpha_P * (colour_3P - before)).T


def _paint_front_hair(
    picture: FloatArray, depth: FloatArray, shell: HairShell, camera: Camera, identity: Identity, scene: Scene
) -> None:
    xy, turned, values = _hair_values(shell, camera)
    triangles = shell.triangles_T3[_facing(xy, shell.triangles_T3) > 0]
    layer = _layer(xy, turned[:, 2], triangles, values, len(picture))
    texture = _sample(shell.strands_HW4, layer.values_CP[4], layer.values_CP[5])
    y, x = layer.y_P, layer.x_P
    alpha = texture[0] * np.clip((depth[y, x] - layer.values_CP[3]) / 0.04 + 1.0, 0, 1)
    _hair_shadow(picture, depth, y, x, alpha)
    _blend(picture, layer, shading.hair(_unit(layer.values_CP[:3]), texture[1], identity.hair, scene), alpha)


def _hair_shadow(picture: FloatArray, depth: FloatArray, y: IntArray, x: IntArray, alpha: FloatArray) -> None:
    """Skin close to the hair lies in its shade."""
    size = len(picture)
    cover_HW = np.zeros((size, size), np.float32)
    cover_HW[y, x] = alpha
    small = cv2.resize(cover_HW, (size // 4, size // 4), interpolation=cv2.INTER_AREA)
    small = cv2.resize(cv2.GaussianBlur(small, (0, 0), size / 4 * 0.016), (size, size))
    shade = np.where(depth < 100, 1 - 0.45 * np.clip(small * 1.1, 0, 1), 1).astype(np.float32)
    picture *= cv2.merge([shade, shade, shade])
