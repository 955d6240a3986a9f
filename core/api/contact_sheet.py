"""Kept samples on pages to print or to send: a close-up of each, its label, engine and believability."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

PAGE = (1240, 1754)
"""Width and height of a page in pixels: A4 at 150 dots an inch."""
DPI = 150
COLUMNS, ROWS = 4, 5
MARGIN, GAP, HEAD, CAPTION = 60, 18, 70, 62
SIDE = (PAGE[0] - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
INK, QUIET = (27, 27, 30), (101, 101, 109)


@dataclass(frozen=True)
class SheetCell:
    """One sample on a page: a small picture's file, and up to two lines under it."""

    picture: Path
    lines: tuple[str, ...]


def contact_sheet_pdf(title: str, cells: Sequence[SheetCell]) -> bytes:
    """A PDF with ``title`` on every page and the cells in their order, COLUMNS x ROWS to a page."""
    per_page = COLUMNS * ROWS
    parts = [cells[start : start + per_page] for start in range(0, len(cells), per_page)] or [cells]
    pages = [_page(f"{title}   {number} of {len(parts)}", part) for number, part in enumerate(parts, 1)]
    out = io.BytesIO()
    pages[0].save(out, "PDF", save_all=True, append_images=pages[1:], resolution=DPI, title=title)
    return out.getvalue()


def _page(title: str, cells: Iterable[SheetCell]) -> Pillow.Image:
    page = Pillow.new("RGB", PAGE, "white")
    draw = ImageDraw.Draw(page)
    draw.text((MARGIN, MARGIN), title, INK, ImageFont.load_default(26))
    for place, cell in enumerate(cells):
        row, column = divmod(place, COLUMNS)
        left, top = MARGIN + column * (SIDE + GAP), MARGIN + HEAD + row * (SIDE + CAPTION + GAP)
        _draw_picture(page, cell.picture, left, top)
        for number, line in enumerate(cell.lines):
            font = ImageFont.load_default(19 if number == 0 else 16)
            draw.text((left, top + SIDE + 7 + number * 24), _fitted(draw, line, font), QUIET if number else INK, font)
    return page


def _draw_picture(page: Pillow.Image, file: Path, left: int, top: int) -> None:
    """The picture as large as its square allows, in the middle of it."""
    with Pillow.open(file) as opened:
        scale = SIDE / max(opened.size)
        small = opened.convert("RGB").resize(
            (max(1, round(opened.width * scale)), max(1, round(opened.height * scale)))
        )
    page.paste(small, (left + (SIDE - small.width) // 2, top + (SIDE - small.height) // 2))


def _fitted(draw: ImageDraw.ImageDraw, line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """``line``, shortened to the width of a cell."""
    if draw.textlength(line, font) <= SIDE:
        return line
    while line and draw.textlength(line + "...", font) > SIDE:
        line = line[:-1]
    return line + "..."
