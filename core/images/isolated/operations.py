"""What a decoding process can do with a file: each takes its bytes, the name to say and the request's fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from core.images.class_map import class_codes
from core.images.depth import DepthScale
from core.images.isolated.messages import Message, described
from core.images.looks import look_at
from core.images.read import mask_top_value, read_mask, read_photo
from core.images.tiff import read_deep_tiff

Fields = Mapping[str, Any]


def photo(data: bytes, name: str, fields: Fields) -> Message:
    """``read_photo``: its pixels, where they are asked for, and its file, where that is not ``data`` itself."""
    scales = {dtype: DepthScale(**scale) for dtype, scale in fields["scales"].items()}
    keep = bool(fields["keep_depth"])
    read = read_photo(data, name, max_pixels=int(fields["max_pixels"]), scales=scales, keep_depth=keep)
    same = read.data == data
    said = {
        "size": read.pixels.shape[:2],
        "grey": read.grey,
        "notes": read.notes,
        "ext": read.ext,
        "orientation": read.orientation,
        "same": same,
        "deep": None if read.deep is None else [read.deep.low, read.deep.high],
    }
    pixels = read.pixels.tobytes() if fields["pixels"] else b""
    return Message(said, (pixels, b"" if same else read.data, b"" if read.deep is None else read.deep.png))


def mask(data: bytes, name: str, fields: Fields) -> Message:
    """``read_mask``, eight pixels to a byte."""
    drawn = read_mask(data, name=name, max_pixels=int(fields["max_pixels"]))
    return Message({"shape": drawn.shape}, (np.packbits(drawn).tobytes(),))


def top_value(data: bytes, name: str, fields: Fields) -> Message:
    """``mask_top_value``."""
    return Message({"top": mask_top_value(data, name)})


def look(data: bytes, name: str, fields: Fields) -> Message:
    """``look_at``."""
    seen = look_at(data, name)
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


def values(data: bytes, name: str, fields: Fields) -> Message:
    """``read_deep_tiff``, without its alpha."""
    array, _, _ = read_deep_tiff(data, name, int(fields["max_pixels"]))
    return Message({"values": described(array)}, (np.ascontiguousarray(array).tobytes(),))


OPERATIONS: Mapping[str, Callable[[bytes, str, Fields], Message]] = {
    operation.__name__: operation for operation in (photo, mask, top_value, look, codes, values)
}
