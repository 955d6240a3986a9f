"""PNG files as they are: which can be copied byte by byte into a dataset, and which must be written anew."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from core.errors import ExportError, InputError
from core.exporters.api import DatasetItem, Depth, ItemContent
from core.images import is_grey, isolated, png_bytes, read_image, read_mask
from core.images.source_depth import (
    SourceDepth,
    Values,
    deep_png_bytes,
    mapped_back,
    read_deep_png,
    working_copy,
)
from core.types import Image, Mask, check_image, check_mask

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# cv2 turns a picture by eXIf and PIL does not; tRNS is an alpha channel to some; acTL makes it a film.
_UNSUITABLE = frozenset({b"eXIf", b"tRNS", b"acTL"})
_MODE_L, _MODE_RGB = 0, 2


@dataclass(frozen=True)
class PngInfo:
    """Size (H, W); ``plain``: 8-bit L or RGB that every decoder shows alike; ``mode_l``; ``has_text``."""

    shape: tuple[int, int]
    plain: bool
    mode_l: bool
    has_text: bool


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of every chunk up to IEND, checksums verified; ValueError if the file is damaged."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        end = at + 12 + length
        if end > len(data):
            break
        kind = data[at + 4 : at + 8]
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise ValueError("checksum")
        yield kind, at, end
        if kind == b"IEND":
            return
        at = end
    raise ValueError("truncated")


def inspect_png(data: bytes) -> PngInfo | None:
    """What a PNG file is, without decoding it; None if it is no PNG or a damaged one."""
    if not data.startswith(_SIGNATURE):
        return None
    try:
        kinds = {kind for kind, _, _ in _chunks(data)}
    except ValueError:
        return None
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    plain = depth == 8 and colour in (_MODE_L, _MODE_RGB) and not kinds & _UNSUITABLE
    return PngInfo((height, width), plain, colour == _MODE_L, bool(kinds & _TEXT))


def without_text(data: bytes) -> bytes:
    """The same PNG less its text chunks; pixels are not touched."""
    return _SIGNATURE + b"".join(data[a:b] for kind, a, b in _chunks(data) if kind not in _TEXT)


def looks_grey(image: Path | Image) -> bool:
    """Whether every pixel has R == G == B; a mode L file is not decoded."""
    if isinstance(image, Path):
        data = image.read_bytes()
        facts = inspect_png(data)
        return (facts is not None and facts.plain and facts.mode_l) or is_grey(read_image(data))
    return is_grey(check_image(image))


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image file; a PNG is not decoded."""
    data = path.read_bytes()
    facts = inspect_png(data)
    if facts is not None:
        return facts.shape
    photo = isolated.read_photo_file(data, path.name)
    return photo.height, photo.width


def load_content(item: DatasetItem, grey: bool, keep_text: bool, depth: Depth = "8-bit") -> ItemContent:
    """The item as it goes into a dataset: PNG of mode L if ``grey`` else RGB, checked masks; 16 bits of the source.

    A file that is already such a PNG keeps its bytes (less text, unless ``keep_text``); anything else is
    decoded and written losslessly. ExportError names the item.
    """
    try:
        png, shape = _deep_image(item, grey) if depth == "source" else _image(item.image, grey, keep_text)
        masks = [found for given in item.masks if (found := _mask(given, shape))[0].any()]
    except (InputError, OSError, ValueError) as error:
        raise ExportError(f"{item.name!r}: {_reason(error)}") from error
    if not item.good and not masks:
        raise ExportError(
            f"{item.name!r}: labelled {item.label!r} but its mask holds no pixel; draw the mask or reject the sample"
        )
    return ItemContent(png, shape, tuple(m for m, _ in masks), tuple(data for _, data in masks))


def _image(image: Path | Image, grey: bool, keep_text: bool) -> tuple[bytes, tuple[int, int]]:
    if not isinstance(image, Path):
        pixels = check_image(image)
        return png_bytes(pixels, grey=grey), (pixels.shape[0], pixels.shape[1])
    data = image.read_bytes()
    facts = inspect_png(data)
    if facts is not None and facts.plain and facts.mode_l == grey:
        return (data if keep_text or not facts.has_text else without_text(data)), facts.shape
    pixels = read_image(data)
    return png_bytes(pixels, grey=grey), (pixels.shape[0], pixels.shape[1])


def _deep_image(item: DatasetItem, grey: bool) -> tuple[bytes, tuple[int, int]]:
    """A PNG of 16 bits; a photo of 8 bits fills them."""
    pixels = read_image(item.image.read_bytes()) if isinstance(item.image, Path) else check_image(item.image)
    if item.depth is None:
        values = pixels.astype(np.uint16) * np.uint16(257)
    else:
        source = read_deep_png(item.depth.file.read_bytes(), item.depth.file.name)
        before = _before(item.base, pixels, source, item.depth)
        if before.shape != pixels.shape or source.shape[:2] != pixels.shape[:2]:
            raise ExportError("its size is not that of its photo's source values; export it with depth=8-bit")
        values = mapped_back(source, before, pixels, item.depth.low, item.depth.high)
    return deep_png_bytes(values[..., 0] if grey else values), (pixels.shape[0], pixels.shape[1])


def _before(base: Path | Literal["scale"] | None, pixels: Image, source: Values, depth: SourceDepth) -> Image:
    """The working copy that an item was drawn on: the item itself where nothing was."""
    if base is None:
        return pixels
    return working_copy(source, depth.low, depth.high) if base == "scale" else read_image(base.read_bytes())


def _mask(mask: Path | Mask, shape: tuple[int, int]) -> tuple[Mask, bytes | None]:
    """The mask, and the file it came from if that is what we would write: one channel, 0 and 255, no text."""
    if not isinstance(mask, Path):
        return check_mask(np.asarray(mask), shape), None
    data = mask.read_bytes()
    facts = inspect_png(data)
    if facts is not None and facts.plain and facts.mode_l and not facts.has_text and facts.shape == shape:
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is not None and not ((values != 0) & (values != 255)).any():
            return values > 0, data
    return read_mask(data, shape), None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"cannot read {error.filename} ({error.strerror}); the file may have been moved: import it again"
    return str(error)
