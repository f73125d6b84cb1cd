"""Contact sheets: faces laid out in rows, with captions, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from occlufer.types import UInt8Array

_GAP = 2
_TEXT_HEIGHT = 16
_PAPER, _INK = 250, (40, 40, 40)


def contact_sheet(
    rows: Sequence[Sequence[UInt8Array]],
    *,
    tile: int,
    captions: Sequence[Sequence[str]] | None = None,
    row_names: Sequence[str] | None = None,
    columns: int = 1,
) -> UInt8Array:
    """Lay faces out in a grid.

    Args:
        rows: uint8 RGB images of any size; they are scaled, in their proportions, to fit a tile.
        tile: side of a tile in pixels.
        captions: a line under each tile.
        row_names: a line above each row.
        columns: the sheet is at least so many tiles wide.

    Returns:
        The sheet, uint8 RGB.
    """
    columns = max(columns, *(len(row) for row in rows))
    above = _TEXT_HEIGHT if row_names else 0
    below = _TEXT_HEIGHT if captions else 0
    step = above + tile + below + _GAP
    paper = np.full((len(rows) * step + _GAP, columns * (tile + _GAP) + _GAP, 3), _PAPER, np.uint8)
    for r, row in enumerate(rows):
        for c, image_HWC in enumerate(row):
            top, left = _GAP + r * step + above, _GAP + c * (tile + _GAP)
            picture_HWC = fitted(image_HWC, tile)
            high, wide = picture_HWC.shape[:2]
            top, left = top + (tile - high) // 2, left + (tile - wide) // 2
            paper[top : top + high, left : left + wide] = picture_HWC
    sheet = Image.fromarray(paper)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for r in range(len(rows)):
        top = _GAP + r * step
        if row_names:
            draw.text((_GAP, top), row_names[r], fill=_INK, font=font)
        for c, caption in enumerate(captions[r] if captions else ()):
            draw.text((_GAP + c * (tile + _GAP), top + above + tile), caption, fill=_INK, font=font)
    return np.asarray(sheet)


def fitted(image_HWC: UInt8Array, tile: int) -> UInt8Array:
    """The image in its proportions, uint8 RGB, its longer side `tile` pixels."""
    longer = max(image_HWC.shape[:2])
    method = cv2.INTER_AREA if longer > tile else cv2.INTER_CUBIC
    high, wide = (max(round(side * tile / longer), 1) for side in image_HWC.shape[:2])
    return cv2.resize(image_HWC, (wide, high), interpolation=method)  # type: ignore[return-value]
