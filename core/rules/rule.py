"""What a rule is: a constraint that good photos keep, who said so, and what breaks it where."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from core.errors import InputError
from core.rules.measured import Box, MeasuredPart
from core.stored import JsonObject, plain_record

RuleStatus = Literal["proposed", "confirmed"]
Aspect = Literal["number", "position", "direction", "size", "colour", "pairing"]
"""What of a part a rule looks at. Rules of one aspect of one part go together: a part that lies elsewhere breaks its
place, and with it its distances."""

LARGEST = 1e6
"""No number of a rule is further from 0."""
LEAST_SPAN = 1e-9
"""No tolerance and no distance between two limits is smaller, since deviations are measured in it."""
LONGEST_NAME = 64
"""Characters in the name of a component, as in that of a region."""


@dataclass(frozen=True)
class Zone:
    """Where one instance of a component lies. All are shares of the photo's width (x) and height (y).

    ``x`` and ``y`` are the zone's middle, ``reach_x`` and ``reach_y`` how far the part's middle may be from it.
    ``width`` and ``height`` are those of the part.
    """

    x: float
    y: float
    reach_x: float
    reach_y: float
    width: float = 0.0
    height: float = 0.0

    @property
    def box(self) -> Box:
        """Where the part is expected."""
        return (
            self.x - self.width / 2, self.y - self.height / 2, self.x + self.width / 2, self.y + self.height / 2,
        )  # fmt: skip

    def deviation(self, x: float, y: float) -> float:
        """How far a part is from the middle; 1 at the zone's border."""
        return max(abs(x - self.x) / max(self.reach_x, 1e-6), abs(y - self.y) / max(self.reach_y, 1e-6))


Zones = Mapping[str, Sequence[Zone]]
"""The zones of each family, as far as they are known."""


@dataclass(frozen=True)
class RuleBreak:
    """One way in which a photo breaks a rule: in ``words``, the ``parts`` to blame, where something is ``missing``."""

    words: str
    parts: tuple[MeasuredPart, ...] = ()
    missing: tuple[Box, ...] = ()


@dataclass(frozen=True)
class RuleOutcome:
    """What a check of one rule found.

    ``deviation`` is 0 where the photo is as expected, 1 at the limit, more where the rule is broken; None where the
    rule says nothing about this photo, as it lacks the parts.
    """

    rule: Rule
    deviation: float | None
    breaks: tuple[RuleBreak, ...] = ()

    @property
    def holds(self) -> bool | None:
        """Whether the rule holds; None where it says nothing."""
        return None if self.deviation is None else not self.breaks


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """Base of all rules. ``support`` is the number of good photos that it was read from.

    ``sharpness`` 0..1 says how little of what could be is allowed. ``extra`` are keys of a newer version.
    """

    kind: ClassVar[str]
    aspect: ClassVar[Aspect]

    support: int = 0
    sharpness: float = 1.0
    status: RuleStatus = "proposed"
    source: Literal["learned", "person"] = "learned"
    extra: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = list(_numbers([value for name, value in plain_record(self).items() if name not in self.extra]))
        if not np.isfinite(values).all() or min(values) < -LARGEST or max(values) > LARGEST:
            raise InputError(f"rule {self.id}: expected finite numbers up to {LARGEST:,.0f}; correct or remove it")
        if odd := [name for name in self.families if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable()]:
            raise InputError(
                f"rule: component {odd[0][:40]!r}: use 1 to {LONGEST_NAME} characters that can be printed"
            )

    @property
    @abstractmethod
    def id(self) -> str:
        """What names the rule among those of its product, for example ``count:washer``."""

    @property
    @abstractmethod
    def families(self) -> tuple[str, ...]:
        """The components that it is about."""

    @abstractmethod
    def words(self) -> str:
        """The rule in plain words, for example "washers: exactly 2"."""

    @abstractmethod
    def check(self, parts: Sequence[MeasuredPart], zones: Zones) -> RuleOutcome:
        """What a photo with ``parts`` makes of the rule."""

    def plain(self) -> JsonObject:
        """The rule as a JSON object."""
        return {"kind": self.kind, **plain_record(self)}


def family_parts(parts: Sequence[MeasuredPart], family: str) -> list[MeasuredPart]:
    """The parts of one family, in their order."""
    return [part for part in parts if part.family == family]


@dataclass(frozen=True)
class ZonedParts:
    """Parts of a family laid to its zones: pairs of (zone, part), parts without a zone, zones without a part."""

    pairs: tuple[tuple[int, MeasuredPart], ...]
    left_over: tuple[MeasuredPart, ...]
    empty: tuple[int, ...]


def assigned(parts: Sequence[MeasuredPart], zones: Sequence[Zone]) -> ZonedParts:
    """Each part to the zone that is nearest on the whole, at most one to each."""
    if not parts or not zones:
        return ZonedParts((), tuple(parts), tuple(range(len(zones))))
    # The page, which imports this, is up sooner without scipy.
    from scipy.optimize import linear_sum_assignment

    away = np.array([[np.hypot(z.x - p.x, z.y - p.y) for p in parts] for z in zones])
    rows, columns = linear_sum_assignment(away)
    pairs = tuple((int(r), parts[int(c)]) for r, c in zip(rows, columns, strict=True))
    taken = {int(c) for c in columns}
    return ZonedParts(
        pairs,
        tuple(p for i, p in enumerate(parts) if i not in taken),
        tuple(i for i in range(len(zones)) if i not in set(map(int, rows))),
    )


def plural(family: str, number: float) -> str:
    """The family's name for so many of it."""
    if number == 1:
        return family
    return family + ("es" if family.endswith(("s", "x", "ch", "sh")) else "s")


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        # Of a whole number of hundreds of digits no float can be made.
        yield float(value) if abs(value) <= LARGEST else math.inf
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
