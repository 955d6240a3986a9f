"""Low-density sampling under a distance constraint (ComGEN, section III-B): pictures from noise, ranked by d.

Each candidate is drawn with the edited prompt, compared with photos of good parts (eq. 5) and given its d (eq. 6).
Too near is no anomaly, too far is no product; of the others the farthest is taken, from the least dense place allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.device import derive_seed, torch_generator
from core.diffusion.backbone import Backbone, decode, encode_image
from core.diffusion.prompt_to_prompt import working_shape
from core.diffusion.sampling import classifier_free_guidance, draw_noise, make_schedule, sample
from core.diffusion.tokens import encode_text
from core.engines.api import Context
from core.engines.recipe_notes import CandidateNotes
from core.errors import InputError
from core.features.extract import scale_features
from core.features.index import SIDE, FeatureIndex, embed, ssim_distance
from core.methods.comgen.prompt_edits import EditedPrompt
from core.methods.comgen.residual import AttentionDiff, attention_diff, refined
from core.methods.comgen.sample import invert_photo, read_attention, reading_prompt
from core.methods.comgen.settings import ComGenParams
from core.types import Image, Mask, NormalImage, Request


@dataclass(frozen=True)
class RankedSample:
    """A picture uint8 (h, w, 3) from noise, its nearest good part, and how they differ; masks of the picture's size.

    ``notes`` are for the recipe: d of every candidate, and which were rejected.
    """

    image: Image
    neighbour: NormalImage
    residual: AttentionDiff
    mask: Mask
    notes: CandidateNotes


def best_candidate(
    backbone: Backbone, request: Request, edited: EditedPrompt, params: ComGenParams, ctx: Context
) -> RankedSample:
    """The farthest of the candidates with d_min <= d <= d_max; InputError, which names each d, where none is."""
    nearest = _nearest_photo_finder(request, params, ctx)
    drawn, steps = [], params.candidates * params.steps
    for k in range(params.candidates):
        image = _draw_candidate(backbone, request, edited, params, ctx, k, steps)
        scales, normal = scale_features(image, SIDE), nearest(image)
        drawn.append((ssim_distance(scales, scale_features(normal.pixels, SIDE)), normal, image))
    ranked = sorted((one for one in drawn if params.d_min <= one[0] <= params.d_max), key=lambda one: -one[0])
    if not ranked:
        said = ", ".join(f"{d:.2f}" for d, _, _ in drawn)
        raise InputError(
            f"comgen: of {len(drawn)} pictures none lies between d_min {params.d_min:g} and d_max {params.d_max:g} "
            f"from a good part (d: {said}); widen the bounds, or draw more candidates"
        )
    d, normal, image = ranked[0]
    notes = CandidateNotes(
        neighbour=normal.id,
        d=round(d, 4),
        candidates=tuple(round(one[0], 4) for one in drawn),
        rejected=tuple(round(one[0], 4) for one in drawn if not params.d_min <= one[0] <= params.d_max),
    )
    found, mask = _compare_with_neighbour(backbone, image, normal, edited, params, ctx)
    return RankedSample(image, normal, found, mask, notes)


def _nearest_photo_finder(request: Request, params: ComGenParams, ctx: Context) -> Callable[[Image], NormalImage]:
    """Which good part a picture is compared with (eq. 5): of the product's photos, or, where there is no project, of
    those of the request."""
    if params.compare == "photo":
        return lambda image: request.normal
    goods = ctx.normals
    if goods is not None:
        return lambda image: goods.nearest(image, ctx.cancelled)
    lent = {photo.id: photo for photo in (request.normal, request.donor) if photo is not None}
    memory = FeatureIndex(tuple(lent), np.stack([embed(photo.pixels) for photo in lent.values()]))
    return lambda image: lent[memory.nearest(embed(image)[None])[0][0].id]


def _draw_candidate(
    backbone: Backbone, request: Request, edited: EditedPrompt, params: ComGenParams, ctx: Context, k: int, total: int
) -> Image:
    h, w = (n // backbone.vae_scale_factor for n in working_shape(backbone, request.normal.shape))
    noise = draw_noise(
        (1, backbone.channels, h, w), torch_generator(derive_seed(request.seed, "comgen", "noise", k))
    ).to(backbone.device)
    model = classifier_free_guidance(backbone, encode_text(backbone, [edited.after.text]), None, params.guidance)
    schedule = make_schedule(backbone.noise_schedule, params.steps)

    def show(done: int, count: int, _: Any) -> None:
        ctx.progress(k * params.steps + done, total, None)

    return decode(backbone, sample(model, noise, schedule, progress=show, cancelled=ctx.cancelled))[0]


def _compare_with_neighbour(
    backbone: Backbone, image: Image, normal: NormalImage, edited: EditedPrompt, params: ComGenParams, ctx: Context
) -> tuple[AttentionDiff, Mask]:
    """Eqs. 7 to 10 on a picture and its inverted neighbour; where nothing is sure, all that differs is the mask."""
    held = invert_photo(backbone, normal.pixels, edited.before, params.steps, ctx.progress, ctx.cancelled)
    asked = reading_prompt(edited)
    gen = read_attention(backbone, encode_image(backbone, image), asked, held.schedule, params.read_at)
    norm = held.component_maps(backbone, asked, params.read_at)
    shape = (image.shape[0], image.shape[1])
    found = attention_diff(norm, gen, [chip.name for chip in asked.components], shape)
    cell = max(shape) / max(gen.shape[1:])
    mask = refined(found.unrefined, held.reconstructed, image, cell)
    return found, mask if mask.any() else refined(np.ones(shape, np.bool_), held.reconstructed, image, cell)
