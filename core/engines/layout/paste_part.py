"""Turn, mirror and scale a part, and lay it on a surface with its shadow."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.ground.thrown import TurnedLight
from core.engines.layout.cutout import CutPart
from core.engines.layout.work_area import Floats, WorkArea, blur, distance_to, sampled_pixels, work_area_of
from core.images.geometry import dilated
from core.types import Image, Mask

MAX_GAIN = 0.04
"""Most that a part is brightened or darkened to suit the light at its new place."""
GAIN_ERROR = 0.015
"""How exactly the light of a grainy surface can be told."""

SURFACE_REACH = 0.15
"""How far around a part the light of its surface is read, in its sides."""
SAME_OPACITY, SAME_LIGHT = 0.12, 0.025
"""Differences below which a turned part hides and shades a pixel as before."""
SPECK_PIXELS = 2
"""How far around a pixel all must be as before for the photo's own to stay."""


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
    return replace(
        part, window=window, alpha=alpha, colour=colour.astype(np.float32), shadow=part.shadow.scaled(scale),
        thrown=None, turned=_turned(part.turned, turn, size, scale),
    )  # fmt: skip


def _turned(
    light: TurnedLight | None, turn: npt.NDArray[np.float64], size: tuple[int, int], scale: float
) -> TurnedLight | None:
    """The light that turns along, for a window of ``size`` (w, h) to which ``turn`` takes the part's old one."""
    if light is None:
        return None
    margin = int(np.ceil(light.margin * scale))
    wide = turn.copy()
    wide[:, 2] += margin - turn[:, :2] @ np.array([light.margin, light.margin])
    reach = (size[0] + 2 * margin, size[1] + 2 * margin)
    warped = cv2.warpAffine(light.light, wide, reach, flags=cv2.INTER_LINEAR, borderValue=(1, 1, 1))
    return TurnedLight(np.asarray(warped, np.float32), margin)


def _mirrored(part: CutPart, flip: str) -> CutPart:
    box = work_area_of(part.footprint)
    axis = 1 if flip == "horizontal" else 0
    view = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    origin = part.window
    window = WorkArea(origin.y0 + box.y0, origin.x0 + box.x0, origin.y0 + box.y1, origin.x0 + box.x1)
    turned = part.turned
    if turned is not None:
        wide = slice(box.y0, box.y1 + 2 * turned.margin), slice(box.x0, box.x1 + 2 * turned.margin)
        turned = TurnedLight(np.ascontiguousarray(np.flip(turned.light[wide], axis)), turned.margin)
    return replace(
        part,
        window=window,
        thrown=None,
        turned=turned,
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
    reach = thrown.margin if thrown else light_reach(part) if with_shadow else 0
    wide = part.window.grown(reach)
    seen = wide.clipped(photo.shape)
    alpha = np.pad(part.alpha, reach)[seen.slices_in(wide)]
    out = photo[seen.slices].astype(np.float32)
    gain = _gain(part, out, alpha) if adapt else 1.0
    place = alpha > 0
    if reach:
        light = (thrown.light if thrown else light_under(part, reach))[seen.slices_in(wide)]
        place |= np.abs(light - 1).max(axis=2) > 0.002
        out *= light
    core = part.window.clipped(photo.shape)
    own = core.slices_in(part.window)
    alpha, colour = (thrown.solid.astype(np.float32), thrown.colour) if thrown else (part.alpha, part.colour)
    opacity, inner = alpha[own][..., None], out[core.slices_in(seen)]
    inner += opacity * (colour[own] * np.float32(gain) - inner)
    photo = photo.copy()
    photo[seen.slices] = np.clip(np.rint(out), 0, 255).astype(np.uint8)
    return photo, seen.full_mask(place, photo.shape[:2])


def light_reach(part: CutPart) -> int:
    """Pixels beyond the part in which its model tells the light."""
    return max(part.shadow.reach, part.turned.margin if part.turned else 0)


def light_under(part: CutPart, reach: int) -> Floats:
    """What the surface is multiplied with, float32 (h, w, 3): the part's window and ``reach`` pixels about it.

    It is what the model says, with what of the light turns along with the part.
    """
    light = part.shadow.cast(np.pad(part.alpha, reach))[..., None].repeat(3, axis=2)
    if part.turned is not None:
        more = reach - part.turned.margin
        light *= cv2.copyMakeBorder(part.turned.light, *(more,) * 4, cv2.BORDER_CONSTANT, value=(1, 1, 1))
    return np.asarray(light, np.float32)


def _gain(part: CutPart, under: Floats, alpha: Floats) -> float:
    """How much brighter the light is here than where the part lay; 1 where the surfaces are of two kinds."""
    around = distance_to(alpha > 0.5) < max(4.0, SURFACE_REACH * part.size)
    if not around.any():
        return 1.0
    here = np.median(sampled_pixels(under, around, 2000), axis=0)
    ratio = float(np.log((here.mean() + 4) / (part.surface.mean() + 4)))
    # What is less than the measure's own error is left alone.
    ratio = float(np.sign(ratio) * max(abs(ratio) - GAIN_ERROR, 0))
    # Up to MAX_GAIN the difference is taken for light; beyond three times that for another material.
    fade = float(np.clip(1.5 - abs(ratio) / (2 * MAX_GAIN), 0, 1))
    return float(np.exp(np.clip(ratio, -MAX_GAIN, MAX_GAIN) * fade))


def as_before(before: CutPart, after: CutPart, shape: tuple[int, int]) -> Mask:
    """Where neither the part lies nor its shadow has changed: all about a round part. The photo's own pixels stay.

    Single pixels whose light happens to be the old one do not count: they would be specks of the old shadow.
    """
    (opacity, light), (new_opacity, new_light) = (_seen_of(part, shape) for part in (before, after))
    same = (np.abs(opacity - new_opacity) < SAME_OPACITY) & (new_opacity < 0.5) & (opacity < 0.5)
    same &= np.abs(light - new_light) < SAME_LIGHT
    return ~dilated(~same, SPECK_PIXELS)


def _seen_of(part: CutPart, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """The part's opacity and the darkest channel of the light that it leaves, float32 (H, W) each."""
    reach = light_reach(part)
    wide = part.window.grown(reach)
    seen = wide.clipped(shape)
    opacity, light = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    opacity[seen.slices] = np.pad(part.alpha, reach)[seen.slices_in(wide)]
    light[seen.slices] = light_under(part, reach).min(axis=2)[seen.slices_in(wide)]
    return opacity, light
