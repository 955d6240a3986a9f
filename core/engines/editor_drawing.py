"""Drawing with an inpainting or editing pipeline of diffusers: what it takes, its window, its picture and the mask.

An editor without a mask changes what it will of the window. The mask is then what differs from before, and the picture
is brought to the photo's own light first, since such models shift tones a little everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING

import numpy as np

from core.device import derive_seed
from core.diffusion.adapter_files import AdapterFile, find_adapter
from core.diffusion.adapter_fit import check_fits, model_width
from core.diffusion.editor.families import EditorWay, FoundEditor
from core.diffusion.model_sources import ModelSource
from core.engines.api import Context, Engine
from core.engines.backbone_requirements import grey_like
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.inpaint_settings import InpaintParams
from core.errors import InputError, MaskError
from core.images import crop_around_mask
from core.masks.change_mask import change_mask, relit
from core.types import Image, Mask, Request, Sample

if TYPE_CHECKING:
    from core.diffusion.model_crop import CropSettings, ModelCrop

INSTRUCTION = "add this defect to the part: {label}"
"""The prompt of an editor that takes instructions, where a person wrote none."""

REFERENCE_MARGIN = 0.5
"""Surroundings of a real anomaly that the model sees, as a share of its mask's box."""


def in_words(prompt: str, label: str) -> str:
    """``prompt`` with the label in it."""
    return prompt.replace("{label}", label.replace("_", " "))


def editor_way(found: FoundEditor, wanted: str) -> EditorWay:
    """Inside the mask, or by an instruction; InputError where the model cannot do what is wanted."""
    way: EditorWay = found.default_way if wanted == "auto" else "mask" if wanted == "mask" else "instruction"
    if found.family.pipeline(way) is None:
        has = "edits by instruction alone" if way == "mask" else "draws inside masks alone"
        raise InputError(f"inpaint: drawing: {found.folder.name} is {found.family.title}, which {has}; set auto")
    return way


def idle_of_sampling() -> Mapping[str, str]:
    """Settings that our own sampling does not take, and why."""
    ours = "models like Stable Diffusion 1.5 are drawn with by our own sampling"
    return {"reference": f"{ours}, which sees no further picture", "drawing": f"{ours}, inside the mask"}


def idle_of_editor(found: FoundEditor, way: EditorWay) -> Mapping[str, str]:
    """Settings that the family's pipeline does not take, and why."""
    takes, title = found.family.pipeline(way), found.family.title
    assert takes is not None, "editor_way chooses ways that there are"
    own = f"{title} has a sampler of its own"
    idle = {"eta": own} if found.family.unet else {"sampler": own, "eta": own}
    if not takes.negative:
        idle["negative"] = f"{title} takes no negative prompt"
    if not takes.strength:
        idle["strength"] = f"{title} draws anew in this way, from noise"
    if not takes.reference:
        idle["reference"] = f"{title} takes no reference picture in this way"
    return idle


def chosen_adapter(engine: Engine, found: ModelSource | FoundEditor, params: InpaintParams) -> AdapterFile | None:
    """The adapter of the settings, which is for the model; InputError or Unavailable, in one line, where it is not."""
    if not params.adapter.strip():
        return None
    adapter = find_adapter(params.adapter.strip())
    check_fits(adapter, model_width(found))
    if adapter.kind == "textual inversion" and isinstance(found, FoundEditor):
        raise InputError(
            f"{engine.name}: adapter: {adapter.name} is a textual inversion, which is taken with models like Stable "
            "Diffusion 1.5 and 2 alone; choose such a model, or a LoRA"
        )
    return adapter


def with_model_defaults(
    params: InpaintParams, steps: int, guidance: float, adapter: AdapterFile | None
) -> InpaintParams:
    """Steps and guidance in numbers where they are left to the model; few and none with a distilled adapter."""
    if adapter is not None and adapter.steps is not None:
        return params.with_defaults(adapter.steps, 1.0)
    return params.with_defaults(steps, guidance)


def draw_with_editor(
    engine: Engine,
    found: FoundEditor,
    request: Request,
    mask: Mask,
    params: InpaintParams,
    adapter: AdapterFile | None,
    ctx: Context,
) -> Sample:
    """The request's sample, drawn by the pipeline of ``found``."""
    from core.diffusion.adapters import lora_on
    from core.diffusion.backbone import exclusive
    from core.diffusion.editor.editing import EditSettings, EditTask, edit
    from core.diffusion.editor.loading import load_editor
    from core.diffusion.editor.schedulers import scheduler_for
    from core.diffusion.model_crop import CropSettings, crop_for_model, paste_back

    way = editor_way(found, params.drawing)
    params = with_model_defaults(params, found.steps, found.guidance, adapter)
    if way == "instruction" and params.prompt == InpaintParams.model_fields["prompt"].default:
        params = params.model_copy(update={"prompt": INSTRUCTION})
    editor = load_editor(found, way, ctx.device)
    frame = CropSettings(params.margin, params.side, params.feather, params.seam, context=params.context_rectangle)
    photo = request.normal.pixels
    window = crop_for_model(editor, photo, mask, frame)
    task = EditTask(
        window.pixels,
        window.mask_for_model(mask),
        in_words(params.prompt, request.label),
        derive_seed(request.seed, engine.name),
        params.negative,
        _reference_picture(engine, request) if params.reference == "example" else None,
    )
    settings = EditSettings(params.steps, params.guidance, params.strength)
    layers = lora_on(editor, adapter, params.adapter_weight) if adapter is not None else nullcontext()
    few_steps = adapter is not None and adapter.steps is not None
    with exclusive(editor, ctx.cancelled), layers, scheduler_for(editor, params.sampler, few_steps):
        picture = edit(editor, task, settings, lambda done, of: ctx.progress(done, of, None), ctx.cancelled)
    if way == "mask":
        drawn = paste_back(photo, mask, window, picture, frame)
    else:
        drawn, mask = _instructed(engine, request, window, picture, frame)
    return finalize_sample(engine, request, grey_like(photo, drawn), mask, params=params)


def _reference_picture(engine: Engine, request: Request) -> Image:
    """The surroundings of a real anomaly, uint8 (h, w, 3)."""
    if not request.examples:
        raise InputError(
            f"{engine.name}: reference: there is no real anomaly labelled {request.label!r} to show the model; import "
            "one in Product, or set reference to none"
        )
    example = request.examples[0]
    return np.ascontiguousarray(crop_around_mask(example.mask, REFERENCE_MARGIN, 64).crop(example.pixels))


def _instructed(
    engine: Engine, request: Request, window: ModelCrop, picture: Image, frame: CropSettings
) -> tuple[Image, Mask]:
    """The photo with what an editor changed of its ``window`` in it, uint8 (H, W, 3), and where, bool (H, W)."""
    from core.diffusion.model_crop import paste_back

    photo, crop = request.normal.pixels, window.photo_crop
    # What the window's own size costs in sharpness is no change: it is taken from both.
    before, after = window.to_photo_crop(window.pixels), window.to_photo_crop(picture)
    try:
        changed = change_mask(before, after).mask
    except MaskError as error:
        raise NoVisibleChange(
            f"{engine.name}: on {request.normal.name!r} the model changed nothing that can be told apart ({error}); "
            "say more plainly what to add, raise the guidance or take another seed"
        ) from error
    mask: Mask = np.zeros(photo.shape[:2], np.bool_)
    mask = crop.paste(mask, changed)
    even = relit(after, before, ~changed)
    return paste_back(photo, mask, window, even, frame), mask
