"""Where one part too many comes to lie when the engine chooses the place itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from core.bench.edits.twins import EditTwin
from core.errors import InputError
from core.types import Sample

ALLOWED = 0.95
"""Share of what changed that lies where the product's parts may lie, from which a place is right."""


def extra_figures(found: Iterable[EditTwin], make: Callable[[EditTwin], Sample]) -> dict[str, float]:
    """``orders``; ``refused``, how many find no place; ``allowed``, the share of the others that lie where parts may;
    ``on_floor``, the least share of a change that does."""
    shares: list[float] = []
    orders = 0
    for twin in found:
        orders += 1
        anywhere = {name: value for name, value in twin.params.items() if name not in ("dx", "dy")}
        try:
            sample = make(replace(twin, params=anywhere))
        except InputError:
            continue
        shares.append(float((sample.mask & twin.floor).sum() / sample.mask.sum()))
    out = {"orders": float(orders), "refused": float(orders - len(shares))}
    if shares:
        out["allowed"] = round(float(np.mean([share >= ALLOWED for share in shares])), 3)
        out["on_floor"] = round(min(shares), 3)
    return out
