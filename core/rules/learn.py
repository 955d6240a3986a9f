"""Rules read from good photos: what is the same on all of them, with room for what the next one may bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.rules.learn_relations import learn_distances, learn_orders, learn_pairings, learn_symmetries
from core.rules.measured import MeasuredPart, angle_between, colour_distance
from core.rules.part_rules import ColourRule, CountRule, OrientationRule, PlaceRule, SizeRule
from core.rules.rule import Rule, Zone, assigned, family_parts
from core.rules.value_clusters import colour_clusters

Photo = Sequence[MeasuredPart]
Floats = npt.NDArray[np.float64]

MIN_PHOTOS = 4
"""Photos from which rules are read; fewer show too little of how far good ones differ."""
SPREAD = 3.0
"""Standard deviations of its colour that a part may be off."""
BEYOND, MANY_PHOTOS = 0.25, 24
"""Share of the range seen by which the next photo may leave it, where so many or more photos were seen."""
POSITION_ROOM, SIZE_ROOM, ANGLE_ROOM, COLOUR_ROOM = 0.008, 0.04, 3.0, 3.0
"""Room beside what was seen, for what measuring itself is off: shares of the photo, of the size, degrees, Lab."""
AGREED = 0.9
"""Share of the photos whose number of parts makes it the rule."""
WIDEST_ZONE = 0.3
"""Reach of a zone from which on a part may lie anywhere, so that its place is no rule."""
WIDEST_TURN = 0.22
"""Tolerance, as a share of the period, from which on the direction is no rule."""
SAME_DIRECTION = 0.8
"""Share of the instances whose direction must be known for a rule about it."""


def learn_rules(photos: Sequence[Photo]) -> tuple[Rule, ...]:
    """The rules that all ``photos``, given by their parts, keep; InputError for fewer than MIN_PHOTOS of them.

    Photos without any part say nothing.
    """
    told = [photo for photo in photos if photo]
    if len(told) < MIN_PHOTOS:
        raise InputError(
            f"rules: expected named regions on {MIN_PHOTOS} photos of good parts or more, got {len(told)}; name them "
            "on one photo in Regions and carry them over to the others"
        )
    families = tuple(dict.fromkeys(part.family for photo in told for part in photo))
    rules: list[Rule] = []
    zones_of: dict[str, tuple[Zone, ...]] = {}
    single: dict[str, tuple[Zone, ...]] = {}
    for family in families:
        found = [family_parts(photo, family) for photo in told]
        rules.append(_count(family, found))
        zones = learn_zones([parts for parts in found if parts])
        if max(max(zone.reach_x, zone.reach_y) for zone in zones) < WIDEST_ZONE:
            zones_of[family] = zones
            rules.append(_place(family, zones, sum(1 for parts in found if parts)))
        elif len(zones) == 1:
            single[family] = zones
        every = [part for parts in found for part in parts]
        support = sum(1 for parts in found if parts)
        rules += [
            rule for rule in (_orientation(family, every, support), _size(family, every, support)) if rule is not None
        ]
        rules.append(_colour(family, every, support))
    rules += learn_orders(told, families, zones_of)
    rules += learn_distances(told, {**zones_of, **single})
    rules += learn_symmetries(told, zones_of)
    rules += learn_pairings(told, families)
    return tuple(rules)


def _count(family: str, found: Sequence[Photo]) -> CountRule:
    """The usual number where nearly all photos have it: on the others a region was forgotten or not found again."""
    numbers = [len(parts) for parts in found]
    usual = max(set(numbers), key=numbers.count)
    agreed = numbers.count(usual)
    low, high = (usual, usual) if agreed >= AGREED * len(numbers) and usual else (min(numbers), max(numbers))
    support = agreed if low == high else len(numbers)
    return CountRule(family=family, low=low, high=high, support=support, sharpness=1 - (high - low) / high)


def _place(family: str, zones: Sequence[Zone], support: int) -> PlaceRule:
    area = sum(4 * zone.reach_x * zone.reach_y for zone in zones)
    return PlaceRule(family=family, zones=tuple(zones), support=support, sharpness=1 - min(1.0, area) ** 0.5)


def learn_zones(found: Sequence[Photo]) -> tuple[Zone, ...]:
    """One zone for each instance of a family, from its parts on photos that have some."""
    seed = max(found, key=len)
    zones = [Zone(p.x, p.y, 0.0, 0.0) for p in sorted(seed, key=lambda p: (round(p.y, 1), p.x))]
    members: list[list[MeasuredPart]] = []
    for _ in range(4):
        members = [[] for _ in zones]
        for parts in found:
            for index, part in assigned(parts, zones).pairs:
                members[index].append(part)
        zones = [_zone(parts) if parts else zone for parts, zone in zip(members, zones, strict=True)]
    return tuple(zones)


def _zone(parts: Photo) -> Zone:
    x, y = _room([p.x for p in parts], POSITION_ROOM), _room([p.y for p in parts], POSITION_ROOM)
    width = float(np.median([p.box[2] - p.box[0] for p in parts]))
    height = float(np.median([p.box[3] - p.box[1] for p in parts]))
    return Zone(x.middle, y.middle, x.half, y.half, width, height)


def _orientation(family: str, parts: Photo, support: int) -> OrientationRule | None:
    turned = [p for p in parts if p.angle is not None]
    if len(turned) < SAME_DIRECTION * len(parts) or support < MIN_PHOTOS:
        return None
    directed = [p for p in turned if p.directed]
    tries = [(360.0, directed)] if len(directed) >= 0.9 * len(parts) else []
    for period, chosen in [*tries, (180.0, turned)]:
        angles = np.array([p.angle for p in chosen], np.float64)
        middle = _circular_mean(angles, period)
        off = np.array([angle_between(float(a), middle, period) for a in angles])
        room = _room(list(off), ANGLE_ROOM)
        if room.half < WIDEST_TURN * period:
            at = (middle + room.middle) % period
            return OrientationRule(
                family=family, angle=at, tolerance=room.half, period=period, support=support,
                sharpness=1 - room.half / (period / 2),
            )  # fmt: skip
    return None


def _size(family: str, parts: Photo, support: int) -> SizeRule | None:
    sizes = [p.size for p in parts]
    room = _room(sizes, SIZE_ROOM * float(np.mean(sizes)))
    if room.half > 0.6 * room.middle:
        return None
    low, high = room.middle - room.half, room.middle + room.half
    return SizeRule(family=family, low=low, high=high, support=support, sharpness=1 - room.half / room.middle)


def _colour(family: str, parts: Photo, support: int) -> ColourRule:
    colours = np.array([p.lab for p in parts], np.float64)
    centres = colour_clusters(colours)
    away = np.array([min(colour_distance(c, m) for m in centres) for c in colours])
    tolerance = max(float(away.max()) * 1.1, float(np.sqrt((away**2).mean())) * SPREAD) + COLOUR_ROOM
    return ColourRule(
        family=family, centres=centres, tolerance=tolerance, support=support,
        sharpness=max(0.0, 1 - tolerance * len(centres) / 50),
    )  # fmt: skip


@dataclass(frozen=True)
class _Room:
    middle: float
    half: float


def _room(values: Sequence[float], beside: float) -> _Room:
    """An interval for what the next value may be: what was seen, more of it where few were, and ``beside``."""
    a = np.asarray(values, np.float64)
    low, high = float(a.min()), float(a.max())
    more = BEYOND * (high - low) * max(1.0, (MANY_PHOTOS / a.size) ** 0.5) + beside
    return _Room((low + high) / 2, (high - low) / 2 + more)


def _circular_mean(angles: Floats, period: float) -> float:
    turn = 2 * np.pi * angles / period
    return float(np.arctan2(np.sin(turn).mean(), np.cos(turn).mean()) * period / (2 * np.pi)) % period
