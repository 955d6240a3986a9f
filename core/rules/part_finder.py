"""The components of any photo of a known product: what the segmenter sees, named by what good photos show.

Every component that looks like a known part is found, however many there are and wherever they lie. Where an instance
is expected and none was seen, the place is clicked too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.errors import InputError
from core.images.geometry import shrunk_to
from core.rules.measured import MeasuredPart, measure_part
from core.rules.rule import Zone, assigned
from core.rules.rule_set import FindingLimits, PartLimits, RuleSet
from core.segmentation.part_match import PartAppearance, PartMatch, compare_parts, describe_part
from core.segmentation.segmenter import Click, PreparedPhoto, Segmenter, best_segmenter, iou
from core.types import Image, Mask, Region, base_name

SIDE = 512
"""Longer side in pixels at which components are looked for."""
EXEMPLARS = 5
"""Good photos that known parts are taken from."""
CALIBRATION_PHOTOS = 6
"""Other good photos on which it is seen how well they are found again."""
ROOM = 0.06
"""How much less alike than the worst on those photos a part may be."""
LEAST_ALIKE = 0.45
"""Likeness of the shape below which nothing is a known part."""
SEEN = 0.8
"""Overlap (IoU) of a region with what the segmenter saw from which it was seen."""
SAME_PLACE = 0.5
"""Overlap, as a share of the smaller one, from which two finds are one part."""
CLICKS = 4
"""Places clicked where an instance is missing, beside that where it usually is."""

Check = Callable[[], None]
AnnotatedPhotos = Sequence[tuple[Image, Sequence[Region]]]


def _nothing() -> None:
    """No one stops it."""


@dataclass(frozen=True)
class _Found:
    family: str
    score: float
    mask: Mask


class PartFinder:
    """Finds the components of one product. ``exemplars`` are good photos with their named regions, any number."""

    def __init__(
        self,
        exemplars: AnnotatedPhotos,
        zones: Mapping[str, Sequence[Zone]],
        limits: Mapping[str, PartLimits],
        segmenter: Segmenter | None = None,
    ) -> None:
        if not any(regions for _, regions in exemplars):
            raise InputError("rules: no photo has a named region; name the parts of one in Regions first")
        self._zones, self._limits = zones, limits
        self._segmenter = segmenter or best_segmenter()
        self._known: dict[str, list[PartAppearance]] = {}
        for image, regions in exemplars:
            small, at = shrunk_to(image, SIDE), _masks_at_working_size(image, regions)
            for region in at:
                self._known.setdefault(base_name(region.name), []).append(describe_part(small, region.mask))

    def with_limits(self, limits: Mapping[str, PartLimits]) -> PartFinder:
        """The same finder with other limits."""
        other = PartFinder.__new__(PartFinder)
        other._zones, other._segmenter, other._known = self._zones, self._segmenter, self._known
        other._limits = limits
        return other

    def find(self, image: Image, check: Check = _nothing, known: Sequence[Region] = ()) -> list[MeasuredPart]:
        """The components of a photo, measured. Their masks are of the photo scaled to a longer side of SIDE.

        ``known`` regions are taken as they are, and only others are looked for.
        """
        small = shrunk_to(image, SIDE)
        sure = [_Found(base_name(r.name), 1.0, r.mask) for r in _masks_at_working_size(image, known)]
        check()
        pool = [candidate.mask for candidate in self._segmenter.regions(small)]
        check()
        found = self._named(small, pool, sure)
        more = list(self._clicked(small, found, check))
        if more:
            found = self._named(small, [*pool, *more], sure)
        return [measure_part(small, one.mask, one.family) for one in found]

    def candidates(self, image: Image, known: Sequence[Region], check: Check = _nothing) -> tuple[Image, list[Mask]]:
        """The photo at the working size and every mask that could be a part; ``known`` regions that the segmenter did
        not see at once are clicked, as expected places are."""
        small = shrunk_to(image, SIDE)
        pool = [candidate.mask for candidate in self._segmenter.regions(small)]
        unseen = [r for r in known if max((iou(mask, r.mask) for mask in pool), default=0.0) < SEEN]
        prepared = self._segmenter.prepare(small) if unseen else None
        for region in unseen:
            check()
            part = measure_part(small, region.mask, base_name(region.name))
            zone = Zone(part.x, part.y, 0.0, 0.0, part.box[2] - part.box[0], part.box[3] - part.box[1])
            assert prepared is not None
            for x, y in (*self._usual_points(small, part.family, zone), *_odd_points(small, zone)):
                pool += [candidate.mask for candidate in prepared.predict([Click(x, y)])]
        return small, pool

    def likeness(self, small: Image, mask: Mask, family: str) -> PartMatch:
        """The best match of a mask with the known parts of one family."""
        return self._best(describe_part(small, mask), family)

    def named(self, small: Image, pool: Sequence[Mask]) -> list[MeasuredPart]:
        """Those of ``pool`` that are parts, each place once, measured on the photo at its working size."""
        return [measure_part(small, one.mask, one.family) for one in self._named(small, pool)]

    def _best(self, look: PartAppearance, family: str) -> PartMatch:
        matches = [compare_parts(known, look) for known in self._known[family]]
        return max(matches, key=lambda match: match.score)

    def _named(self, small: Image, pool: Sequence[Mask], sure: Sequence[_Found] = ()) -> list[_Found]:
        areas = [known.area for every in self._known.values() for known in every]
        low, high = 0.4 * min(areas), 2.2 * max(areas)
        seen: list[_Found] = []
        for mask in pool:
            if low <= np.count_nonzero(mask) <= high:
                look = describe_part(small, mask)
                seen += [
                    _Found(family, match.score, mask)
                    for family in self._known
                    if self._is_part(family, match := self._best(look, family))
                ]
        kept = list(sure)
        for one in sorted(seen, key=lambda found: -found.score):
            if all(_overlap(one.mask, other.mask) < SAME_PLACE for other in kept):
                kept.append(one)
        return kept

    def _is_part(self, family: str, match: PartMatch) -> bool:
        limit = self._limits.get(family, PartLimits(LEAST_ALIKE + 0.2, 0.6, 0.6))
        # A part of another colour keeps its surface, one that rolled or turned keeps its colour.
        return match.shape >= limit.shape and (match.surface >= limit.surface or match.colour >= limit.colour)

    def _clicked(self, small: Image, found: Sequence[_Found], check: Check) -> Iterator[Mask]:
        """Masks from clicks where an instance is expected and none was found."""
        parts = [measure_part(small, one.mask, one.family) for one in found]
        prepared: PreparedPhoto | None = None
        for family, zones in self._zones.items():
            if family not in self._known:
                continue
            laid = assigned([p for p in parts if p.family == family], zones)
            off = [i for i, part in laid.pairs if zones[i].deviation(part.x, part.y) > 1]
            for index in (*laid.empty, *off):
                prepared = prepared or self._segmenter.prepare(small)
                for x, y in (*self._usual_points(small, family, zones[index]), *_odd_points(small, zones[index])):
                    check()
                    yield from (candidate.mask for candidate in prepared.predict([Click(x, y)]))

    def _usual_points(self, small: Image, family: str, zone: Zone) -> list[tuple[float, float]]:
        """Where the inside of two known parts would be, were they in the middle of the zone."""
        height, width = small.shape[:2]
        points = []
        for known in self._known[family][:2]:
            depth = cv2.distanceTransform(np.pad(known.mask, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
            y, x = np.unravel_index(int(depth.argmax()), depth.shape)
            at = (float(x) - known.centre[0] + zone.x * width, float(y) - known.centre[1] + zone.y * height)
            points.append((float(np.clip(at[0], 0, width - 1)), float(np.clip(at[1], 0, height - 1))))
        return points


def calibrated_limits(
    finder: PartFinder, photos: AnnotatedPhotos, rules: RuleSet, check: Check = _nothing
) -> FindingLimits:
    """How alike found parts of good photos are to the known ones, and what slack their rules need."""
    seen: dict[str, list[PartMatch]] = {}
    looked: list[tuple[Image, list[Mask]]] = []
    for image, regions in photos:
        known = _masks_at_working_size(image, regions)
        small, pool = finder.candidates(image, known, check)
        looked.append((small, pool))
        for region in known:
            best = max(pool, key=lambda mask: iou(mask, region.mask), default=None)
            if best is not None and iou(best, region.mask) > LEAST_ALIKE:
                family = base_name(region.name)
                seen.setdefault(family, []).append(finder.likeness(small, best, family))
    limits = {family: _limits(matches) for family, matches in seen.items()}
    better = finder.with_limits(limits)
    slack: dict[str, float] = {}
    for small, pool in looked:
        for outcome in rules.check(better.named(small, pool)):
            if outcome.deviation is not None:
                slack[outcome.rule.id] = max(slack.get(outcome.rule.id, 1.0), 1.1 * outcome.deviation)
    return FindingLimits(limits, {id: value for id, value in slack.items() if value > 1})


def build_finder(
    photos: AnnotatedPhotos, rules: RuleSet, segmenter: Segmenter | None = None, check: Check = _nothing
) -> tuple[PartFinder, FindingLimits]:
    """A finder of a product's parts and the limits that its good photos give; those of ``rules`` if it has some."""
    told = [(image, regions) for image, regions in photos if regions]
    step = max(1, len(told) // EXEMPLARS)
    exemplars = told[::step][:EXEMPLARS]
    finder = PartFinder(exemplars, rules.zones, {}, segmenter)
    if rules.finding is not None:
        return finder.with_limits(rules.finding.parts), rules.finding
    rest = [one for i, one in enumerate(told) if i % step or i // step >= EXEMPLARS] or exemplars
    apart = rest[:: max(1, len(rest) // CALIBRATION_PHOTOS)][:CALIBRATION_PHOTOS]
    limits = calibrated_limits(finder, apart, rules, check)
    return finder.with_limits(limits.parts), limits


def _limits(matches: Sequence[PartMatch]) -> PartLimits:
    shape, surface, colour = (
        max(LEAST_ALIKE, min(values) - ROOM)
        for values in (
            [m.shape for m in matches], [m.surface for m in matches], [m.colour for m in matches]
        )
    )  # fmt: skip
    return PartLimits(shape, surface, colour)


def _masks_at_working_size(image: Image, regions: Sequence[Region]) -> list[Region]:
    height, width = shrunk_to(image, SIDE).shape[:2]
    if (height, width) == image.shape[:2]:
        return list(regions)
    size = (width, height)
    soft = [(r, cv2.resize(r.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)) for r in regions]
    return [Region(r.name, mask >= 0.5, r.source, r.confidence) for r, mask in soft if (mask >= 0.5).any()]


def _odd_points(small: Image, zone: Zone) -> list[tuple[float, float]]:
    """Where the zone looks least like most of it: (x, y), the oddest first, well apart."""
    height, width = small.shape[:2]
    reach_x, reach_y = zone.reach_x + zone.width / 2, zone.reach_y + zone.height / 2
    left, right = (int(np.clip((zone.x + s * reach_x) * width, 0, width)) for s in (-1, 1))
    top, bottom = (int(np.clip((zone.y + s * reach_y) * height, 0, height)) for s in (-1, 1))
    if right - left < 4 or bottom - top < 4:
        return []
    lab = cv2.cvtColor(np.ascontiguousarray(small[top:bottom, left:right]), cv2.COLOR_RGB2LAB).astype(np.float32)
    odd = cv2.blur(np.linalg.norm(lab - np.median(lab, axis=(0, 1)), axis=2), (3, 3))
    apart = max(3, min(odd.shape) // 5)
    points = []
    for _ in range(CLICKS):
        y, x = np.unravel_index(int(odd.argmax()), odd.shape)
        points.append((float(left + x), float(top + y)))
        cv2.circle(odd, (int(x), int(y)), apart, 0.0, -1)
    return points


def _overlap(a: Mask, b: Mask) -> float:
    smaller = min(int(np.count_nonzero(a)), int(np.count_nonzero(b)))
    return float(np.count_nonzero(a & b)) / max(smaller, 1)
