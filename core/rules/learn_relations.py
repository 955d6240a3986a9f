"""Relations between parts that hold on all good photos and that the parts' own places do not already say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.rules.measured import MeasuredPart
from core.rules.relation_rules import (
    Attribute,
    DistanceRule,
    OrderRule,
    PairingCase,
    PairingRule,
    SymmetryRule,
    attribute_value,
    mirror_error,
)
from core.rules.rule import Zone, assigned, family_parts
from core.rules.value_clusters import LEAST_COLOURS_APART, kinds_of

Photo = Sequence[MeasuredPart]
Places = dict[tuple[str, int], npt.NDArray[np.float64]]
"""Of each instance (family, zone) its middle on each photo, float64 (photos, 2); NaN where it is not there."""

MIN_PAIRED = 3
"""Photos of each kind from which what goes with what is a rule."""
OWN_MOTION = 0.004
"""Standard deviation, as a share of the photo, from which a part moves by itself and not with the camera."""
CAMERA_MOTION = 0.015
"""Most that the camera moves all parts together, as a share of the photo."""
TIED = 0.35
"""Spread of a distance, as a share of what two parts that move by themselves would have along the line between them,
below which they are tied."""
MIRRORED = 0.012
"""How far from each other's mirror images the middles of zones may be."""
FIRM = 0.03
"""Reach of a zone up to which its instance has a fixed place."""
MOST_FAMILIES = 40
"""Families up to which all pairs are looked at."""
ATTRIBUTES: tuple[tuple[Attribute, float], ...] = (("count", 0.5), ("size", 0.0), ("colour", LEAST_COLOURS_APART))
"""What pairings look at, and how far two kinds of it must be apart; sizes by a tenth of their mean."""


def learn_orders(
    photos: Sequence[Photo], families: Sequence[str], zones: Mapping[str, Sequence[Zone]]
) -> Iterator[OrderRule]:
    """Which family always lies left of, or above, which other, where the zones leave that open."""
    for one, two in combinations(families[:MOST_FAMILIES], 2):
        both = [(family_parts(p, one), family_parts(p, two)) for p in photos]
        both = [(a, b) for a, b in both if a and b]
        if len(both) < MIN_PAIRED + 1:
            continue
        for axis in _AXES:
            if _apart(zones.get(one), zones.get(two), axis):
                continue
            for first, second, pairs in ((one, two, both), (two, one, [(b, a) for a, b in both])):
                gaps = [min(_at(p, axis) for p in b) - max(_at(p, axis) for p in a) for a, b in pairs]
                if min(gaps) > 0 and min(gaps) > 0.25 * float(np.mean(gaps)):
                    yield OrderRule(
                        first=first, second=second, axis=axis, support=len(gaps), sharpness=min(1.0, 5 * min(gaps))
                    )


def learn_distances(photos: Sequence[Photo], zones: Mapping[str, Sequence[Zone]]) -> Iterator[DistanceRule]:
    """Parts that move, but together: their distance varies far less than their places do."""
    places = _places(photos, zones)
    steady = _without_camera(places)
    for (one, a), (two, b) in combinations(places, 2):
        first, second = steady[one, a], steady[two, b]
        there = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
        if there.sum() < MIN_PAIRED + 1:
            continue
        first, second = first[there], second[there]
        line = second.mean(axis=0) - first.mean(axis=0)
        line = line / max(float(np.linalg.norm(line)), 1e-9)
        moved = float(np.sqrt((first @ line).var() + (second @ line).var()))
        if min(first.std(axis=0).max(), second.std(axis=0).max()) < OWN_MOTION:
            continue
        apart = np.linalg.norm(places[one, a][there] - places[two, b][there], axis=1)
        if apart.std() > TIED * moved:
            continue
        room = 3 * float(apart.std()) + 0.005
        low = max(0.0, min(float(apart.min()), float(apart.mean()) - room))
        high = max(float(apart.max()), float(apart.mean()) + room)
        yield DistanceRule(
            first=one, second=two, low=low, high=high, first_zone=a, second_zone=b, support=int(there.sum()),
            sharpness=1 - float(apart.std()) / moved,
        )  # fmt: skip


def learn_symmetries(photos: Sequence[Photo], zones: Mapping[str, Sequence[Zone]]) -> Iterator[SymmetryRule]:
    """Families whose instances have firm places that mirror each other."""
    for family, own in zones.items():
        if len(own) < 2 or max(max(z.reach_x, z.reach_y) for z in own) > FIRM:
            continue
        for axis in _AXES:
            at = float(np.mean([_at(zone, axis) for zone in own]))
            pairs = _mirror_pairs(own, axis, at)
            if pairs is None or all(a == b for a, b in pairs):
                continue
            errors = list(_mirror_errors(photos, family, own, axis, at, pairs))
            if not errors:
                continue
            tolerance = 1.25 * max(errors) + 0.006
            yield SymmetryRule(
                family=family, axis=axis, at=at, tolerance=tolerance, pairs=pairs, support=len(photos),
                sharpness=max(0.0, 1 - 10 * tolerance),
            )  # fmt: skip


def learn_pairings(photos: Sequence[Photo], families: Sequence[str]) -> Iterator[PairingRule]:
    """What comes in two kinds, where one kind of a part always comes with one kind of another."""
    kinds: list[tuple[str, Attribute, list[tuple[float, ...]], npt.NDArray[np.intp]]] = []
    for family in families[:MOST_FAMILIES]:
        for attribute, least in ATTRIBUTES:
            found = [family_parts(photo, family) for photo in photos]
            if attribute != "count" and not all(found):
                continue
            values = [attribute_value(parts, attribute) for parts in found]
            if attribute == "size":
                least = 0.1 * float(np.mean(values))
            labels = kinds_of(values, least)
            if labels is not None and min(np.bincount(labels)) >= MIN_PAIRED:
                kinds.append((family, attribute, values, labels))
    for (one, what, mine, a), (two, other, theirs, b) in combinations(kinds, 2):
        if one == two or not ((a == b).all() or (a != b).all()):
            continue
        cases = tuple(PairingCase(_middle(mine, a == k), _middle(theirs, a == k)) for k in (0, 1))
        yield PairingRule(
            first=one, first_attribute=what, second=two, second_attribute=other, cases=cases, support=len(photos),
            sharpness=1 - 0.5 ** (min(np.bincount(a)) - 1),
        )  # fmt: skip


_AXES: tuple[Literal["x", "y"], ...] = ("x", "y")


def _at(thing: MeasuredPart | Zone, axis: Literal["x", "y"]) -> float:
    return thing.x if axis == "x" else thing.y


def _apart(one: Sequence[Zone] | None, two: Sequence[Zone] | None, axis: Literal["x", "y"]) -> bool:
    """Whether the zones alone say which lies first."""
    if not one or not two:
        return False

    def ends(zones: Sequence[Zone]) -> tuple[float, float]:
        reach = [(_at(z, axis), z.reach_x if axis == "x" else z.reach_y) for z in zones]
        return min(m - r for m, r in reach), max(m + r for m, r in reach)

    (low, high), (other_low, other_high) = ends(one), ends(two)
    # Zones that lie far apart on the other axis leave the order to chance.
    across: Literal["x", "y"] = "y" if axis == "x" else "x"
    same_line = any(abs(_at(a, across) - _at(b, across)) < 0.1 for a in one for b in two)
    return high < other_low or other_high < low or not same_line


def _places(photos: Sequence[Photo], zones: Mapping[str, Sequence[Zone]]) -> Places:
    out: Places = {}
    for family, own in zones.items():
        for index in range(len(own)):
            out[family, index] = np.full((len(photos), 2), np.nan)
        for row, photo in enumerate(photos):
            for index, part in assigned(family_parts(photo, family), own).pairs:
                out[family, index][row] = (part.x, part.y)
    return out


def _without_camera(places: Places) -> Places:
    """The places without what all parts of a photo moved together."""
    if not places:
        return {}
    every = np.stack([one - np.nanmean(one, axis=0) for one in places.values()])
    shift = np.clip(np.nanmedian(every, axis=0), -CAMERA_MOTION, CAMERA_MOTION)
    return {name: one - shift for name, one in places.items()}


def _mirror_pairs(zones: Sequence[Zone], axis: Literal["x", "y"], at: float) -> tuple[tuple[int, int], ...] | None:
    """Which zones mirror each other; None if one has no partner."""
    pairs: set[tuple[int, int]] = set()
    for i, zone in enumerate(zones):
        errors = [mirror_error((zone.x, zone.y), (other.x, other.y), axis, at) for other in zones]
        j = int(np.argmin(errors))
        if errors[j] > MIRRORED:
            return None
        pairs.add((min(i, j), max(i, j)))
    return tuple(sorted(pairs))


def _mirror_errors(
    photos: Sequence[Photo],
    family: str,
    zones: Sequence[Zone],
    axis: Literal["x", "y"],
    at: float,
    pairs: Sequence[tuple[int, int]],
) -> Iterator[float]:
    for photo in photos:
        by_zone = dict(assigned(family_parts(photo, family), zones).pairs)
        for a, b in pairs:
            if a in by_zone and b in by_zone:
                yield mirror_error((by_zone[a].x, by_zone[a].y), (by_zone[b].x, by_zone[b].y), axis, at)


def _middle(values: Sequence[tuple[float, ...]], chosen: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    rows = np.asarray(values, np.float64)[chosen]
    return tuple(map(float, np.median(rows, axis=0)))
