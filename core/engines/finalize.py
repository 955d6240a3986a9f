"""The last step of every engine: the mask made true, the background exact, the recipe signed."""

from __future__ import annotations

import core
from core.engines.api import Background, Engine, EngineParams, read_params
from core.errors import InputError
from core.images.geometry import mask_box
from core.quality import visible_change
from core.types import EVERYWHERE, Image, Kind, Mask, Recipe, Request, Sample


class NoVisibleChange(InputError):
    """The engine left no visible change; a batch tries the next seed, a person changes the settings."""


def finalize_sample(
    engine: Engine,
    request: Request,
    generated: Image,
    mask: Mask,
    *,
    background: Background = "exact",
    tighten: bool | None = None,
    kind: Kind | None = None,
    instances: tuple[Mask, ...] = (),
    params: EngineParams | None = None,
) -> Sample:
    """The sample of what an engine ``generated``, uint8 (H, W, 3), inside ``mask``, bool (H, W).

    ``exact``: every pixel outside the final mask is the photo's own, bit for bit, and the mask shrinks to what
    visibly changed where ``tighten`` says so. By default ``params.tighten`` does; an engine that found the true mask
    itself passes False. ``redrawn``: picture and mask stay as they are. NoVisibleChange where the mask is empty.
    """
    if background == "redrawn" and engine.background == "exact":
        raise TypeError(f"engine {engine.name}: it declares an exact background and hands in a redrawn one")
    photo = request.normal.pixels
    params = params or read_params(engine, request.params)
    if background == "exact" and (params.tighten if tighten is None else tighten):
        mask = visible_change(photo, generated, within=mask)
    if not mask.any():
        raise NoVisibleChange(
            f"{engine.name}: nothing visible changed on {request.normal.name!r}; "
            "raise the strength, enlarge the mask or take another seed"
        )
    pasted = _within(photo, generated, mask)
    image = generated if background == "redrawn" else pasted
    recipe = Recipe(
        engine=engine.name,
        label=request.label,
        kind=kind or engine.kind,
        normal_id=request.normal.id,
        seed=request.seed,
        params=params.model_dump(mode="json"),
        placement=request.placement,
        donor_id=request.donor.id if request.donor else None,
        example_ids=tuple(e.id for e in request.examples),
        feather=EVERYWHERE if image is not pasted and bool((image != pasted).any()) else 0,
        version=core.__version__,
    )
    instances = tuple(part & mask for part in instances if (part & mask).any())
    return Sample(image=image, mask=mask, label=request.label, kind=recipe.kind, recipe=recipe, instances=instances)


def _within(photo: Image, generated: Image, mask: Mask) -> Image:
    """``photo`` with the pixels of ``mask`` taken from ``generated``; only the mask's box is worked on."""
    image = photo.copy()
    box = mask_box(mask)
    inside = mask[box]
    image[box][inside] = generated[box][inside]
    return image
