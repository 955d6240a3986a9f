"""Did a generator learn, or does it repeat? Each generated anomaly beside the real one that is most like it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.features.extract import patch_features
from core.images.geometry import coverage, mask_box
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

CROP_SIDE = 128
"""Side of the crops that are compared."""

MEMORISED_QUANTILE = 0.95
"""A pair is called memorised when it is as close to a real anomaly as less than one real one in 20 is to another."""

_MARGIN = 1.3
_LEAST = 32
_STRIDE = 16
_SAME = 1e-5


def crop_around(image: Image, mask: Mask) -> tuple[Image, Mask]:
    """The defect with a little around it, square, CROP_SIDE x CROP_SIDE: uint8 (CROP_SIDE, CROP_SIDE, 3) and its mask.

    Beyond the photo the edge is repeated. So a defect looks the same here wherever it lies and however large it is.
    """
    rows, cols = mask_box(mask)
    height, width = rows.stop - rows.start, cols.stop - cols.start
    side = max(float(_LEAST), _MARGIN * max(height, width))
    near = mask_box(mask, pad=int(side))
    y, x = (rows.start + rows.stop) / 2 - near[0].start, (cols.start + cols.stop) / 2 - near[1].start
    step = side / CROP_SIDE
    # To the exact middle: half a pixel aside is two in the close-up of a speck, and its mirror image another defect.
    matrix = np.array([[step, 0, x - (side - step + 1) / 2], [0, step, y - (side - step + 1) / 2]])
    shown = _warped(image[near], matrix, step, cv2.BORDER_REPLICATE)
    drawn = _warped(mask[near].astype(np.float32), matrix, step, cv2.BORDER_CONSTANT)
    return np.asarray(shown, np.uint8), drawn >= min(0.5, float(drawn.max()))


def _warped(array: npt.NDArray[Any], matrix: npt.NDArray[np.float64], step: float, border: int) -> npt.NDArray[Any]:
    """``array`` read at ``matrix`` times output pixel, smoothed first where that skips pixels."""
    source = np.ascontiguousarray(array)
    if step > 1:
        source = cv2.GaussianBlur(
            source, (0, 0), 0.5 * np.sqrt(step * step - 1) + 1e-3, borderType=cv2.BORDER_REPLICATE
        )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(source, matrix, (CROP_SIDE, CROP_SIDE), flags=flags, borderMode=border))


def embed(crop: Image, mask: Mask) -> Floats:
    """A vector of length 1, float32 (D,): what each place of the crop's mask looks like.

    The dot product of two is their similarity: 1 for the same defect in the same shape, 0 for masks that share no
    place.
    """
    features = patch_features(crop, stride=_STRIDE, longest=CROP_SIDE)
    share = coverage(mask, (features.shape[0], features.shape[1]))
    vector = (features * share[..., None]).ravel()
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)


def orientations(crop: Image, mask: Mask) -> Iterable[tuple[Image, Mask]]:
    """The crop as it is, turned by quarters, and mirrored: eight ways to paste one defect."""
    for flip in (False, True):
        for quarters in range(4):
            pair = [np.rot90(a[:, ::-1] if flip else a, quarters) for a in (crop, mask)]
            yield np.ascontiguousarray(pair[0]), np.ascontiguousarray(pair[1])


@dataclass(frozen=True)
class NearestReal:
    """``similarity`` (N,) of each generated anomaly to the most similar real one, ``nearest_index`` (N,) of them
    that is.

    ``real_similarity`` (M,): each real anomaly's similarity to the most similar other one, what chance and the
    defect itself bring about; empty for one real anomaly.
    """

    similarity: Floats
    nearest_index: npt.NDArray[np.int64]
    real_similarity: Floats

    def metrics(self) -> dict[str, float]:
        """nearest_similarity, nearest_similarity_real among real anomalies, and memorised: the share of copies."""
        found = {"nearest_similarity": float(self.similarity.mean())}
        if len(self.real_similarity):
            found["nearest_similarity_real"] = float(self.real_similarity.mean())
            found["memorised"] = float(
                (self.similarity >= np.quantile(self.real_similarity, MEMORISED_QUANTILE) - _SAME).mean()
            )
        return found


def find_nearest_real(
    made: Iterable[tuple[Image, Mask]], real: Iterable[tuple[Image, Mask]], tick: Callable[[], None]
) -> NearestReal:
    """Compare crops of generated and of real anomalies, up to turns and mirror images."""
    ours = []
    for crop, mask in made:
        tick()
        ours.append(embed(crop, mask))
    theirs = []
    for crop, mask in real:
        tick()
        theirs.append(np.stack([embed(*way) for way in orientations(crop, mask)]))
    mine, ways = np.stack(ours), np.stack(theirs)
    similarity = np.max([mine @ ways[:, k].T for k in range(ways.shape[1])], axis=0)
    among = np.max([ways[:, 0] @ ways[:, k].T for k in range(ways.shape[1])], axis=0)
    np.fill_diagonal(among, -1)
    return NearestReal(
        similarity.max(axis=1).astype(np.float32),
        similarity.argmax(axis=1),
        among.max(axis=1).astype(np.float32) if len(ways) > 1 else np.zeros(0, np.float32),
    )
