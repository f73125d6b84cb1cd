"""Everything around a face that changes from picture to picture: pose, camera, light, background, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.synthesis.expressions import Difficulty
from occlufer.types import FloatArray, UInt8Array, seeded_rng


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture's circumstances.

    Attributes:
        yaw, pitch, roll: degrees; yaw > 0 turns the nose to the image's right, pitch > 0 down, roll > 0 clockwise.
        span: height of the face (forehead to chin, 2.58 head units) as a share of the image.
        shift: where the face's middle lies off the image's middle (right, down), in shares of the image.
        nearness: head unit over the camera's distance; perspective.
        gaze: the eyes' turn (right, down), head units on the eyeball.
        light: unit vector towards the key light, x right, y down, z away from the viewer.
        light_colour, ambient_colour: linear RGB, brightness included.
        exposure: brightness aimed at for the face, 0..1 (sRGB).
        backdrop: seed of the background. blur: pixels at 128 px. noise: standard deviation of 0..255.
        grey: True for a picture without colour. contrast: about 1. glint: shine of the eyes, about 1.
        seed: of the noise.
    """

    yaw: float
    pitch: float
    roll: float
    span: float
    shift: tuple[float, float]
    nearness: float
    gaze: tuple[float, float]
    light: FloatArray
    light_colour: FloatArray
    ambient_colour: FloatArray
    exposure: float
    backdrop: int
    blur: float
    noise: float
    grey: bool
    contrast: float
    glint: float
    seed: int


def draw_scene(rng: np.random.Generator, difficulty: Difficulty) -> Scene:
    """Draw the circumstances of one picture."""
    across = np.deg2rad(np.clip(rng.normal(0, 38), -75, 75))
    above = np.deg2rad(np.clip(rng.normal(28, 16), -12, 65))
    light = np.array(
        [np.sin(across) * np.cos(above), -np.sin(above), -np.cos(across) * np.cos(above)], np.float32
    )
    warmth = rng.normal(0, 0.09)
    tint = np.array([1 + warmth, 1, 1 - warmth], np.float32)
    cool = np.array([1 - 0.5 * warmth, 1, 1 + 0.5 * warmth], np.float32)
    share = rng.uniform(0.35, 0.62)
    return Scene(
        yaw=float(np.clip(rng.normal(0, difficulty.yaw_sd), -45, 45)),
        pitch=float(np.clip(rng.normal(0, 6), -20, 20)),
        roll=float(np.clip(rng.normal(0, 6), -22, 22)),
        span=float(rng.uniform(0.61, 0.75)),
        shift=(float(rng.normal(0, 0.02)), float(rng.normal(0.025, 0.018))),
        nearness=float(rng.uniform(0.05, 0.1)),
        gaze=(float(np.clip(rng.normal(0, 0.03), -0.07, 0.07)), float(np.clip(rng.normal(0, 0.012), -0.03, 0.03))),
        light=light,
        light_colour=(1 - share) * 1.5 * tint,
        ambient_colour=share * 1.1 * cool,
        exposure=float(rng.uniform(0.42, 0.62)),
        backdrop=int(rng.integers(2**31)),
        blur=float(rng.choice([0.0, rng.uniform(0.2, 0.7)])),
        noise=float(rng.uniform(0, 4)),
        grey=bool(rng.uniform() < 0.1),
        contrast=float(rng.uniform(0.9, 1.12)),
        glint=float(rng.uniform(0.5, 1.1)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip


def paint_backdrop(seed: int, size: int) -> FloatArray:
    """An out-of-focus background, linear RGB float32 (size, size, 3)."""
    rng = seeded_rng(seed, 3)
    small = 24
    base = rng.uniform(0.12, 0.85) * (1 + rng.normal(0, 0.06, 3))
    picture = np.ones((small, small, 3), np.float32) * base.astype(np.float32)
    slope = rng.normal(0, 0.25, 2)
    y, x = np.mgrid[-0.5 : 0.5 : small * 1j, -0.5 : 0.5 : small * 1j]
    picture *= (1 + slope[0] * x + slope[1] * y)[..., None].astype(np.float32)
    for _ in range(int(rng.integers(0, 9))):
        colour = (picture.mean((0, 1)) * (1 + rng.normal(0, 0.35)) * (1 + rng.normal(0, 0.07, 3))).tolist()
        corner = rng.integers(-4, small, 2)
        extent = rng.integers(3, 16, 2)
        if rng.uniform() < 0.6:
            cv2.rectangle(picture, corner.tolist(), (corner + extent).tolist(), colour, -1)
        else:
            cv2.circle(picture, corner.tolist(), int(extent[0] // 2 + 1), colour, -1)
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 2.5)))
    large = cv2.resize(soft, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(large, 0.01, 1) ** 2, np.float32)


def develop(linear_HWC: FloatArray, scene: Scene, size: int) -> UInt8Array:
    """From linear light at twice the size to the finished picture, uint8 RGB (size, size, 3)."""
    small = cv2.resize(linear_HWC, (size, size), interpolation=cv2.INTER_AREA)
    # The colours are squares of sRGB: close enough to linear light, and cheap to undo.
    picture = np.sqrt(np.clip(small, 0, 1.2))
    picture = (picture - 0.45) * scene.contrast + 0.45
    if scene.grey:
        picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if scene.blur * size / 128 > 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), scene.blur * size / 128))
    rng = seeded_rng(scene.seed, 4)
    channels = 1 if scene.grey else 3
    grain = rng.standard_normal((size, size, channels), np.float32) * (scene.noise / 255)
    return np.asarray(np.clip((picture + grain) * 255 + 0.5, 0, 255), np.uint8)
