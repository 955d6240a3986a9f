"""Take a part away: what it threw on the ground goes, and the ground is shown where it lay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from core.engines.ground.aligned import Floats, OtherPhoto, aligned_crop
from core.engines.ground.behind import Behind, ground_behind
from core.engines.ground.shadow import fit_shadow
from core.images.fill.grain import resampled_grain
from core.images.fill.sheet import fill_sheet, masked_mean, usual_surface
from core.images.geometry import dilated
from core.images.poisson_equation import membrane
from core.types import Image, Mask

AROUND = 0.6
"""How far around the part is looked, in its sides."""
REACH = 0.45
"""How far from the part its shadow may lie, in its sides."""
CLEAR, APART = 0.25, 0.08
"""Sides of the part from it, and from other parts, beyond which the ground is surely unshaded."""
CRUMB_GRAIN, CRUMB_LEVELS, CRUMB_AREA = 4.5, 14.0, 10
"""A crumb of the part differs from the ground by so many deviations of its grain and so many levels, and has at most
so many pixels, or half the part's side if that is more."""
SHADE_SIGMA = 3.0
"""Pixels over which a shadow's depth is read, for the ground's grain."""
DARK = 2.0
"""Levels added before ratios, so that black does not decide."""
MOST_REST = (0.8, 1.25)
"""Least and most light that is told of a pixel beside what the shadow's model says."""
SURE = 0.7
"""From here on other photos know the ground."""
MOSTLY = 0.3
"""Share of the ground about the part that other photos must know for its shadow to be read off them."""
WALL = 14.0
"""Levels within 5 pixels from which there is a wall."""
SMALL = 0.03
"""Share of the part's area up to which a hole in it is filled along with it."""
TOO_DARK, DIM = 0.5, 0.7
"""Share of the light below which a shadow hides the ground, and below which nothing is told by it for elsewhere."""
THIN = 1.5
"""Pixels beside the part's edge in which the seam's light changes too steeply to be told."""
CLEAR_PIXELS = 3.0
"""Pixels beside another part over which the shadow is taken away less and less."""
MOST_MISSED = 0.6
"""Share of the ground's own contrast that other photos may miss it by and still know it."""
LEAST_BARE = 0.02
"""Share of the part that other photos must show bare for the ground about it to be without its shadow there."""
FILL_SIGMA, OTHER_LIGHT = 2.0, 12.0
"""Pixels over which the light of what a model drew is compared with the photo's, and levels from which they show
something else."""
BLOTCH, BLOTCH_PIXELS = 1 / 128, (2.0, 12.0)
"""Blotches of a surface's grain, in sides of the photo and at least and at most in pixels: a sharper photo shows them
larger."""
RIM = 0.14
"""How far around a hole its light is read, in the part's sides."""


@dataclass(frozen=True)
class BaredPhoto:
    """A photo without a part: uint8 (H, W, 3), and where it may have changed, bool (H, W)."""

    image: Image
    place: Mask


def without_part(
    photo: Image,
    part: Mask,
    others: Mask,
    band: float,
    goods: Sequence[OtherPhoto],
    rng: np.random.Generator,
    shadow: bool = True,
    fill: Floats | None = None,
) -> BaredPhoto:
    """``photo`` as it would be without ``part``; ``others`` are pixels of other parts, bool (H, W) both.

    ``band``: pixels around the part that may still show its edge. ``goods``: other good photos, laid on this one.
    ``shadow``: whether what it throws goes with it. ``fill``: float32 (H, W, 3) in 0..255, what a model drew there;
    it is shown, in the light about the hole, where no photo shows the ground. Without it the surface around goes on.
    """
    size = float(np.sqrt(max(1, cv2.countNonZero(part.astype(np.uint8)))))
    y0, x0, y1, x1 = _window(part, int(AROUND * size) + 12)
    view = slice(y0, y1), slice(x0, x1)
    pixels = np.ascontiguousarray(photo[view])
    blotch = float(np.clip(BLOTCH * max(photo.shape), *BLOTCH_PIXELS))
    scene = _Scene.of(pixels, part[view], others[view] & ~part[view], band, size, shadow, blotch)
    behind = scene.behind(goods, y0, x0)
    filled = scene.filled(behind, rng, None if fill is None else fill[view])
    image = photo.copy()
    place = np.zeros(part.shape, np.bool_)
    place[view] = scene.place
    image[view] = np.where(scene.place[..., None], np.clip(np.rint(filled), 0, 255).astype(np.uint8), pixels)
    return BaredPhoto(image, place)


def _window(mask: Mask, margin: int) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return (
        max(0, y - margin), max(0, x - margin),
        min(mask.shape[0], y + height + margin), min(mask.shape[1], x + width + margin),
    )  # fmt: skip


@dataclass(frozen=True)
class _Scene:
    """The window around a part; all arrays are (h, w)."""

    pixels: Image
    part: Mask
    away: Floats
    apart: Floats
    band: float
    size: float
    shadow: bool
    blotch: float

    @classmethod
    def of(
        cls, pixels: Image, part: Mask, others: Mask, band: float, size: float, shadow: bool, blotch: float
    ) -> _Scene:
        away, apart = (_distance(mask) for mask in (part, others))
        return cls(pixels, part, away, apart, band, size, shadow, blotch)

    @property
    def core(self) -> Mask:
        """The part with its edge."""
        return np.asarray((self.away <= self.band) & (self.apart > 0), np.bool_)

    @property
    def place(self) -> Mask:
        """What may change."""
        clear = (self.apart > self.band + 1) | ((self.away <= 1) & (self.apart > 0))
        return np.asarray((self.away <= REACH * self.size) & clear, np.bool_)

    def known(self) -> Mask:
        """Where the ground is seen as it is."""
        clear = max(CLEAR * self.size, self.band + 2)
        return np.asarray((self.away > clear) & (self.apart > APART * self.size + 3), np.bool_)

    def behind(self, goods: Sequence[OtherPhoto], top: int, left: int) -> Behind | None:
        """The ground as other photos show it, in this photo's light; None without any that show it."""
        known = self.known()
        crops = [aligned_crop(self.pixels, known, other, top, left) for other in goods]
        found = [crop for crop in crops if crop is not None]
        if not found:
            return None
        behind = ground_behind(self.pixels, self.part, known, found, self.size)
        rest = self.pixels.astype(np.float32) - behind.levels
        smooth = masked_mean(rest, known & (behind.sure > 0.5), max(2.0, 0.06 * self.size))
        told = known & (behind.sure > 0.5) & (np.abs(smooth).max(axis=2) < 12)
        if not told.any():
            return None
        light = membrane(np.where(told[..., None], smooth, 0).astype(np.float32), told)
        ground = np.asarray(behind.levels + light, np.float32)
        if not self._worth(ground, told):
            return None
        sure = behind.sure
        if np.mean(sure[self.core] > 0.7) < LEAST_BARE:
            # The part lies on every photo alike, and so does its shadow.
            sure = sure * (self.away > CLEAR * self.size)
        return Behind(ground, np.asarray(sure, np.float32))

    def _worth(self, ground: Floats, told: Mask) -> bool:
        """Whether the others know this ground better than its own light does: not where its texture is its own."""
        pixels = self.pixels.astype(np.float32)
        own = float(np.abs(pixels - masked_mean(pixels, told, 8.0))[told].std())
        missed = float(np.abs(pixels - ground)[told].std())
        return missed < MOST_MISSED * own

    def filled(self, behind: Behind | None, rng: np.random.Generator, fill: Floats | None) -> Floats:
        """The window without the part, float32 (h, w, 3)."""
        sure = np.zeros(self.part.shape, np.float32) if behind is None else behind.sure
        shade = self._shade(behind)
        out = np.asarray(self.pixels / shade, np.float32)
        if behind is not None:
            out = self._laid_bare(out, behind, rng)
        hole = (self._hidden(out, shade) & (sure <= SURE)) & self.place
        if not hole.any():
            return out
        told = (self._free() & (shade.min(axis=2) > DIM)) | (sure > SURE)
        sources = ~hole & told & (self.apart > APART * self.size / 2 + 2)
        if fill is None:
            filled = fill_sheet(out, hole, sources, rng, max(8.0, RIM * self.size), self.blotch)
        else:
            filled = _in_the_light(fill, out, sources)
        # Where others half know the ground, theirs is faded in.
        blend = np.where(self.core, 1 - np.clip(sure / SURE, 0, 1), 1)[..., None]
        return np.where(hole[..., None], out + blend * (filled - out), out)

    def _free(self) -> Mask:
        """Not the part, nor another or its shadow."""
        return np.asarray(~self.core & (self.apart > APART * self.size / 2 + 2), np.bool_)

    def _shade(self, behind: Behind | None) -> Floats:
        """What the part leaves of the ground's light, float32 (h, w, 3): the ground is the photo over this."""
        shade = np.ones((*self.part.shape, 3), np.float32)
        if not self.shadow:
            return shade
        grey = cv2.cvtColor(self.pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
        free = self._free()
        near = free & (self.away <= CLEAR * self.size)
        seen = np.zeros_like(free) if behind is None else free & (behind.sure > SURE)
        part = self.part.astype(np.float32)
        if behind is not None and np.count_nonzero(seen & near) > MOSTLY * np.count_nonzero(near):
            ground = cv2.cvtColor(behind.levels, cv2.COLOR_RGB2GRAY)
            shade *= fit_shadow(grey, self.part, seen, self.size, ground).cast(part)[..., None]
            rest = masked_mean((self.pixels + DARK) / (behind.levels * shade + DARK), seen, SHADE_SIGMA)
            shade *= np.where((seen & self._even(behind.levels))[..., None], np.clip(rest, *MOST_REST), 1)
        else:
            shade *= fit_shadow(grey, self.part, free, self.size).cast(part)[..., None]
        reach = np.clip((REACH * self.size - self.away) / (0.15 * self.size), 0, 1)
        clear = np.clip((self.apart - self.band - 1) / CLEAR_PIXELS, 0, 1)
        return np.asarray(1 + (reach * clear * ~self.core)[..., None] * (shade - 1), np.float32)

    def _even(self, levels: Floats) -> Mask:
        """Where no wall is: one that is off by a part of a pixel looks like a shadow."""
        steps = cv2.morphologyEx(cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY), cv2.MORPH_GRADIENT, np.ones((5, 5)))
        return np.asarray(steps < WALL, np.bool_)

    def _laid_bare(self, out: Floats, behind: Behind, rng: np.random.Generator) -> Floats:
        """The photo with the ground that others show behind the part, at this one's grain."""
        rest = self.pixels - behind.levels
        usual = usual_surface(rest, usual_surface(behind.levels, self.known() & (behind.sure > 0.5)))
        grain = resampled_grain(rest - masked_mean(rest, usual, 4.0), usual, self.part.shape, rng)
        ground = behind.levels if grain is None else behind.levels + grain
        share = cv2.GaussianBlur(self.core.astype(np.float32), (0, 0), 0.8)
        share = np.where(self.core, 1, share * (behind.sure > SURE))[..., None]
        return np.asarray(out + share * (ground - out), np.float32)

    def _hidden(self, out: Floats, shade: Floats) -> Mask:
        """The part, the seam that is too dark to say what lies there, and crumbs of the part about it."""
        near = self._free() & (self.away <= CLEAR * self.size)
        seam = (self.away <= self.band + THIN) | (shade.min(axis=2) < TOO_DARK)
        hidden = _closed(self.core | (near & seam), SMALL * self.size**2)
        usual = usual_surface(out, near & ~hidden)
        rest = out - masked_mean(out, usual, 8.0)
        return np.asarray(hidden | self._crumbs(near & (np.abs(rest).max(axis=2) > self._odd(rest, near))), np.bool_)

    def _odd(self, rest: Floats, near: Mask) -> float:
        """Levels from which a pixel near the part is none of the ground's grain."""
        off = np.abs(rest).max(axis=2)[near]
        if not off.size:  # a part that fills its window
            return CRUMB_LEVELS
        return max(CRUMB_GRAIN * 1.4826 * float(np.median(off)), CRUMB_LEVELS)

    def _crumbs(self, odd: Mask) -> Mask:
        """The small ones of the odd places that lie against the part, with the pixels about them: its region missed
        them."""
        number, labels, stats, _ = cv2.connectedComponentsWithStats(odd.astype(np.uint8), connectivity=8)
        small = stats[:, cv2.CC_STAT_AREA] <= max(CRUMB_AREA, 0.5 * self.size)
        small[0] = False
        touching = np.bincount(labels[odd & (self.away < self.band + 2.5)], minlength=number) > 0
        return dilated(np.asarray((small & touching)[labels], np.bool_), 1) & self._free()


def _in_the_light(fill: Floats, image: Floats, sources: Mask) -> Floats:
    """``fill`` with the light that ``image`` has about the hole: their difference at the ``sources`` goes on smoothly
    (Poisson's equation), but for what differs too much to be light."""
    if not sources.any():
        return fill
    rest = image - fill
    smooth = masked_mean(rest, sources, FILL_SIGMA)
    told = sources & (np.abs(smooth - np.median(smooth[sources], axis=0)).max(axis=2) < OTHER_LIGHT)
    return np.asarray(fill + membrane(np.where(told[..., None], smooth, 0).astype(np.float32), told), np.float32)


def _closed(mask: Mask, most: float) -> Mask:
    """The mask with its holes of at most so many pixels: what is seen through them lies in a shadow of its own."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8), connectivity=4)
    small = stats[:, cv2.CC_STAT_AREA] <= most
    small[0] = False
    return np.asarray(mask | small[labels], np.bool_) if number > 1 else mask


def _distance(mask: Mask) -> Floats:
    if not mask.any():
        return np.full(mask.shape, 1e4, np.float32)
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
