"""How often the score card calls a true twin bad, and how often it finds a fault that was put into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from core.bench.edits.twins import EditTwin
from core.jobs.auto_review import GHOST_LIMIT, LIGHT_STEP_LIMIT, TEXTURE_LIMIT
from core.quality.edit_flaws import SIDE, edit_flaws
from core.types import Image, Mask

LIMITS: Mapping[str, float] = {"ghost": GHOST_LIMIT, "light_step": LIGHT_STEP_LIMIT, "texture": TEXTURE_LIMIT}
LEFT = (0.1, 0.2)
"""Shares of the part that are left over, as a ghost."""
STEP = 5.0
"""Levels by which a fill is too bright."""
SMEAR = 4.0
"""Pixels over which a fill is smeared, on a photo of edit_flaws.SIDE."""


def card_figures(found: Iterable[EditTwin]) -> dict[str, float]:
    """How the card does on true twins, and on the same with a fault of one kind put in.

    ``twins``; ``untold``, the share of which it says nothing (they count as not bad and not found); ``true_bad``, the
    share of true ones that it calls bad; the 95th percentile of each flaw of true ones; and the share found of each
    fault: ``ghost_10``, ``ghost_20``, ``light_step_5``, ``smear``.
    """
    flaws: dict[str, list[dict[str, float]]] = {}
    for twin in found:
        for kind, image in {"true": twin.true, **_faults(twin)}.items():
            flaws.setdefault(kind, []).append(edit_flaws(twin.photo.pixels, image, twin.changed))
    if not flaws:
        return {"twins": 0.0}
    out = {"twins": float(len(flaws["true"])), "untold": _share(not f for f in flaws["true"])}
    for kind, rows in flaws.items():
        out["true_bad" if kind == "true" else kind] = _share(is_bad(row) for row in rows)
    for name in LIMITS:
        values = [row[name] for row in flaws["true"] if name in row]
        if values:
            out[f"{name}_95"] = round(float(np.percentile(values, 95)), 3)
    return out


def is_bad(flaws: Mapping[str, float]) -> bool:
    """Does any flaw exceed the limit of automatic review?"""
    return any(flaws.get(name, 0.0) > limit for name, limit in LIMITS.items())


def _share(which: Iterable[bool]) -> float:
    return round(float(np.mean([float(one) for one in which])), 3)


def _faults(twin: EditTwin) -> dict[str, Image]:
    true, photo = twin.true.astype(np.float32), twin.photo.pixels.astype(np.float32)
    inside = twin.changed
    made = {f"ghost_{100 * left:.0f}": true + left * (photo - true) for left in LEFT}
    made["light_step_5"] = true + STEP
    made["smear"] = cv2.GaussianBlur(true, (0, 0), SMEAR * max(inside.shape) / SIDE)
    return {kind: _within(twin.true, image, inside) for kind, image in made.items()}


def _within(true: Image, changed: np.ndarray, inside: Mask) -> Image:
    return np.where(inside[..., None], np.clip(np.rint(changed), 0, 255), true).astype(np.uint8)
