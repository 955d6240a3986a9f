"""A round part that turns keeps its bright side towards the light: the shading stays where the detail turns."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.layout.cutout import CutPart
from core.engines.layout.paste_part import transformed

Doubles = npt.NDArray[np.float64]

SURE = 0.6
"""Opacity from which a pixel shows the part alone."""
MOST_PIXELS = 3000
"""Pixels from which the shading is told."""
DARK = 4.0
"""Levels added before logarithms, so that black does not decide."""
ROUNDS = 4
ROUND, QUITE_ROUND = 0.75, 0.9
"""Share of the part that a turn by 90 degrees leaves covered, from which its shading is told, and wholly trusted: of a
long part nobody can tell its shading from its own dark end."""
MOST = 0.35
"""Largest logarithm of the light that is changed."""


def turned_in_light(part: CutPart, angle: float, scale: float = 1.0) -> CutPart:
    """``transformed``, with the shading kept where a round part turns."""
    after = transformed(part, angle, scale)
    return relit(part, after) if angle % 360 else after


def relit(before: CutPart, after: CutPart) -> CutPart:
    """``after``, which is ``before`` turned, scaled or mirrored about its middle, with the shading of ``before``.

    The shading is a bent sheet of light over the part; what does not follow it, marks and holes, is left as it is.
    """
    trust = np.clip((_roundness(before) - ROUND) / (QUITE_ROUND - ROUND), 0, 1)
    if trust == 0:
        return after
    was, now = _shading(before), _shading(after)
    if was is None or now is None:
        return after
    down, across = _offsets(after)
    change = trust * (_basis(down, across) @ (was - now))
    gain = np.exp(np.clip(change, -MOST, MOST)).astype(np.float32).reshape(after.alpha.shape)
    return replace(after, colour=np.asarray(np.clip(after.colour * gain[..., None], 0, 255), np.float32))


def _roundness(part: CutPart) -> float:
    """The share of the part's footprint that a turn by 90 degrees about its middle leaves covered."""
    solid = part.alpha > SURE
    centre = part.centre[1] - part.window.x0, part.centre[0] - part.window.y0
    matrix = cv2.getRotationMatrix2D(centre, 90, 1)
    turned = cv2.warpAffine(solid.astype(np.uint8), matrix, solid.shape[::-1], flags=cv2.INTER_NEAREST) > 0
    return float((turned & solid).sum() / max(1, (turned | solid).sum()))


def _offsets(part: CutPart) -> tuple[Doubles, Doubles]:
    """How far each pixel of the window lies from the part's middle, (down, across) in its sides: float64 (N,) each."""
    rows, columns = np.mgrid[: part.alpha.shape[0], : part.alpha.shape[1]]
    down = (rows + part.window.y0 - part.centre[0]) / part.size
    across = (columns + part.window.x0 - part.centre[1]) / part.size
    return down.ravel(), across.ravel()


def _basis(down: Doubles, across: Doubles) -> Doubles:
    """Terms of a bent sheet at these offsets, float64 (N, 5); its level is left out, for it does not turn."""
    return np.stack([down, across, down * down, across * across, down * across], axis=1)


def _shading(part: CutPart) -> Doubles | None:
    """The weights of ``_basis`` that make the logarithm of the part's light; marks are left out. None of a small
    part."""
    at = np.flatnonzero(part.alpha > SURE)
    if at.size < 30:
        return None
    at = at[:: max(1, at.size // MOST_PIXELS)]
    grey = cv2.cvtColor(np.clip(part.colour, 0, 255), cv2.COLOR_RGB2GRAY).ravel()[at]
    values = np.log(grey.astype(np.float64) + DARK)
    down, across = (offsets[at] for offsets in _offsets(part))
    design = np.concatenate([np.ones((at.size, 1)), _basis(down, across)], axis=1)
    weight = np.ones(at.size)
    for _ in range(ROUNDS):
        heavy = design * weight[:, None]
        found = np.linalg.solve(heavy.T @ design + 1e-6 * np.eye(design.shape[1]), heavy.T @ values)
        rest = values - design @ found
        scale = 1.4826 * float(np.median(np.abs(rest))) + 0.01
        weight = np.clip(1 - (rest / (4.5 * scale)) ** 2, 0, 1) ** 2
    return np.asarray(found[1:])
