"""The same photo again: saved once more, resized, lit otherwise, moved a little, turned or mirrored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

from core.images.geometry import coverage, resized
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

SIDE = 64
"""Pixels a side at which photos are compared."""
SAME_PHOTO = 0.8
"""Likeness from which on two photos can be of the same thing. Of pairs of inspection photos of surfaces that reach it,
all but a few do show the same part, under other light too; boards of one design reach it with other defects."""

RESAVED = 0.95
"""Likeness that only another copy of the same file reaches, where there are no good photos to compare with."""

_REACH = 6
_NEARER_THAN_GOOD = 0.5
_OVERLAP = 0.3


@dataclass(frozen=True)
class PhotoPattern:
    """What a photo is compared by.

    ``pattern`` float32 (SIDE, SIDE), of length 1, is its detail with light and contrast evened out. ``mask`` float32
    (SIDE, SIDE), 0..1, is how much of each cell its anomaly covers, all 0 for a good photo.
    """

    pattern: Floats
    mask: Floats

    @classmethod
    def of(cls, image: Image, mask: Mask | None = None) -> PhotoPattern:
        """The pattern of ``image`` uint8 (H, W, 3) with its anomaly's ``mask`` bool (H, W)."""
        grey = resized(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (SIDE, SIDE))
        detail = grey - cv2.GaussianBlur(grey, (0, 0), SIDE / 16)
        local = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), SIDE / 8))
        # A share of the whole photo's contrast keeps the grain of an even surface from counting like a contour.
        evened = detail / (local + 0.3 * float(np.sqrt((detail * detail).mean())) + 1e-3)
        evened -= evened.mean()
        covered = np.zeros((SIDE, SIDE), np.float32) if mask is None else coverage(mask, (SIDE, SIDE))
        return cls(np.asarray(evened / max(float(np.linalg.norm(evened)), 1e-6), np.float32), covered)

    def turned(self) -> Iterator[PhotoPattern]:
        """The photo as it is, turned by quarters, and all that mirrored."""
        for flip in (False, True):
            for quarters in range(4):
                ways = (np.rot90(a[:, ::-1] if flip else a, quarters) for a in (self.pattern, self.mask))
                yield PhotoPattern(*map(np.ascontiguousarray, ways))


def find_copies(
    photos: Sequence[PhotoPattern],
    known: Sequence[PhotoPattern],
    good: Sequence[PhotoPattern] = (),
    tick: Callable[[], None] = lambda: None,
) -> list[int | None]:
    """For each of ``photos`` the index of that of ``known`` which it shows again, or None.

    Both are photos of anomalies. One shows another again when they are alike by SAME_PHOTO, the anomaly lies in the
    same place, and no photo of a ``good`` part is half as near: photos of parts in one pose are all alike. Without
    ``good`` photos they have to be alike by RESAVED. ``tick`` is called for each of ``known`` and may raise.
    """
    if not photos or not known:
        return [None] * len(photos)
    spectra = scipy.fft.rfft2(np.stack([photo.pattern for photo in photos]))
    best, found = np.full(len(photos), SAME_PHOTO if good else RESAVED, np.float32), [-1] * len(photos)
    for index, one in enumerate(known):
        tick()
        for way in one.turned():
            likeness, shift = _aligned(spectra, way.pattern)
            for i in map(int, np.flatnonzero(likeness > best)):
                if _in_place(photos[i].mask, way.mask, (int(shift[0][i]), int(shift[1][i]))):
                    best[i], found[i] = likeness[i], index
    hits = [i for i, index in enumerate(found) if index >= 0]
    for one in good if hits else ():
        tick()
        likeness, _ = _aligned(spectra[hits], one.pattern)
        for i, near in zip(hits, likeness, strict=True):
            if 1 - best[i] > _NEARER_THAN_GOOD * (1 - near):
                found[i] = -1
    return [None if index < 0 else index for index in found]


def _aligned(spectra: npt.NDArray[np.complex64], other: Floats) -> tuple[Floats, tuple[Floats, Floats]]:
    """The likeness (N,) of N photos to ``other`` where it lies best within _REACH, and the (rows, columns) it is moved
    by there."""
    product = spectra * np.conj(scipy.fft.rfft2(other))
    near = np.roll(scipy.fft.irfft2(product, (SIDE, SIDE)), (_REACH, _REACH), (1, 2))
    near = near[:, : 2 * _REACH + 1, : 2 * _REACH + 1].reshape(len(spectra), -1)
    at = near.argmax(axis=1)
    rows, cols = np.divmod(at, 2 * _REACH + 1)
    return near[np.arange(len(near)), at], (rows - _REACH, cols - _REACH)


def _in_place(mask: Floats, other: Floats, shift: tuple[int, int]) -> bool:
    """Whether the anomalies overlap; masks drawn by two people agree in a part only."""
    moved = cv2.dilate(np.roll(other, shift, (0, 1)), np.ones((3, 3), np.uint8))
    least = min(float(mask.sum()), float(other.sum()))
    return least > 0 and float(np.minimum(mask, moved).sum()) >= _OVERLAP * least
