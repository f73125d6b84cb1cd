"""Named sets of points of the MediaPipe face mesh (468 points, no irises). Left and right are the subject's.

Indices come from the mesh's published topology (mediapipe `face_mesh_connections`).
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from occlufer.types import LANDMARK_COUNT, FloatArray

FACE_OVAL: tuple[int, ...] = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The outline of the face in order: forehead, the subject's left side, chin, right side."""

RIGHT_EYE: tuple[int, ...] = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""The rim of the subject's right eye (at the left of the image), in order."""
LEFT_EYE: tuple[int, ...] = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
"""The rim of the subject's left eye, in order."""
EYES: tuple[int, ...] = RIGHT_EYE + LEFT_EYE
RIGHT_BROW: tuple[int, ...] = (46, 53, 52, 65, 55, 70, 63, 105, 66, 107)
LEFT_BROW: tuple[int, ...] = (276, 283, 282, 295, 285, 300, 293, 334, 296, 336)
BROWS: tuple[int, ...] = RIGHT_BROW + LEFT_BROW

LIPS: tuple[int, ...] = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
"""The outer rim of the lips in order, then the inner rim."""
MOUTH = LIPS

NOSE: tuple[int, ...] = (
    4, 45, 275, 220, 440, 49, 279, 115, 344, 131, 360, 48, 278,
    64, 294, 1, 44, 274, 19, 94, 2, 98, 327, 97, 326,
)  # fmt: skip
"""The tip, the wings and the base of the nose; not the bridge, which a mask and a headset may both touch."""
NOSTRILS: tuple[int, ...] = (20, 250, 242, 462, 60, 290, 75, 305, 99, 328, 97, 326, 98, 327, 2)
"""The rims of the nostrils and the base between them."""

JAW_RING: tuple[int, ...] = (
    323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93,
)  # fmt: skip
"""The part of the outline from below the left ear by the chin to below the right ear, in order."""
LOWER_FACE: tuple[int, ...] = (*JAW_RING, 50, 195, 280)
"""Outline of the lower face: the jaw ring, closed over both cheeks and the nose bridge above the tip."""

MIRROR: tuple[int, ...] = (
    0, 1, 2, 248, 4, 5, 6, 249, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 250, 251, 252, 253, 254,
    255, 256, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270, 271, 272, 273, 274,
    275, 276, 277, 278, 279, 280, 281, 282, 283, 284, 285, 286, 287, 288, 289, 290, 291, 292, 293, 294,
    295, 296, 297, 298, 299, 300, 301, 302, 303, 304, 305, 306, 307, 308, 309, 310, 311, 312, 313, 314,
    315, 316, 317, 318, 319, 320, 321, 322, 323, 94, 324, 325, 326, 327, 328, 329, 330, 331, 332, 333,
    334, 335, 336, 337, 338, 339, 340, 341, 342, 343, 344, 345, 346, 347, 348, 349, 350, 351, 352, 353,
    354, 355, 356, 357, 358, 359, 360, 361, 362, 363, 364, 365, 366, 367, 368, 369, 370, 371, 372, 373,
    374, 375, 376, 377, 378, 379, 151, 152, 380, 381, 382, 383, 384, 385, 386, 387, 388, 389, 390, 164,
    391, 392, 393, 168, 394, 395, 396, 397, 398, 399, 175, 400, 401, 402, 403, 404, 405, 406, 407, 408,
    409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 195, 419, 197, 420, 199, 200, 421, 422, 423, 424,
    425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 435, 436, 437, 438, 439, 440, 441, 442, 443, 444,
    445, 446, 447, 448, 449, 450, 451, 452, 453, 454, 455, 456, 457, 458, 459, 460, 461, 462, 463, 464,
    465, 466, 467, 3, 7, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64,
    65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
    90, 91, 92, 93, 95, 96, 97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112,
    113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132,
    133, 134, 135, 136, 137, 138, 139, 140, 141, 142, 143, 144, 145, 146, 147, 148, 149, 150, 153, 154,
    155, 156, 157, 158, 159, 160, 161, 162, 163, 165, 166, 167, 169, 170, 171, 172, 173, 174, 176, 177,
    178, 179, 180, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192, 193, 194, 196, 198, 201,
    202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213, 214, 215, 216, 217, 218, 219, 220, 221,
    222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241,
    242, 243, 244, 245, 246, 247,
)  # fmt: skip
"""The point that each point becomes in a mirror image; the 28 points of the midline are their own partners.

Derived from the mean mesh: mirrored at its plane of symmetry and matched one to one at the least summed squared
distance. It maps mediapipe's `FACEMESH_TESSELATION` onto itself but for six diagonals of quads at the eyes and
nostrils, which mediapipe draws differently on the two sides.
"""


@functools.lru_cache(maxsize=1)
def mean_mesh() -> FloatArray:
    """The mean face, float32 (468, 3): x to the subject's left, y down, z away from the camera. Read only.

    The unit is the distance of the outer eye corners (33 and 263), the origin lies midway between them. It is the
    median of Procrustes-aligned Face Mesh output over 114 photos, made symmetric; see `mean_mesh.txt`.
    """
    mesh = np.loadtxt(Path(__file__).with_name("mean_mesh.txt"), dtype=np.float32)
    assert mesh.shape == (LANDMARK_COUNT, 3)
    mesh.setflags(write=False)
    return mesh


def mirrored(landmarks_N3: FloatArray, width: float) -> FloatArray:
    """The landmarks of the mirror image: float32 (468, 3) in pixels of an image `width` pixels wide."""
    flipped = landmarks_N3[list(MIRROR)].copy()
    flipped[:, 0] = width - flipped[:, 0]
    return flipped
