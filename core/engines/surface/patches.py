"""Where patches come from, and how they are turned to fit a mask: shared by cut_paste, poisson and perlin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from core.engines.surface.surface import Pixels, Surface
from core.errors import InputError
from core.types import Image, Mask, Request

PatchSource = Literal["auto", "same", "donor", "example"]

_PROBES = 192
"""Points of the mask at which a candidate patch is compared with the place it would go to."""


@dataclass(frozen=True)
class PatchTransform:
    """How a patch comes from its photo: ``centre`` (y, x) there, ``angle`` in radians, ``scale`` (y, x) of the patch
    (2 shows it twice as large)."""

    centre: tuple[float, float]
    angle: float
    scale: tuple[float, float]


def pick_source(request: Request, source: PatchSource, rng: np.random.Generator, examples: bool = True) -> str:
    """ "same", "donor" or "example"; auto takes a real example when there is one, else same or donor by chance."""
    if source == "example" and not request.examples:
        raise InputError(
            f"source 'example': there is no real example of {request.label!r}; import one with its mask, "
            "or set source to same, donor or auto"
        )
    if source == "donor" and request.donor is None:
        raise InputError("source 'donor': no other normal photo to borrow from; import one or set source=same")
    if source != "auto":
        return source
    if request.examples and examples:
        return "example"
    return "donor" if request.donor is not None and rng.random() < 0.5 else "same"


def source_image(request: Request, source: str) -> Image:
    """The photo that patches are cut from: the donor's for "donor", else the request's own."""
    return request.donor.pixels if source == "donor" and request.donor is not None else request.normal.pixels


def draw_transforms(
    source: Image,
    count: int,
    rotate: float,
    scale: tuple[float, float],
    rng: np.random.Generator,
    allowed: Mask | None = None,
) -> list[PatchTransform]:
    """``count`` random turns: anywhere in ``source`` (on ``allowed`` if given), by up to ``rotate`` degrees."""
    height, width = source.shape[:2]
    low, high = sorted(scale)
    if allowed is not None and allowed.shape == (height, width) and allowed.any():
        flat = np.flatnonzero(allowed[::4, ::4])
        flat = flat if flat.size else np.array([0])
        ys, xs = np.divmod(flat[rng.integers(0, flat.size, count)], -(-width // 4))
        ys, xs = ys * 4.0, xs * 4.0
    else:
        ys, xs = rng.uniform(0, height, count), rng.uniform(0, width, count)
    angles = np.deg2rad(rng.uniform(-rotate, rotate, count))
    sizes = np.exp(rng.uniform(np.log(low), np.log(high), count))
    flips = rng.choice([-1.0, 1.0], count)
    return [
        PatchTransform((float(y), float(x)), float(a), (float(s), float(s * f)))
        for y, x, a, s, f in zip(ys, xs, angles, sizes, flips, strict=True)
    ]


def probe_luminance(
    source: Image, surface: Surface, turns: list[PatchTransform], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Luminance of N turned patches (N, P) and of the surface (P,) at P random points of the mask, float32."""
    ys, xs = np.nonzero(surface.mask)
    if ys.size > _PROBES:
        some = rng.integers(0, ys.size, _PROBES)
        ys, xs = ys[some], xs[some]
    centre_y, centre_x = (surface.mask.shape[0] - 1) / 2, (surface.mask.shape[1] - 1) / 2
    maps = np.stack([_matrix(turn, centre_y, centre_x) for turn in turns])
    points = np.stack([xs, ys, np.ones_like(xs)]).astype(np.float32)
    at = np.rint(maps @ points).astype(np.intp)
    there = source[_mirror(at[:, 1], source.shape[0]), _mirror(at[:, 0], source.shape[1])]
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return there.astype(np.float32) @ weights, surface.pixels[ys, xs] @ weights


def choose_transform(
    source: Image, surface: Surface, turns: list[PatchTransform], levels: float, tone: int, rng: np.random.Generator
) -> PatchTransform:
    """A turn whose patch visibly differs: by chance among those that differ by ``levels`` towards ``tone``, else the
    one that differs most."""
    patches, here = probe_luminance(source, surface, turns, rng)
    signed, absolute = (patches - here).mean(axis=1), np.abs(patches - here).mean(axis=1)
    fit = np.flatnonzero((absolute >= levels) & (np.sign(signed) == tone))
    if fit.size:
        return turns[int(rng.choice(fit))]
    if not absolute.any():
        return turns[int(rng.integers(len(turns)))]
    return turns[int((absolute + tone * signed).argmax())]


def choose_structured_transform(
    source: Image, surface: Surface, turns: list[PatchTransform], rng: np.random.Generator
) -> PatchTransform:
    """A turn by chance from the quarter whose patches have the most structure: flat ones vanish when cloned."""
    patches, _ = probe_luminance(source, surface, turns, rng)
    best = np.argsort(-patches.std(axis=1), kind="stable")[: max(1, len(turns) // 4)]
    return turns[int(rng.choice(best))]


def cut_patch(source: Image, turn: PatchTransform, shape: tuple[int, int], sharp: bool = False) -> Pixels:
    """The turned patch: float32 (h, w, 3) of ``shape``; beyond the photo's edge it is mirrored."""
    height, width = shape
    matrix = _matrix(turn, (height - 1) / 2, (width - 1) / 2)
    how = cv2.INTER_NEAREST if sharp else cv2.INTER_LINEAR
    patch = cv2.warpAffine(
        source, matrix, (width, height), flags=how | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(patch, np.float32)


def jittered(pixels: Pixels, amount: float, grey: bool, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast and, on colour photos, channel gains changed at random by up to ``amount`` (0..1)."""
    mean = pixels.mean(axis=(0, 1))
    contrast = 1 + rng.uniform(-0.6, 0.9) * amount
    shift = rng.uniform(-60, 60) * amount
    gains = 1 + rng.uniform(-0.25, 0.25, 3) * amount if not grey else np.ones(3)
    return np.asarray(((pixels - mean) * contrast + mean) * gains + shift, np.float32)


def material_patch(request: Request, source: PatchSource, surface: Surface, rng: np.random.Generator) -> Pixels:
    """Scrambled material for a texture fill: a turned patch, contrast raised, of same photo, donor or real example."""
    origin = pick_source(request, source, rng)
    allowed: Mask | None
    if origin == "example":
        example = request.examples[int(rng.integers(len(request.examples)))]
        image, allowed = example.pixels, example.mask
    else:
        image, allowed = source_image(request, origin), request.object_mask if origin == "same" else None
    turns = draw_transforms(image, 12, 180.0, (0.4, 1.2), rng, allowed)
    patch = cut_patch(
        image, choose_transform(image, surface, turns, 20.0, int(rng.choice([-1, 1])), rng), surface.mask.shape
    )
    mean = patch.mean(axis=(0, 1))
    return np.asarray((patch - mean) * rng.uniform(1.1, 1.8) + mean, np.float32)


def _matrix(turn: PatchTransform, centre_y: float, centre_x: float) -> npt.NDArray[np.float32]:
    """2x3: from patch (x, y) to source (x, y)."""
    cos, sin = np.cos(turn.angle), np.sin(turn.angle)
    sy, sx = 1 / turn.scale[0], 1 / turn.scale[1]
    linear = np.array([[cos * sx, -sin * sy], [sin * sx, cos * sy]])
    offset = np.array([turn.centre[1], turn.centre[0]]) - linear @ np.array([centre_x, centre_y])
    return np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)


def _mirror(index: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    period = max(2 * size - 2, 1)
    index = np.abs(index) % period
    return np.where(index >= size, period - index, index)
