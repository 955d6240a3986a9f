"""Small pictures show the anomaly's surroundings, inside the photo and as square as it allows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.api.close_up import SIDE, close_up_box, close_up_bytes


@given(st.integers(16, 3000), st.integers(16, 3000), st.data())
def test_a_close_up_holds_the_mask_and_lies_on_the_photo(height: int, width: int, data: st.DataObject) -> None:
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    left, top, right, bottom = close_up_box((x0, y0, x1, y1), (height, width))
    assert 0 <= left <= x0 < x1 <= right <= width and 0 <= top <= y0 < y1 <= bottom <= height
    side = max(right - left, bottom - top)
    assert right - left == min(side, width) and bottom - top == min(side, height)


def test_a_small_mask_is_seen_in_the_small_picture() -> None:
    image, mask = np.full((1000, 1200, 3), 120, np.uint8), np.zeros((1000, 1200), np.bool_)
    mask[500:504, 600:640] = True
    box = close_up_box((600, 500, 640, 504), (1000, 1200))
    assert box[2] - box[0] == pytest.approx(1000 / 6, abs=1)
    plain, outlined = (
        cv2.imdecode(np.frombuffer(close_up_bytes(image, box, given), np.uint8), cv2.IMREAD_COLOR)
        for given in (None, mask)
    )
    assert max(plain.shape) <= SIDE and plain.std() < 2 < outlined.std()
