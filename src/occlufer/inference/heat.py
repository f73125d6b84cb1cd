"""Reading a heat map: how much of it lies on the occluder, the eyes, the mouth, and how it is painted. No torch."""

from __future__ import annotations

import cv2
import numpy as np

from occlufer.attention import REGIONS
from occlufer.data.rendered import RenderedFace
from occlufer.landmarks import topology
from occlufer.occlusion.compositing import polygon_mask
from occlufer.types import FloatArray, UInt8Array

_EYES = [topology.RIGHT_EYE + topology.RIGHT_BROW, topology.LEFT_EYE + topology.LEFT_BROW]


__all__ = ["REGIONS", "area_shares", "mass_shares", "overlay", "regions"]


def regions(face: RenderedFace) -> FloatArray:
    """How much of each pixel belongs to each of `REGIONS`, float32 (5, H, W), together 1; `face` must have a mesh."""
    mesh_N3, alpha_HW = face.landmarks_N3, face.alpha_HW
    assert mesh_N3 is not None
    hw = (alpha_HW.shape[0], alpha_HW.shape[1])
    whole = _hull(mesh_N3, hw)
    eyes = np.minimum(np.maximum(*(_hull(mesh_N3[list(points)], hw) for points in _EYES)), whole)
    mouth = np.minimum(_hull(mesh_N3[list(topology.LIPS)], hw), whole - eyes)
    free_RHW = np.stack([eyes, mouth, whole - eyes - mouth, 1 - whole])
    found: FloatArray = np.concatenate([alpha_HW[None], (1 - alpha_HW) * free_RHW]).astype(np.float32)
    return found


def mass_shares(heat_HW: FloatArray, regions_RHW: FloatArray) -> FloatArray:
    """Which share of a heat map, 0 or more, lies on each region: float64 (5,), together 1; NaN for an empty map."""
    mass_R = np.einsum("rhw,hw->r", regions_RHW.astype(np.float64), heat_HW.astype(np.float64))
    total = mass_R.sum()
    return np.asarray(mass_R / total if total > 0 else np.full(len(mass_R), np.nan))


def area_shares(regions_RHW: FloatArray) -> FloatArray:
    """Which share of the picture each region is: what a map that is the same everywhere would put on it."""
    return mass_shares(np.ones(regions_RHW.shape[1:], np.float32), regions_RHW)


def overlay(picture_HWC: UInt8Array, heat_HW: FloatArray, *, strength: float = 0.55) -> UInt8Array:
    """The picture in grey under its heat map, uint8 RGB (H, W, 3) of the picture's size.

    Args:
        picture_HWC: uint8 RGB.
        heat_HW: 0 or more, of any size; its highest value becomes the brightest colour.
        strength: of the colours where the map is highest, 0..1.
    """
    height, width = picture_HWC.shape[:2]
    heat = cv2.resize(np.asarray(heat_HW, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    share_HW = np.clip(heat / max(float(heat.max()), 1e-12), 0, 1)
    colours = cv2.applyColorMap((255 * share_HW).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey_HW1 = cv2.cvtColor(picture_HWC, cv2.COLOR_RGB2GRAY)[..., None]
    weight_HW1 = strength * np.sqrt(share_HW)[..., None]
    mixed = (1 - weight_HW1) * grey_HW1 + weight_HW1 * colours
    return np.asarray(np.rint(mixed), np.uint8)


def _hull(points_N3: FloatArray, hw: tuple[int, int]) -> FloatArray:
    """The convex outline of some points, filled: float32 (H, W) 0..1."""
    outline = cv2.convexHull(np.ascontiguousarray(points_N3[:, :2], np.float32))[:, 0]
    return polygon_mask(np.asarray(outline, np.float64), hw)
