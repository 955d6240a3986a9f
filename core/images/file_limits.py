"""What a picture file may hold: one photo of a size, and a chain of pages that comes to an end."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from core.errors import ImageError

MAX_PAGES = 64
"""Directories a TIFF may chain: one photo, its smaller copies and its preview are far fewer."""
_MAX_TAGS = 4096
MAX_BYTES = 800_000_000
"""Bytes that a photo may take in its own depth: 130 megapixels of 16-bit colour, 200 of 8-bit colour with alpha."""


@dataclass(frozen=True)
class _Layout:
    """How a TIFF writes counts and offsets: as ``struct`` formats, with a tag's length in bytes."""

    first: str
    first_at: int
    count: str
    tag_bytes: int
    offset: str


_LAYOUTS = {
    b"II*\x00": _Layout("<I", 4, "<H", 12, "<I"),
    b"MM\x00*": _Layout(">I", 4, ">H", 12, ">I"),
    b"II+\x00": _Layout("<Q", 8, "<Q", 20, "<Q"),
    b"MM\x00+": _Layout(">Q", 8, ">Q", 20, ">Q"),
}


def check_pages(data: bytes, name: str) -> None:
    """ImageError if the chain of a TIFF's directories comes back to one of them or has more than ``MAX_PAGES``.

    What else may be wrong with the file, its decoder says.
    """
    layout = _LAYOUTS.get(data[:4])
    if layout is None:
        return
    seen: set[int] = set()
    at = _number(data, layout.first, layout.first_at)
    while at:
        if at in seen:
            raise ImageError(f"{name}: the TIFF is damaged (its pages go round in a circle); copy or export it again")
        seen.add(at)
        if len(seen) > MAX_PAGES:
            raise ImageError(f"{name}: expected one photo, got a TIFF of more than {MAX_PAGES} pages; save one page")
        tags = _number(data, layout.count, at)
        if tags > _MAX_TAGS:
            return
        at = _number(data, layout.offset, at + struct.calcsize(layout.count) + tags * layout.tag_bytes)


def check_bytes(name: str, size: int) -> None:
    """ImageError if a photo's samples take more than ``MAX_BYTES`` as the file has them."""
    if size > MAX_BYTES:
        raise ImageError(
            f"{name}: {size / 1e6:,.0f} MB of pixels are above the limit of {MAX_BYTES / 1e6:,.0f} MB for a photo; "
            "give a smaller photo, or one of 8 bits"
        )


def _number(data: bytes, form: str, at: int) -> int:
    """The number at ``at``; 0, the end of a chain, where the file has ended."""
    if at + struct.calcsize(form) > len(data):
        return 0
    return int(struct.unpack_from(form, data, at)[0])


def png_size(data: bytes, name: str) -> tuple[int, int]:
    """The size (H, W) that a PNG says it has, read before anything is decoded; ImageError where it is no PNG."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
        raise ImageError(f"{name}: expected a PNG, got something else; write it again")
    width, height = struct.unpack(">II", data[16:24])
    return height, width
