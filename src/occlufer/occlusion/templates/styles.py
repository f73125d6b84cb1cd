"""What sets two masks of one kind apart: numbered pictures, each with its own folds, creases, swell and marks.

A number stands for the same picture always. There are few of them, as each is drawn once a process and kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import cv2
import numpy as np

from occlufer.occlusion.options import name_at
from occlufer.occlusion.templates.artwork import combined
from occlufer.occlusion.templates.drawing import Canvas, bump, smoothstep
from occlufer.types import ConfigError, FloatArray

MOST_MODELS = 64
"""A megabyte each in every worker."""
_STEPS = (0.7548776662466927, 0.5698402909980532)  # of a sequence that fills a square evenly (Roberts 2018)


def numbered(models: int, first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Equal shares of `models` pictures named "first second number", each name about as often as its share says.

    Without models, shares of all pairs: one picture each, as drawn.

    Raises:
        ConfigError: a number of models out of bounds.
    """
    if models == 0:
        return combined(first, second)
    if not 1 <= models <= MOST_MODELS:
        raise ConfigError(
            f"models must be a number from 1 to {MOST_MODELS}, or 0 for one as drawn; found {models}."
        )
    names = {}
    for number in range(models):
        at = [(0.5 + step * (number + 1)) % 1 for step in _STEPS]
        names[f"{name_at(first, at[0])} {name_at(second, at[1])} {number}"] = 1 / models
    return names


def style(kind: str, number: int) -> np.random.Generator:
    """The source of everything that is particular to one picture of a kind."""
    return np.random.Generator(np.random.PCG64([zlib.crc32(kind.encode()), number]))


def swell(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    """Light about 1 on something that stands out from the face more here than there, (h, w)."""
    sides, power, below = rng.uniform(0.0, 0.3), rng.uniform(1.5, 3.0), rng.uniform(-0.08, 0.3)
    light = 1.04 - sides * (np.abs(x) / 0.75) ** power - below * smoothstep(rng.uniform(0.6, 1.0), 1.28, y)
    light += rng.uniform(-0.2, 0.2) * x / 0.7
    light += (
        rng.uniform(-0.12, 0.14)
        * bump(rng.uniform(-0.1, 0.1), 0.32, x)
        * bump(rng.uniform(0.5, 0.9), 0.22, y)
    )
    soft: FloatArray = light.astype(np.float32)
    return soft


def creases(
    rng: np.random.Generator, x: FloatArray, y: FloatArray, *, count: int, strength: float
) -> FloatArray:
    """Folds of chance and folds pulled towards the loops: light to add, (h, w)."""
    light = np.zeros_like(x)
    for number in range(count):
        if number % 2:  # from a corner of the mask inwards
            side = float(rng.choice((-1, 1)))
            height = rng.choice((rng.uniform(0.42, 0.52), rng.uniform(0.68, 0.8)))
            at = side * rng.uniform(0.42, 0.62), float(height)
            angle = side * rng.uniform(-0.5, 0.5)
        else:
            at = rng.uniform(-0.5, 0.5), rng.uniform(0.3, 1.1)
            angle = rng.uniform(-np.pi / 2, np.pi / 2)
        length, width = rng.uniform(0.08, 0.3), rng.uniform(0.015, 0.045)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along = ((x - np.float32(at[0])) * cosine + (y - np.float32(at[1])) * sine) / np.float32(length)
        off = ((y - np.float32(at[1])) * cosine - (x - np.float32(at[0])) * sine) / np.float32(width)
        depth = np.float32(rng.uniform(0.5, 1.0) * strength * rng.choice((-1, 1)))
        light += depth * off * np.exp(np.float32(-0.5) * (off * off + along * along))
    return light


def crumple(rng: np.random.Generator, canvas: Canvas, *, size: float, strength: float) -> FloatArray:
    """Soft dents about `size` canonical units large: light to add, about `strength` of standard deviation, (h, w)."""
    height, width = canvas.hw
    cells = [max(3, round(side / canvas.resolution / size) + 1) for side in (height, width)]
    noise = rng.standard_normal(cells).astype(np.float32)
    dents = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    light: FloatArray = (dents * np.float32(strength / (dents.std() + 1e-6))).astype(np.float32)
    return light


def emblem(rng: np.random.Generator, x: FloatArray, y: FloatArray) -> FloatArray:
    """Coverage 0..1 (h, w) of a mark without words: disc, ring, leaf, flower or bars, on a cheek or in the middle."""
    size = rng.uniform(0.05, 0.11)
    across, down = x - rng.choice((-1, 0, 1)) * rng.uniform(0.3, 0.46), y - rng.uniform(0.62, 0.9)
    away, angle = np.hypot(across, down) / size, np.arctan2(down, across)
    which = int(rng.integers(5))
    if which == 0:
        return smoothstep(1.05, 0.95, away)
    if which == 1:
        return bump(0.85, 0.12, away.astype(np.float32))
    if which == 2:
        return smoothstep(1.05, 0.95, np.hypot(across / 0.45, down) / size)
    if which == 3:
        return smoothstep(1.08, 0.95, away * (1.3 + 0.5 * np.cos(5 * angle)))
    bars = smoothstep(0.0, 0.3, np.sin(down / size * 7))
    return bars * smoothstep(1.6, 1.5, np.abs(across) / size) * smoothstep(1.0, 0.95, np.abs(down) / size)
