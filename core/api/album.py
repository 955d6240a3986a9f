"""Photos and real anomalies found by name, and in the order a person asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from core.errors import InputError
from core.store import ExampleRow, NormalRow

Row = TypeVar("Row", NormalRow, ExampleRow)

ORDERS = {
    "imported": "as imported",
    "newest": "newest first",
    "name": "by name",
    "label": "by label",
    "largest": "largest first",
    "smallest": "smallest first",
}
"""Orders by name, with how a person reads them."""


def chosen_rows(rows: Sequence[Row], search: str = "", order: str = "imported") -> list[Row]:
    """Those of ``rows`` whose name or label holds every word of ``search``, in an order of ORDERS.

    ``rows`` are given in the order of their import.
    """
    words = search.casefold().split()
    found = [row for row in rows if all(word in f"{row.name} {_label(row)}".casefold() for word in words)]
    if order == "name":
        return sorted(found, key=_name_key)
    if order == "label":
        return sorted(found, key=_label)
    if order in ("largest", "smallest"):
        return sorted(found, key=lambda row: row.width * row.height, reverse=order == "largest")
    if order not in ORDERS:
        raise InputError(f"order {order!r}: expected one of {', '.join(ORDERS)}")
    return found[::-1] if order == "newest" else found


def _name_key(row: NormalRow | ExampleRow) -> list[tuple[int, str]]:
    # Numbers count as such, so that "plate 2" comes before "plate 10".
    parts = re.split(r"(\d+)", row.name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _label(row: NormalRow | ExampleRow) -> str:
    return row.label if isinstance(row, ExampleRow) else ""
