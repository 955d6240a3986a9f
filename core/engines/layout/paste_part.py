"""Turn, mirror and scale a part, and lay it on a surface with its shadow."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from core.engines.layout.cutout import CutPart
from core.engines.layout.work_area import Floats, WorkArea, blur, distance_to, sampled_pixels, work_area_of
from core.types import Image, Mask

MAX_GAIN = 0.04
"""Most that a part is brightened or darkened to suit the light at its new place."""
GAIN_ERROR = 0.015
"""How exactly the light of a grainy surface can be told."""


def transformed(part: CutPart, angle: float = 0.0, scale: float = 1.0, flip: str = "") -> CutPart:
    """The part turned ``angle`` degrees counter-clockwise about its centre, scaled, mirrored.

    flip: "" or "horizontal" (left becomes right) or "vertical", about the middle of the part's box. The shadow
    model is kept as it is but for its scale: the light does not turn with the part.
    """
    if flip:
        part = _mirrored(part, flip)
    if angle % 360 == 0 and scale == 1:
        return part
    cy, cx = part.centre[0] - part.window.y0, part.centre[1] - part.window.x0
    turn = cv2.getRotationMatrix2D((cx, cy), angle, scale)
    box = work_area_of(part.footprint)
    corners = np.array([(x, y, 1) for x in (box.x0 - 2, box.x1 + 2) for y in (box.y0 - 2, box.y1 + 2)])
    ends = corners @ turn.T
    x0, y0 = np.floor(ends.min(0)).astype(int)
    x1, y1 = np.ceil(ends.max(0)).astype(int)
    turn[:, 2] -= (x0, y0)
    size = (int(x1 - x0), int(y1 - y0))
    # Linear where it shrinks, cubic elsewhere: cubic keeps the texture of a turned part crisp.
    how = cv2.INTER_CUBIC if scale > 0.6 else cv2.INTER_LINEAR
    alpha = np.clip(cv2.warpAffine(part.alpha, turn, size, flags=how), 0, 1)
    alpha[alpha < 0.01] = 0
    solid = _spread_colour(part)
    colour = np.clip(cv2.warpAffine(solid, turn, size, flags=how, borderMode=cv2.BORDER_REPLICATE), 0, 255)
    window = WorkArea(
        y0 + part.window.y0, x0 + part.window.x0, y0 + part.window.y0 + size[1], x0 + part.window.x0 + size[0]
    )
    shadow = replace(part.shadow, **{n: getattr(part.shadow, n) * scale for n in ("dy", "dx", "sigma")})
    return replace(part, window=window, alpha=alpha, colour=colour.astype(np.float32), shadow=shadow, thrown=None)


def _mirrored(part: CutPart, flip: str) -> CutPart:
    box = work_area_of(part.footprint)
    axis = 1 if flip == "horizontal" else 0
    view = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    origin = part.window
    window = WorkArea(origin.y0 + box.y0, origin.x0 + box.x0, origin.y0 + box.y1, origin.x0 + box.x1)
    return replace(
        part,
        window=window,
        thrown=None,
        alpha=np.ascontiguousarray(np.flip(part.alpha[view], axis)),
        colour=np.ascontiguousarray(np.flip(part.colour[view], axis)),
    )


def _spread_colour(part: CutPart) -> Floats:
    """Colours that go on past the part's edge, so that resampling mixes in no old surface."""
    opaque = (part.alpha > 0.6).astype(np.float32)
    share = blur(opaque, 2.0)[..., None]
    around = blur(part.colour * opaque[..., None], 2.0) / np.maximum(share, 1e-3)
    keep = (part.alpha > 0.02)[..., None]
    out: Floats = np.where(keep, part.colour, around).astype(np.float32)
    return out


def centred_at(part: CutPart, centre: tuple[float, float]) -> CutPart:
    """The part with its centre at (y, x), to the nearest whole pixel so that its pixels stay as they are."""
    dy, dx = round(centre[0] - part.centre[0]), round(centre[1] - part.centre[1])
    w = part.window
    return replace(
        part,
        window=WorkArea(w.y0 + dy, w.x0 + dx, w.y1 + dy, w.x1 + dx),
        centre=(part.centre[0] + dy, part.centre[1] + dx),
    )


def paste_part(photo: Image, part: CutPart, adapt: bool = True, with_shadow: bool = True) -> tuple[Image, Mask]:
    """``photo`` with the part on it, and the bool (H, W) place it took, shadow included.

    out = a F g + (1 - a) B s: part F of opacity a with gain g for the light there, surface B in the shadow s.
    """
    thrown = part.thrown if with_shadow else None
    reach = thrown.margin if thrown else part.shadow.reach if with_shadow else 0
    wide = part.window.grown(reach)
    seen = wide.clipped(photo.shape)
    padded = np.pad(part.alpha, reach)
    alpha = padded[seen.slices_in(wide)]
    out = photo[seen.slices].astype(np.float32)
    gain = _gain(part, out, alpha) if adapt else 1.0
    place = alpha > 0
    if thrown:
        light = thrown.light[seen.slices_in(wide)]
        place |= np.abs(light - 1).max(axis=2) > 0.002
        out *= light
    elif reach:
        shade = part.shadow.cast(padded)[seen.slices_in(wide)]
        place |= shade < 0.998
        out *= shade[..., None]
    core = part.window.clipped(photo.shape)
    own = core.slices_in(part.window)
    alpha, colour = (thrown.solid.astype(np.float32), thrown.colour) if thrown else (part.alpha, part.colour)
    opacity, inner = alpha[own][..., None], out[core.slices_in(seen)]
    inner += opacity * (colour[own] * np.float32(gain) - inner)
    photo = photo.copy()
    photo[seen.slices] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return photo, seen.full_mask(place, photo.shape[:2])


def _gain(part: CutPart, under: Floats, alpha: Floats) -> float:
    """How much brighter the light is here than where the part lay; 1 where the surfaces are of two kinds."""
    around = distance_to(alpha > 0.5) < max(4, 0.15 * part.size)
    if not around.any():
        return 1.0
    here = np.median(sampled_pixels(under, around, 2000), axis=0)
    ratio = float(np.log((here.mean() + 4) / (part.surface.mean() + 4)))
    # What is less than the measure's own error is left alone.
    ratio = float(np.sign(ratio) * max(abs(ratio) - GAIN_ERROR, 0))
    # Up to MAX_GAIN the difference is taken for light; beyond three times that for another material.
    fade = float(np.clip(1.5 - abs(ratio) / (2 * MAX_GAIN), 0, 1))
    return float(np.exp(np.clip(ratio, -MAX_GAIN, MAX_GAIN) * fade))
