"""Where each component's word looks: on photos, for a person to see, and as a number where regions tell the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.prompt_to_prompt import read_component_maps, working_shape
from core.diffusion.sampling import make_schedule
from core.images.geometry import coverage, false_colours, resized
from core.methods.comgen.component_prompt import ComponentPrompt
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]

STEPS = 20
_GAP, _TITLE = 6, 24


def attention_maps(backbone: Backbone, photo: Image, prompt: ComponentPrompt) -> Floats:
    """A_0 of a photo: float32 (p, h, w) in 0..1, one map for each of the prompt's components."""
    small = resized(photo, working_shape(backbone, (photo.shape[0], photo.shape[1])))
    schedule = make_schedule(backbone.noise_schedule, STEPS)
    return np.asarray(
        read_component_maps(backbone, encode_image(backbone, small), prompt.pieces(), schedule), np.float32
    )


def map_iou(seen: Floats, mask: Mask) -> float:
    """IoU of a map (h, w), from half its maximum, with a mask (H, W) brought to its cells.

    A cell counts where at least half as much of it is covered as of the cell covered most.
    """
    share = coverage(mask, (seen.shape[0], seen.shape[1]))
    a, b = seen >= 0.5 * seen.max(), share >= 0.5 * share.max()
    return float((a & b).sum() / max((a | b).sum(), 1))


def assign_names(fits: npt.NDArray[np.float64]) -> list[int]:
    """Which name, by its index, each word takes, so that words and names fit best together, each name once.

    ``fits`` (words, names) says how well each word fits each name; where it makes no difference a word keeps its own.
    """
    from scipy.optimize import linear_sum_assignment

    _, taken = linear_sum_assignment(fits + 1e-6 * np.eye(len(fits)), maximize=True)
    return [int(name) for name in taken]


def attention_sheet(photos: Sequence[Image], maps: Sequence[Mapping[str, Floats]], side: int = 144) -> Image:
    """A row for each photo, first as it is, then where each word looks; uint8 (H, W, 3), the names on top."""
    names = list(dict.fromkeys(name for one in maps for name in one))
    width = (side + _GAP) * (1 + len(names)) - _GAP
    rows = [_names(["", *names], side, width)]
    for photo, seen in zip(photos, maps, strict=True):
        small = np.asarray(cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
        tiles = [
            small,
            *(_heat_overlay(small, seen[name]) if name in seen else np.full_like(small, 255) for name in names),
        ]
        gap = np.full((side, _GAP, 3), 255, np.uint8)
        row = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
        rows += [row, np.full((_GAP, width, 3), 255, np.uint8)]
    return np.ascontiguousarray(np.concatenate(rows[:-1]))


def _heat_overlay(photo: Image, seen: Floats) -> Image:
    """The photo, dark but for where a word looks."""
    heat = cv2.resize(seen, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC).clip(0) / max(float(seen.max()), 1e-6)
    colour = false_colours(heat.clip(0, 1), cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None]
    return np.asarray(np.clip(0.35 * grey + 0.75 * colour, 0, 255), np.uint8)


def _names(names: Sequence[str], side: int, width: int) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    strip = Pillow.new("RGB", (width, _TITLE), (255, 255, 255))
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(15)
    for i, name in enumerate(names):
        while name and pen.textlength(name, font) > side:
            name = name[:-2] + "…" if len(name) > 2 else ""
        pen.text((i * (side + _GAP), 3), name, fill=(30, 30, 30), font=font)
    return np.asarray(strip, np.uint8)
