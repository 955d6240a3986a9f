"""Reading files that somebody gives, in processes of their own: the same functions as in ``core.images``.

A file may be made to hang or to break its decoder, or to take all memory. Here it takes a process with it that
reads nothing else, and the person gets one line. What the project itself has stored is read in place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.images.class_map import ClassAreas
from core.images.decode import MAX_PIXELS
from core.images.depth import DepthRange, DepthScales
from core.images.isolated.messages import Message, rebuilt
from core.images.isolated.process_pool import pool
from core.images.looks import NO_TONES, Look, ToneSplit
from core.images.read import ReadPhoto, bytes_of
from core.images.source_depth import DeepPhoto
from core.types import Image, Mask, check_mask


@dataclass(frozen=True)
class PhotoFile:
    """A photo that was read, without its pixels: ``data`` as in ReadPhoto, its size, and notes for a person."""

    data: bytes
    ext: str
    width: int
    height: int
    grey: bool
    notes: tuple[str, ...]
    deep: DeepPhoto | None = None


def read_photo(
    source: Path | bytes, name: str | None = None, *, scales: DepthScales | None = None, keep_depth: bool = False
) -> ReadPhoto:
    """``core.images.read_photo``."""
    data, name = bytes_of(source, name)
    return _read(_photo(data, name, scales, pixels=True, keep_depth=keep_depth), data, name)


def read_photo_file(source: Path | bytes, name: str | None = None, *, scales: DepthScales | None = None) -> PhotoFile:
    """What ``read_photo`` gives, source values too, but for the pixels, which stay in the other process."""
    data, name = bytes_of(source, name)
    return _file(_photo(data, name, scales, pixels=False, keep_depth=True), data)


def read_image(source: Path | bytes, name: str | None = None) -> Image:
    """``core.images.read_image``."""
    return read_photo(source, name).pixels


def read_mask(source: Path | bytes, shape: tuple[int, int] | None = None, *, name: str | None = None) -> Mask:
    """``core.images.read_mask``."""
    data, name = bytes_of(source, name)
    answer = pool.call("mask", data, name, {"max_pixels": MAX_PIXELS})
    height, width = (int(n) for n in answer.fields["shape"])
    bits = np.unpackbits(np.frombuffer(answer.blobs[0], np.uint8), count=height * width)
    return check_mask(bits.reshape(height, width).view(np.bool_), shape, name)


def mask_top_value(data: bytes, name: str) -> int:
    """``core.images.mask_top_value``."""
    return int(pool.call("top_value", data, name, {}).fields["top"])


def look_at(data: bytes, name: str) -> Look:
    """``core.images.looks.look_at``."""
    return _look(pool.call("look", data, name, {}))


def look_and_read_file(data: bytes, name: str, scales: DepthScales) -> tuple[Look, PhotoFile | None]:
    """``look_at`` and ``read_photo_file`` of a file that is decoded once.

    No photo where it is none, or has more than 8 bits and its scale is not among ``scales``.
    """
    seen, made = _look_and_photo(data, name, scales, pixels=False)
    return seen, None if made is None else _file(made, data)


def look_and_read(data: bytes, name: str, scales: DepthScales) -> tuple[Look, ReadPhoto | None]:
    """The same with the photo's pixels, as ``read_photo`` gives them with its source values."""
    seen, made = _look_and_photo(data, name, scales, pixels=True)
    return seen, None if made is None else _read(made, data, name)


def _look_and_photo(data: bytes, name: str, scales: DepthScales, *, pixels: bool) -> tuple[Look, Message | None]:
    answer = pool.call("look_and_photo", data, name, _asked(scales, pixels=pixels, keep_depth=True))
    made = answer.fields["photo"]
    seen = _look(Message(answer.fields["look"], answer.blobs[:1]))
    return seen, None if made is None else Message(made, answer.blobs[1:])


def _look(answer: Message) -> Look:
    deep = answer.fields["depth"]
    depth = None if deep is None else (str(deep[0]), DepthRange(**deep[1]))
    height, width = (int(n) for n in answer.fields["size"])
    print_ = rebuilt(answer.blobs[0], answer.fields["print"]).copy()  # alone it is smaller than as a view of the blob
    flat = bool(answer.fields["flat"])
    tones = ToneSplit(**answer.fields["tones"]) if flat else NO_TONES
    return Look(flat, print_, depth, _shared((height, width)), tones)


@lru_cache(64)
def _shared(size: tuple[int, int]) -> tuple[int, int]:
    """One value for the size that many photos have."""
    return size


def class_codes(data: bytes, name: str) -> tuple[npt.NDArray[np.int64], bool]:
    """``core.images.class_map.class_codes``."""
    answer = pool.call("codes", data, name, {})
    return rebuilt(answer.blobs[0], answer.fields["codes"]), bool(answer.fields["colours"])


def class_areas(data: bytes, name: str) -> ClassAreas:
    """``core.images.class_map.class_areas``."""
    answer = pool.call("areas", data, name, {})
    return ClassAreas(
        {int(code): int(count) for code, count in answer.fields["areas"]}, bool(answer.fields["colours"])
    )


def read_tiff_values(source: Path | bytes, name: str | None = None) -> npt.NDArray[Any]:
    """The samples of a TIFF in their own number type, (H, W) or (H, W, 3); ImageError as in ``read_photo``."""
    data, name = bytes_of(source, name)
    answer = pool.call("values", data, name, {"max_pixels": MAX_PIXELS})
    return rebuilt(answer.blobs[0], answer.fields["values"])


def _photo(data: bytes, name: str, scales: DepthScales | None, pixels: bool, keep_depth: bool) -> Message:
    return pool.call("photo", data, name, _asked(scales or {}, pixels=pixels, keep_depth=keep_depth))


def _asked(scales: DepthScales, *, pixels: bool, keep_depth: bool) -> dict[str, object]:
    given = {dtype: asdict(scale) for dtype, scale in scales.items()}
    return {"max_pixels": MAX_PIXELS, "scales": given, "pixels": pixels, "keep_depth": keep_depth}


def _read(answer: Message, data: bytes, name: str) -> ReadPhoto:
    height, width = answer.fields["size"]
    pixels = np.frombuffer(answer.blobs[0], np.uint8).reshape(int(height), int(width), 3)
    file = _file(answer, data)
    turn = int(answer.fields["orientation"])
    return ReadPhoto(pixels, name, file.grey, file.notes, file.data, file.ext, turn, file.deep)


def _file(answer: Message, data: bytes) -> PhotoFile:
    said = answer.fields
    height, width = (int(n) for n in said["size"])
    own = data if said["same"] else answer.blobs[1]
    ends = said["deep"]
    deep = None if ends is None else DeepPhoto(answer.blobs[2], float(ends[0]), float(ends[1]), str(ends[2]))
    return PhotoFile(own, str(said["ext"]), width, height, bool(said["grey"]), tuple(map(str, said["notes"])), deep)
