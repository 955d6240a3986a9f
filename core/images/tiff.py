"""TIFFs with more than 8 bits a channel, tiled, planar or of float, as scientific and line cameras write them."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ImageError
from core.images.file_limits import check_bytes, check_pages

Array = npt.NDArray[Any]
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_WHOLE_BITS = (1, 8, 16, 32, 64)


def read_deep_tiff(data: bytes, name: str, max_pixels: int) -> tuple[Array, npt.NDArray[np.float32] | None, int]:
    """Colour (H, W) or (H, W, 3) in the file's own dtype, alpha (H, W) 0..1 or None, orientation 1..8.

    Reduced-size copies beside the full picture (thumbnails, pyramids) are passed over. ImageError for
    several pages, an odd number of channels, a compression without a decoder, a size above ``max_pixels``.
    """
    import tifffile

    check_pages(data, name)
    try:
        with _silent(tifffile.logger()), tifffile.TiffFile(io.BytesIO(data)) as file:
            pages: list[Any] = [page for page in file.pages if not page.is_reduced]
            if not pages:
                raise ValueError("it holds no picture")
            if len(pages) != 1:
                raise ImageError(f"{name}: expected one photo, got a TIFF of {len(pages)} pages; save one page")
            page = pages[0]
            if page.imagewidth * page.imagelength > max_pixels:
                raise ImageError(
                    f"{name}: {page.imagewidth}x{page.imagelength} is above the limit of {max_pixels / 1e6:.6g} "
                    "megapixels (a decompression bomb?); give a smaller photo"
                )
            check_bytes(name, int(np.prod(page.shape)) * page.dtype.itemsize)
            if page.bitspersample not in _WHOLE_BITS and find_spec("imagecodecs") is None:
                raise ImageError(
                    f"{name}: its pixels are packed, {page.bitspersample} bits each, and no decoder for that is here; "
                    "save the TIFF with 16 bits, or install imagecodecs"
                )
            tag = page.tags.get("Orientation")
            turn = int(tag.value) if tag is not None else 1
            array = _channels_last(_pixels(page, data), page, name)
            colour, alpha = _split(array, page, name)
            return colour, alpha, turn
    except ImageError:
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        text = " ".join(str(error).split())[:120]
        raise ImageError(f"{name}: the TIFF is truncated or damaged ({text}); copy or export it again") from error


def float_tiff(values: npt.NDArray[np.float32]) -> bytes:
    """A TIFF file of a map float32 (H, W), as it is: what score maps are written as."""
    import tifffile

    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.asarray(values, np.float32), photometric="minisblack", metadata=None)
    return buffer.getvalue()


@contextlib.contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """The reader logs what it stumbles on before it raises; the person gets one line, ours."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _pixels(page: Any, data: bytes) -> Array:
    """The page's samples; OpenCV knows compressions (LZW) that tifffile has no decoder of its own for."""
    try:
        array: Array = page.asarray()
        return array
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if raw is None or raw.size != np.prod(page.shape):
            raise ValueError(
                f"no decoder for its {page.compression.name} compression; save it uncompressed"
            ) from error
        if raw.ndim == 3:
            raw = raw[..., [2, 1, 0, 3][: raw.shape[2]]]
            raw = raw if page.axes == "YXS" else np.moveaxis(raw, 2, 0)
        if page.photometric == _MIN_IS_WHITE:
            raw = np.iinfo(raw.dtype).max - raw  # OpenCV has turned it round already
        decoded: Array = raw
        return decoded


def _channels_last(array: Array, page: Any, name: str) -> Array:
    if page.axes in ("YX", "YXS"):
        return array
    if page.axes == "SYX":
        return np.moveaxis(array, 0, 2)
    raise ImageError(f"{name}: expected a flat photo, got a TIFF with axes {page.axes}; save one plane")


def _split(array: Array, page: Any, name: str) -> tuple[Array, npt.NDArray[np.float32] | None]:
    """Colour and alpha. ExtraSamples 1 and 2 are alpha; 0 is unknown and left out."""
    photometric = int(page.photometric)
    if photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB) or array.dtype.kind not in "uif":
        raise ImageError(
            f"{name}: expected a grey or RGB TIFF, got {page.photometric.name} of {array.dtype}; export it as RGB"
        )
    if array.dtype == np.int8:
        array = array.astype(np.int16)
    wanted = 3 if photometric == _RGB else 1
    channels = 1 if array.ndim == 2 else array.shape[2]
    extra = tuple(int(e) for e in page.extrasamples)
    if channels != wanted + len(extra) or len(extra) > 1:
        raise ImageError(f"{name}: expected 1 or 3 channels, got a TIFF of {channels}; export it as grey or RGB")
    colour = array if array.ndim == 2 else array[..., :wanted]
    colour = colour[..., 0] if colour.ndim == 3 and wanted == 1 else colour
    if photometric == _MIN_IS_WHITE:
        top = np.iinfo(colour.dtype).max if colour.dtype.kind in "ui" else colour.max()
        colour = top - colour
    if extra and extra[0] in (1, 2):
        full = np.iinfo(array.dtype).max if array.dtype.kind in "ui" else 1
        return colour, np.clip(array[..., wanted].astype(np.float32) / full, 0, 1)
    return colour, None
