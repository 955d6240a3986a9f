"""Click → region without any weights, for when no checkpoint is on this machine.

Each click is looked at in windows of halving size. Every window gives a few dozen guesses (proposals.py), measured
and ranked (rank.py); further clicks add or take away what they stand for; the outline is finished at full
resolution (refine.py).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np

from core.progress import Steps
from core.segmentation.all_regions import all_regions
from core.segmentation.box_prompts import box_guesses
from core.segmentation.click_history import BYTES_PER_CLICK, REMEMBERED, PackedMask, RecentCache
from core.segmentation.constraints import apply_constraints, distance_to_agreeing_pixel
from core.segmentation.corrections import correct, guess_from_mask
from core.segmentation.mask_scoring import MaskGuess, confidence, guesses_from_views, mask_score
from core.segmentation.proposals import propose_masks
from core.segmentation.refinement import draw_on_photo
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, check_prompt, raise_if_cancelled
from core.segmentation.view_pyramid import ImagePyramid
from core.types import Image, Mask, check_image

_SMALLEST_WINDOW = 70
_STEP = 2.5
_Prompt = tuple[tuple[Click, ...], Box | None]


class ClassicPreparedPhoto:
    """A photo ready for clicks; what a click means is remembered, so a session of clicks costs one each."""

    def __init__(self, image: Image) -> None:
        self.pyramid = ImagePyramid(image)
        self._lock = threading.Lock()
        self._meanings = RecentCache[tuple[float, float], list[MaskGuess]]()
        self._answers = RecentCache[tuple[Click, ...], list[MaskGuess]]()
        self._drawings = RecentCache[MaskGuess, PackedMask]()
        self._shown = RecentCache[_Prompt, list[tuple[MaskGuess, PackedMask]]]()

    @property
    def nbytes(self) -> int:
        """Memory held by the photo's copies, and what its clicks come to: they are remembered after it was counted."""
        return self.pyramid.nbytes + REMEMBERED * BYTES_PER_CLICK

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """See Prepared. A ``mask`` from here, shown for all clicks but the last, is recognised."""
        checked, box, given = check_prompt(self.pyramid.shape, clicks, box_xyxy, mask)
        ordered = in_order(checked)
        guesses = (
            self._guesses_for_prompt(ordered, box) if given is None else self._guesses_for_mask(ordered, box, given)
        )
        found = []
        for guess, score in pick_scales(guesses):
            part, corner = apply_constraints(*self._draw(guess).window(), checked, box)
            found.append((guess, MaskCandidate(part, score, corner, self.pyramid.shape)))
        with self._lock:
            self._shown.put((ordered, box), [(guess, PackedMask(c.window, c.corner)) for guess, c in found])
        return [candidate for _, candidate in found]

    def _guesses_for_prompt(self, clicks: tuple[Click, ...], box: Box | None) -> list[MaskGuess]:
        """What the clicks mean together, best first; without a box the first click is positive."""
        if box is not None:
            return self._apply_clicks(self._guesses_for_box(box), clicks, 0, box)
        with self._lock:
            known = self._answers.get(clicks)
        if known is not None:
            return known
        if len(clicks) == 1:
            return self.guesses(clicks[0].x, clicks[0].y)
        found = self._apply_clicks(self._guesses_for_prompt(clicks[:-1], None), clicks, len(clicks) - 1, None)
        with self._lock:
            self._answers.put(clicks, found)
        return found

    def _guesses_for_mask(self, clicks: tuple[Click, ...], box: Box | None, given: Mask) -> list[MaskGuess]:
        """``given`` after the clicks that it does not obey had their say."""
        with self._lock:
            shown = self._shown.get((clicks[:-1], box)) or []
        for guess, packed in shown:
            if packed.equals(given):
                return self._apply_clicks([guess], clicks, len(clicks) - 1, box)
        heeded = [c for c in clicks if given[int(c.y), int(c.x)] == c.positive]
        rest = [c for c in clicks if c not in heeded]
        return self._apply_clicks([guess_from_mask(self.pyramid, given)], (*heeded, *rest), len(heeded), box)

    def _apply_clicks(
        self, guesses: list[MaskGuess], clicks: tuple[Click, ...], done: int, box: Box | None
    ) -> list[MaskGuess]:
        """``guesses`` of the first ``done`` clicks (and the box), after the others had their say one by one."""
        for k in range(done, len(clicks)):
            last = clicks[k]
            if self._satisfies_click(guesses[0], last):
                continue  # There is nothing to correct: a click inside must not cost pixels elsewhere.
            wholes = self.guesses(clicks[0].x, clicks[0].y) if done and box is None else guesses
            guesses = self._correct(guesses[0], clicks[: k + 1], wholes, box)
        return guesses

    def _correct(
        self, so_far: MaskGuess, clicks: tuple[Click, ...], wholes: list[MaskGuess], box: Box | None
    ) -> list[MaskGuess]:
        """``so_far`` after the last click, which it does not heed; ``wholes`` are what the first one may mean."""
        return correct(self.pyramid, so_far, clicks, self.guesses(clicks[-1].x, clicks[-1].y), wholes, box)

    def _guesses_for_box(self, box: Box) -> list[MaskGuess]:
        """What the box may mean, best first; at least one."""
        return box_guesses(self.pyramid, box)

    def _satisfies_click(self, guess: MaskGuess, click: Click) -> bool:
        """Whether the click lies where the region already is as it says, or so near that only the rim is meant."""
        # Finer than the view and the region can tell: reading it as a part to add or remove costs whole parts.
        rim = min(max(1.5, 0.75 / guess.view.zoom), 0.06 * math.sqrt(guess.area))
        return distance_to_agreeing_pixel(*self._draw(guess).window(), click, rim) is not None

    def _draw(self, guess: MaskGuess) -> PackedMask:
        with self._lock:
            known = self._drawings.get(guess)
        if known is None:
            known = PackedMask(*draw_on_photo(self.pyramid, guess))
            with self._lock:
                self._drawings.put(guess, known)
        return known

    def guesses(self, x: float, y: float) -> list[MaskGuess]:
        """What one click may mean, best first; at least one."""
        key = (round(x, 1), round(y, 1))
        with self._lock:
            known = self._meanings.get(key)
        if known is not None:
            return known
        found = self._compute_guesses(x, y)
        with self._lock:
            self._meanings.put(key, found)
        return found

    def _compute_guesses(self, x: float, y: float) -> list[MaskGuess]:
        height, width = self.pyramid.shape
        side = 1.6 * max(height, width)
        steps = max(1, round(np.log(side / _SMALLEST_WINDOW) / np.log(_STEP)))
        raw = []
        for k in range(steps + 1):
            view = self.pyramid.square_view(x, y, side * (_SMALLEST_WINDOW / side) ** (k / steps))
            raw += [(view, m) for m in propose_masks(view, x, y)]
        if not raw:
            raw = [(view, _click_disc(view.shape, view.to_view(x, y)))]
        found = guesses_from_views(raw, height * width, x, y)
        order = np.argsort(-mask_score(found), kind="stable")
        return [found[k] for k in order]


def _click_disc(shape: tuple[int, int], at: tuple[int, int]) -> Mask:
    """The click itself, when nothing around it stands out."""
    dot = np.zeros(shape, np.uint8)
    cv2.circle(dot, at, 3, 1, -1)
    return dot > 0


def in_order(clicks: Sequence[Click]) -> tuple[Click, ...]:
    """The clicks as given, but a positive one first: there must be something to take away from."""
    first = next((k for k, c in enumerate(clicks) if c.positive), 0)
    return (*clicks[first : first + 1], *clicks[:first], *clicks[first + 1 :])


def pick_scales(guesses: list[MaskGuess]) -> list[tuple[MaskGuess, float]]:
    """The best guess, and the best clearly smaller and clearly larger ones, best first, with scores 0..1."""
    worths = mask_score(guesses)
    scores = confidence(worths)
    order = [int(k) for k in np.argsort(-worths, kind="stable")]
    first = order[0]
    area = guesses[first].area
    chosen = [first]
    smaller = [k for k in order if guesses[k].area < 0.65 * area]
    larger = [k for k in order if guesses[k].area > 1.5 * area]
    chosen += smaller[:1] + larger[:1]
    chosen.sort(key=lambda k: -worths[k])
    return [(guesses[k], float(scores[k])) for k in chosen]


class ClassicSegmenter:
    """Weight-free; always available."""

    name: ClassVar[str] = "classic"
    title: ClassVar[str] = "Classic (no weights)"

    def available(self) -> str | None:
        """Always None: it needs nothing."""
        return None

    def prepare(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> ClassicPreparedPhoto:
        """Lab pyramid of the photo: some 5 ms per megapixel."""
        raise_if_cancelled(cancelled)
        prepared = ClassicPreparedPhoto(check_image(image))
        if progress is not None:
            progress(1, 1)
        return prepared

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """Components that stand out, largest first."""
        return all_regions(self.prepare(image), progress, cancelled)
