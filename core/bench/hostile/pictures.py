"""Pictures that are broken or made to harm: each kind of file that is read, cut, flipped, lying or in circles."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

Random = np.random.Generator
LARGE = 14_000
"""A side in pixels of the pictures that are large: 196 megapixels, just under the limit."""


def pictures(rng: Random, count: int) -> Iterator[tuple[str, bytes]]:
    """``count`` files, each with a name; the first ones are one of each kind that is made by hand."""
    made = [(name, make()) for name, make in BY_HAND.items()]
    yield from made[:count]
    whole = list(sound(rng).items())
    for number in range(count - len(made)):
        name, data = whole[int(rng.integers(len(whole)))]
        stem, _, ext = name.partition(".")
        how = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        yield f"{stem}-{how.__name__}-{number}.{ext}", how(data, rng)


def sound(rng: Random, side: int = 48) -> dict[str, bytes]:
    """One sound picture of each kind that is read."""
    photo = rng.integers(0, 256, (side, side, 3), np.uint8)
    deep = rng.integers(0, 4096, (side, side, 3), np.uint16)
    files = {"deep.png": cv2.imencode(".png", deep)[1].tobytes(), "deep.tif": _tiff(deep)}
    files["float.tif"] = _tiff(rng.random((side, side), np.float32))
    files["tiled.tif"] = _tiff(photo, tile=(16, 16))
    files["packed.tif"] = _tiff(photo, compression="zlib")
    kinds: dict[str, dict[str, Any]] = {
        "photo.png": {}, "photo.jpg": {"quality": 90}, "photo.bmp": {}, "photo.webp": {"lossless": True},
        "photo.gif": {}, "photo.ppm": {}, "photo.tga": {}, "photo.tif": {"compression": "tiff_lzw"},
    }  # fmt: skip
    for name, options in kinds.items():
        files[name] = _pillow(PIL.Image.fromarray(photo), name, **options)
    files["palette.png"] = _pillow(PIL.Image.fromarray(photo).quantize(16), "palette.png")
    files["alpha.png"] = _pillow(PIL.Image.fromarray(photo).convert("RGBA"), "alpha.png")
    files["progressive.jpg"] = _pillow(PIL.Image.fromarray(photo), "p.jpg", progressive=True)
    files["cmyk.jpg"] = _pillow(PIL.Image.fromarray(photo).convert("CMYK"), "c.jpg")
    return files


def circle_tiff(bits: int = 16, order: str = "<", big: bool = False, between: int = 0) -> bytes:
    """A TIFF whose chain of directories comes back to the first one, after ``between`` others."""
    tags = [(256, 4), (257, 4), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1)]
    count, tag, offset = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    start = 16 if big else 8
    length = (
        struct.calcsize(order + count) + len(tags) * struct.calcsize(order + tag) + struct.calcsize(order + offset)
    )
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start)
    pages = b""
    for number in range(between + 1):
        rows = b"".join(struct.pack(order + tag, key, 4, 1, value) for key, value in tags)
        following = start if number == between else start + (number + 1) * length
        pages += struct.pack(order + count, len(tags)) + rows + struct.pack(order + offset, following)
    return head + pages


def many_pages_tiff(pages: int = 5000) -> bytes:
    """A TIFF of many pages that all show the same pixels."""
    tags = [(256, 4), (257, 4), (258, 16), (259, 1), (262, 1), (273, 8), (277, 1), (279, 32)]
    length = 2 + 12 * len(tags) + 4
    rows = b"".join(struct.pack("<HHII", key, 4, 1, value) for key, value in tags)
    body = b"".join(
        struct.pack("<H", len(tags)) + rows + struct.pack("<I", 0 if n == pages - 1 else 8 + (n + 1) * length)
        for n in range(pages)
    )
    return b"II*\0" + struct.pack("<I", 8) + body


def flat_png(width: int, height: int, bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of one colour: a large picture in a small file."""
    packed = _zeros((1 + width * (3 if colour == 2 else 1) * bits // 8) * height)
    return _png(struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0), packed)


def lying_png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes."""
    return _png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), zlib.compress(b"\0" * 100))


def text_bomb_png() -> bytes:
    """A small PNG with a compressed text that unpacks to 512 MB."""
    data = flat_png(32, 32)
    return data[:33] + _chunk(b"zTXt", b"Comment\0\0" + _zeros(512 << 20)) + data[33:]


def _zeros(count: int) -> bytes:
    """What ``zlib.compress(bytes(count))`` unpacks to, without packing all of it."""
    packer, block = zlib.compressobj(9, wbits=-15), 1 << 20
    first = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(bytes(count % block)) + last.flush()
    return b"\x78\xda" + first * (count // block) + rest + struct.pack(">HH", count % 65_521, 1)


def _png(header: bytes, packed: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _tiff(array: npt.NDArray[np.generic], **options: Any) -> bytes:
    import tifffile

    buffer = io.BytesIO()
    kind = "rgb" if array.ndim == 3 else "minisblack"
    tifffile.imwrite(buffer, array, photometric=kind, metadata=None, **options)
    return buffer.getvalue()


def _pillow(image: PIL.Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, PIL.Image.registered_extensions()["." + name.partition(".")[2]], **options)
    return buffer.getvalue()


def cut(data: bytes, rng: Random) -> bytes:
    """The beginning of the file."""
    return data[: int(rng.integers(1, len(data)))]


def flipped(data: bytes, rng: Random) -> bytes:
    """The file with a few bits turned over, most of them near its beginning."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 12))):
        at = int(len(out) * rng.random() ** 3)
        out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def lying(data: bytes, rng: Random) -> bytes:
    """The file with a number in its header replaced by an extreme one."""
    out = bytearray(data)
    at = int(rng.integers(4, min(len(out) - 4, 200)))
    out[at : at + 4] = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0")[int(rng.integers(4))]
    return bytes(out)


def doubled(data: bytes, rng: Random) -> bytes:
    """The file with a piece of it repeated."""
    start, end = sorted(int(n) for n in rng.integers(0, len(data), 2))
    return data[:end] + data[start:end] * int(rng.integers(1, 6)) + data[end:]


def shuffled(data: bytes, rng: Random) -> bytes:
    """The file with a stretch of noise in it."""
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 400))
    return data[:at] + rng.bytes(length) + data[at + length :]


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (cut, flipped, lying, doubled, shuffled)

BY_HAND: dict[str, Callable[[], bytes]] = {
    "circle.tif": circle_tiff,
    "circle-8.tif": lambda: circle_tiff(8, between=1),
    "circle-of-ten.tif": lambda: circle_tiff(between=9),
    "circle-motorola.tif": lambda: circle_tiff(order=">"),
    "circle-big.tif": lambda: circle_tiff(big=True),
    "circle-big-motorola.tif": lambda: circle_tiff(order=">", big=True, between=2),
    "many-pages.tif": many_pages_tiff,
    "claims-64k.png": lambda: lying_png(65_535, 65_535),
    "claims-2g.png": lambda: lying_png(2**31 - 1, 2**31 - 1),
    "claims-limit.png": lambda: lying_png(LARGE, LARGE),
    "text-bomb.png": text_bomb_png,
    "empty.png": lambda: b"",
    "one-byte.tif": lambda: b"I",
    "header.tif": lambda: b"II*\0",
    "claims-huge.bmp": lambda: b"BM" + struct.pack("<IHHIIiiHHI", 58, 0, 0, 54, 40, *[2**31 - 1] * 2, 1, 24, 0),
    "claims-huge.ppm": lambda: b"P6 99999999 99999999 255\n" + b"\0" * 64,
    "page.png": lambda: b"<html><script>alert(1)</script></html>",
    "drawing.png": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "entities.png": lambda: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
    "document.png": lambda: b"%PDF-1.7\n",
}  # fmt: skip
"""By name: files whose kind a random change would hardly find."""
