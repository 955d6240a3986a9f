"""Draw docs/pictures/edits.jpg: component edits at 1:1, each as before, after and how it truly looks.

``python -m tools.edits_sheet [PATH]``. The twins are those of ``launch.py bench edits``, the first of each product and
operation, none chosen by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from core.bench.edits import goods_of, made
from core.bench.edits.twins import EditTwin, good_photos, twins
from core.demo.products import PRODUCTS
from core.images.geometry import mask_box
from core.types import Image

OPS = ("remove", "move", "rotate", "duplicate")
SIDE, GOODS = 512, 6
CELL, GAP = 190, 4
"""Side of the largest crop, and pixels between crops."""
QUALITY = 88


def row_of(twin: EditTwin) -> Image:
    """The middle of what changed before, after and in truth, uint8 (CELL, 3 * CELL and gaps, 3)."""
    known = goods_of(twin, good_photos(twin.product, SIDE, GOODS))
    after = made("layout", twin, known)
    # A part that moved far is shown at its new place.
    shown = twin.arrived if twin.arrived.any() else twin.changed
    rows, columns = mask_box(shown)
    y, x = (rows.start + rows.stop) // 2 - CELL // 2, (columns.start + columns.stop) // 2 - CELL // 2
    y, x = (int(np.clip(v, 0, SIDE - CELL)) for v in (y, x))
    cells = [one[y : y + CELL, x : x + CELL] for one in (twin.photo.pixels, after.image, twin.true)]
    gap = np.full((CELL, GAP, 3), 255, np.uint8)
    return np.hstack([cells[0], gap, cells[1], gap, cells[2]])


def sheet() -> Image:
    """One column for each product, one row for each operation."""
    columns = []
    for product in PRODUCTS:
        rows = [row_of(next(iter(twins(product, op, SIDE, 1)))) for op in OPS]
        gap = np.full((3 * GAP, rows[0].shape[1], 3), 255, np.uint8)
        columns.append(np.vstack([piece for row in rows for piece in (row, gap)][:-1]))
    gap = np.full((columns[0].shape[0], 5 * GAP, 3), 255, np.uint8)
    return np.hstack([piece for column in columns for piece in (column, gap)][:-1])


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures/edits.jpg")
    cv2.imwrite(str(path), cv2.cvtColor(sheet(), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
