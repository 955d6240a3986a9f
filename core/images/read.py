"""Files into arrays: every format an inspector's camera writes, and a clear line for everything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import ImageError
from core.given_files import MAX_PHOTO, read_given
from core.images.decode import MAX_PIXELS, DecodedImage, decode
from core.images.depth import DepthScales, is_deep, scale_and_notes, to_8_bit
from core.images.mask_values import drawn_pixels, top_value
from core.images.source_depth import DeepPhoto, deep_photo
from core.images.write import is_grey, png_bytes
from core.types import Image, Mask, check_image, check_mask

MIN_SIDE = 16
"""A photo has at least this many pixels a side."""


@dataclass(frozen=True)
class ReadPhoto:
    """A photo as read, and the file bytes worth keeping.

    ``pixels`` is uint8 (H, W, 3) RGB; ``grey`` says that its three channels are equal everywhere.
    ``notes`` are lines for a person on what was converted; ``orientation`` is the EXIF one, 1 to 8, that ``pixels``
    were turned by. ``data`` with extension ``ext`` (".png", ".jpg") is the original file when a browser shows exactly
    ``pixels`` from it, else a PNG of ``pixels``. ``deep`` are the source's values where it has more than 8 bits and
    they were asked for.
    """

    pixels: Image
    name: str
    grey: bool
    notes: tuple[str, ...]
    data: bytes
    ext: str
    orientation: int = 1
    deep: DeepPhoto | None = None


def read_photo(
    source: Path | bytes,
    name: str | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    scales: DepthScales | None = None,
    keep_depth: bool = False,
) -> ReadPhoto:
    """Read a PNG, JPEG, TIFF, BMP, WebP or still GIF from a path or from a file's bytes.

    Alpha is laid over white, CMYK and palettes become RGB, EXIF rotation is applied, more than 8 bits are
    scaled, by ``scales`` where the photo belongs to a set (see ``core.images.depth``); ``notes`` says so, and
    ``keep_depth`` asks for the source's values beside it. Raises
    ImageError, one line, for a file that is missing, empty, truncated, not an image, animated or of several pages,
    larger than ``max_pixels`` pixels, or smaller than 16 pixels a side.
    """
    data, name = bytes_of(source, name)
    return photo_of(decode(data, name, max_pixels), data, name, scales=scales, keep_depth=keep_depth)


def photo_of(
    decoded: DecodedImage, data: bytes, name: str, *, scales: DepthScales | None = None, keep_depth: bool = False
) -> ReadPhoto:
    """What ``read_photo`` makes of the bytes ``data``, which hold ``decoded``."""
    height, width = decoded.colour.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name}: expected at least {MIN_SIDE} pixels a side, got {width}x{height}; give the full-size photo"
        )
    colour, depth_notes = to_8_bit(decoded.colour, name, scales)
    notes = [*decoded.notes, *depth_notes]
    deep = None
    if keep_depth and is_deep(decoded.colour):
        deep = deep_photo(decoded.colour, scale_and_notes(decoded.colour, name, scales)[0])
    if decoded.alpha is not None and decoded.alpha.max() == 0:
        notes.append("alpha is 0 everywhere and was ignored")
    elif decoded.alpha is not None and decoded.alpha.min() < 1:
        colour, deep = _over_white(colour, decoded.alpha), None
        notes.append("alpha dropped over white")
    pixels = check_image(colour if colour.ndim == 3 else np.repeat(colour[..., None], 3, axis=2), name)
    grey = is_grey(pixels)
    if decoded.verbatim:
        return ReadPhoto(pixels, name, grey, tuple(notes), data, ".png" if decoded.format == "PNG" else ".jpg")
    png = png_bytes(pixels, grey=grey)
    return ReadPhoto(pixels, name, grey, tuple(notes), png, ".png", decoded.orientation, deep)


def read_image(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """The pixels that ``read_photo`` gives, uint8 (H, W, 3) RGB; ImageError as there."""
    return read_photo(source, max_pixels=max_pixels).pixels


def read_mask(
    source: Path | bytes,
    shape: tuple[int, int] | None = None,
    *,
    name: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Mask:
    """Read a mask, bool (H, W), from any file ``read_photo`` takes; True where it shows a defect.

    ``core.images.mask_values`` has the rule. MaskError if it is not ``shape`` (H, W); ImageError as there.
    """
    data, name = bytes_of(source, name)
    return check_mask(drawn_pixels(decode(data, name, max_pixels)), shape, name)


def mask_top_value(data: bytes, name: str) -> int:
    """The highest value that the bytes of a mask file hold; ImageError as in ``read_photo``."""
    return top_value(decode(data, name, MAX_PIXELS))


def bytes_of(source: Path | bytes, name: str | None) -> tuple[bytes, str]:
    """The bytes of a file and what it is called; ImageError for what is no regular file, or too large."""
    if isinstance(source, bytes):
        return source, name or "image"
    name = name or source.name
    return read_given(source, MAX_PHOTO, name=name, error=ImageError), name


def _over_white(colour: npt.NDArray[np.uint8], alpha: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    weight = alpha if colour.ndim == 2 else alpha[..., None]
    mixed: npt.NDArray[np.float32] = 255 + (colour.astype(np.float32) - 255) * weight
    return np.rint(mixed).astype(np.uint8)
