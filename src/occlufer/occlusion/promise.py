"""Whether an occluder covers enough of a face to count, compared with what it covers of a frontal face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.mixed import Mixed
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.scores import covered_share
from occlufer.types import BoolArray, ConfigError, FloatArray, IntArray, seeded_rng

KEPT = 0.1
"""An occluder falls short on a face where it covers less than this part of what it covers of a frontal face."""
_NOTHING = 0.01  # covered share below which an occluder covers nothing
_DRAWS = 8
_SIDE = 96
_REGIONS = tuple(np.array(points) for points in (topology.EYES, topology.NOSE, topology.MOUTH))


def is_in_image(landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> bool:
    """Whether at least half of the points of the eyes, of the nose and of the mouth lie inside the image.

    Other faces cannot be covered by a mask or a headset, and hardly show an expression.
    """
    return bool(are_in_image(landmarks_N3[None], np.array([image_hw]))[0])


def are_in_image(landmarks_BN3: FloatArray, image_hw_B2: IntArray) -> BoolArray:
    """`is_in_image` of many faces, bool (B,)."""
    x, y = landmarks_BN3[..., 0], landmarks_BN3[..., 1]
    height_B1, width_B1 = image_hw_B2[:, :1], image_hw_B2[:, 1:]
    inside_BN = (x >= 0) & (x < width_B1) & (y >= 0) & (y < height_B1)
    shares_RB = np.stack([inside_BN[:, region].mean(axis=1) for region in _REGIONS])
    enough_B: BoolArray = shares_RB.min(axis=0) >= 0.5
    return enough_B


def promised_share(occluder: Occluder[Any], rng: np.random.Generator) -> float:
    """Covered share, 0..1, of a whole frontal face of 96 pixels under one draw."""
    mesh_N3 = topology.mean_mesh() * np.float32(0.35 * _SIDE)
    mesh_N3 = (mesh_N3 + np.array([0.5 * _SIDE, 0.42 * _SIDE, 0], np.float32)).astype(np.float32)
    _, alpha_HW = occluder(rng, np.full((_SIDE, _SIDE, 3), 128, np.uint8), mesh_N3)
    return covered_share(alpha_HW, mesh_N3)


def falls_short(share: float, occluder: Occluder[Any], rng: np.random.Generator) -> bool:
    """Whether a covered share is (almost) nothing beside what the same draw covers of a frontal face.

    Args:
        share: the covered share of the face, 0..1; NaN (not known) never falls short.
        occluder: what covers the face.
        rng: in the state in which it was handed to the occluder.
    """
    # At most the whole frontal face is covered: the first comparison settles most faces without drawing one.
    return share < KEPT and share < KEPT * promised_share(occluder, rng)


def check_covers(occluders: Mapping[str, Occluder[Any]]) -> None:
    """Refuse occluders that cover nothing of a frontal face with their dial at its full, such as transparent pictures.

    Args:
        occluders: by the name that the user knows each by, such as "occlusion" or a condition.

    Raises:
        ConfigError: names it.
    """
    for name, occluder in occluders.items():
        if isinstance(occluder, NoOcclusion):
            continue
        if isinstance(occluder, Mixed):
            check_covers({f"{name}: {part}": inner for part, inner in occluder.occluders.items()})
            continue
        full = occluder.at_severity(1.0)
        most = max(promised_share(full, seeded_rng(draw)) for draw in range(_DRAWS))
        if most < _NOTHING:
            raise ConfigError(
                f"{name}: the occluder covers nothing of a frontal face ({most:.1%} at most over {_DRAWS} draws). Is "
                "its picture transparent, or its region beside the face? `occlufer preview occlusion=NAME` shows it; "
                "for bare faces use none."
            )
