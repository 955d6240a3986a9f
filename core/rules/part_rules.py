"""Rules about the parts of one family: how many, where, how turned, how large, of what colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.errors import InputError
from core.rules.measured import MeasuredPart, angle_between, colour_distance
from core.rules.rule import (
    LEAST_SPAN,
    Aspect,
    Rule,
    RuleBreak,
    RuleOutcome,
    Zone,
    Zones,
    assigned,
    family_parts,
    plural,
)

WRONG_NUMBER = 2.0
"""Deviation for each part that is missing or too many, above the limit of 1."""


@dataclass(frozen=True, kw_only=True)
class CountRule(Rule):
    """There are ``low`` to ``high`` parts of a family."""

    kind: ClassVar[str] = "count"
    aspect: ClassVar[Aspect] = "number"

    family: str
    low: int
    high: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.low <= self.high:
            raise InputError(f"rule {self.id}: expected 0 <= low <= high, got {self.low} and {self.high}")

    @property
    def id(self) -> str:
        return f"count:{self.family}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        many = f"exactly {self.high}" if self.low == self.high else f"{self.low} to {self.high}"
        return f"{plural(self.family, self.high)}: {many}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        found = family_parts(parts, self.family)
        number = len(found)
        if self.low <= number <= self.high:
            return RuleOutcome(self, 0.0)
        laid = assigned(found, zones.get(self.family, ()))
        wanted = f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"
        words = f"{number} {plural(self.family, number)} instead of {wanted}"
        off = max(self.low - number, number - self.high)
        known = zones.get(self.family, ())
        missing = tuple(known[i].box for i in laid.empty) if number < self.low else ()
        extra = (laid.left_over or tuple(found)) if number > self.high else ()
        return RuleOutcome(self, 1 + WRONG_NUMBER * off, (RuleBreak(words, extra, missing),))


@dataclass(frozen=True, kw_only=True)
class PlaceRule(Rule):
    """Each instance of a family lies in a zone of its own. How many there are is another rule's business."""

    kind: ClassVar[str] = "place"
    aspect: ClassVar[Aspect] = "position"

    family: str
    zones: tuple[Zone, ...]

    @property
    def id(self) -> str:
        return f"place:{self.family}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        where = [place_words(zone.x, zone.y) for zone in self.zones]
        return f"{plural(self.family, len(where))}: {', '.join(dict.fromkeys(where))}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        laid = assigned(family_parts(parts, self.family), self.zones)
        if not laid.pairs:
            return RuleOutcome(self, None)
        off = [(self.zones[i].deviation(part.x, part.y), self.zones[i], part) for i, part in laid.pairs]
        breaks = tuple(
            RuleBreak(f"{self.family} lies {place_words(part.x, part.y)}, out of its place", (part,), (zone.box,))
            for deviation, zone, part in off
            if deviation > 1
        )
        return RuleOutcome(self, max(deviation for deviation, _, _ in off), breaks)


@dataclass(frozen=True, kw_only=True)
class OrientationRule(Rule):
    """Each instance is turned to ``angle`` degrees, counter-clockwise, or by at most ``tolerance`` from it.

    ``period`` is 180 where the part may lie either way, else 360.
    """

    kind: ClassVar[str] = "orientation"
    aspect: ClassVar[Aspect] = "direction"

    family: str
    angle: float
    tolerance: float
    period: float = 360.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.period <= 0 or self.tolerance < LEAST_SPAN:
            raise InputError(f"rule {self.id}: expected a period and a tolerance above 0 degrees")

    @property
    def id(self) -> str:
        return f"orientation:{self.family}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        either = ", either way" if self.period == 180 else ""
        return f"{self.family}: turned to {self.angle:.0f}° ± {self.tolerance:.0f}°{either}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        found = [p for p in family_parts(parts, self.family) if p.angle is not None]
        found = [p for p in found if p.directed or self.period <= 180]
        if not found:
            return RuleOutcome(self, None)
        off = [(abs(angle_between(p.angle or 0.0, self.angle, self.period)), p) for p in found]
        breaks = tuple(
            RuleBreak(f"{self.family} is turned by {turn:.0f}°", (part,))
            for turn, part in off
            if turn > self.tolerance
        )
        return RuleOutcome(self, max(turn for turn, _ in off) / self.tolerance, breaks)


@dataclass(frozen=True, kw_only=True)
class SizeRule(Rule):
    """Each instance is of a size ``low`` to ``high``: the root of its area over the root of the photo's."""

    kind: ClassVar[str] = "size"
    aspect: ClassVar[Aspect] = "size"

    family: str
    low: float
    high: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low < 0 or self.high - self.low < LEAST_SPAN:
            raise InputError(f"rule {self.id}: expected 0 <= low < high, got {self.low} and {self.high}")

    @property
    def id(self) -> str:
        return f"size:{self.family}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        middle = (self.low + self.high) / 2
        spread = 100 * (self.high - self.low) / 2 / middle
        return f"{self.family}: size {100 * middle:.1f} % of the side ± {spread:.0f} %"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        found = family_parts(parts, self.family)
        if not found:
            return RuleOutcome(self, None)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        off = [((p.size - middle) / half, p) for p in found]
        breaks = tuple(
            RuleBreak(f"{self.family} is too {'large' if share > 0 else 'small'}", (part,))
            for share, part in off
            if abs(share) > 1
        )
        return RuleOutcome(self, max(abs(share) for share, _ in off), breaks)


@dataclass(frozen=True, kw_only=True)
class ColourRule(Rule):
    """Each instance has one of the Lab colours ``centres``, at most ``tolerance`` away from it."""

    kind: ClassVar[str] = "colour"
    aspect: ClassVar[Aspect] = "colour"

    family: str
    centres: tuple[tuple[float, float, float], ...]
    tolerance: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.centres or self.tolerance < LEAST_SPAN:
            raise InputError(f"rule {self.id}: expected one colour or more and a tolerance above 0")

    @property
    def id(self) -> str:
        return f"colour:{self.family}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        return f"{self.family}: {' or '.join(dict.fromkeys(map(colour_words, self.centres)))}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        found = family_parts(parts, self.family)
        if not found:
            return RuleOutcome(self, None)
        off = [(min(colour_distance(p.lab, c) for c in self.centres) / self.tolerance, p) for p in found]
        breaks = tuple(
            RuleBreak(f"{self.family} is {colour_words(part.lab)}, of another colour", (part,))
            for share, part in off
            if share > 1
        )
        return RuleOutcome(self, max(share for share, _ in off), breaks)


def place_words(x: float, y: float) -> str:
    """A place on the photo in words, by thirds: "upper left", "middle", "lower right"."""
    row = "upper" if y < 1 / 3 else "lower" if y > 2 / 3 else ""
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    if not row and not column:
        return "in the middle"
    return f"{row} {column}".strip() if column else f"{row} middle"


_HUES = ((45, "red"), (75, "orange"), (105, "yellow"), (165, "green"), (285, "blue"), (330, "purple"), (361, "red"))
_NEUTRAL = 9.0


def colour_words(lab: Sequence[float]) -> str:
    """A Lab colour in a word or two."""
    chroma = math.hypot(lab[1], lab[2])
    shade = "dark " if lab[0] < 35 else "light " if lab[0] > 72 else ""
    if chroma < _NEUTRAL:
        return "black" if lab[0] < 22 else "white" if lab[0] > 88 else f"{shade}grey"
    hue = math.degrees(math.atan2(lab[2], lab[1])) % 360
    return shade + next(name for limit, name in _HUES if hue < limit)
