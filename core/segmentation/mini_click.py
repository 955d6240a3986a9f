"""mini-click: a small network, trained on rendered scenes and drawn flaws, beside the classic segmenter's guesses.

A click is looked at in windows of several sizes; the network answers for each, the likeliest answers are looked at
again, closer, and a linear rule ranks them together with the classic segmenter's guesses. Remembering, obeying and
drawing at the photo's resolution are the classic segmenter's.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from core import weights as models
from core.errors import Unavailable
from core.progress import Steps
from core.segmentation.all_regions import RegionSeed, all_regions
from core.segmentation.classic import ClassicPreparedPhoto
from core.segmentation.corrections import correct, set_score
from core.segmentation.mask_scoring import MaskGuess, measure_mask
from core.segmentation.network_scores import ClickNetwork, NetworkCalibration, NetworkView, predict_views, signals
from core.segmentation.proposals import fill_pinholes
from core.segmentation.segmenter import Box, Cancel, Click, MaskCandidate, box_mask, raise_if_cancelled
from core.segmentation.view_pyramid import PyramidView, project_mask
from core.types import Image, Mask, check_image

FIRST_LOOK_SIDE = 128
"""Longer side of a first look, in window pixels."""
CLOSE_UP_SIDE = 160
"""Longer side of a closer one."""
_SMALLEST = 44
_STEP = 2.3
_CLASSIC = 10
"""Classic guesses that are heard."""
_SCORE_OFFSET, _SCORE_SCALE = 6.0, 3.0
"""From logits to the scale of core.segmentation.mask_scoring.worth."""

GuessSignals = tuple[list[MaskGuess], npt.NDArray[np.float64]]
"""Guesses and their signals, one row each."""


class MiniPreparedPhoto(ClassicPreparedPhoto):
    """A photo ready for clicks."""

    def __init__(self, image: Image, network: ClickNetwork) -> None:
        super().__init__(image)
        self._network = network

    def click_guesses(self, x: float, y: float) -> GuessSignals:
        """What one click may mean, unranked."""
        click = (Click(x, y),)
        looks = predict_views(self._network, self._windows(x, y), click)
        own = [g for one in looks if (g := self._guess(one, click)) is not None]
        classic = super()._compute_guesses(x, y)[:_CLASSIC]
        both, marks = [*own, *classic], [True] * len(own) + [False] * len(classic)
        ranked = _ranked(both, signals(both, looks, marks), self._network.first_click_rule, keep=True)
        for guess in _distinct_sizes(ranked)[:2]:
            (one,) = predict_views(self._network, [self._around(guess.box, click, 0.35)], click)
            looks.append(one)
            closer = self._guess(one, click)
            if closer is not None:
                both.append(closer)
                marks.append(True)
        return both, signals(both, looks, marks)

    def correction_guesses(
        self, so_far: MaskGuess, clicks: tuple[Click, ...], wholes: list[MaskGuess], box: Box | None
    ) -> GuessSignals:
        """What ``so_far`` may become by the last click, unranked."""
        views = [self._around(so_far.box, clicks, margin) for margin in (0.3, 0.8)]
        looks = predict_views(self._network, views, clicks, box, so_far)
        own = [g for one in looks if (g := self._guess(one, clicks, so_far, box)) is not None]
        # The classic readings of the last click alone: hearing the network on them too would double the time.
        pieces = super()._compute_guesses(clicks[-1].x, clicks[-1].y)
        classic = correct(self.pyramid, so_far, clicks, pieces, wholes, box)
        both, marks = [*own, *classic], [True] * len(own) + [False] * len(classic)
        return both, signals(both, looks, marks, so_far)

    def predict_seed(
        self, seed: RegionSeed, guesses: list[MaskGuess]
    ) -> tuple[list[MaskGuess], npt.NDArray[np.float64]]:
        """The network's own guesses at a seed beside ``guesses``, and what they are worth (see everything.Hear)."""
        click = (Click(seed.x, seed.y),)
        halves = sorted({max(1.25 * f * seed.extent, 24.0) for f in (1, 2, 4)})
        views = [self._window(seed.x - s, seed.y - s, seed.x + s, seed.y + s, FIRST_LOOK_SIDE) for s in halves]
        looks = predict_views(self._network, views, click)
        own = [g for one in looks if (g := self._guess(one, click)) is not None]
        both, marks = [*own, *guesses], [True] * len(own) + [False] * len(guesses)
        if not both:
            return [], np.zeros(0)
        return both, _SCORE_OFFSET + _SCORE_SCALE * self._network.first_click_rule.logits(signals(both, looks, marks))

    def _compute_guesses(self, x: float, y: float) -> list[MaskGuess]:
        return _ranked(*self.click_guesses(x, y), self._network.first_click_rule)

    def _correct(
        self, so_far: MaskGuess, clicks: tuple[Click, ...], wholes: list[MaskGuess], box: Box | None
    ) -> list[MaskGuess]:
        return _ranked(*self.correction_guesses(so_far, clicks, wholes, box), self._network.further_click_rule)

    def _guesses_for_box(self, box: Box) -> list[MaskGuess]:
        looks = predict_views(self._network, [self._around(box, (), margin) for margin in (0.15, 0.5)], (), box)
        own = [g for one in looks if (g := self._guess(one, (), None, box)) is not None]
        classic = super()._guesses_for_box(box)
        both, marks = [*own, *classic], [True] * len(own) + [False] * len(classic)
        return _ranked(both, signals(both, looks, marks), self._network.first_click_rule)

    def _windows(self, x: float, y: float) -> list[PyramidView]:
        """Windows of falling size about a point, the first one as wide as the photo."""
        side = float(max(self.pyramid.shape))
        steps = max(1, round(math.log(max(side / _SMALLEST, 1.0)) / math.log(_STEP)))
        sides = [side * min(_SMALLEST / side, 1.0) ** (k / steps) for k in range(steps + 1)]
        return [self._window(x - s / 2, y - s / 2, x + s / 2, y + s / 2, FIRST_LOOK_SIDE) for s in sides]

    def _around(self, box: Sequence[float], clicks: Sequence[Click], margin: float) -> PyramidView:
        xs = [box[0], box[2], *(c.x for c in clicks)]
        ys = [box[1], box[3], *(c.y for c in clicks)]
        extent = max(max(xs) - min(xs), max(ys) - min(ys), 16.0)
        half = extent * (0.5 + margin) + 4
        x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        return self._window(x - half, y - half, x + half, y + half, CLOSE_UP_SIDE)

    def _window(self, x0: float, y0: float, x1: float, y1: float, grid: int) -> PyramidView:
        """The window, moved onto the photo where it reaches over its frame."""
        height, width = self.pyramid.shape
        dx = max(-x0, 0.0) + min(width - x1, 0.0) if x1 - x0 < width else 0.0
        dy = max(-y0, 0.0) + min(height - y1, 0.0) if y1 - y0 < height else 0.0
        return self.pyramid.raw_window(x0 + dx, y0 + dy, x1 + dx, y1 + dy, grid)

    def _guess(
        self, one: NetworkView, clicks: Sequence[Click], region: MaskGuess | None = None, box: Box | None = None
    ) -> MaskGuess | None:
        """The network's answer as a guess; None where it holds nothing asked for, or much of it is cut off."""
        mask = one.probability > 0.5
        if box is not None:
            mask &= _box_on(one.view, box)
        mask = _prompted_components(mask, one.view, clicks, region, box is not None)
        area = np.count_nonzero(mask)
        if area < 4 or _cut_off_pixels(mask, one.view) > 0.6 * math.sqrt(area):
            return None
        height, width = self.pyramid.shape
        at = one.view.to_view(clicks[0].x, clicks[0].y) if clicks else None
        return measure_mask(one.view.smoothed(), mask, height * width, at)


def _box_on(view: PyramidView, box: Box) -> Mask:
    z, (h, w) = view.zoom, view.shape
    x0, y0 = (box[0] - view.x0) * z, (box[1] - view.y0) * z
    x1, y1 = (box[2] - view.x0) * z, (box[3] - view.y0) * z
    return box_mask((max(round(x0), 0), max(round(y0), 0), max(round(x1), 0), max(round(y1), 0)), (h, w))


def _prompted_components(
    mask: Mask, view: PyramidView, clicks: Sequence[Click], region: MaskGuess | None, boxed: bool
) -> Mask:
    """The pieces of ``mask`` that hold a click or were there before; in a box, all of some size."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    keep = np.zeros(count, np.bool_)
    for click in clicks:
        if click.positive and view.contains(click.x, click.y):
            column, row = view.to_view(click.x, click.y)
            keep[labels[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]] = True
    if region is not None:
        before = project_mask(region.mask, region.view, view)
        keep |= np.bincount(labels[before], minlength=count) > 0.3 * areas
    if boxed:
        keep |= areas >= 0.2 * areas.max()
    keep[0] = False
    own = np.asarray(keep[labels])
    return fill_pinholes(own, int(np.count_nonzero(own)), 0.01)


def _cut_off_pixels(mask: Mask, view: PyramidView) -> int:
    """Pixels of ``mask`` on the window's frame where the photo goes on."""
    sides = zip(view.ends_inside_photo, (mask[:, 0], mask[0], mask[:, -1], mask[-1]), strict=True)
    return sum(int(np.count_nonzero(side)) for goes_on, side in sides if goes_on)


def _ranked(
    guesses: list[MaskGuess], given: npt.NDArray[np.float64], verdict: NetworkCalibration, keep: bool = False
) -> list[MaskGuess]:
    """Best first. Unless ``keep``, each guess's worth becomes the verdict, on the scale of mask_scoring."""
    values = verdict.logits(given)
    order = [int(k) for k in np.argsort(-values, kind="stable")]
    return [
        guesses[k] if keep else set_score(guesses[k], _SCORE_OFFSET + _SCORE_SCALE * float(values[k])) for k in order
    ]


def _distinct_sizes(guesses: list[MaskGuess]) -> list[MaskGuess]:
    """Those whose area differs clearly from all before them."""
    out: list[MaskGuess] = []
    for guess in guesses:
        if all(not 0.6 < guess.area / other.area < 1.6 for other in out):
            out.append(guess)
    return out


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
        return all_regions(prepared, progress, cancelled, prepared.predict_seed, _SCORE_OFFSET)

    def _load_network(self) -> ClickNetwork:
        with self._lock:
            if self._network is None:
                if (reason := self.available()) is not None:
                    raise Unavailable(reason)
                self._network = ClickNetwork(self._folder)
            return self._network
