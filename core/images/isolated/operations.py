"""What a decoding process can do with a file: each takes its bytes, the name to say and the request's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.errors import ImageError
from core.images.class_map import class_areas, class_codes
from core.images.decode import decode
from core.images.depth import DepthScale, is_deep
from core.images.isolated.messages import Message, described
from core.images.looks import Look, look_at
from core.images.read import ReadPhoto, mask_top_value, photo_of, read_mask, read_photo
from core.images.tiff import read_deep_tiff

Fields = Mapping[str, Any]


def photo(data: bytes, name: str, fields: Fields) -> Message:
    """``read_photo``: its pixels, where they are asked for, and its file, where that is not ``data`` itself."""
    keep = bool(fields["keep_depth"])
    limit = int(fields["max_pixels"])
    read = read_photo(data, name, max_pixels=limit, scales=_scales(fields), keep_depth=keep)
    return _photo_message(read, data, pixels=bool(fields["pixels"]))


def look_and_photo(data: bytes, name: str, fields: Fields) -> Message:
    """``look_at`` and ``read_photo`` of a file that is decoded once.

    The photo is left out where it is none, and where it has more than 8 bits and its scale is not among those given.
    """
    scales = _scales(fields)
    decoded = decode(data, name, int(fields["max_pixels"]))
    seen = _look_message(look_at(data, name, decoded))
    known = not is_deep(decoded.colour) or decoded.colour.dtype.name in scales
    try:
        read = photo_of(decoded, data, name, scales=scales, keep_depth=True) if known else None
    except ImageError:
        read = None
    if read is None:
        return Message({"look": seen.fields, "photo": None}, seen.blobs)
    made = _photo_message(read, data, pixels=bool(fields["pixels"]))
    return Message({"look": seen.fields, "photo": made.fields}, (*seen.blobs, *made.blobs))


def _scales(fields: Fields) -> dict[str, DepthScale]:
    return {dtype: DepthScale(**scale) for dtype, scale in fields["scales"].items()}


def _photo_message(read: ReadPhoto, data: bytes, *, pixels: bool) -> Message:
    same = read.data == data
    said = {
        "size": read.pixels.shape[:2],
        "grey": read.grey,
        "notes": read.notes,
        "ext": read.ext,
        "orientation": read.orientation,
        "same": same,
        "deep": None if read.deep is None else [read.deep.low, read.deep.high, read.deep.dtype],
    }
    shown = read.pixels.tobytes() if pixels else b""
    return Message(said, (shown, b"" if same else read.data, b"" if read.deep is None else read.deep.png))


def mask(data: bytes, name: str, fields: Fields) -> Message:
    """``read_mask``, eight pixels to a byte."""
    drawn = read_mask(data, name=name, max_pixels=int(fields["max_pixels"]))
    return Message({"shape": drawn.shape}, (np.packbits(drawn).tobytes(),))


def top_value(data: bytes, name: str, fields: Fields) -> Message:
    """``mask_top_value``."""
    return Message({"top": mask_top_value(data, name)})


def look(data: bytes, name: str, fields: Fields) -> Message:
    """``look_at``."""
    return _look_message(look_at(data, name))


def _look_message(seen: Look) -> Message:
    depth = None if seen.depth is None else [seen.depth[0], asdict(seen.depth[1])]
    said = {
        "flat": seen.flat,
        "depth": depth,
        "size": seen.size,
        "print": described(seen.print),
        "tones": asdict(seen.tones),
    }
    return Message(said, (seen.print.tobytes(),))


def codes(data: bytes, name: str, fields: Fields) -> Message:
    """``class_codes``."""
    values, colours = class_codes(data, name)
    return Message({"colours": colours, "codes": described(values)}, (values.tobytes(),))


def areas(data: bytes, name: str, fields: Fields) -> Message:
    """``class_areas``."""
    found = class_areas(data, name)
    return Message({"colours": found.coloured, "areas": list(found.pixels.items())})


def values(data: bytes, name: str, fields: Fields) -> Message:
    """``read_deep_tiff``, without its alpha."""
    array, _, _ = read_deep_tiff(data, name, int(fields["max_pixels"]))
    return Message({"values": described(array)}, (np.ascontiguousarray(array).tobytes(),))


OPERATIONS: Mapping[str, Callable[[bytes, str, Fields], Message]] = {
    operation.__name__: operation for operation in (photo, look_and_photo, mask, top_value, look, codes, areas, values)
}
