"""One file's bytes into arrays, as they are stored: no scaling, alpha kept apart."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageOps
import PIL.TiffImagePlugin

from core.errors import ImageError
from core.images.file_limits import check_bytes, check_pages
from core.images.tiff import read_deep_tiff

Array = npt.NDArray[Any]

# Pillow opens a JPEG with more pictures in it (MPO) through JPEG.
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
_KNOWN_OTHERS = {
    b"%PDF": "a PDF",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000",
    b"8BPS": "a Photoshop file",
    b"PK\x03\x04": "a zip",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"v/1\x01": "an OpenEXR",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
}
_RAW = (".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2")
_TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_ORIENTATION = 274
_BITS_PER_SAMPLE = 258
MAX_PIXELS = 200_000_000
"""Above this an image is refused as a decompression bomb: 200 megapixels, 600 MB decoded."""

# Pillow's limit and its warnings are the process's own. Set once, they need no lock that reads would wait for.
PIL.Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class DecodedImage:
    """What a file holds.

    ``colour`` is (H, W) grey or (H, W, 3) RGB, uint8 unless the file has more depth; ``alpha`` float32
    (H, W) in 0..1 where the file has it. ``verbatim``: a browser shows exactly ``colour`` from the file.
    ``indices`` uint8 (H, W) are what a palette file stores. ``orientation`` is the EXIF one, 1 to 8, that has been
    applied to all of them.
    """

    colour: Array
    alpha: npt.NDArray[np.float32] | None
    notes: tuple[str, ...]
    format: str
    verbatim: bool = False
    indices: npt.NDArray[np.uint8] | None = None
    orientation: int = 1


def decode(data: bytes, name: str, max_pixels: int) -> DecodedImage:
    """Decode a PNG, JPEG, TIFF, BMP, WebP or still GIF; ImageError in one line for anything else."""
    if not data:
        raise ImageError(f"{name}: the file is empty (0 bytes); copy it again")
    check_pages(data, name)
    image = _open(data, name, max_pixels)
    if image is None:
        return _deep_tiff(data, name, max_pixels)
    try:
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        if image.format == "TIFF" and (frames > 1 or _is_deep(image)):
            return _deep_tiff(data, name, max_pixels)
        if frames > 1:
            raise ImageError(
                f"{name}: expected one still photo, got an animated {image.format} of {frames} frames; "
                "save one frame as PNG"
            )
        return _from_pillow(image, data, name)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # a decoder may raise anything on broken bytes
        raise _damaged(name, str(image.format), error) from error


def _open(data: bytes, name: str, max_pixels: int) -> PIL.Image.Image | None:
    """The file with its header read; None for a TIFF that Pillow does not know."""
    try:
        # A TGA begins with nothing that tells it, so only its name does.
        formats = (*_FORMATS, "TGA") if name.lower().endswith(".tga") else _FORMATS
        image = PIL.Image.open(io.BytesIO(data), formats=formats)
    except (PIL.Image.DecompressionBombError, PIL.Image.DecompressionBombWarning):
        raise too_large_error(name, f"more than {MAX_PIXELS / 1e6:.0f} megapixels", max_pixels) from None
    except Exception as error:  # a decoder may raise anything on broken bytes
        if data[:4] in _TIFF_MAGIC:
            return None
        raise _not_an_image(data, name) from error
    if image.width * image.height > max_pixels:
        raise too_large_error(name, f"{image.width}x{image.height}", max_pixels)
    if image.format == "PNG" and data[24] == 16:
        check_bytes(
            name, image.width * image.height * 2 * (1 if image.mode.startswith("I") else len(image.getbands()))
        )
    return image


def _is_deep(image: PIL.Image.Image) -> bool:
    """More than 8 bits a channel, which Pillow would cut to 8 in colour, or a mode it cannot convert."""
    assert isinstance(image, PIL.TiffImagePlugin.TiffImageFile)
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
    return max(bits) > 8 or image.mode == "LAB"


def _from_pillow(image: PIL.Image.Image, data: bytes, name: str) -> DecodedImage:
    kind, notes = str(image.format), list[str]()
    indices: npt.NDArray[np.uint8] | None = None
    frames = int(getattr(image, "n_frames", 1))
    turn = image.getexif().get(_ORIENTATION, 1)
    turned = turn in range(2, 9)
    image.load()
    if kind == "MPO" and frames > 1:
        notes.append(f"first of {frames} pictures in the file")
    if kind == "PNG" and data[24] == 16:
        colour, alpha = _png_16(data, name)
        if turned:
            colour, alpha = turned_by(colour, turn), None if alpha is None else turned_by(alpha, turn)
    else:
        mode = image.mode
        PIL.ImageOps.exif_transpose(image, in_place=True)
        indices = np.asarray(image) if mode == "P" else None
        colour, alpha = _arrays(image)
        if image.mode in ("CMYK", "YCbCr", "P", "PA", "1"):
            notes.append(
                {"CMYK": "CMYK converted to RGB", "YCbCr": "YCbCr converted to RGB", "1": "1-bit"}.get(
                    image.mode, "palette converted to RGB"
                )
            )
    if turned:
        notes.append("rotated by EXIF")
    foreign = _foreign_profile(image)
    if foreign:
        notes.append("colour profile ignored")
    plain = kind in ("PNG", "JPEG", "MPO") and image.mode in ("L", "RGB") and colour.dtype == np.uint8
    verbatim = plain and alpha is None and not turned and not foreign
    return DecodedImage(colour, alpha, tuple(notes), kind, verbatim, indices, turn if turned else 1)


def _arrays(image: PIL.Image.Image) -> tuple[Array, npt.NDArray[np.float32] | None]:
    """Colour and alpha of an image of at most 8 bits a channel."""
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        alpha = rgba[..., 3].astype(np.float32)
        alpha /= 255
        return rgba[..., :3], alpha
    if image.mode in ("1", "L"):
        return np.asarray(image if image.mode == "L" else image.convert("L")), None
    if image.mode.startswith(("I", "F")):
        return np.asarray(image), None
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB")), None


def _png_16(data: bytes, name: str) -> tuple[Array, npt.NDArray[np.float32] | None]:
    """A 16-bit PNG, whose colours Pillow would cut to 8 bits; it was checked by Pillow before."""
    raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16:
        raise ImageError(f"{name}: this 16-bit PNG cannot be decoded; save it again as PNG or TIFF")
    if raw.ndim == 2:
        return raw, None
    colour = raw[..., 2::-1]
    alpha = raw[..., 3].astype(np.float32) / np.float32(65535) if raw.shape[2] == 4 else None
    return colour, alpha


def turned_by(array: Array, orientation: int) -> Array:
    """``array`` (H, W, ...) turned and mirrored as the EXIF ``orientation`` 1..8 says."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _foreign_profile(image: PIL.Image.Image) -> bool:
    """A browser would show other colours than the stored numbers: a profile or a gamma that is not sRGB's."""
    profile = image.info.get("icc_profile") or b""
    srgb = b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile
    gamma = image.info.get("gamma")
    odd_gamma = gamma is not None and abs(gamma - 1 / 2.2) > 0.01 and "srgb" not in image.info
    return bool(profile) and not srgb or odd_gamma


def _deep_tiff(data: bytes, name: str, max_pixels: int) -> DecodedImage:
    colour, alpha, turn = read_deep_tiff(data, name, max_pixels)
    notes = ("rotated by EXIF",) if turn in range(2, 9) else ()
    if notes:
        colour, alpha = turned_by(colour, turn), None if alpha is None else turned_by(alpha, turn)
    return DecodedImage(colour, alpha, notes, "TIFF", orientation=turn if notes else 1)


def too_large_error(name: str, size: str, max_pixels: int) -> ImageError:
    """The error for an image above the limit."""
    return ImageError(
        f"{name}: {size} is above the limit of {max_pixels / 1e6:.6g} megapixels (a decompression bomb?); "
        "give a smaller photo"
    )


def _damaged(name: str, kind: str, error: Exception) -> ImageError:
    text = " ".join(str(error).split()) or type(error).__name__
    what = "is truncated" if "truncat" in text.lower() or "not processed" in text else "is damaged"
    return ImageError(f"{name}: the {kind} {what} ({text[:120]}); copy or export it again")


def why_no_photo(head: bytes, name: str) -> str:
    """Why a file that begins with ``head`` is not read as a photo, in a line without its name."""
    return str(_not_an_image(head, name)).removeprefix(f"{name}: ")


def _not_an_image(data: bytes, name: str) -> ImageError:
    if name.lower().endswith(_RAW):
        return ImageError(f"{name}: a camera's raw file is not a picture yet; develop it to TIFF or PNG")
    expected = "expected a PNG, JPEG, TIFF, BMP or WebP photo"
    head = data[:512].lstrip()
    for magic, what in _KNOWN_OTHERS.items():
        if head.lower().startswith(magic.lower()):
            return ImageError(f"{name}: {expected}, got {what}; export it as PNG")
    if data[4:8] == b"ftyp":
        kind = "a HEIC" if data[8:12] in (b"heic", b"heix", b"mif1", b"hevc") else "an AVIF or a video"
        return ImageError(f"{name}: {expected}, got {kind}; export it as PNG or JPEG")
    for magic, kind in {b"\x89PNG": "PNG", b"\xff\xd8": "JPEG", b"BM": "BMP", b"RIFF": "WebP", b"GIF8": "GIF"}.items():
        if data.startswith(magic):
            return ImageError(f"{name}: the {kind} is truncated or damaged at its start; copy or export it again")
    return ImageError(f"{name}: {expected}, got something that is not an image; choose another file")
