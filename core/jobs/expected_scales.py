"""The scale that a set of photos above 8 bits will have, as far as it was seen: so that most are decoded once."""

from __future__ import annotations

import threading

import numpy as np

from core.images.depth import SET_RANGE, DepthRange, DepthScale, DepthScales, scale_of_set
from core.importers.survey import Seen


class ExpectedScales:
    """Scales that are known, and for other number types the camera's range that holds all photos seen so far.

    Nothing is expected where the photos fill too little of a camera's range: then each of them may change the scale.
    For any thread.
    """

    def __init__(self, known: DepthScales) -> None:
        self._known = known
        self._ranges: dict[str, DepthRange] = {}
        self._lock = threading.Lock()

    def add(self, seen: Seen) -> None:
        """One more photo of the set was looked at."""
        if seen.look is None or seen.look.depth is None:
            return
        dtype, found = seen.look.depth
        with self._lock:
            so_far = self._ranges.get(dtype, found)
            self._ranges[dtype] = DepthRange(
                min(so_far.own_low, found.own_low),
                max(so_far.own_high, found.own_high),
                min(so_far.lowest, found.lowest),
                max(so_far.highest, found.highest),
            )

    def now(self) -> DepthScales:
        """What can be expected now, by number type."""
        with self._lock:
            ranges = dict(self._ranges)
        found: dict[str, DepthScale] = {dtype: scale_of_set([r], np.dtype(dtype)) for dtype, r in ranges.items()}
        return {**{dtype: scale for dtype, scale in found.items() if scale.why != SET_RANGE}, **self._known}
