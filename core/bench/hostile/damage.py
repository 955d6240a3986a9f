"""JSON with something wrong in it: values of other types and extreme ones, keys gone, renamed and doubled."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np

from core.bench.hostile.pictures import MUTATIONS

EXTREMES: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, -(2**70), 1e308, 1e-320, "", "x" * 5000, "../../etc/passwd", "\x00\x1b[31m",
    "nan", [], [[]], [None], {}, {"": {}}, {"path": "/"}, "9" * 400, "é\u202e", -0.5, 10**400,
)  # fmt: skip
_UNQUOTED = ("NaN", "Infinity", "-Infinity", "[" * 5000, "1e999")


def damaged_json(text: str, rng: np.random.Generator) -> str:
    """``text`` with one to three places changed; one in four is cut or garbled as bytes instead."""
    if rng.random() < 0.25:
        garbled = MUTATIONS[int(rng.integers(len(MUTATIONS)))](text.encode(), rng)
        return garbled.decode("utf-8", "replace")
    tree = json.loads(text)
    for _ in range(int(rng.integers(1, 4))):
        _change(tree, rng)
    told = json.dumps(tree)
    if rng.random() < 0.1:
        told = told.replace(": 0", f": {_UNQUOTED[int(rng.integers(len(_UNQUOTED)))]}", 1)
    return told


def _change(tree: Any, rng: np.random.Generator) -> None:
    places = list(_places(tree))
    if not places:
        return
    parent, key = places[int(rng.integers(len(places)))]
    way = rng.random()
    if way < 0.7:
        parent[key] = copy.deepcopy(EXTREMES[int(rng.integers(len(EXTREMES)))])
    elif way < 0.85:
        del parent[key]
    elif isinstance(parent, dict):
        parent[f"{key}?"] = parent.pop(key)
    else:
        parent.append(copy.deepcopy(parent[key]))


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in the tree."""
    if not isinstance(tree, dict | list):
        return []
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    return [(tree, key) for key in keys] + [place for key in keys for place in _places(tree[key])]
