"""Poisson's equation on any set of pixels: conjugate gradients, preconditioned by multigrid."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from core.types import Mask

Field = npt.NDArray[np.float32]

_LAPLACE = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
_DAMPING = np.float32(0.8 / 4)
_MOST_STEPS = 30
_COARSEST = 4
_RELAXATIONS = 4


def solve_poisson(known: Field, inside: Mask, source: Field | None = None, tolerance: float = 0.25) -> Field:
    """The field u with ``4 u(p) - sum of u over p's neighbours = source(p)`` inside, and u = ``known`` outside.

    ``known`` and ``source`` (None is 0) are float32 (h, w) or (h, w, c); values of ``known`` inside are the
    first guess. The array's border is free (no flux), so ``inside`` may touch it; some pixel must be outside.
    Stops when a step moves no pixel by more than ``tolerance``.
    """
    grids = _grids(inside)
    if known.ndim == 2:
        return _solve_channel(known, source, grids, tolerance)
    # One channel after the other: each stays in the processor's cache.
    planes = [
        _solve_channel(
            np.ascontiguousarray(known[..., channel]),
            None if source is None else np.ascontiguousarray(source[..., channel]),
            grids,
            tolerance,
        )
        for channel in range(known.shape[2])
    ]
    return np.stack(planes, axis=2)


def _solve_channel(known: Field, source: Field | None, grids: list[Field], tolerance: float) -> Field:
    """Flexible conjugate gradients; Polak-Ribiere's form forgives a preconditioner that is not quite symmetric."""
    u = known.astype(np.float32, copy=True)
    rest = _laplace(u)
    if source is not None:
        rest += source
    rest *= grids[0]
    step = direction = _cycle(rest, grids)
    height = _dot(step, rest)
    for _ in range(_MOST_STEPS):
        bent = _laplace(direction)
        bent *= grids[0]
        length = -height / min(_dot(direction, bent), -1e-20)
        move = length * direction
        u += move
        if max(float(move.max()), -float(move.min())) <= tolerance:
            break
        change = length * bent
        rest += change
        step = _cycle(rest, grids)
        direction = step + np.float32(_dot(step, change) / max(height, 1e-20)) * direction
        height = _dot(step, rest)
    return u


def _laplace(u: Field) -> Field:
    """The sum over the four neighbours less four times the pixel; beyond the border nothing flows."""
    out: Field = cv2.filter2D(u, -1, _LAPLACE, borderType=cv2.BORDER_REPLICATE)
    return out


def _dot(a: Field, b: Field) -> float:
    return float(np.dot(a.reshape(-1), b.reshape(-1)))


def _grids(inside: Mask) -> list[Field]:
    """``inside`` as 0 and 1 on ever coarser grids.

    A coarse pixel is unknown where all its fine pixels are, so a correction never touches known ones.
    """
    grids = [inside.astype(np.float32)]
    while min(inside.shape) > _COARSEST and inside.any():
        height, width = inside.shape
        padded = np.pad(inside, ((0, height % 2), (0, width % 2)), mode="edge")
        pairs = padded[::2] & padded[1::2]
        inside = pairs[:, ::2] & pairs[:, 1::2]
        grids.append(inside.astype(np.float32))
    return grids


def _cycle(rest: Field, grids: list[Field]) -> Field:
    """One V-cycle for the correction e with ``4 e - neighbours = rest``, e = 0 outside."""
    damping = grids[0] * _DAMPING
    e = damping * rest
    e += damping * (_laplace(e) + rest)
    if len(grids) > 1:
        left = grids[0] * (_laplace(e) + rest)
        height, width = rest.shape
        if height % 2 or width % 2:
            left = cv2.copyMakeBorder(left, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT)
        size = (left.shape[1] // 2, left.shape[0] // 2)
        # The stencil is not divided by the squared pixel size, which is 4 times as large one level down.
        error = _cycle(4 * cv2.resize(left, size, interpolation=cv2.INTER_AREA), grids[1:])
        fine = cv2.resize(error, (size[0] * 2, size[1] * 2), interpolation=cv2.INTER_LINEAR)
        e += grids[0] * fine[:height, :width]
    for _ in range(2):
        e += damping * (_laplace(e) + rest)
    return e


def membrane(values: Field, fixed: Mask) -> Field:
    """A smooth sheet through ``values`` where ``fixed`` is True, free elsewhere and at the border.

    float32 (h, w) or (h, w, c); some pixel must be fixed. It is close to the harmonic one: solved from coarse to
    fine, a few relaxations at each level.
    """
    levels = []
    share = fixed.astype(np.float32)
    known = values * (share if values.ndim == 2 else share[..., None])
    while True:
        held = share if values.ndim == 2 else share[..., None]
        levels.append((known / np.maximum(held, 1e-6), (held > 0).astype(np.float32)))
        if max(share.shape) <= 2 or (share > 0).all():
            break
        size = (-(-share.shape[1] // 2), -(-share.shape[0] // 2))
        pad = (0, size[1] * 2 - share.shape[0], 0, size[0] * 2 - share.shape[1])
        if any(pad):
            known, share = (cv2.copyMakeBorder(f, *pad, cv2.BORDER_CONSTANT) for f in (known, share))
        known, share = (cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in (known, share))
    height, width = share.shape
    u = np.broadcast_to(known.sum(axis=(0, 1)) / share.sum(), known.shape).astype(np.float32)
    for target, held in reversed(levels):
        height, width = target.shape[:2]
        if u.shape[:2] != (height, width):
            u = cv2.resize(u, (2 * u.shape[1], 2 * u.shape[0]), interpolation=cv2.INTER_LINEAR)[:height, :width]
        for _ in range(_RELAXATIONS):
            u += held * (target - u)
            u = cv2.blur(u, (3, 3), borderType=cv2.BORDER_REPLICATE)
        u += held * (target - u)
    return u
