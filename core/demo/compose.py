"""A spec becomes a picture: ground, its damage, parts with their shadows, then the camera.

All light is added up in display values 0..1. The picture before the camera's noise is kept: it tells what truly
differs between two scenes.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.demo import flaws
from core.demo.kinds import FRAME, KINDS
from core.demo.sheet import Picture, Sheet
from core.demo.spec import Camera, Item, Spec

SHADOW_TO = np.array([0.72, 0.72])
"""Shadows fall to the lower right (x, y with y down), away from the softbox."""
CAST, CONTACT = 0.50, 0.42
"""How dark the cast shadow and the contact shadow are at most."""


def frame(camera: Camera, side: int) -> NDArray[np.float64]:
    """(2, 3) affine map from sides of the picture to pixel coordinates, with the camera's shift and roll."""
    c, s = np.cos(np.radians(camera.roll)), np.sin(np.radians(camera.roll))
    turn = np.array([[c, -s], [s, c]])
    middle = np.array([0.5, 0.5])
    shift = middle + [camera.dx, camera.dy] - turn @ middle
    return np.concatenate([turn, shift[:, None]], 1) * side - [[0, 0, 0.5], [0, 0, 0.5]]


def lay_ground(base: Picture, camera: Camera) -> Picture:
    """The ground (S, S, 3) as this camera sees it."""
    side = base.shape[0]
    if camera.dx == camera.dy == camera.roll == 0:
        return base.copy()
    to_pixels = frame(camera, side)
    move = to_pixels.copy()
    move[:, :2] /= side
    move[:, 2] = to_pixels @ [0.5 / side, 0.5 / side, 1.0]
    return np.asarray(cv2.warpAffine(base, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _view(item: Item) -> tuple[int, float]:
    """The rendered view nearest to the wanted angle and what is left to turn, in degrees."""
    kind = KINDS[item.kind]
    step = kind.period / kind.views
    nearest = round(item.angle / step)
    return nearest % kind.views, item.angle - nearest * step


def _patch(item: Item, sheet: Sheet, to_pixels: NDArray[np.float64]) -> tuple[Picture, int, int]:
    """The part's sprite at its size and angle, premultiplied RGBA, and the pixel (x, y) of its top left corner."""
    kind = KINDS[item.kind]
    scale = float(np.hypot(*to_pixels[:, 0]))
    wide = item.size * scale * FRAME
    view, rest = _view(item)
    sprite = sheet.sprite(item.kind, view, wide)
    angle = np.radians(item.angle)
    x, y = to_pixels @ [item.x, item.y, 1.0]
    hold = kind.pivot * item.size / 2 * scale
    x, y = x - hold * np.cos(angle), y + hold * np.sin(angle)
    # Shadows reach past the sprite, so the patch has a margin for them.
    margin = int(wide * (0.16 + 0.22 * kind.height)) + 3
    reach = int(np.ceil(wide / 2)) + margin
    left, top = int(round(x)) - reach, int(round(y)) - reach
    zoom = wide / sprite.shape[0]
    roll = np.degrees(np.arctan2(to_pixels[1, 0], to_pixels[0, 0]))
    middle = (sprite.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rest - roll, zoom)
    matrix[:, 2] += [x - left - middle, y - top - middle]
    size = (2 * reach + 1, 2 * reach + 1)
    return np.asarray(cv2.warpAffine(sprite, matrix, size, flags=cv2.INTER_LINEAR)), left, top


def _clip(patch: Picture, left: int, top: int, side: int) -> tuple[Picture, slice, slice] | None:
    y0, x0 = max(0, -top), max(0, -left)
    y1, x1 = min(patch.shape[0], side - top), min(patch.shape[1], side - left)
    if y0 >= y1 or x0 >= x1:
        return None
    return patch[y0:y1, x0:x1], slice(top + y0, top + y1), slice(left + x0, left + x1)


def _shadow(alpha: Picture, wide: float, height: float) -> Picture:
    """What is left of the light beside a part: a soft cast shadow and a narrow dark seam where it touches."""
    far = wide / FRAME / 2 * height * 0.30
    move = np.array([[1, 0, SHADOW_TO[0] * far], [0, 1, SHADOW_TO[1] * far]])
    thrown = cv2.warpAffine(alpha, move, alpha.shape[::-1], flags=cv2.INTER_LINEAR)
    thrown = cv2.GaussianBlur(thrown, (0, 0), max(0.6, 0.55 * far))
    seam = cv2.GaussianBlur(alpha, (0, 0), max(0.5, 0.020 * wide))
    return np.asarray((1 - CAST * thrown) * (1 - CONTACT * seam), np.float32)


def parts_on(picture: Picture, spec: Spec, sheet: Sheet) -> tuple[Picture, NDArray[np.int16]]:
    """Put the items onto ``picture``; also which item (its number, -1 for none) each pixel shows."""
    side = picture.shape[0]
    to_pixels = frame(spec.camera, side)
    owner = np.full((side, side), -1, np.int16)
    for number, item in enumerate(spec.items):
        patch, left, top = _patch(item, sheet, to_pixels)
        wide = item.size * side * FRAME
        light = _shadow(np.ascontiguousarray(patch[..., 3]), wide, KINDS[item.kind].height)
        clipped = _clip(np.dstack([patch, light]), left, top, side)
        if clipped is None:
            continue
        piece, rows, columns = clipped
        under = picture[rows, columns]
        picture[rows, columns] = under * piece[..., 4:] * (1 - piece[..., 3:4]) + piece[..., :3]
        owner[rows, columns][piece[..., 3] >= 0.5] = number
    return picture, owner


def damage(picture: Picture, spec: Spec, solid: Picture | None = None) -> Picture:
    """Draw the flaws into the ground, where it is ``solid`` (S, S) 0..1."""
    whole = picture
    for flaw in spec.flaws:
        picture = flaws.apply(picture, flaw, frame(spec.camera, picture.shape[0]))
    if solid is None or not spec.flaws:
        return picture
    return whole + (picture - whole) * lay_ground(solid, spec.camera)[..., None]


def expose(picture: Picture, camera: Camera) -> Picture:
    """Lens and exposure without noise: blur, vignetting, gain, white balance; float32 (S, S, 3) in levels 0..255."""
    side = picture.shape[0]
    sigma = camera.blur * side / 1024
    if sigma > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    r = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    fall = 1 - camera.vignette * (r[:, None] ** 2 + (r[None] * 0.9 + 0.08) ** 2) / 2
    balance = np.array([1 + camera.warmth, 1 + camera.tint, 1 - camera.warmth], np.float32)
    bright = picture * (fall[..., None] * camera.gain * balance)
    bright = np.where(bright > 0.85, 0.85 + 0.15 * np.tanh((bright - 0.85) / 0.15), bright)
    return np.asarray(np.clip(bright, 0, 1) * 255, np.float32)


def add_noise(levels: Picture, camera: Camera) -> NDArray[np.uint8]:
    """The sensor's noise, slightly smeared as by every camera's own processing; the same for equal seeds."""
    side = levels.shape[0]
    rng = np.random.default_rng([camera.seed, side])
    grain = rng.standard_normal((side, side, 1), np.float32) + 0.45 * rng.standard_normal(levels.shape, np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.6)
    return np.asarray(np.clip(np.rint(levels + camera.noise * 1.7 * grain), 0, 255), np.uint8)
