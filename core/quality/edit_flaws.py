"""What gives an edited photo away: a ghost of what was there, a step of light at the mask's edge, foreign texture.

The photo and the sample alone are compared, where the sample shows plain ground; limits are fitted on rendered
twins (docs/benchmarks.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.images.geometry import dilated, mask_box
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

SIDE = 512
"""Pixels of the longer side of photos on which the limits were fitted. On smaller and larger ones the ring, the grain
and the bands of light shrink and grow along, by LEAST_SCALE to MOST_SCALE: the same product is seen the same."""
LEAST_SCALE, MOST_SCALE = 0.5, 2.0
STRONG = 12.0
"""Levels per pixel from which an edge of the sample belongs to a part that lies there, and not to ground."""
OLD_EDGE = 4.0
"""Levels per pixel from which an edge of the photo would leave a ghost."""
RING = 14
"""Pixels around the mask that the filled ground is compared with; as seen on a photo of SIDE."""
GROUND_LEVELS = 22.0
"""Levels by which ground inside the mask may differ from that beside it; a part differs by more."""
GROUND_SIGMA, LEAST_WEIGHT = 12.0, 1e-3
"""Pixels, on a photo of SIDE, from which ground beside the mask says how that inside looks, and the weight of what
lies farther off."""
LEAST_SHARE = 0.6
"""Share of the mask that must show ground for its flaws to be told."""
LEAST = 60
"""Pixels from which a figure is told."""
PLACE = 4.0
"""Pixels over which is averaged to tell where a flaw is worst."""
FLOOR = 0.15
"""Levels per pixel added to the ground's own slope: on a flat surface rounding is the measure."""


@dataclass(frozen=True)
class Flaw:
    """How bad a flaw is, and (row, column) where it is worst, in pixels."""

    value: float
    at: tuple[int, int]

    def scores(self, name: str, box: tuple[slice, slice]) -> dict[str, float]:
        """As scores: ``name`` and ``name_x``, ``name_y`` in the photo; ``at`` is inside ``box``."""
        return {
            name: self.value,
            f"{name}_x": float(self.at[1] + box[1].start),
            f"{name}_y": float(self.at[0] + box[0].start),
        }


def edit_flaws(before: Image, after: Image, mask: Mask) -> dict[str, float]:
    """Of a photo and its edit, uint8 (H, W, 3), and the mask of what changed, bool (H, W):

    ghost       how strongly edges that the photo had inside the mask are still seen on the plain ground there, in
                units of the ground's own slopes beside it; 0 is none
    light_step  levels by which the ground's light jumps across the mask's edge, its slope taken off; 0 is none
    texture     how much rougher or smoother the ground is inside than beside it, as a ratio; 1 is alike

    Beside each stands where it is worst, in pixels of the photo: ``ghost_x``, ``ghost_y`` and so on. A figure is left
    out where too little plain ground is there to tell it.
    """
    scale = float(np.clip(max(mask.shape) / SIDE, LEAST_SCALE, MOST_SCALE))
    reach = round(RING * scale)
    box = mask_box(mask, pad=reach + 6)
    inside = mask[box]
    old, new = (
        cv2.cvtColor(np.ascontiguousarray(i[box]), cv2.COLOR_RGB2GRAY).astype(np.float32) for i in (before, after)
    )
    found: dict[str, float] = {}
    if not inside.any():
        return found
    slopes, was = _slopes(new.astype(np.float32)), _slopes(old.astype(np.float32))
    plain = ~dilated(np.asarray(np.hypot(*slopes) > STRONG, np.bool_), 3)
    ring = dilated(inside, reach) & ~dilated(inside, 2) & plain & (np.hypot(*was) <= STRONG)
    colours = np.ascontiguousarray(after[box]).astype(np.float32)
    ground = inside & plain & _alike(colours, ring, GROUND_SIGMA * scale)
    if np.count_nonzero(ground) < LEAST_SHARE * np.count_nonzero(inside):
        return found
    if np.count_nonzero(ring) < LEAST or np.count_nonzero(ground) < LEAST:
        return found
    if (ghost := _ghost(slopes, was, ground, ring)) is not None:
        found |= ghost.scores("ghost", box)
    inner = cv2.erode(ground.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    found |= _texture(np.asarray(new, np.float32), inner, ring, scale).scores("texture", box)
    if (step := _light_step(colours, inside, ground | (~inside & plain), scale)) is not None:
        found |= step.scores("light_step", box)
    return found


def _peak(field: Floats, where: Mask) -> tuple[int, int]:
    """(row, column) of the largest value among the pixels of ``where``."""
    row, column = np.unravel_index(int(np.argmax(np.where(where, field, -np.inf))), field.shape)
    return int(row), int(column)


def _slopes(grey: Floats) -> tuple[Floats, Floats]:
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.2)
    across, down = (cv2.Sobel(smooth, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _alike(colours: Floats, ring: Mask, sigma: float) -> Mask:
    """Where the sample has about the colour of the ground beside the mask: of the ring within some ``sigma`` pixels,
    or of all of it where that is farther off."""
    if not ring.any():
        return ring
    mean = colours[ring].mean(axis=0)
    weight = cv2.GaussianBlur(ring.astype(np.float32), (0, 0), sigma)[..., None]
    near = cv2.GaussianBlur((colours - mean) * ring[..., None], (0, 0), sigma) / (weight + LEAST_WEIGHT) + mean
    return np.asarray((np.abs(cv2.GaussianBlur(colours, (0, 0), 1.0) - near).max(axis=2) < GROUND_LEVELS), np.bool_)


def _ghost(now: tuple[Floats, Floats], was: tuple[Floats, Floats], ground: Mask, ring: Mask) -> Flaw | None:
    """The share of the old edges that is left, times their strength, over the ground's own slopes."""
    edges = ground & (np.hypot(*was) > OLD_EDGE)
    if np.count_nonzero(edges) < LEAST:
        return None
    product = np.where(edges, sum(a * b for a, b in zip(now, was, strict=True)), 0).astype(np.float32)
    both = float(product.sum(dtype=np.float64))
    power = sum(float((b[edges] ** 2).sum()) for b in was)
    left = abs(both) / max(power, 1e-6) * np.sqrt(power / np.count_nonzero(edges))
    own = np.sqrt(sum(float((a[ring] ** 2).mean()) for a in now))
    strongest = cv2.GaussianBlur(product * np.float32(np.sign(both)), (0, 0), PLACE)
    return Flaw(float(left / (own + FLOOR)), _peak(np.asarray(strongest, np.float32), edges))


def _texture(grey: Floats, ground: Mask, ring: Mask, scale: float) -> Flaw:
    """The larger of the ratios of deviation, inside to beside or the other way, of two sizes of grain."""
    if np.count_nonzero(ground) < LEAST:
        return Flaw(1.0, _peak(np.zeros_like(grey), ring))
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5 * scale)
    bands = [
        np.asarray(b, np.float32) for b in (grey - smooth, smooth - cv2.GaussianBlur(smooth, (0, 0), 4.0 * scale))
    ]
    ratios = [(_deviation(b[ground]) + 0.2) / (_deviation(b[ring]) + 0.2) for b in bands]
    band, ratio = max(zip(bands, ratios, strict=True), key=lambda pair: max(pair[1], 1 / pair[1]))
    lively = _local(band[..., None] ** 2, ground, PLACE)[0][..., 0]
    return Flaw(max(ratio, 1 / ratio), _peak(lively if ratio > 1 else -lively, ground))


def _deviation(values: Floats) -> float:
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _light_step(image: Floats, inside: Mask, plain: Mask, scale: float) -> Flaw | None:
    """The median step across the plain outline, the largest channel's: between means 1 to 4 pixels to either side,
    less what the slope beyond them says; as seen on a photo of SIDE."""
    depth, away = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (inside, ~inside))
    # The pixel next to the outline shows both sides, on a photo of any size.
    ends = 1.0, 1 + 3 * scale, 1 + 7 * scale
    bands = [(side > a) & (side <= b) & plain for side in (depth, away) for a, b in zip(ends, ends[1:], strict=False)]
    outline = (depth > 0) & (depth <= 1) & plain
    means, weights = zip(*(_local(image, band, 5.0 * scale) for band in bands), strict=True)
    outline &= np.minimum.reduce(weights) > 0.03
    if np.count_nonzero(outline) < LEAST // 2:
        return None
    inner, deep, outer, far = (m[outline] for m in means)
    slope = ((deep - inner) + (outer - far)) / 2
    across = (2 + 3 * scale) / (4 * scale)
    # A wall steps up here and down there; a fill that is too bright is so all around.
    steps = inner - outer - across * slope
    middle = np.median(steps, axis=0)
    channel = int(np.abs(middle).argmax())
    worst = int((steps[:, channel] * np.sign(middle[channel])).argmax())
    return Flaw(
        float(np.abs(middle[channel])), (int(np.nonzero(outline)[0][worst]), int(np.nonzero(outline)[1][worst]))
    )


def _local(image: Floats, chosen: Mask, sigma: float) -> tuple[Floats, Floats]:
    """The chosen pixels' mean around each pixel, float32 (h, w, c), and how many of them are near, 0..1."""
    weight = cv2.GaussianBlur(chosen.astype(np.float32), (0, 0), sigma)
    # OpenCV drops the axis of a single channel.
    held = cv2.GaussianBlur(image * chosen[..., None], (0, 0), sigma).reshape(image.shape)
    return np.asarray(held / np.maximum(weight, 1e-4)[..., None], np.float32), np.asarray(weight, np.float32)
