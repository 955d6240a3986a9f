"""One scale for the photos of a test set that have more than 8 bits: a part is as bright on one as on the next."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import InputError
from core.exporters.atomic_folder import MARKER_FILE
from core.exporters.sidecar import export_scale
from core.images import isolated
from core.images.depth import DepthRange, DepthScales, scale_of_set
from core.types import Image

_DEEP_SUFFIXES = (".tif", ".tiff", ".pgm", ".ppm")
_PNG_START = 25
"""Bytes of a PNG up to its bits a channel."""


def scales_of_photos(photos: Iterable[Path | Image], dataset: Path | None = None) -> DepthScales:
    """One scale for each number type above 8 bits among ``photos``; that of the export ``dataset`` where it tells.

    Photos that cannot be read are passed over.
    """
    if dataset is not None and (told := export_scale(_mark(dataset))):
        return told
    ranges: dict[str, list[DepthRange]] = defaultdict(list)
    for photo in photos:
        if isinstance(photo, Path) and _may_be_deep(photo):
            try:
                look = isolated.look_at(photo.read_bytes(), photo.name)
            except (InputError, OSError):
                continue
            if look.depth is not None:
                ranges[look.depth[0]].append(look.depth[1])
    return {dtype: scale_of_set(found, np.dtype(dtype)) for dtype, found in ranges.items()}


def _may_be_deep(photo: Path) -> bool:
    if photo.suffix.lower() in _DEEP_SUFFIXES:
        return True
    try:
        with photo.open("rb") as file:
            head = file.read(_PNG_START)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and head[24:25] == b"\x10"


def _mark(dataset: Path) -> Any:
    try:
        return json.loads((dataset / MARKER_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
