"""How one photo of a fixed camera lies on another: shift, turn and scale, found at reduced size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Image, Mask

_SIDE = 384
"""Longer side in pixels at which photos are registered, unless the caller needs it finer."""
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Registration:
    """``matrix`` float64 (2, 3) takes source pixels to target pixels; ``quality`` is the correlation, -1..1.

    ``quality_as_is`` is the correlation with the source laid on the target's pixels unmoved.
    """

    matrix: npt.NDArray[np.float64]
    quality: float
    quality_as_is: float

    def warp(self, mask: Mask, shape: tuple[int, int]) -> Mask:
        """``mask`` of the source on a target of ``shape`` (H, W)."""
        size = (shape[1], shape[0])
        warped = cv2.warpAffine(mask.astype(np.uint8) * 255, self.matrix, size, flags=cv2.INTER_LINEAR)
        return np.asarray(warped > 127)

    def warp_image(self, image: Image, shape: tuple[int, int]) -> Image:
        """The source photo on the target, edges repeated."""
        size = (shape[1], shape[0])
        return np.asarray(
            cv2.warpAffine(image, self.matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )


def register(source: Image, target: Image, side: int = _SIDE) -> Registration:
    """The better of a shift (phase correlation) and a turn with scale (ORB, RANSAC), polished by ECC.

    The photos, uint8 (H, W, 3), are compared with their longer side at most ``side`` pixels long.
    """
    scale = side / max(*source.shape[:2], *target.shape[:2], side)
    a, b = _evened(source, scale), _evened(target, scale)
    starts = [np.eye(2, 3), _shift(a, b)]
    if (turn := _find_similarity(source, target, scale)) is not None:
        starts.append(turn)
    scored = [(correlation(_warped(a, m, b.shape), b), m) for m in starts]
    quality, matrix = max(scored, key=lambda pair: pair[0])
    polished = _refine_by_ecc(a, b, matrix)
    if (better := correlation(_warped(a, polished, b.shape), b)) > quality:
        quality, matrix = better, polished
    full = matrix.copy()
    # Pixel centres: a point p of the small copy is (p + 0.5) / scale - 0.5 of the photo.
    offset = matrix[:, :2] @ np.array([0.5, 0.5]) * (scale - 1) + matrix[:, 2] - 0.5 * (scale - 1)
    full[:, 2] = offset / scale
    return Registration(full, float(quality), float(scored[0][0]))


def _evened(image: Image, scale: float) -> Floats:
    """Lightness at reduced size with the lighting taken out: local mean 0, local deviation 1."""
    size = (max(round(image.shape[1] * scale), 8), max(round(image.shape[0] * scale), 8))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if size != image.shape[1::-1] else image
    return evened(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32), sigma=size[0] / 16)


def evened(grey: Floats, sigma: float) -> Floats:
    """``grey`` float32 (H, W) with local mean 0 and deviation about 1 over a Gaussian of ``sigma`` pixels."""
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    mean = cv2.GaussianBlur(grey, (0, 0), sigma)
    spread = np.sqrt(np.maximum(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), sigma), 0))
    return np.asarray((grey - mean) / (spread + 4.0), np.float32)


def correlation(a: Floats, b: Floats, where: Mask | None = None) -> float:
    """Correlation of two float32 (H, W) over the finite pixels of ``a`` (and ``where``); 0 without contrast."""
    good = np.isfinite(a) if where is None else np.isfinite(a) & where
    if np.count_nonzero(good) < max(20, 0.25 * good.size if where is None else 20):
        return -1.0
    p, q = a[good] - a[good].mean(), b[good] - b[good].mean()
    length = float(np.sqrt((p * p).sum() * (q * q).sum()))
    return float((p * q).sum() / length) if length > 1e-6 else 0.0


def _warped(a: Floats, matrix: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Floats:
    return np.asarray(
        cv2.warpAffine(a, matrix, (shape[1], shape[0]), borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"))
    )


def _shift(a: Floats, b: Floats) -> npt.NDArray[np.float64]:
    h, w = max(a.shape[0], b.shape[0]), max(a.shape[1], b.shape[1])
    pads = [np.pad(x, ((0, h - x.shape[0]), (0, w - x.shape[1]))) for x in (a, b)]
    (dx, dy), _ = cv2.phaseCorrelate(pads[0], pads[1], cv2.createHanningWindow((w, h), cv2.CV_32F))
    return np.array([[1.0, 0.0, dx], [0.0, 1.0, dy]])


def _find_similarity(source: Image, target: Image, scale: float) -> npt.NDArray[np.float64] | None:
    detector = cv2.ORB.create(nfeatures=900, fastThreshold=8)
    found = []
    for image in (source, target):
        size = (max(round(image.shape[1] * scale), 8), max(round(image.shape[0] * scale), 8))
        grey = cv2.cvtColor(cv2.resize(image, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        found.append(detector.detectAndCompute(cv2.equalizeHist(grey), None))
    (points_a, codes_a), (points_b, codes_b) = found
    if codes_a is None or codes_b is None or len(points_a) < 8 or len(points_b) < 8:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes_a, codes_b)
    if len(matches) < 8:
        return None
    pa = np.array([points_a[m.queryIdx].pt for m in matches], np.float32)
    pb = np.array([points_b[m.trainIdx].pt for m in matches], np.float32)
    cv2.setRNGSeed(7)
    matrix, inliers = cv2.estimateAffinePartial2D(pa, pb, ransacReprojThreshold=2.5, maxIters=1500)
    if matrix is None or inliers.sum() < 8:
        return None
    size_change = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    return np.asarray(matrix, np.float64) if 0.5 < size_change < 2 else None


def _refine_by_ecc(a: Floats, b: Floats, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """ECC from ``matrix``; the start itself where it does not converge."""
    inverse = cv2.invertAffineTransform(matrix).astype(np.float32)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-4)
    try:
        _, refined = cv2.findTransformECC(b, a, inverse, cv2.MOTION_AFFINE, stop, None, 5)
    except cv2.error:
        return matrix
    return np.asarray(cv2.invertAffineTransform(refined.astype(np.float64)))
