"""Damaged JSON: a reader of stored files takes it or refuses it in one line; nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from core.errors import FlawsmithError

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 3.5, 1e308, 10**400, "", "x", "\ud800", "../x", [], [[]], [None], {}, {"": None}, float("nan"),
    float("inf"),
)  # fmt: skip
TEXTS = ("", "null", "[]", "{}", "0", '"x"', "{", "[" * 100_000, '{"format": 0}', '{"format": 1e400}', "\ud800")


def assert_reads_or_refuses(text: str, read: Callable[[str], object], runs: int = 600) -> None:
    """``read`` gets ``text`` with one to three of its values, at any depth, removed, renamed or of another kind."""
    rng = random.Random(7)
    for case in (*TEXTS, text[: len(text) // 2], *(_mutated(text, rng) for _ in range(runs))):
        with suppress(FlawsmithError):
            try:
                read(case)
            except FlawsmithError as error:
                assert "\n" not in str(error), str(error)
                raise


def _mutated(text: str, rng: random.Random) -> str:
    root = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        if not (places := _places(root)):
            break
        holder, key = rng.choice(places)
        match rng.randrange(3):
            case 0 if isinstance(holder, dict):
                holder["odd"] = holder.pop(key)
            case 1:
                del holder[key]
            case _:
                holder[key] = rng.choice(ODD)
    return json.dumps(root)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(list or object, index or key) of everything in ``value``; of long lists the first few."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 5)) if isinstance(value, list) else ()
    return [place for key in keys for place in ((value, key), *_places(value[key]))]
