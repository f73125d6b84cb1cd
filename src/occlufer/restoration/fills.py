"""Filling a covered region without learning: baselines that a de-occluder has to beat."""

from __future__ import annotations

import cv2
import numpy as np

from occlufer.types import FloatArray, UInt8Array

_COVERED = 0.05  # alpha from which a pixel no longer shows the face


def fill_mean(image_HWC: UInt8Array, alpha_HW: FloatArray) -> UInt8Array:
    """The covered pixels in the mean colour of the others.

    Args:
        image_HWC: uint8 RGB, occluded; left untouched.
        alpha_HW: float32 in 0..1, what was pasted.

    Returns:
        uint8 RGB (H, W, 3).
    """
    covered_HW = alpha_HW > _COVERED
    filled = image_HWC.copy()
    if covered_HW.any() and not covered_HW.all():
        filled[covered_HW] = np.rint(image_HWC[~covered_HW].mean(axis=0)).astype(np.uint8)
    return filled


def fill_inpainted(image_HWC: UInt8Array, alpha_HW: FloatArray) -> UInt8Array:
    """The covered pixels by OpenCV's inpainting (Telea 2004), from 3 pixels around; arguments as `fill_mean`."""
    covered_HW = (alpha_HW > _COVERED).astype(np.uint8)
    filled = cv2.inpaint(image_HWC, covered_HW, inpaintRadius=3, flags=cv2.INPAINT_TELEA)
    return np.asarray(filled, np.uint8)
