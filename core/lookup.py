"""Things that a person names: engines, detectors, formats, segmenters, benchmarks, models, shapes; names in order."""

from __future__ import annotations

import re
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


def natural_sort_key(name: str) -> list[str | int]:
    """A sort key that counts numbers as numbers."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]
