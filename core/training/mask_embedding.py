"""Mask embedding: the shapes of an anomaly's masks, learned as words, and new masks drawn from them.

Name here ↔ symbol in AnomalyDiffusion (section 3.4): vectors ↔ e_m of a label, learn_shapes ↔ eq. 9, draw_shapes ↔
eq. 10 with guidance 5. In the view ``whole`` a mask is shown as the paper has it, with all its pieces where they lie
on the photo. In ``window`` its largest piece fills a window of its own, because where a mask lies and how large it is
comes from the part and the examples when it is placed. A small model cannot draw masks by words alone, so an adapter
(LoRA) may learn along with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed, numpy_rng, torch_generator
from core.diffusion.backbone import Backbone, decode
from core.diffusion.sampling import classifier_free_guidance, make_schedule, sample
from core.diffusion.tokens import Placeholder, encode_text, initial_vectors, jittered, with_placeholders
from core.images.geometry import coverage
from core.masks.morphology import dilate
from core.training.learning_settings import ShapeView
from core.training.loop import Trainable, TrainingPlan, prompt_conditioning, train
from core.training.low_rank import unet_adapter
from core.training.training_samples import TrainingSample, encode_samples
from core.types import Image, Mask

GUIDANCE = 5.0
CROP_MARGIN = 0.2
"""Room around a mask in its window, as a share of the mask's box."""
_MOST_VIEWS, _VIEWS = 160, 8
_LEAST, _MOST = 0.004, 0.85
"""Shares of the window that a drawn shape may cover."""
_LEAST_OF_PHOTO, _SPECK = 2e-4, 0.1
"""Share of a whole photo that a drawn mask covers at least, and of its largest piece that each other piece has."""
_GAP_DIVISOR = 24
"""Gaps below this part of the window's side are closed."""


@dataclass(frozen=True)
class LearnedShapes:
    """What was learned (tensors by name) and, per label, the shapes drawn from it: bool (S, S), each in its view."""

    tensors: Mapping[str, Tensor]
    drawn: Mapping[str, tuple[Mask, ...]]


def shape_word(index: int) -> str:
    """The word that stands for e_m of the ``index``-th label."""
    return f"<shape{index}>"


def learn_shapes(
    backbone: Backbone,
    groups: Mapping[str, Sequence[Mask]],
    *,
    steps: int,
    count: int,
    tokens: int = 4,
    view: ShapeView = "window",
    sampling: tuple[int, float] = (20, 0.0),
    rank: int = 8,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> LearnedShapes:
    """Learn e_m for each of ``groups`` (label → masks bool, of any size) and draw ``count`` shapes of each.

    ``tokens`` ↔ k' are learned for each label, ``sampling`` (steps of DDIM, eta) draws.

    ``progress(done)`` counts steps and then shapes. ``rank`` 0 learns the words alone, as the paper does. The model is
    as before when this returns.
    """
    words = {label: shape_word(index) for index, label in enumerate(groups)}
    samples = [
        TrainingSample(picture, words[label])
        for label, masks in groups.items()
        for picture in _lessons(masks, backbone.side, view, numpy_rng(seed, "shapes", words[label]))
    ]
    vectors = {word: nn.Parameter(_start(backbone, word, tokens, seed)) for word in words.values()}
    named = [Placeholder(word, value) for word, value in vectors.items()]
    plan = TrainingPlan(steps, lr=5e-3, rates=(("lora.", 0.2),), warmup=20, seed=seed, area_weight=False)
    with with_placeholders(backbone, named) as known:
        with _adapter(backbone, rank, seed) as lora:
            encoded = encode_samples(known, samples, text_frozen=False, cancelled=cancelled)
            train(
                Trainable(known, {**vectors, **lora}, prompt_conditioning(known)), encoded, plan,
                checkpoint=checkpoint, cancelled=cancelled, progress=lambda done, of, loss: progress(done),
            )  # fmt: skip
            drawn = {
                label: draw_shapes(
                    known, word, count, torch_generator(derive_seed(seed, "shapes", "draw", word)),
                    cancelled, progress, steps + count * index, sampling=sampling, view=view,
                )
                for index, (label, word) in enumerate(words.items())
            }  # fmt: skip
            learned: dict[str, nn.Parameter] = {**vectors, **lora}
            tensors = {f"shape.{name}": value.detach().clone() for name, value in learned.items()}
    return LearnedShapes(tensors, drawn)


def _lessons(masks: Sequence[Mask], side: int, view: ShapeView, rng: np.random.Generator) -> list[Image]:
    """The pictures of a label's masks that its word is learned from: uint8 (side, side, 3)."""
    if view == "whole":
        return [whole_picture(mask, side) for mask in masks[:_MOST_VIEWS]]
    return _pictures(masks, side, rng)


def _adapter(backbone: Backbone, rank: int, seed: int) -> AbstractContextManager[dict[str, nn.Parameter]]:
    """An adapter of the U-Net while the context lasts, its parameters by name; none of rank 0."""
    return unet_adapter(backbone, rank, derive_seed(seed, "shapes")) if rank else nullcontext({})


@torch.no_grad()
def draw_shapes(
    backbone: Backbone,
    word: str,
    count: int,
    generator: torch.Generator,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda done: None,
    before: int = 0,
    *,
    sampling: tuple[int, float] = (20, 0.0),
    view: ShapeView = "window",
    batch: int = 8,
) -> tuple[Mask, ...]:
    """At most ``count`` shapes bool (S, S) of a model that understands ``word``; what is no shape is left out.

    ``progress(done)`` counts on from ``before``.
    """
    prompt, nothing = encode_text(backbone, [word]), encode_text(backbone, [""])
    schedule = make_schedule(backbone.noise_schedule, sampling[0])
    side = backbone.side // backbone.vae_scale_factor
    found: list[Mask] = []
    for start in range(0, count, batch):
        some = min(batch, count - start)
        x = torch.randn((some, backbone.channels, side, side), generator=generator).to(backbone.device)
        model = classifier_free_guidance(backbone, prompt, nothing, GUIDANCE)
        latents = sample(model, x, schedule, eta=sampling[1], generator=generator, cancelled=cancelled)
        for i in range(some):
            shape = (whole_mask if view == "whole" else cleaned)(decode(backbone, latents[i : i + 1])[0])
            found += [shape] if shape is not None else []
        progress(before + start + some)
    return tuple(found)


def cleaned(picture: Image) -> Mask | None:
    """The largest white shape of a drawn picture uint8 (S, S, 3), small gaps closed; None where that is no shape."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    mask = largest_piece(grey > 127, picture.shape[0] // _GAP_DIVISOR)
    return mask if _LEAST <= mask.mean() <= _MOST else None


def whole_picture(mask: Mask, side: int) -> Image:
    """A mask bool (H, W) of a whole photo, stretched to a square, white on black: uint8 (side, side, 3).

    A cell is white where half of it is covered, or where that leaves nothing of a piece, where any is.
    """
    shares = coverage(mask, (side, side))
    white = shares >= 0.5
    count, pieces = cv2.connectedComponents((shares > 0).astype(np.uint8), connectivity=8)
    for piece in (pieces == number for number in range(1, count)):
        white |= piece if not white[piece].any() else False
    return np.repeat(np.where(white, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


def whole_mask(picture: Image) -> Mask | None:
    """What is white in a drawn picture uint8 (S, S, 3) of a whole photo, specks beside it dropped; None where that is
    no mask."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    count, pieces, stats, _ = cv2.connectedComponentsWithStats((grey > 127).astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    mask = np.asarray(np.isin(pieces, 1 + np.flatnonzero(areas >= _SPECK * areas.max())), np.bool_)
    return mask if _LEAST_OF_PHOTO <= mask.mean() <= _MOST else None


def largest_piece(mask: Mask, reach: int) -> Mask:
    """The largest piece of ``mask``, with the pieces within ``reach`` pixels of it joined on; empty stays empty."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    closed = cv2.morphologyEx(np.pad(mask.view(np.uint8), reach), cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(closed), connectivity=8)
    if count < 2:
        return np.zeros(mask.shape, np.bool_)
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.bool_)


def _pictures(masks: Sequence[Mask], side: int, rng: np.random.Generator) -> list[Image]:
    """Masks in their windows, white on black, mirrored and turned a little: uint8 (side, side, 3).

    The long axis lies across: direction is drawn when a mask is placed, and need not be learned.
    """
    views = max(1, min(_VIEWS, _MOST_VIEWS // max(1, len(masks))))
    found: list[Image] = []
    for whole in masks[:_MOST_VIEWS]:
        # Pieces that lie apart are defects of their own.
        mask = largest_piece(whole, max(2, max(whole.shape) // (4 * _GAP_DIVISOR)))
        points = np.argwhere(mask)[:, ::-1].astype(np.float64)
        middle = points.mean(axis=0)
        axis = np.linalg.svd(points[:: max(1, len(points) // 4000)] - middle, full_matrices=False)[2][0]
        across = np.array([axis, [-axis[1], axis[0]]])
        for _ in range(views):
            turn = rng.uniform(-0.15, 0.15)
            spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            linear = np.diag(rng.choice([-1.0, 1.0], 2)) @ spin @ across
            reach = (points - middle) @ linear.T
            low, high = reach.min(axis=0) - 0.5, reach.max(axis=0) + 0.5
            linear *= (scale := side / (1 + CROP_MARGIN) / float((high - low).max()))
            offset = (side - 1) / 2 - scale * (low + high) / 2
            matrix = np.column_stack([linear, offset - linear @ middle])
            # A reduced hairline would be grey and break up.
            thick = dilate(mask, max(0, round(0.5 / scale - 0.5)))
            soft = cv2.warpAffine(thick.astype(np.float32), matrix, (side, side), flags=cv2.INTER_LINEAR)
            found.append(np.repeat(np.where(soft >= 0.5, 255, 0).astype(np.uint8)[..., None], 3, axis=2))
    return found


def _start(backbone: Backbone, word: str, tokens: int, seed: int) -> Tensor:
    first = initial_vectors(backbone, "a dark mask", tokens)
    return jittered(first, derive_seed(seed, "shapes", word)).to(backbone.device)
