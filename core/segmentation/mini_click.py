"""mini-click: a small network, trained on rendered scenes and drawn flaws, on features of a pretrained one.

A first click is looked at in windows of several sizes; the network answers for each, the likeliest answers are looked
at again, closer, and a linear rule ranks them. Further clicks correct the region where they lie (local_correction.py).
Drawing at the photo's resolution is the classic segmenter's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from core import weights as models
from core.errors import Unavailable
from core.progress import Steps
from core.segmentation.all_regions import RegionSeed, all_regions
from core.segmentation.box_prompts import box_overlap
from core.segmentation.classic import ClassicPreparedPhoto, in_order
from core.segmentation.click_history import PackedMask, RecentCache, bounding_window
from core.segmentation.constraints import apply_constraints
from core.segmentation.corrections import guess_from_mask
from core.segmentation.local_correction import PhotoFrame, click_reach, corrected_regions, on_frame
from core.segmentation.mask_scoring import MaskGuess
from core.segmentation.network_guesses import (
    SCORE_OFFSET,
    SCORE_SCALE,
    distinct_sizes,
    guess_from_answer,
    probability_on,
    rank_guesses,
    surest_click,
)
from core.segmentation.network_scores import ClickNetwork, NetworkView, predict_views, signals
from core.segmentation.photo_features import PhotoFeatures
from core.segmentation.segmenter import (
    Box,
    Cancel,
    Click,
    MaskCandidate,
    check_prompt,
    iou,
    raise_if_cancelled,
)
from core.segmentation.view_pyramid import PyramidView, project_mask
from core.types import Image, Mask, check_image

FIRST_LOOK_SIDE = 128
"""Longer side of a first look, in window pixels."""
CLOSE_UP_SIDE = 160
"""Longer side of a closer one."""
FINAL_SIDE = 224
"""Longer side of the last look at what was chosen, from which it is drawn."""
_SAME_THING = 0.75
"""IoU from which on a closer look is thought to show the same thing."""
_FINE_SHARE = 0.75
"""What the last look counts beside the one before."""
_SAME_TO_THE_EYE = 0.95
"""IoU from which on two candidates look the same."""
_SMALLEST, _SMALLEST_SHARE = 44, 0.08
"""Side of the closest first look: in pixels, and over the photo's longer side, as no one means a glint on a thread."""
_STEP = 2.3
_CLASSIC = 10
"""Classic guesses that are heard where the network has none."""
_DETAIL = 3.2
"""Half the window on a correcting click, over the click's distance from the outline."""
_BOX_FIT = 4.0
"""What it counts, in logits, that a guess's own box is the drawn one."""

GuessSignals = tuple[list[MaskGuess], npt.NDArray[np.float64]]
"""Guesses, and their signals, one row each, or their worth."""


class MiniPreparedPhoto(ClassicPreparedPhoto):
    """A photo ready for clicks."""

    def __init__(self, image: Image, network: ClickNetwork) -> None:
        super().__init__(image)
        self._network = network
        self._features = PhotoFeatures(image, network.statistics)
        self._regions = RecentCache[tuple[tuple[Click, ...], Box | None], PackedMask]()

    @property
    def nbytes(self) -> int:
        """Memory held by the photo's copies, features and clicks."""
        return super().nbytes + self._features.nbytes

    def predict(
        self, clicks: Sequence[Click], box_xyxy: tuple[float, ...] | None = None, mask: Mask | None = None
    ) -> list[MaskCandidate]:
        """See PreparedPhoto. A first click or a box is read anew; what follows corrects the region so far."""
        checked, box, given = check_prompt(self.pyramid.shape, clicks, box_xyxy, mask)
        ordered = in_order(checked)
        if given is not None:
            before = PackedMask(*bounding_window(given))
            new = [c for c in ordered if given[int(c.y), int(c.x)] != c.positive]
            old = [c for c in ordered if c not in new]
        elif len(ordered) > (1 if box is None else 0):
            before, old, new = self._region_for(ordered[:-1], box), list(ordered[:-1]), [ordered[-1]]
        else:
            return super().predict(clicks, box_xyxy)
        part, corner = before.window()
        found = [MaskCandidate(part, 1.0, corner, self.pyramid.shape)]
        for k, click in enumerate(new):
            if not _obeys(found[0], click):
                found = self._corrections(found[0], [*old, *new[: k + 1]], box)
        made = [self._constrained(one, checked, box) for one in found]
        if given is None:  # what the next click corrects
            with self._lock:
                self._regions.put((ordered, box), PackedMask(made[0].window, made[0].corner))
        return made

    def _region_for(self, clicks: tuple[Click, ...], box: Box | None) -> PackedMask:
        """The region that the clicks and the box give; remembered."""
        with self._lock:
            known = self._regions.get((clicks, box))
        if known is None:
            best = self.predict(clicks, box)[0]
            known = PackedMask(best.window, best.corner)
            with self._lock:
                self._regions.put((clicks, box), known)
        return known

    def _corrections(self, region: MaskCandidate, clicks: Sequence[Click], box: Box | None) -> list[MaskCandidate]:
        """``region`` after the last of ``clicks``, which it does not obey, best first, at most three."""
        so_far, last = guess_from_mask(self.pyramid, region.mask), clicks[-1]
        frame = self._frame(region, clicks)
        part = on_frame(region.window, region.corner, frame)
        reach = click_reach(part, (int(last.x) - frame[0], int(last.y) - frame[1]))
        half = max(_DETAIL * reach + 12, 24.0)
        views = [self._window(last.x - half, last.y - half, last.x + half, last.y + half, FIRST_LOOK_SIDE)]
        views.append(self._around(so_far.box, clicks, 0.8))
        looks = predict_views(self._network, self._features, views, clicks, box, so_far)
        near = self._around(so_far.box, clicks, 0.25, FINAL_SIDE)
        looks += predict_views(self._network, self._features, [near], clicks, box, so_far)
        guesses = [g for one in looks[1:] if (g := self._guess(one, clicks, so_far, box)) is not None]
        wholes = [on_frame(*self._draw(g).window(), frame) for g in guesses]
        made = corrected_regions(part, frame, clicks, looks, wholes)
        shown = [MaskCandidate(one.part, one.score, (frame[1], frame[0]), self.pyramid.shape) for one in made]
        return _different(shown)[:3]

    def _frame(self, region: MaskCandidate, clicks: Sequence[Click]) -> PhotoFrame:
        """What of the photo a correction may change: about the region and the clicks."""
        (y0, x0), (h, w) = region.corner, region.window.shape
        xs, ys = [x0, x0 + w, *(c.x for c in clicks)], [y0, y0 + h, *(c.y for c in clicks)]
        pad = 0.4 * max(max(xs) - min(xs), max(ys) - min(ys)) + 24
        height, width = self.pyramid.shape
        return (
            max(int(min(xs) - pad), 0), max(int(min(ys) - pad), 0),
            min(int(max(xs) + pad), width), min(int(max(ys) + pad), height),
        )  # fmt: skip

    def _constrained(self, one: MaskCandidate, clicks: Sequence[Click], box: Box | None) -> MaskCandidate:
        part, corner = apply_constraints(one.window.copy(), one.corner, clicks, box)
        return MaskCandidate(part, one.score, corner, self.pyramid.shape)

    def click_guesses(self, x: float, y: float) -> GuessSignals:
        """What one click may mean, unranked."""
        click = (Click(x, y),)
        looks = predict_views(self._network, self._features, self._windows(x, y), click)
        own = [g for one in looks if (g := self._guess(one, click)) is not None]
        # Where the network has nothing to say, the classic guesses have to do; elsewhere they were no better.
        classic = [] if own else super()._compute_guesses(x, y)[:_CLASSIC]
        both, marks = [*own, *classic], [True] * len(own) + [False] * len(classic)
        ranked = rank_guesses(both, signals(both, looks, marks), self._network.first_click_rule, keep=True)
        views = [self._around(guess.box, click, 0.35, FIRST_LOOK_SIDE) for guess in distinct_sizes(ranked)[:2]]
        closer = predict_views(self._network, self._features, views, click) if views else []
        looks += closer
        both += [g for one in closer if (g := self._guess(one, click)) is not None]
        marks += [True] * (len(both) - len(marks))
        return both, signals(both, looks, marks)

    def predict_seed(self, seed: RegionSeed) -> GuessSignals:
        """The network's own guesses at a seed and what they are worth (see all_regions.SeedPredictor)."""
        click = (Click(seed.x, seed.y),)
        halves = sorted({max(1.25 * f * seed.extent, 24.0) for f in (1, 2, 4)})
        views = [self._window(seed.x - s, seed.y - s, seed.x + s, seed.y + s, FIRST_LOOK_SIDE) for s in halves]
        looks = predict_views(self._network, self._features, views, click)
        own = [g for one in looks if (g := self._guess(one, click)) is not None]
        if not own:
            return [], np.zeros(0)
        values = self._network.first_click_rule.logits(signals(own, looks, [True] * len(own)))
        best = int(values.argmax())
        own[best] = self._sharpened(own[best], click)
        return own, SCORE_OFFSET + SCORE_SCALE * values

    def _compute_guesses(self, x: float, y: float) -> list[MaskGuess]:
        ranked = rank_guesses(*self.click_guesses(x, y), self._network.first_click_rule)
        return [self._sharpened(ranked[0], (Click(x, y),)), *ranked[1:]]

    def _sharpened(self, guess: MaskGuess, clicks: tuple[Click, ...], box: Box | None = None) -> MaskGuess:
        """``guess`` as the network sees it in more pixels, if it sees the same there and the photo has them."""
        if guess.probability is None or guess.view.zoom >= 1:
            return guess
        view = self._around(guess.box, clicks, 0.2, FINAL_SIDE)
        if view.zoom < 1.1 * guess.view.zoom:
            return guess
        (closer,) = predict_views(self._network, self._features, [view], clicks, box)
        # A piece that only one of the two looks lost is kept.
        both = _FINE_SHARE * closer.probability + (1 - _FINE_SHARE) * probability_on(guess, view)
        fine = self._guess(NetworkView(view, both), clicks, None, box)
        if fine is None or iou(project_mask(guess.mask, guess.view, view), fine.mask) < _SAME_THING:
            return guess
        return replace(fine, features=guess.features)

    def _guesses_for_box(self, box: Box) -> list[MaskGuess]:
        views = [self._around(box, (), margin) for margin in (0.1, 0.3, 0.7)]
        looks = predict_views(self._network, self._features, views, (), box)
        own = [g for one in looks if (g := self._guess(one, (), None, box)) is not None]
        if own:
            # A click says more than a box: where the first answer is surest, as a person would click.
            click = (surest_click(own[0]),)
            clicked = predict_views(self._network, self._features, views[:2], click, box)
            own += [g for one in clicked if (g := self._guess(one, click, None, box)) is not None]
            looks += clicked
        guesses = own or super()._guesses_for_box(box)
        # A person draws the box around the thing: what reaches its sides is meant.
        fits = np.array([_BOX_FIT * box_overlap(g, box) for g in guesses])
        given = signals(guesses, looks, [bool(own)] * len(guesses))
        ranked = rank_guesses(guesses, given, self._network.first_click_rule, bonus=fits)
        return [self._sharpened(ranked[0], (), box), *ranked[1:]]

    def _windows(self, x: float, y: float) -> list[PyramidView]:
        """Windows of falling size about a point, the first one as wide as the photo."""
        side = float(max(self.pyramid.shape))
        smallest = max(_SMALLEST, _SMALLEST_SHARE * side)
        steps = max(1, round(math.log(max(side / smallest, 1.0)) / math.log(_STEP)))
        sides = [side * min(smallest / side, 1.0) ** (k / steps) for k in range(steps + 1)]
        return [self._window(x - s / 2, y - s / 2, x + s / 2, y + s / 2, FIRST_LOOK_SIDE) for s in sides]

    def _around(
        self, box: Sequence[float], clicks: Sequence[Click], margin: float, grid: int = CLOSE_UP_SIDE
    ) -> PyramidView:
        xs = [box[0], box[2], *(c.x for c in clicks)]
        ys = [box[1], box[3], *(c.y for c in clicks)]
        extent = max(max(xs) - min(xs), max(ys) - min(ys), 16.0)
        half = extent * (0.5 + margin) + 4
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        return self._window(x - half, y - half, x + half, y + half, grid)

    def _guess(
        self, one: NetworkView, clicks: Sequence[Click], region: MaskGuess | None = None, box: Box | None = None
    ) -> MaskGuess | None:
        return guess_from_answer(one, self.pyramid.shape[0] * self.pyramid.shape[1], clicks, region, box)

    def _window(self, x0: float, y0: float, x1: float, y1: float, grid: int) -> PyramidView:
        """The window, moved onto the photo where it reaches over its frame."""
        height, width = self.pyramid.shape
        dx = max(-x0, 0.0) + min(width - x1, 0.0) if x1 - x0 < width else 0.0
        dy = max(-y0, 0.0) + min(height - y1, 0.0) if y1 - y0 < height else 0.0
        return self.pyramid.raw_window(x0 + dx, y0 + dy, x1 + dx, y1 + dy, grid)


def _different(found: list[MaskCandidate]) -> list[MaskCandidate]:
    """Those, all of one window, that a person can tell from the better ones before them."""
    # A share of the pixels tells as much about an overlap.
    step = max(1, max(found[0].window.shape) // 256)
    kept: list[MaskCandidate] = []
    for one in found:
        thin = one.window[::step, ::step]
        if all(iou(thin, other.window[::step, ::step]) < _SAME_TO_THE_EYE for other in kept):
            kept.append(one)
    return kept


def _obeys(region: MaskCandidate, click: Click) -> bool:
    """Whether the region is at the click as it says."""
    y, x = int(click.y) - region.corner[0], int(click.x) - region.corner[1]
    h, w = region.window.shape
    return bool(0 <= y < h and 0 <= x < w and region.window[y, x]) == click.positive


class MiniSegmenter:
    """The shipped small network."""

    name: ClassVar[str] = "mini_click"
    title: ClassVar[str] = "Mini-click (shipped network)"

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or models.SHIPPED / "mini-click"
        self._network: ClickNetwork | None = None
        self._lock = threading.Lock()

    def available(self) -> str | None:
        """None, or what is missing."""
        missing = [m for m in ("torch", "safetensors") if find_spec(m) is None]
        if missing:
            return f"{self.title}: run 'pip install {' '.join(missing)}'"
        if not (self._folder / "model.safetensors").is_file():
            return f"{self.title}: {self._folder / 'model.safetensors'} is missing; get Flawsmith's files again"
        return None

    def prepare(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> MiniPreparedPhoto:
        """Lab pyramid of the photo; the network is read at the first one."""
        raise_if_cancelled(cancelled)
        prepared = MiniPreparedPhoto(check_image(image), self._load_network())
        if progress is not None:
            progress(1, 1)
        return prepared

    def regions(
        self, image: Image, progress: Steps | None = None, cancelled: Cancel | None = None
    ) -> list[MaskCandidate]:
        """Components that stand out, largest first."""
        prepared = self.prepare(image)
        return all_regions(prepared, progress, cancelled, prepared.predict_seed, SCORE_OFFSET)

    def _load_network(self) -> ClickNetwork:
        with self._lock:
            if self._network is None:
                if (reason := self.available()) is not None:
                    raise Unavailable(reason)
                self._network = ClickNetwork(self._folder)
            return self._network
