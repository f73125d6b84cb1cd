"""Light on skin, eyes, mouth, hair and cloth.

Colours are squares of sRGB 0..1: near enough to linear light, and fast. Pictures of P pixels are float32 (3, P): whole
planes at a time are several times faster than triples.
"""

from __future__ import annotations

import numpy as np

from occlufer.synthesis.identity import Identity
from occlufer.synthesis.scene import Scene
from occlufer.types import FloatArray

_WRAP = (0.5, 0.36, 0.3)  # light that seeps through skin reaches farther in red
_DARKEN = (1.5, 1.75, 1.8)  # hollows are redder than they are dark


def linear(colour: FloatArray | tuple[float, float, float]) -> FloatArray:
    """sRGB 0..255 to the renderer's light, float32 (3,)."""
    return np.asarray((np.asarray(colour, np.float32) / 255) ** 2, np.float32)


def _mix(start: FloatArray, end: FloatArray, share_P: FloatArray) -> FloatArray:
    """From colour `start`, (3,) or (3, P), to colour `end` (3,), by `share`: (3, P)."""
    first = start[:, None] if start.ndim == 1 else start
    return np.asarray(first + share_P * (end[:, None] - first), np.float32)


def diffuse(
    normal_3P: FloatArray, scene: Scene, wrap: tuple[float, float, float], bump_P: FloatArray | float = 0.0
) -> FloatArray:
    """Light that falls on a surface, (3, P).

    Args:
        normal_3P: unit normals, x right, y down, z away.
        scene: the lights.
        wrap: how far light bends round the edge, for each colour.
        bump_P: what relief adds to the cosine.
    """
    cosine = scene.light @ normal_3P
    cosine += bump_P
    sky = 0.75 - 0.25 * normal_3P[1] - 0.12 * np.minimum(normal_3P[2], 0)
    light = np.empty((3, len(cosine)), np.float32)
    for channel, bend in enumerate(wrap):
        key = np.clip(cosine + bend, 0, 1.3 * (1 + bend))
        key *= scene.light_colour[channel] / (1 + bend)
        light[channel] = key + sky * scene.ambient_colour[channel]
    return light


def shine(normal_3P: FloatArray, scene: Scene) -> FloatArray:
    """Cosine between the surface and the half-way direction of light and viewer (J. F. Blinn, 1977), 0..1, (P,)."""
    half = scene.light + np.array([0, 0, -1], np.float32)
    half /= np.linalg.norm(half)
    return np.asarray(np.clip(half @ normal_3P, 0, 1), np.float32)


def skin(
    normal_3P: FloatArray,
    layers_4P: FloatArray,
    bump_P: FloatArray | float,
    identity: Identity,
    scene: Scene,
) -> FloatArray:
    """Lit skin with lips and hairs, (3, P). layers: lips, hair, darkening, relief (see `texture.py`)."""
    lips, hairs, dark, _ = layers_4P
    colour = _mix(linear(identity.skin), linear(identity.lips), np.clip(lips, 0, 1))
    for channel, strength in enumerate(_DARKEN):
        colour[channel] *= np.clip(1 - strength * dark, 0.05, 1.4)
    colour = _mix(colour, linear(identity.brow), hairs)
    colour *= diffuse(normal_3P, scene, _WRAP, bump_P)
    oil = (0.05 + 0.07 * identity.marks[2]) * float(scene.light_colour.mean())
    oil = oil * (1 - 0.8 * hairs) * (1 + 1.2 * lips) * np.clip(1 - 3 * dark, 0, 1)
    broad = shine(normal_3P, scene) ** 2
    broad = broad * broad
    broad = broad * broad * broad  # power 12
    colour += oil * (broad + 0.6 * broad**4)
    return colour


def eye(local_3P: FloatArray, identity: Identity, scene: Scene, light: FloatArray) -> FloatArray:
    """Eyeballs, (3, P).

    Args:
        local_3P: right and down from the middle of the eyeball in head units; how near the upper lid, 0..1.
        identity, scene: whose, and where to they look.
        light: mean light on the face around, (3,): eyes lie in it, they do not glow.
    """
    x, y = local_3P[0] - scene.gaze[0], local_3P[1] - scene.gaze[1]
    radius = np.hypot(x, y) / 0.105
    edge = np.clip((np.hypot(local_3P[0], local_3P[1] * 1.3) - 0.06) / 0.2, 0, 1)
    bright = 0.72 + 0.2 * float(identity.skin.mean()) / 235
    white = linear((224 * bright, 216 * bright, 210 * bright))
    colour = _mix(white, white * np.array([0.64, 0.55, 0.55], np.float32), edge)
    pattern = 0.6 + 0.9 * np.clip(1 - np.abs(radius - 0.6) * 2, 0, 1) + 0.35 * np.clip(y / 0.1, -1, 1)
    pattern *= 1 - 0.65 * np.clip((radius - 0.75) / 0.25, 0, 1)  # the dark ring around the iris
    iris = linear(identity.iris)[:, None] * pattern
    colour += np.clip((1.08 - radius) / 0.14, 0, 1) * (iris - colour)
    colour *= 1 - 0.96 * np.clip((0.46 - radius) / 0.12, 0, 1)
    under_lid = np.clip((local_3P[2] - 0.52) / 0.48, 0, 1)
    colour *= light[:, None] * (0.9 * (1 - 0.72 * under_lid**1.3))
    side = 0.03 * np.sign(scene.light[0] + 1e-6)
    glint = np.exp(-(((x - side) / 0.022) ** 2) - ((y + 0.035) / 0.022) ** 2)
    return np.asarray(colour + glint * (0.55 * scene.glint * float(light.mean())), np.float32)


def mouth(local_3P: FloatArray, identity: Identity, light: FloatArray) -> FloatArray:
    """The inside of the mouth, (3, P).

    Args:
        local_3P: right of the middle, down from the edge of the upper teeth, down from that of the lower ones; head
            units.
        identity: whose.
        light: mean light on the face, (3,).
    """
    x, below_upper, below_lower = local_3P
    tongue = 0.8 * np.exp(-((x / 0.17) ** 2)) * np.clip((below_upper - 0.13) / 0.12, 0, 1)
    colour = _mix(linear((74, 26, 26)), linear((168, 84, 80)), tongue)
    bright = 0.74 + 0.16 * float(identity.skin.mean()) / 235
    gaps = 1 - 0.12 * np.exp(-((((x / 0.062 + 0.5) % 1 - 0.5) / 0.1) ** 2))
    arch = np.clip(1 - (x / 0.33) ** 2, 0, 1) ** 0.8 * gaps
    edge = 0.03 * (x / 0.25) ** 2
    upper = np.clip((-below_upper - edge) / 0.02 + 0.5, 0, 1) * arch
    lower = np.clip((below_lower - edge) / 0.02 + 0.5, 0, 1) * arch * 0.75
    colour = _mix(colour, linear((226 * bright, 216 * bright, 202 * bright)), np.maximum(upper, lower))
    return np.asarray(colour * (light[:, None] * 0.85), np.float32)


def hair(normal_3P: FloatArray, lightness_P: FloatArray, colour: FloatArray, scene: Scene) -> FloatArray:
    """Lit hair, (3, P), with the broad band of light that strands make."""
    base = linear(colour)
    lit = diffuse(normal_3P, scene, (0.35, 0.35, 0.35))
    lit *= np.clip(lightness_P, 0.25, 1.9) ** 2 * base[:, None]
    band = shine(normal_3P, scene) ** 2
    band = band * band * band * np.clip(lightness_P - 0.75, 0, 1) * 0.11
    tint = (0.5 + 0.5 * base / max(float(base.max()), 1e-3)) * scene.light_colour
    return np.asarray(lit + band * tint[:, None], np.float32)
