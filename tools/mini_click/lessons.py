"""One lesson: a window around something, what is meant, and a simulated person who clicks, boxes and corrects."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from core.segmentation.click_network import encode_inputs
from core.segmentation.photo_features import PhotoFeatures, encode_features
from core.segmentation.segmenter import Click
from core.segmentation.simulated_clicks import next_click
from tools.mini_click.stuff import LEAST, LabelledPicture

DETAIL = 0.15
"""Share of the lessons that correct a piece of the outline, most of the target beyond the window."""
Rng = np.random.Generator
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass
class Lesson:
    """A window uint8 (S, S, 3), the truth bool (S, S), the pretrained network's maps, and the prompt so far."""

    window: NDArray[np.uint8]
    truth: Mask
    maps: list[Floats]
    box: tuple[float, float, float, float] | None = None
    clicks: list[Click] = field(default_factory=list)
    region: Mask | None = None

    def inputs(self) -> Floats:
        """float32 (11, S, S): the window with its prompt."""
        positive, negative = self._points()
        return encode_inputs(self.window, positive, negative, self.box, self.region)

    def features(self) -> list[Floats]:
        """float32 (LIFTED[k], S / s, S / s) at each stride."""
        return encode_features(self.maps, self._points())

    def _points(self) -> list[NDArray[np.float64]]:
        found = ([(c.x, c.y) for c in self.clicks if c.positive == sign] for sign in (True, False))
        return [np.array(points, np.float64).reshape(-1, 2) for points in found]

    def correct(self, found: Mask) -> None:
        """What a person does on seeing ``found``: click its worst error."""
        self.region = found
        click = next_click(found, self.truth)
        if click is not None:
            self.clicks.append(click)


def lesson(picture: LabelledPicture, features: PhotoFeatures, side: int, rng: Rng) -> Lesson | None:
    """A window of ``side`` pixels on a random target; None if too little of it is left there."""
    target = picture.targets[int(rng.integers(len(picture.targets)))]
    detail = rng.random() < DETAIL
    matrix, shrink = _window(target, side, rng, detail)
    image = picture.image
    if shrink > 1.3:
        image = cv2.GaussianBlur(image, (0, 0), 0.45 * shrink)
    window = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    soft = target.astype(np.float32)
    if shrink > 1.3:
        soft = cv2.GaussianBlur(soft, (0, 0), 0.45 * shrink)
    truth = cv2.warpAffine(soft, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101) > 0.5
    if not LEAST / 2 <= np.count_nonzero(truth) <= 0.97 * truth.size:
        return None
    made = Lesson(_jittered(window, rng), truth, picture_maps(features, matrix, side))
    if detail:
        made.correct(_spoilt(made.truth, rng))
    else:
        _first(made, rng)
    return made


def picture_maps(features: PhotoFeatures, matrix: NDArray[np.float64], side: int) -> list[Floats]:
    """The maps on the window to which ``matrix`` takes the picture's pixels."""
    back = cv2.invertAffineTransform(matrix)
    # From pixel centres to outer corners.
    back[:, 2] += 0.5 - back[:, :2] @ np.array([0.5, 0.5])
    return features.window(back, (side, side))


def _jittered(window: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """A little brighter or darker than the picture that the pretrained network saw."""
    levels = window.astype(np.float32) * rng.uniform(0.88, 1.12) + rng.uniform(-10, 10)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _window(target: Mask, side: int, rng: Rng, detail: bool) -> tuple[NDArray[np.float64], float]:
    """Affine map of a turned, stretched, perhaps mirrored window about the target, and how much it shrinks.

    A window on a ``detail`` lies about a point of the outline, most of the target beyond it.
    """
    x, y, w, h = cv2.boundingRect(target.view(np.uint8))
    low, high = (0.25, 0.8) if detail else (0.75, 7.0)
    extent = max(w, h) * np.exp(rng.uniform(np.log(low), np.log(high)))
    extent = float(np.clip(extent, 28, 1.1 * target.shape[0]))
    outline = cv2.morphologyEx(target.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    ys, xs = np.nonzero(outline if detail else target)
    k = int(rng.integers(len(ys)))
    share = 1.0 if detail else rng.uniform(0, 0.7)
    centre = (1 - share) * np.array([x + w / 2, y + h / 2]) + share * np.array([xs[k], ys[k]])
    centre += rng.normal(0, 0.08, 2) * extent
    if rng.random() < 0.8:
        # As windows of a photo do: they stay on it.
        half = min(extent, target.shape[0]) / 2
        centre = np.clip(centre, half, target.shape[0] - half)
    turn = np.radians(90 * int(rng.integers(4)) + (rng.normal(0, 12) if rng.random() < 0.5 else 0.0))
    zoom = side / extent
    scale = np.diag([zoom * np.exp(rng.normal(0, 0.1)) * rng.choice([-1, 1]), zoom * np.exp(rng.normal(0, 0.1))])
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ scale
    return np.concatenate([turned, (side / 2 - turned @ centre)[:, None]], 1), 1 / zoom


def _first(made: Lesson, rng: Rng) -> None:
    """A box (12 %), box and click (4 %), a click (77 %), or a region to be corrected (7 %)."""
    kind = rng.random()
    if kind < 0.16:
        made.box = _box(made.truth, rng)
    if kind < 0.12:
        return
    if kind > 0.93:
        made.correct(_spoilt(made.truth, rng))
    elif rng.random() < 0.6:
        made.clicks.append(loose_click(made.truth, rng))
    else:
        made.correct(np.zeros_like(made.truth))
        made.region = None


def loose_click(truth: Mask, rng: Rng) -> Click:
    """People do not aim for the middle."""
    depth = cv2.distanceTransform(np.pad(truth, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    ys, xs = np.nonzero(depth >= depth.max() * rng.uniform(0.3, 0.95))
    k = int(rng.integers(len(ys)))
    return Click(float(xs[k]), float(ys[k]))


def _box(truth: Mask, rng: Rng) -> tuple[float, float, float, float]:
    x, y, w, h = cv2.boundingRect(truth.view(np.uint8))
    slack = np.abs(rng.normal(0, 0.06, 4)) * max(w, h) + rng.uniform(0, 2)
    return x - slack[0], y - slack[1], x + w + slack[2], y + h + slack[3]


def _spoilt(truth: Mask, rng: Rng) -> Mask:
    """A region so far that is wrong in places."""
    side = truth.shape[0]
    noise = cv2.resize(rng.normal(size=(6, 6)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    size = np.sqrt(np.count_nonzero(truth))
    outer = cv2.distanceTransform((~truth).astype(np.uint8), cv2.DIST_L2, 3)
    inner = cv2.distanceTransform(truth.astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray((inner - outer) > noise * size * rng.uniform(0.05, 0.3))
