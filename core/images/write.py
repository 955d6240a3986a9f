"""Arrays into files: lossless PNG with text in it, masks, thumbnails, and writes that cannot be half done."""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ImageError, InputError, StoreError
from core.images.geometry import coverage, outer_rim, shrunk_to
from core.types import Image, Mask, check_image, check_mask

TEMP_PREFIX = ".tmp-"
"""What ``atomic_write`` calls a file until it is whole; ``clean_temporary`` removes left-overs."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
_COMPRESS_TEXT_FROM = 1024
_MAX_TEXT = 64 << 20
_OUTLINE = (255, 0, 200)


def is_grey(image: Image) -> bool:
    """Whether the three channels are equal everywhere."""
    step = max(1, image.shape[0] // 16)
    for rows in (image[::step], image):
        if not (np.array_equal(rows[..., 0], rows[..., 1]) and np.array_equal(rows[..., 1], rows[..., 2])):
            return False
    return True


def png_bytes(image: Image, text: Mapping[str, str] | None = None, grey: bool = False) -> bytes:
    """A lossless PNG of uint8 (H, W, 3) RGB, with ``text`` in iTXt chunks (UTF-8; read_png_text reads them).

    ``grey`` writes one channel; ImageError if the channels differ. A key is 1 to 79 Latin-1 characters.
    """
    pixels = check_image(image)
    if grey:
        if not is_grey(pixels):
            raise ImageError("image: expected equal channels for a grey PNG, got colour; write it with grey=False")
        data = _encode(pixels[..., 0])
    else:
        data = _encode(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    chunks = b"".join(_text_chunk(key, value) for key, value in (text or {}).items())
    return data[:_HEADER_END] + chunks + data[_HEADER_END:] if chunks else data


def soft_png_bytes(soft: npt.NDArray[np.float32]) -> bytes:
    """A PNG of one 8-bit channel of a soft map, float32 (H, W) in 0..1."""
    return png_bytes((soft[..., None] * 255 + 0.5).astype(np.uint8).repeat(3, axis=2), grey=True)


def mask_png_bytes(mask: Mask) -> bytes:
    """A PNG of one 8-bit channel, 0 outside and 255 inside, of a bool (H, W) mask."""
    return _encode(check_mask(mask).view(np.uint8) * np.uint8(255), level=6)


def read_png_text(source: Path | bytes) -> dict[str, str]:
    """The text chunks (tEXt, zTXt, iTXt) of a PNG, without decoding its pixels; ImageError if it is no PNG."""
    data = source if isinstance(source, bytes) else _read(source)
    if not data.startswith(_SIGNATURE):
        raise ImageError("expected a PNG, got another kind of file; only PNGs carry a recipe")
    texts: dict[str, str] = {}
    for kind, body in _chunks(data):
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            try:
                key, value = _read_text(kind, body)
            except (ValueError, IndexError, zlib.error):
                continue
            texts[key] = value
    return texts


def thumbnail_bytes(image: Image, side: int = 256, mask: Mask | None = None) -> bytes:
    """A small JPEG for the app, at most ``side`` pixels a side, the ``mask`` drawn on it as an outline."""
    pixels = check_image(image)
    height, width = pixels.shape[:2]
    small = shrunk_to(pixels, side)
    if mask is not None:
        inside = check_mask(mask, (height, width))
        if small.shape != pixels.shape:
            # Coverage keeps a hair-thin mask visible where nearest-neighbour would skip it.
            inside = coverage(inside, (small.shape[0], small.shape[1])) > 0
        small = small.copy()
        small[outer_rim(inside)] = _OUTLINE
    done, coded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise ImageError(f"thumbnail: {width}x{height} pixels could not be coded as JPEG; give a smaller photo")
    return coded.tobytes()


def atomic_write(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` holds all of it or is as before, whenever the machine stops.

    The file is written beside ``path``, synced and renamed, then the folder is synced. StoreError if the
    disk is full or the folder cannot be written.
    """
    temporary = path.parent / f"{TEMP_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"{path}: cannot be written ({reason}); check the folder, its rights and free space"
        ) from error


def cached_file(path: Path, make: Callable[[], bytes]) -> Path:
    """``path``, holding what ``make`` gave the first time it was asked for; its folder is made too."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, make())
    return path


def clean_temporary(folder: Path) -> int:
    """Remove what an interrupted ``atomic_write`` left under ``folder`` (at any depth); return how many files.

    Call it only while nobody writes there, for example when a project is opened by its only process.
    """
    left = [path for path in folder.rglob(f"{TEMP_PREFIX}*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _encode(array: Image, level: int = 1) -> bytes:
    done, coded = cv2.imencode(".png", array, [cv2.IMWRITE_PNG_COMPRESSION, level])
    if not done:
        raise ImageError(
            f"image: {array.shape[1]}x{array.shape[0]} pixels could not be coded as PNG; give a smaller one"
        )
    return coded.tobytes()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path.name}: cannot be opened ({error.strerror}); check the path and its rights") from error


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its rename is journaled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _text_chunk(key: str, value: str) -> bytes:
    """iTXt: key, 0, compressed?, method 0, language "", 0, translated key "", 0, UTF-8 text."""
    coded_key = key.encode("latin-1", "replace")
    if not 1 <= len(coded_key) <= 79 or "\0" in key or coded_key.decode("latin-1") != key:
        raise InputError(f"PNG text key {key!r}: expected 1 to 79 Latin-1 characters; use a short plain word")
    coded = value.encode()
    packed = len(coded) >= _COMPRESS_TEXT_FROM
    body = coded_key + b"\0" + bytes((packed, 0)) + b"\0\0" + (zlib.compress(coded, 6) if packed else coded)
    check = zlib.crc32(b"iTXt" + body)
    return struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", check)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _read_text(kind: bytes, body: bytes) -> tuple[str, str]:
    key, rest = body.split(b"\0", 1)
    name = key.decode("latin-1")
    if kind == b"tEXt":
        return name, rest.decode("latin-1")
    if kind == b"zTXt":
        return name, _inflate(rest[1:]).decode("latin-1")
    packed, rest = rest[0], rest[2:]
    _language, _translated, text = rest.split(b"\0", 2)
    return name, (_inflate(text) if packed else text).decode()


def _inflate(coded: bytes) -> bytes:
    engine = zlib.decompressobj()
    text = engine.decompress(coded, _MAX_TEXT)
    if engine.unconsumed_tail:
        raise ValueError("PNG text is larger than 64 MB")
    return text
