"""Light on skin, eyes, mouth, hair and cloth. Colours are squares of sRGB 0..1: near enough to linear light, and fast."""

from __future__ import annotations

import numpy as np

from occlufer.synthesis.identity import Identity
from occlufer.synthesis.scene import Scene
from occlufer.types import FloatArray

_WRAP = np.array([0.5, 0.36, 0.3], np.float32)  # light that seeps through skin reaches farther in red


def linear(colour: FloatArray) -> FloatArray:
    """sRGB 0..255 to the renderer's light, float32 (3,)."""
    return np.asarray((np.asarray(colour, np.float32) / 255) ** 2, np.float32)


def diffuse(
    normal_3P: FloatArray, scene: Scene, wrap: FloatArray, bump_P: FloatArray | float = 0.0
) -> FloatArray:
    """Light that falls on a surface, (P, 3).

    Args:
        normal_3P: unit normals, x right, y down, z away.
        scene: the lights.
        wrap: how far light bends round the edge, for each colour (3,).
        bump_P: what relief adds to the cosine.
    """
    cosine = scene.light @ normal_3P + bump_P
    key = np.clip((cosine[:, None] + wrap) / (1 + wrap), 0, 1.3)
    sky = 0.75 - 0.25 * normal_3P[1] + 0.12 * np.clip(-normal_3P[2], 0, 1)
    return np.asarray(key * scene.light_colour + sky[:, None] * scene.ambient_colour, np.float32)


def shine(normal_3P: FloatArray, scene: Scene, power: float) -> FloatArray:
    """Blinn's highlight (J. F. Blinn, 1977), (P,)."""
    half = scene.light + np.array([0, 0, -1], np.float32)
    half /= np.linalg.norm(half)
    return np.asarray(np.clip(half @ normal_3P, 0, 1) ** power, np.float32)


def skin(
    normal_3P: FloatArray, layers_4P: FloatArray, bump_P: FloatArray | float, identity: Identity, scene: Scene
) -> FloatArray:
    """Lit skin with lips and hairs, (P, 3). layers: lips, hair, darkening, relief (see `texture.py`)."""
    lips, hair, dark, _ = layers_4P
    base, lip = linear(identity.skin), linear(identity.lips)
    brow = linear(identity.brow)
    albedo = base + np.clip(lips, 0, 1)[:, None] * (lip - base)
    # Hollows are redder than they are dark: the shade keeps more of the red.
    albedo = albedo * np.clip(1 - dark[:, None] * np.array([1.5, 1.75, 1.8], np.float32), 0.05, 1.4)
    albedo += hair[:, None] * (brow - albedo)
    light = diffuse(normal_3P, scene, _WRAP, bump_P)
    oil = (
        (0.05 + 0.07 * identity.marks[2]) * (1 - 0.8 * hair) * (1 + 1.2 * lips) * np.clip(1 - 3 * dark, 0, 1)
    )
    highlight = (
        oil * (shine(normal_3P, scene, 14) + 0.6 * shine(normal_3P, scene, 45)) * scene.light_colour.mean()
    )
    return np.asarray(albedo * light + highlight[:, None], np.float32)


def eye(local_3P: FloatArray, identity: Identity, scene: Scene, light: FloatArray) -> FloatArray:
    """Eyeballs, (P, 3).

    Args:
        local_3P: right and down from the middle of the eyeball in head units; how near the upper lid, 0..1.
        identity, scene: whose, and where to they look.
        light: mean light on the face around, (3,): eyes lie in it, they do not glow.
    """
    x, y = local_3P[0] - scene.gaze[0], local_3P[1] - scene.gaze[1]
    radius = np.hypot(x, y) / 0.105
    edge = np.clip((np.hypot(local_3P[0], local_3P[1] * 1.3) - 0.06) / 0.2, 0, 1)
    white = linear(np.array([224, 216, 210], np.float32) * (0.72 + 0.2 * float(identity.skin.mean()) / 235))
    colour = white * (1 - 0.45 * edge[:, None] * np.array([0.8, 1.0, 1.0], np.float32))
    iris = linear(identity.iris)
    ring = np.clip((1.08 - radius) / 0.14, 0, 1)[:, None]
    shade = (0.6 + 0.9 * np.clip(1 - np.abs(radius - 0.6) * 2, 0, 1) + 0.35 * np.clip(y / 0.1, -1, 1))[
        :, None
    ]
    limbus = (1 - 0.65 * np.clip((radius - 0.75) / 0.25, 0, 1))[:, None]
    colour = colour + ring * (iris * shade * limbus - colour)
    pupil = np.clip((0.46 - radius) / 0.12, 0, 1)[:, None]
    colour = colour * (1 - 0.96 * pupil)
    under_lid = np.clip((local_3P[2] - 0.52) / 0.48, 0, 1)
    colour = colour * light * (1 - 0.72 * under_lid[:, None] ** 1.3) * 0.9
    side = 0.03 * np.sign(scene.light[0] + 1e-6)
    glint = np.exp(-(((x - side) / 0.022) ** 2) - ((y + 0.035) / 0.022) ** 2) * 0.55 * scene.glint
    return np.asarray(colour + (glint * float(light.mean()))[:, None], np.float32)


def mouth(local_3P: FloatArray, identity: Identity, light: FloatArray) -> FloatArray:
    """The inside of the mouth, (P, 3). local: right of the middle, down from the upper teeth's edge, down from
    the lower teeth's edge, head units."""
    x, below_upper, below_lower = local_3P
    deep = linear(np.array([74, 26, 26], np.float32))
    colour = np.broadcast_to(deep, (len(x), 3)).copy()
    tongue = np.exp(-((x / 0.17) ** 2)) * np.clip((below_upper - 0.13) / 0.12, 0, 1)
    colour += tongue[:, None] * (linear(np.array([168, 84, 80], np.float32)) - colour) * 0.8
    tooth = linear(np.array([226, 216, 202], np.float32) * (0.74 + 0.16 * float(identity.skin.mean()) / 235))
    gaps = 1 - 0.12 * np.exp(-((((x / 0.062 + 0.5) % 1 - 0.5) / 0.1) ** 2))
    arch = np.clip(1 - (x / 0.33) ** 2, 0, 1) ** 0.8 * gaps
    edge = 0.03 * (x / 0.25) ** 2
    upper = np.clip((-below_upper - edge) / 0.02 + 0.5, 0, 1) * arch
    lower = np.clip((below_lower - edge) / 0.02 + 0.5, 0, 1) * arch * 0.75
    colour += np.maximum(upper, lower)[:, None] * (tooth - colour)
    return np.asarray(colour * light * 0.85, np.float32)


def hair(normal_3P: FloatArray, lightness_P: FloatArray, colour: FloatArray, scene: Scene) -> FloatArray:
    """Lit hair, (P, 3), with the broad band of light that strands make."""
    light = diffuse(normal_3P, scene, np.array([0.35, 0.35, 0.35], np.float32))
    base = linear(colour) * np.clip(lightness_P, 0.25, 1.9)[:, None] ** 2
    band = shine(normal_3P, scene, 7) * np.clip(lightness_P - 0.75, 0, 1) * 0.11
    tint = 0.5 + 0.5 * linear(colour) / max(float(linear(colour).max()), 1e-3)
    return np.asarray(base * light + band[:, None] * tint * scene.light_colour, np.float32)
