"""Breaking one rule on purpose: which edit of which part breaks it, and no rule that it need not break.

An edit is planned on the photo's measured parts: what they would be after it is checked by all rules. ``params`` are
settings of the layout engine, which makes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from core.rules.measured import MeasuredPart, angle_between
from core.rules.part_rules import ColourRule, CountRule, OrientationRule, PlaceRule, SizeRule
from core.rules.relation_rules import PairingRule
from core.rules.rule import Aspect, Rule
from core.rules.rule_set import RuleSet
from core.types import Mask

ENGINE = "layout"
"""The engine that makes violations: its edits are exact and leave all else as it was."""
STRONG = 1.3
"""Deviation from which a broken rule is clearly broken; 1 is its limit."""
DRAWS = 60
"""Edits drawn before a violation is given up on this photo."""
APART_SATURATED = 0.5
"""Share of the mask that a detector has to find where two places changed: either tells that something is wrong."""
LARGEST_RATIO = 2.2
"""Area of one part over that of another up to which the two are exchanged."""
TINT = 45.0
"""Chroma given to a part without colour."""

_TOUCHED: Mapping[str, Aspect] = {
    "fewer": "number", "more": "number", "elsewhere": "position", "swapped": "position", "turned": "direction",
    "too_large": "size", "too_small": "size", "other_colour": "colour",
}  # fmt: skip
"""What of a part each violation changes."""


@dataclass(frozen=True)
class Violation:
    """A planned edit. ``breaks`` are the ids of all rules that it breaks, the one that it is for first.

    ``parts`` are what the photo's parts would be; ``saturation`` is LOCO's: the share of the mask to be found.
    """

    rule: str
    name: str
    label: str
    params: Mapping[str, Any]
    breaks: tuple[str, ...]
    parts: tuple[MeasuredPart, ...]
    saturation: float = 1.0


@dataclass(frozen=True)
class _PlannedEdit:
    params: Mapping[str, Any]
    parts: Sequence[MeasuredPart]
    families: frozenset[str]


def violation_names(rule: Rule) -> tuple[str, ...]:
    """The ways in which a rule can be broken on purpose."""
    if isinstance(rule, CountRule):
        return ("fewer", "more") if rule.low > 0 else ("more",)
    if isinstance(rule, PlaceRule):
        return ("elsewhere", "swapped")
    if isinstance(rule, OrientationRule):
        return ("turned",)
    if isinstance(rule, SizeRule):
        return ("too_large", "too_small")
    if isinstance(rule, ColourRule):
        return ("other_colour",)
    if isinstance(rule, PairingRule):
        of = {"count": ("fewer", "more"), "size": ("too_large", "too_small"), "colour": ("other_colour",)}
        return of[rule.second_attribute]
    return ("elsewhere",)


def violation_label(rule: Rule, name: str) -> str:
    """The label of such samples: the rule and how it is broken, for example ``count_washer_fewer``."""
    words = "_".join((rule.kind, *rule.families, name)).lower()
    return re.sub(r"[^a-z0-9]+", "_", words).strip("_")[:64]


def plan_violation(
    rules: RuleSet, rule: Rule, name: str, parts: Sequence[MeasuredPart], rng: np.random.Generator
) -> Violation | None:
    """An edit of a photo that breaks ``rule`` clearly and no rule about anything that it leaves alone.

    Rules of the same aspect of the same part go with it: a part that lies elsewhere also breaks its distances. None
    where no edit is found, or where the photo breaks rules as it is.
    """
    before = {one.rule.id for one in rules.check(parts) if one.breaks}
    if before:
        return None
    for edit in _drawn(rule, name, parts, rng):
        outcomes = rules.check(edit.parts)
        broken = {one.rule.id: one for one in outcomes if one.breaks}
        own = broken.get(rule.id)
        if own is None or (own.deviation or 0) < STRONG:
            continue
        if all(_goes_with(one.rule, rule, name, edit.families) for one in broken.values()):
            others = tuple(id for id in broken if id != rule.id)
            saturation = APART_SATURATED if name in ("elsewhere", "swapped") else 1.0
            label = violation_label(rule, name)
            return Violation(rule.id, name, label, edit.params, (rule.id, *others), tuple(edit.parts), saturation)
    return None


def _goes_with(other: Rule, rule: Rule, name: str, families: frozenset[str]) -> bool:
    """Whether an edit for ``rule`` may break ``other`` too."""
    if other.id == rule.id:
        return True
    about = families.intersection(other.families)
    return bool(about) and (other.aspect == _TOUCHED[name] or (other.aspect == "pairing" and rule.aspect != "pairing"))


def _drawn(rule: Rule, name: str, parts: Sequence[MeasuredPart], rng: np.random.Generator) -> Iterator[_PlannedEdit]:
    targets = [i for i, part in enumerate(parts) if part.family in _edited_families(rule)]
    if not targets:
        return
    for _ in range(DRAWS):
        index = targets[int(rng.integers(len(targets)))]
        if (edit := _EDITS[name](parts, index, rng)) is not None:
            yield edit


def _edited_families(rule: Rule) -> tuple[str, ...]:
    return (rule.second,) if isinstance(rule, PairingRule) else rule.families


def _target(parts: Sequence[MeasuredPart], index: int) -> dict[str, Any]:
    """The layout engine's settings for exactly this part."""
    family = parts[index].family
    return {"region": family, "instance": 1 + sum(part.family == family for part in parts[:index])}


def _edit(parts: Sequence[MeasuredPart], index: int, new: MeasuredPart, **params: Any) -> _PlannedEdit:
    changed = [new if i == index else part for i, part in enumerate(parts)]
    return _PlannedEdit({**_target(parts, index), **params}, changed, frozenset({new.family}))


def _fewer(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    rest = [part for i, part in enumerate(parts) if i != index]
    return _PlannedEdit({**_target(parts, index), "op": "remove"}, rest, frozenset({parts[index].family}))


def _more(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    # The engine looks for a free place itself; where it is, no rule about the others asks.
    return _PlannedEdit(
        {**_target(parts, index), "op": "duplicate"}, [*parts, parts[index]], frozenset({parts[index].family})
    )


def _elsewhere(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    part = parts[index]
    if part.mask is None:
        return None
    height, width = part.mask.shape
    way = float(rng.uniform(0.04, 0.45)) * max(height, width)
    turn = float(rng.uniform(0, 2 * np.pi))
    dx, dy = round(way * np.cos(turn)), round(way * np.sin(turn))
    moved = _shifted(part.mask, dx, dy)
    if moved is None or _touches(moved, parts, index):
        return None
    new = replace(part, x=part.x + dx / width, y=part.y + dy / height, mask=moved)
    return _edit(parts, index, new, op="move", dx=dx, dy=dy)


def _turned(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    part = parts[index]
    if part.angle is None or part.mask is None:
        return None
    angle = float(round(rng.uniform(20, 340)))
    turned = _transformed(part, angle, 1.0)
    if turned is None or _touches(turned, parts, index):
        return None
    new = replace(part, angle=(part.angle + angle) % (360 if part.directed else 180), mask=turned)
    return _edit(parts, index, new, op="rotate", angle=angle)


def _resized(
    low: float, high: float
) -> Callable[[Sequence[MeasuredPart], int, np.random.Generator], _PlannedEdit | None]:
    def edit(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
        part, scale = parts[index], round(float(rng.uniform(low, high)), 2)
        mask = _transformed(part, 0.0, scale)
        if mask is None or _touches(mask, parts, index):
            return None
        new = replace(part, size=part.size * scale, mask=mask)
        return _edit(parts, index, new, op="rotate", angle=0.0, scale=scale)

    return edit


def _other_colour(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    part = parts[index]
    light, a, b = part.lab
    hue = float(round(rng.uniform(60, 300)))
    chroma, home = float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)))
    more = TINT if chroma < 12 else 0.0
    lightness = float(round(rng.choice([0, 0, 25, -25])))
    if not 20 < light + lightness < 90:
        lightness = 25.0 if light < 50 else -25.0
    turned = np.radians(hue if chroma < 12 else home + hue)
    reach = max(chroma, more)
    new = (light + lightness, float(reach * np.cos(turned)), float(reach * np.sin(turned)))
    turn = angle_between(hue, 0.0, 360.0)
    return _edit(
        parts, index, replace(part, lab=new), op="recolour", hue=turn, saturation=more, lightness=lightness
    )  # fmt: skip


def _swapped(parts: Sequence[MeasuredPart], index: int, rng: np.random.Generator) -> _PlannedEdit | None:
    part = parts[index]
    near = [
        i
        for i, other in enumerate(parts)
        if other.family != part.family and 1 / LARGEST_RATIO < (other.size / part.size) ** 2 < LARGEST_RATIO
    ]
    if not near:
        return None
    other = near[int(rng.integers(len(near)))]
    theirs = _target(parts, other)
    changed = list(parts)
    changed[index] = replace(part, x=parts[other].x, y=parts[other].y)
    changed[other] = replace(parts[other], x=part.x, y=part.y)
    params = {
        **_target(parts, index), "op": "swap", "partner": theirs["region"], "partner_instance": theirs["instance"]
    }  # fmt: skip
    return _PlannedEdit(params, changed, frozenset({part.family, parts[other].family}))


_EDITS: Mapping[str, Callable[[Sequence[MeasuredPart], int, np.random.Generator], _PlannedEdit | None]] = {
    "fewer": _fewer,
    "more": _more,
    "elsewhere": _elsewhere,
    "swapped": _swapped,
    "turned": _turned,
    "too_large": _resized(1.15, 1.5),
    "too_small": _resized(0.6, 0.85),
    "other_colour": _other_colour,
}


def _shifted(mask: Mask, dx: int, dy: int) -> Mask | None:
    """The mask moved; None if it leaves the frame."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0] + dy, rows[-1] + dy, columns[0] + dx, columns[-1] + dx
    if top < 0 or left < 0 or bottom >= mask.shape[0] or right >= mask.shape[1]:
        return None
    out = np.zeros_like(mask)
    inner = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    out[top : bottom + 1, left : right + 1] = inner
    return out


def _transformed(part: MeasuredPart, angle: float, scale: float) -> Mask | None:
    """The part's mask turned and resized about its middle; None if it leaves the frame."""
    if part.mask is None:
        return None
    height, width = part.mask.shape
    matrix = cv2.getRotationMatrix2D((part.x * width - 0.5, part.y * height - 0.5), angle, scale)
    out = cv2.warpAffine(part.mask.astype(np.uint8), matrix, (width, height)) > 0
    grown = np.count_nonzero(out) / max(np.count_nonzero(part.mask) * scale**2, 1)
    return out if grown > 0.97 else None


def _touches(mask: Mask, parts: Sequence[MeasuredPart], index: int) -> bool:
    """Whether a mask lies over other parts more than the part did before."""
    own = parts[index].mask
    for i, other in enumerate(parts):
        if i == index or other.mask is None:
            continue
        before = 0 if own is None else np.count_nonzero(own & other.mask)
        if np.count_nonzero(mask & other.mask) > before:
            return True
    return False
