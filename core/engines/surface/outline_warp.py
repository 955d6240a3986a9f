"""Which pixel of a defect comes to lie where in another mask: turned, scaled, then bent, outline onto outline."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.surface.transplant import Coordinates, mask_axes, shape_map
from core.masks.morphology import signed_edge_distance
from core.types import Mask

Linear = npt.NDArray[np.float64]
"""(2, 2): from offsets (x, y) in the target to offsets in the defect's cut."""
_GRID = 96
"""Side of the grid on which the bending is found."""
_STEPS = 14
_SMOOTH = 0.04
"""Width of the smoothing of the bending, in sides of the grid."""
_FARTHEST = 0.35
"""How far a pixel is bent at most, in sides of the grid."""
_MEETS = 0.6
"""Overlap (IoU) of the bent defect with the mask below which they are too different to be bent onto each other."""
_AS_GOOD = 0.05
_POINTS = 2500


@dataclass(frozen=True)
class TurnLimit:
    """How a defect may be laid: turned by up to ``degrees`` either way, ``mirrored`` or not."""

    degrees: float = 180.0
    mirrored: bool = True


@dataclass(frozen=True)
class OutlineWarp:
    """``where`` (h, w, 2) is the (x, y) in the defect's cut for each pixel of the target. ``with_surroundings``:
    beyond the mask it shows what surrounds the defect; else it is of use inside alone."""

    where: Coordinates
    with_surroundings: bool


def warp_onto(defect: Mask, target: Mask, limit: TurnLimit, rng: np.random.Generator) -> OutlineWarp:
    """Lays ``defect``, bool (a, b), into ``target``, bool (h, w); both not empty.

    Of the turns that ``limit`` allows, one of those that fit best is drawn; if none is allowed, it is scaled only.
    """
    linear = _chosen_turn(defect, target, limit, rng)
    (cd, _, _), (ct, _, _) = mask_axes(defect), mask_axes(target)
    matrix = np.concatenate([linear, (cd - linear @ ct)[:, None]], axis=1)
    bend, overlap = _bending(defect, target, matrix)
    if overlap < _MEETS:
        mirror = bool(rng.integers(2)) and limit.mirrored
        return OutlineWarp(shape_map(defect, target, bool(rng.integers(2)) and limit.degrees >= 180, mirror), False)
    ys, xs = np.mgrid[: target.shape[0], : target.shape[1]].astype(np.float32)
    points = np.dstack([xs, ys]) + bend
    return OutlineWarp((points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32), True)


def _chosen_turn(defect: Mask, target: Mask, limit: TurnLimit, rng: np.random.Generator) -> Linear:
    (cd, ad, sd), (ct, at, st) = mask_axes(defect), mask_axes(target)
    ratio = np.clip(sd / st, 0.1, 10.0)
    found: list[Linear] = []
    for half in (0.0, np.pi):
        for side in (1.0, -1.0):
            linear = _turn(ad + half) @ np.diag(ratio * (1.0, side)) @ _turn(at).T
            if _allowed(linear, limit):
                found.append(linear)
    if not found:
        return np.diag(np.clip(_spread(defect) / _spread(target), 0.1, 10.0))
    points = np.argwhere(target)[:: max(1, int(np.count_nonzero(target)) // _POINTS), ::-1] - ct
    area = np.count_nonzero(defect) / np.count_nonzero(target)
    overlaps = np.array([_overlap(defect, points @ one.T + cd, area / abs(np.linalg.det(one))) for one in found])
    good = np.flatnonzero(overlaps >= overlaps.max() - _AS_GOOD)
    return found[int(rng.choice(good))]


def _allowed(linear: Linear, limit: TurnLimit) -> bool:
    mirrored = bool(np.linalg.det(linear) < 0)
    if mirrored and not limit.mirrored:
        return False
    u, _, vt = np.linalg.svd(linear @ np.diag((-1.0 if mirrored else 1.0, 1.0)))
    turn = u @ vt
    return bool(abs(np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))) <= limit.degrees + 1e-6)


def _turn(angle: float) -> Linear:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _spread(mask: Mask) -> npt.NDArray[np.float64]:
    """Standard deviations along x and y."""
    ys, xs = np.nonzero(mask)
    return np.sqrt(np.array([xs.var(), ys.var()]) + 0.08)


def _overlap(defect: Mask, points: npt.NDArray[np.float64], defect_share: float) -> float:
    """IoU from points (N, 2) of the target in the defect's cut, whose area there is ``defect_share`` of its own."""
    at = np.rint(points).astype(np.intp)
    inside = (at >= 0).all(axis=1) & (at[:, 0] < defect.shape[1]) & (at[:, 1] < defect.shape[0])
    both = np.count_nonzero(defect[at[inside, 1], at[inside, 0]]) / len(points)
    return float(both / max(1 + defect_share - both, 1e-6))


def _bending(defect: Mask, target: Mask, matrix: Linear) -> tuple[Coordinates, float]:
    """Displacements (h, w, 2) in the target that bring its outline onto the turned defect's, and the IoU then.

    Each step moves along the gradient of one signed distance towards the value of the other, then smooths.
    """
    height, width = target.shape
    step = max(1.0, max(height, width) / _GRID)
    size = (max(2, round(width / step)), max(2, round(height / step)))
    scale = np.array([width / size[0], height / size[1]])
    small = cv2.resize(target.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    inner = matrix @ np.array([[scale[0], 0, scale[0] / 2 - 0.5], [0, scale[1], scale[1] / 2 - 0.5], [0, 0, 1]])
    laid = cv2.warpAffine(defect.astype(np.float32), inner, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) >= 0.5
    bend = np.zeros((size[1], size[0], 2), np.float32)
    if not small.any() or not laid.any():
        return np.zeros((height, width, 2), np.float32), 1.0 if step == 1 else 0.0
    wanted, found = signed_edge_distance(small), signed_edge_distance(laid)
    slopes = np.gradient(found)
    ys, xs = np.mgrid[: size[1], : size[0]].astype(np.float32)
    far, sigma = _FARTHEST * max(size), max(1.0, _SMOOTH * max(size))
    for _ in range(_STEPS):
        at = (xs + bend[..., 0], ys + bend[..., 1])
        gap = wanted - _at(found, at)
        move = np.dstack([gap * _at(slopes[1], at), gap * _at(slopes[0], at)])
        bend = np.clip(bend + cv2.GaussianBlur(move, (0, 0), sigma), -far, far).astype(np.float32)
    met = _at(found, (xs + bend[..., 0], ys + bend[..., 1])) < 0
    overlap = np.count_nonzero(met & small) / max(1, int(np.count_nonzero(met | small)))
    whole = cv2.resize(bend, (width, height), interpolation=cv2.INTER_LINEAR) * scale.astype(np.float32)
    return np.asarray(whole, np.float32).reshape(height, width, 2), float(overlap)


def _at(field: npt.NDArray[np.float32], at: tuple[npt.NDArray[np.float32], ...]) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.remap(field, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)
