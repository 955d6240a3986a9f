"""A sheet of a row's pairs, so that a person can look: each pair as it is, and below it with its mask outlined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from core.evaluation.panels import outlined, side_by_side, stacked_vertically
from core.evaluation.photo_sets import Shot
from core.images import png_bytes
from core.images.geometry import resized
from core.types import Image

TILE_HEIGHT = 170
MAX_TILE_WIDTH = 220
PER_LABEL = 7
_FRAME = 170


def contact_sheet(pairs: Sequence[Shot]) -> bytes:
    """A PNG with PER_LABEL pairs of each label, spread evenly over the label's pairs."""
    rows: list[Image] = []
    for label in sorted({shot.label for shot in pairs}):
        own = [shot for shot in pairs if shot.label == label]
        places = np.unique(np.linspace(0, len(own) - 1, min(PER_LABEL, len(own))).round().astype(int))
        tiles = [_tiles(own[i]) for i in places]
        rows += [
            _title(f"{label} ({len(own)})"),
            side_by_side([plain for plain, _ in tiles]),
            side_by_side([m for _, m in tiles]),
        ]
    return png_bytes(stacked_vertically(rows))


def _tiles(shot: Shot) -> tuple[Image, Image]:
    image = shot.read()
    mask = shot.mask((image.shape[0], image.shape[1]))
    scale = min(TILE_HEIGHT / image.shape[0], MAX_TILE_WIDTH / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return _framed(resized(image, size[::-1])), _framed(outlined(image, mask, size))


def _framed(tile: Image) -> Image:
    """The tile with a thin frame, since photos may be white at their edge, on a white field TILE_HEIGHT pixels
    high."""
    tile = tile.copy()
    tile[[0, -1]] = tile[:, [0, -1]] = _FRAME
    rest = np.full((TILE_HEIGHT - tile.shape[0], tile.shape[1], 3), 255, np.uint8)
    return np.concatenate((tile, rest), axis=0)


def _title(text: str) -> Image:
    strip = Pillow.new("RGB", (MAX_TILE_WIDTH * 2, 24), (255, 255, 255))
    ImageDraw.Draw(strip).text((4, 3), text, font=ImageFont.load_default(15), fill=(30, 30, 30))
    return np.asarray(strip, np.uint8)
