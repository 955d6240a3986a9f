"""Photos and masks at a network's size, and balanced batches of them. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import InputError
from core.evaluation.photo_sets import Shot
from core.images.geometry import resized
from core.types import Image, Mask

Batch = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""What the network takes, (B, h, w, C), and masks (B, side, side): bool, or float32 where a feed has soft ones."""


def fit_mask(mask: Mask, shape: tuple[int, int], cover: float = 0.5) -> Mask:
    """``mask`` brought to ``shape`` (H, W): pixels covered by more than ``cover``, a share in 0..1.

    A mask too thin for any pixel keeps those that it covers most, so that no defect is lost.
    """
    if mask.shape == shape:
        return mask
    share = fit_share(mask, shape)
    kept = share > cover
    if not kept.any() and mask.any():
        kept = share >= share.max()
    return np.asarray(kept, np.bool_)


def fit_share(mask: Mask, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """float32 (H, W): how much of each pixel of the new size the mask covers, 0..1."""
    how = cv2.INTER_AREA if mask.shape[0] >= shape[0] and mask.shape[1] >= shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=how), np.float32)


class TrainingFeed:
    """A training set in memory. ``cover`` is as in fit_mask; ``check`` is called for every photo read.

    ``prepare`` turns a photo uint8 (H, W, 3) into what the network takes, (h, w, C); left out, it is the photo at
    ``side`` x ``side``. InputError without good photos or without anomalies.
    """

    target_type: type[np.bool_] | type[np.float32] = np.bool_
    """Of the masks."""

    def __init__(
        self,
        shots: Sequence[Shot],
        side: int,
        cover: float = 0.5,
        check: Callable[[], None] = lambda: None,
        prepare: Callable[[Image], npt.NDArray[Any]] | None = None,
    ) -> None:
        good = sum(shot.good for shot in shots)
        if not good or good == len(shots):
            raise InputError(
                f"training set: expected good photos and anomalies with masks, got {good} good photos and "
                f"{len(shots) - good} anomalies; add what is missing"
            )
        self.side, self._cover = side, cover
        self.preprocess = prepare or (lambda image: resized(image, (side, side), "linear"))
        self.labels = tuple(sorted({shot.label for shot in shots if not shot.good}))
        self._good: list[Any] = []
        self._pairs: dict[str, list[tuple[Any, npt.NDArray[Any]]]] = {label: [] for label in self.labels}
        for shot in shots:
            check()
            image = shot.read()
            mask = None if shot.good else shot.mask((image.shape[0], image.shape[1]))
            taken = self.stored_input(image, mask)
            if mask is None:
                self._good.append(taken)
            else:
                self._pairs[shot.label].append((taken, self.target(shot, mask)))

    def counts(self) -> dict[str, int]:
        """How many pictures of each label, and of ``good``."""
        return {"good": len(self._good), **{label: len(pairs) for label, pairs in self._pairs.items()}}

    def target(self, shot: Shot, mask: Mask) -> npt.NDArray[Any]:
        """What the network shall say of an anomaly with this ``mask`` bool (H, W): (side, side)."""
        return fit_mask(mask, (self.side, self.side), self._cover)

    def stored_input(self, image: Image, mask: Mask | None) -> Any:
        """What is kept of a photo of the set; ``mask`` bool (H, W) is its anomaly, None for a good one."""
        return self.preprocess(image)

    def network_input(self, taken: Any, rng: np.random.Generator) -> npt.NDArray[Any]:
        """What the network takes, (h, w, C), of a photo that was drawn into a batch."""
        return np.asarray(taken)

    def batch(self, rng: np.random.Generator, size: int, flips: bool = False) -> Batch:
        """Half good photos, half pairs (one more pair where ``size`` is odd); labels come up equally often.

        The published training draws each sample good or anomalous with p = 0.5 and then the label uniformly:
        this is the same in the mean, with every batch balanced. ``flips`` mirrors each sample up and down and left
        and right with p = 0.5; the published training does not.
        """
        inputs: list[npt.NDArray[Any]] = []
        masks = np.zeros((size, self.side, self.side), self.target_type)
        for place in range(size):
            if place < size // 2:
                taken = self._good[rng.integers(len(self._good))]
            else:
                pairs = self._pairs[self.labels[rng.integers(len(self.labels))]]
                taken, masks[place] = pairs[rng.integers(len(pairs))]
            taken = self.network_input(taken, rng)
            if flips:
                rows, columns = (slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(2))
                taken = taken[rows, columns]
                masks[place] = masks[place][rows, columns].copy()
            inputs.append(taken)
        return np.stack(inputs), masks
