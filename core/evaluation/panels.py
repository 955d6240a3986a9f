"""Pictures for a person: a photo, where its defect is, and where a detector sees one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.images import png_bytes
from core.images.geometry import coverage, false_colours, outer_rim, resized
from core.types import Image, Mask

OUTLINE = (255, 0, 200)
_GAP = 6
_PAPER = 255


def heat_panel(
    image: Image,
    mask: Callable[[tuple[int, int]], Mask],
    scores: npt.NDArray[np.float32],
    limits: tuple[float, float],
    tall: int = 240,
) -> bytes:
    """A PNG, photo | photo with the true outline | heat map, ``tall`` pixels high.

    ``scores`` float (h, w) of any size; ``limits`` are the values drawn coldest and hottest, the same for all pictures
    of a test set, so that they can be compared.
    """
    truth = mask((image.shape[0], image.shape[1]))
    blended = heat_overlay(image, scores, limits)
    size = (max(1, round(image.shape[1] * tall / image.shape[0])), tall)
    parts = [resized(image, size[::-1]), outlined(image, truth, size), outlined(blended, truth, size, (255, 255, 255))]
    return png_bytes(side_by_side(parts))


def heat_overlay(image: Image, scores: npt.NDArray[np.float32], limits: tuple[float, float]) -> Image:
    """``scores`` float (h, w) in colours over ``image``, greyed; uint8 (H, W, 3)."""
    low, high = limits
    level = np.clip((scores - low) / max(high - low, 1e-12), 0, 1)
    heat = false_colours(level, cv2.COLORMAP_TURBO)
    heat = cv2.resize(heat, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(heat, 0.6, grey, 0.4, 0), np.uint8)


def outlined(image: Image, mask: Mask, size: tuple[int, int], colour: tuple[int, int, int] = OUTLINE) -> Image:
    """``image`` at ``size`` (width, height) with a thin line around ``mask``, outside of it."""
    canvas = resized(image, size[::-1])
    canvas[outer_rim(coverage(mask, size[::-1]) > 0)] = colour
    return canvas


def side_by_side(parts: Sequence[Image]) -> Image:
    """Pictures of one height, side by side on white."""
    gap = np.full((parts[0].shape[0], _GAP, 3), _PAPER, np.uint8)
    row: list[Image] = []
    for part in parts:
        row += [part, gap]
    return np.concatenate(row[:-1], axis=1)


def stacked_vertically(rows: Sequence[Image]) -> Image:
    """Pictures under each other on white, aligned left."""
    width = max(row.shape[1] for row in rows)
    filled: list[Image] = []
    for row in rows:
        rest = np.full((row.shape[0], width - row.shape[1], 3), _PAPER, np.uint8)
        filled += [np.concatenate((row, rest), axis=1), np.full((_GAP, width, 3), _PAPER, np.uint8)]
    return np.concatenate(filled[:-1], axis=0)


def confusion_picture(counts: npt.NDArray[np.integer], labels: Sequence[str]) -> bytes:
    """A PNG of a confusion matrix: rows are the true labels, columns what was said, darker is a larger share."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    font, cell = ImageFont.load_default(15), 62
    wide = int(max(font.getlength(label) for label in labels)) + 20
    size = cell * len(labels)
    page = Pillow.new("RGB", (wide + size + 16, wide + size + 44), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    top = 28 + wide
    draw.text((wide, 6), "said", font=font, fill=(110, 110, 110))
    draw.text((8, top - 20), "true", font=font, fill=(110, 110, 110))
    for j, label in enumerate(labels):
        name = Pillow.new("L", (wide, 22), 0)
        ImageDraw.Draw(name).text((2, 2), label, font=font, fill=255)
        turned = name.rotate(90, expand=True)
        page.paste((40, 40, 40), (wide + j * cell + cell // 2 - 11, top - wide), turned)
    for i, label in enumerate(labels):
        draw.text((wide - 8, top + i * cell + cell // 2), label, font=font, fill=(40, 40, 40), anchor="rm")
        for j in range(len(labels)):
            left, upper, share = wide + j * cell, top + i * cell, float(shares[i, j])
            shade = tuple(round(255 + (c - 255) * share) for c in (27, 79, 140))
            draw.rectangle((left, upper, left + cell - 3, upper + cell - 3), fill=shade, outline=(205, 210, 216))
            ink = (255, 255, 255) if share > 0.5 else (40, 40, 40)
            draw.text((left + cell // 2, upper + cell // 2), str(counts[i, j]), font=font, fill=ink, anchor="mm")
    return png_bytes(np.asarray(page, np.uint8))
