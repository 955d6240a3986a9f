"""What the two branches learn from: pictures, their anomalous parts alone, and their backgrounds. Needs no torch.

Name here ↔ symbol in DualAnoDiff: image ↔ I, part ↔ I_a = M_a I, background ↔ I_b = (1 - M_f) I, all with 0 of the
range -1 to 1 where nothing is: neutral grey.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.device import numpy_rng
from core.errors import InputError
from core.images.square_crop import SquareCrop, whole_photo
from core.masks.foreground import object_mask
from core.methods.dual_ano_diff.learning_settings import DualLearningParams, DualPreset
from core.segmentation.salient_object import salient_mask, salient_missing
from core.training.example_crops import Augmentation, DefectTarget, cropped_view
from core.types import AnomalyExample, Image, Mask, NormalImage

NEUTRAL = 128
"""The grey that stands for nothing."""


@dataclass(frozen=True)
class PicturePair:
    """A picture uint8 (S, S, 3), its label ("" for a good part), where its anomaly is, and its background."""

    image: Image
    mask: Mask
    label: str
    background: Image | None = None

    @property
    def part(self) -> Image:
        """The anomaly alone."""
        return masked_on_grey(self.image, self.mask)


def masked_on_grey(image: Image, mask: Mask) -> Image:
    """``image`` inside ``mask``, neutral outside."""
    return np.where(mask[..., None], image, np.uint8(NEUTRAL))


def background_image(image: Image, part: Mask) -> Image | None:
    """What is around the part; None where the part fills the photo."""
    return None if part.all() else masked_on_grey(image, ~part)


def foreground_segmenter(wanted: str) -> tuple[str, Callable[[Image], Mask]]:
    """What tells part from background, and its name; Unavailable where u2net is asked for and is not there."""
    if wanted == "u2net" or (wanted == "auto" and salient_missing() is None):
        return "u2net", salient_mask
    return "foreground", object_mask


@dataclass(frozen=True)
class DualPairSampler:
    """Draws pairs from targets and good photos. ``backgrounds``: photo id → what is around its part."""

    side: int
    extent: float
    motion: Augmentation
    whole: bool
    backgrounds: Mapping[str, Image]

    def draw_anomaly(self, target: DefectTarget, rng: np.random.Generator | None) -> PicturePair:
        """One view of a real anomaly; as it is without a generator."""
        return self._draw(target, target.example.label, rng)

    def draw_normal(self, normal: NormalImage, rng: np.random.Generator) -> PicturePair:
        """One view of a good photo: all of it, or a window as large as the anomalies have."""
        if self.whole:
            crop = whole_photo(normal.shape, self.side)
        else:
            extent = min(self.extent, max(normal.shape))
            middle = (float(rng.uniform(0, normal.shape[1])), float(rng.uniform(0, normal.shape[0])))
            crop = SquareCrop(self.side, extent, middle, normal.shape).kept_inside()
        target = _normal_target(normal, crop)
        pair = self._draw(target, "", rng)
        return replace(pair, mask=np.zeros_like(pair.mask))

    def _draw(self, target: DefectTarget, label: str, rng: np.random.Generator | None) -> PicturePair:
        # The same draws again move the background as the photo was moved.
        seed = 0 if rng is None else int(rng.integers(2**32))

        def again() -> np.random.Generator | None:
            return None if rng is None else np.random.default_rng(seed)

        shown = cropped_view(target, again(), self.motion)
        around = self.backgrounds.get(target.example.id)
        if around is None:
            return PicturePair(shown.image, shown.mask, label)
        moved = replace(target, example=replace(target.example, pixels=around))
        return PicturePair(shown.image, shown.mask, label, cropped_view(moved, again(), self.motion).image)


def _normal_target(normal: NormalImage, crop: SquareCrop) -> DefectTarget:
    """A good photo as something to look at, in ``crop``; what must stay in sight is the pixel in its middle."""
    spot = np.zeros(normal.shape, np.bool_)
    spot[round(crop.centre[1]), round(crop.centre[0])] = True
    return DefectTarget(AnomalyExample(normal.id, "", normal.pixels, (spot,)), spot, crop)


def find_backgrounds(
    photos: Sequence[AnomalyExample | NormalImage], find: Callable[[Image], Mask], cancelled: Callable[[], None]
) -> dict[str, Image]:
    """Photo id → what is around its part, of all photos if most have a background; {} where parts fill the frame."""
    parts: dict[str, Mask] = {}
    for photo in photos:
        cancelled()
        if photo.id not in parts:
            parts[photo.id] = find(photo.pixels)
    filled = sum(bool(part.all()) for part in parts.values())
    if filled * 2 > len(parts):
        return {}
    return {photo.id: masked_on_grey(photo.pixels, ~parts[photo.id]) for photo in photos}


def draw_training_pairs(
    views: DualPairSampler,
    targets: Sequence[DefectTarget],
    normals: Sequence[NormalImage],
    preset: DualPreset,
    seed: int,
    number: int,
) -> list[PicturePair]:
    """``preset.views`` views of each target and its share of good photos, from a seed and a round's number."""
    if not targets:
        raise InputError("nothing to learn from: there is no real anomaly")
    pairs = []
    for i, target in enumerate(targets):
        for again in range(preset.views):
            still = again == 0 and not preset.redraw_every
            rng = numpy_rng(seed, "view", number, i, again)
            pairs.append(views.draw_anomaly(target, None if still else rng))
    if normals and preset.normal_share:
        rng = numpy_rng(seed, "good", number)
        count = round(len(pairs) * preset.normal_share / (1 - preset.normal_share))
        order = rng.permutation(len(normals))
        pairs += [views.draw_normal(normals[order[i % len(order)]], rng) for i in range(count)]
    return pairs


def learning_margin(params: DualLearningParams, preset: DualPreset) -> float:
    """Surroundings of an anomaly in its window, as a share of its box; 0 for whole photos."""
    return 0.0 if params.learns_whole_photos else preset.margin or 0.5
