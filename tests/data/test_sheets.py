from __future__ import annotations

import numpy as np

from occlufer.data.sheets import contact_sheet


def tile(colour: tuple[int, int, int], side: int = 20) -> np.ndarray:
    return np.full((side, side, 3), colour, np.uint8)


RED, GREEN, BLUE = tile((200, 0, 0)), tile((0, 200, 0), 50), tile((0, 0, 200), 8)


def boxes(sheet: np.ndarray, image: np.ndarray) -> tuple[int, int, int, int]:
    """Top, left, height and width of where a tile's colour is."""
    y, x = np.nonzero((sheet == image[0, 0]).all(axis=2))
    return int(y.min()), int(x.min()), int(np.ptp(y)) + 1, int(np.ptp(x)) + 1


def test_faces_lie_in_their_rows_at_one_size():
    sheet = contact_sheet([[RED, GREEN], [BLUE]], tile=20)
    assert sheet.dtype == np.uint8
    red, green, blue = (boxes(sheet, image) for image in (RED, GREEN, BLUE))
    assert [box[2:] for box in (red, green, blue)] == [(20, 20)] * 3
    assert red[0] == green[0] < blue[0]
    assert red[1] == blue[1] < green[1]


def test_oblong_faces_keep_their_proportions():
    strip = np.full((10, 20, 3), (200, 0, 0), np.uint8)
    sheet = contact_sheet([[strip, GREEN]], tile=40)
    top, _, high, wide = boxes(sheet, strip)
    assert (high, wide) == (20, 40)
    assert top == boxes(sheet, GREEN)[0] + 10
    tall = np.full((300, 100, 3), (0, 0, 200), np.uint8)
    assert boxes(contact_sheet([[tall]], tile=30), tall)[2:] == (30, 10)


def test_names_and_captions_are_written_beside_the_faces_not_on_them():
    plain = contact_sheet([[RED, GREEN]], tile=60)
    sheet = contact_sheet([[RED, GREEN]], tile=60, captions=[["anger", "fear"]], row_names=["mask"])
    assert sheet.shape[0] > plain.shape[0]
    assert sheet.shape[1] == plain.shape[1]
    top, left, *size = boxes(sheet, RED)
    assert size == [60, 60]
    above, below = sheet[:top, left : left + 60], sheet[top + 60 :, left : left + 60]
    assert above.min() < 150  # ink
    assert below.min() < 150
    assert not np.array_equal(below, sheet[top + 60 :, boxes(sheet, GREEN)[1] :][:, :60])
