"""Things that a person names: engines, detectors, formats, segmenters, benchmarks, models, shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from core.errors import FlawsmithError, NotFound

T = TypeVar("T")


def named(things: Mapping[str, T], name: str, kind: str, error: type[FlawsmithError] = NotFound) -> T:
    """The one called ``name``; else ``error`` says, in one line, which of its ``kind`` there are."""
    try:
        return things[name]
    except KeyError:
        raise error(f"{kind} {name!r}: there are {', '.join(things)}") from None
