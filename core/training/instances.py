"""Photos that show several defects, taken apart: one example for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.types import AnomalyExample


def split_by_instance(examples: Sequence[AnomalyExample]) -> tuple[AnomalyExample, ...]:
    """One example per mask, for photos that show several defects: ``<id>#1``, ``<id>#2``, ... where there are more.

    Empty masks are left out.
    """
    out: list[AnomalyExample] = []
    for example in examples:
        masks = [m for m in example.masks if m.any()]
        if len(masks) == 1:
            out.append(example)
        else:
            out += [replace(example, id=f"{example.id}#{n}", masks=(m,)) for n, m in enumerate(masks, start=1)]
    return tuple(out)
