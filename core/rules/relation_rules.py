"""Rules about several parts: their order, distances and symmetry, and what of one goes with what of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from core.errors import InputError
from core.rules.measured import MeasuredPart, colour_distance
from core.rules.part_rules import colour_words
from core.rules.rule import LEAST_SPAN, Aspect, Rule, RuleBreak, RuleOutcome, Zones, assigned, family_parts, plural

Attribute = Literal["count", "size", "colour"]
"""What a pairing looks at."""


@dataclass(frozen=True, kw_only=True)
class OrderRule(Rule):
    """Every ``first`` lies left of every ``second`` (axis x), or above it (axis y)."""

    kind: ClassVar[str] = "order"
    aspect: ClassVar[Aspect] = "position"

    first: str
    second: str
    axis: Literal["x", "y"]

    @property
    def id(self) -> str:
        return f"order:{self.first}<{self.second}:{self.axis}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def words(self) -> str:
        return f"{self.first}: {'left of' if self.axis == 'x' else 'above'} {self.second}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        one, two = family_parts(parts, self.first), family_parts(parts, self.second)
        if not one or not two:
            return RuleOutcome(self, None)
        last = max(one, key=lambda part: part.x if self.axis == "x" else part.y)
        first = min(two, key=lambda part: part.x if self.axis == "x" else part.y)
        gap = first.x - last.x if self.axis == "x" else first.y - last.y
        if gap > 0:
            return RuleOutcome(self, max(0.0, 1 - 10 * gap))
        side = "right of" if self.axis == "x" else "below"
        return RuleOutcome(self, 1 - 10 * gap, (RuleBreak(f"{self.first} lies {side} {self.second}", (last, first)),))


@dataclass(frozen=True, kw_only=True)
class DistanceRule(Rule):
    """The middles of two parts are ``low`` to ``high`` apart, as shares of the photo's width and height.

    ``first_zone`` and ``second_zone`` say which instances, in the order of the families' zones.
    """

    kind: ClassVar[str] = "distance"
    aspect: ClassVar[Aspect] = "position"

    first: str
    second: str
    low: float
    high: float
    first_zone: int = 0
    second_zone: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low < 0 or self.high - self.low < LEAST_SPAN or min(self.first_zone, self.second_zone) < 0:
            raise InputError(f"rule {self.id}: expected 0 <= low < high and zones from 0")

    @property
    def id(self) -> str:
        return f"distance:{self.first}.{self.first_zone + 1}-{self.second}.{self.second_zone + 1}"

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.first, self.second)))

    def words(self) -> str:
        middle, half = 50 * (self.low + self.high), 50 * (self.high - self.low)
        return f"{self.first} and {self.second}: {middle:.1f} % of the photo apart, ± {half:.1f} %"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        one = zoned_part(parts, self.first, zones, self.first_zone)
        two = zoned_part(parts, self.second, zones, self.second_zone)
        if one is None or two is None:
            return RuleOutcome(self, None)
        apart = float(np.hypot(one.x - two.x, one.y - two.y))
        off = (apart - (self.low + self.high) / 2) / ((self.high - self.low) / 2)
        if abs(off) <= 1:
            return RuleOutcome(self, abs(off))
        words = f"{self.first} and {self.second} are too {'far apart' if off > 0 else 'near'}"
        return RuleOutcome(self, abs(off), (RuleBreak(words, (one, two)),))


@dataclass(frozen=True, kw_only=True)
class SymmetryRule(Rule):
    """The instances of a family mirror each other about the line ``at``; at most ``tolerance`` off.

    ``axis`` x mirrors left and right about a vertical line, y top and bottom about a horizontal one. ``pairs`` are
    zones that mirror each other; one that lies on the line is its own partner.
    """

    kind: ClassVar[str] = "symmetry"
    aspect: ClassVar[Aspect] = "position"

    family: str
    axis: Literal["x", "y"]
    at: float
    tolerance: float
    pairs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tolerance < LEAST_SPAN or not self.pairs or min(min(pair) for pair in self.pairs) < 0:
            raise InputError(f"rule {self.id}: expected pairs of zones and a tolerance above 0")

    @property
    def id(self) -> str:
        return f"symmetry:{self.family}:{self.axis}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.family,)

    def words(self) -> str:
        return f"{plural(self.family, 2)}: the same {'left and right' if self.axis == 'x' else 'above and below'}"

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        known = zones.get(self.family, ())
        by_zone = dict(assigned(family_parts(parts, self.family), known).pairs)
        present = [(by_zone[a], by_zone[b]) for a, b in self.pairs if a in by_zone and b in by_zone]
        if not present:
            return RuleOutcome(self, None)
        off = [(mirror_error((a.x, a.y), (b.x, b.y), self.axis, self.at) / self.tolerance, a, b) for a, b in present]
        breaks = tuple(
            RuleBreak(f"{plural(self.family, 2)} do not mirror each other", (a, b)) for share, a, b in off if share > 1
        )
        return RuleOutcome(self, max(share for share, _, _ in off), breaks)


@dataclass(frozen=True)
class PairingCase:
    """One combination that good photos have: a value of the first part, and that of the second with it.

    A value is a number (count, size) or a Lab colour of three.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class PairingRule(Rule):
    """What one part is like decides what another is like: if the cap is red, the lever is long."""

    kind: ClassVar[str] = "pairing"
    aspect: ClassVar[Aspect] = "pairing"

    first: str
    first_attribute: Attribute
    second: str
    second_attribute: Attribute
    cases: tuple[PairingCase, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths = {"count": 1, "size": 1, "colour": 3}
        wanted = (lengths[self.first_attribute], lengths[self.second_attribute])
        if len(self.cases) < 2 or any((len(c.first), len(c.second)) != wanted for c in self.cases):
            raise InputError(f"rule {self.id}: expected two cases or more, colours of three numbers and others of one")

    @property
    def id(self) -> str:
        return f"pairing:{self.first}.{self.first_attribute}-{self.second}.{self.second_attribute}"

    @property
    def families(self) -> tuple[str, ...]:
        return (self.first, self.second)

    def words(self) -> str:
        said = (
            f"if {attribute_words(self.first, self.first_attribute, case.first)}, "
            f"{attribute_words(self.second, self.second_attribute, case.second)}"
            for case in self.cases
        )
        return "; ".join(said)

    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        one, two = family_parts(parts, self.first), family_parts(parts, self.second)
        if (not one and self.first_attribute != "count") or (not two and self.second_attribute != "count"):
            return RuleOutcome(self, None)
        first = attribute_value(one, self.first_attribute)
        second = attribute_value(two, self.second_attribute)
        case = min(self.cases, key=lambda c: value_distance(first, c.first))
        mine = value_distance(second, case.second)
        others = [c.second for c in self.cases if c.second != case.second]
        nearest = min((value_distance(second, o) for o in others), default=float("inf"))
        deviation = 2 * mine / max(mine + nearest, 1e-9) if np.isfinite(nearest) else 0.0
        if deviation <= 1:
            return RuleOutcome(self, deviation)
        words = (
            f"{attribute_words(self.first, self.first_attribute, case.first)}, so "
            f"{attribute_words(self.second, self.second_attribute, case.second)} was expected"
        )
        return RuleOutcome(self, 1 + deviation, (RuleBreak(words, (*two,)),))


def zoned_part(parts: Sequence[MeasuredPart], family: str, zones: Zones, zone: int) -> MeasuredPart | None:
    """The part of a family that lies at one of its zones; the only one of it where no zones are known."""
    found = family_parts(parts, family)
    if not zones.get(family):
        return found[0] if len(found) == 1 and zone == 0 else None
    return dict(assigned(family_parts(parts, family), zones.get(family, ())).pairs).get(zone)


def mirror_error(a: tuple[float, float], b: tuple[float, float], axis: Literal["x", "y"], at: float) -> float:
    """How far ``b`` is from the mirror image of ``a``."""
    mirrored = (2 * at - a[0], a[1]) if axis == "x" else (a[0], 2 * at - a[1])
    return float(np.hypot(mirrored[0] - b[0], mirrored[1] - b[1]))


def attribute_value(parts: Sequence[MeasuredPart], attribute: Attribute) -> tuple[float, ...]:
    """An attribute of a family's parts on one photo, as a mean; their number for "count"."""
    if attribute == "count":
        return (float(len(parts)),)
    if attribute == "size":
        return (float(np.mean([p.size for p in parts])),)
    lab = np.mean([p.lab for p in parts], axis=0)
    return (float(lab[0]), float(lab[1]), float(lab[2]))


def value_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """How far two values of one attribute are apart."""
    return colour_distance(a, b) if len(a) == 3 else abs(a[0] - b[0])


def attribute_words(family: str, attribute: Attribute, value: Sequence[float]) -> str:
    """A value in words: "the cap is red", "there are 2 washers"."""
    if attribute == "colour":
        return f"the {family} is {colour_words(value)}"
    if attribute == "size":
        return f"the {family} is {100 * value[0]:.1f} % of the photo's side"
    number = round(value[0])
    return f"there {'is' if number == 1 else 'are'} {number or 'no'} {plural(family, number)}"
