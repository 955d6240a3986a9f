"""A prompt drawn into the mask by a diffusion model: our own blended sampling, or any inpainting pipeline as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.device import derive_seed
from core.diffusion.adapter_files import AdapterFile
from core.diffusion.editor.families import FoundEditor
from core.diffusion.model_sources import find_model
from core.diffusion.trained_side import trained_side
from core.engines.api import Context, Engine, Need, read_params, require_mask, sample_or_error
from core.engines.backbone_requirements import grey_like, missing_model_reason
from core.engines.editor_drawing import (
    chosen_adapter,
    draw_with_editor,
    editor_way,
    idle_of_editor,
    idle_of_sampling,
    in_words,
    with_model_defaults,
)
from core.engines.finalize import finalize_sample
from core.engines.inpaint_settings import InpaintParams
from core.errors import FlawsmithError, InputError
from core.images import ContextMargin, ContextRectangle
from core.types import Mask, Request, Sample

OWN_STEPS, OWN_GUIDANCE = 30, 5.0
"""What our own sampling takes where steps and guidance are left to the model."""


class Inpaint(Engine):
    """Blended diffusion inside the mask, or an inpainting or editing pipeline of diffusers."""

    name = "inpaint"
    title = "Inpaint by prompt"
    summary = "Draws what a prompt says into the mask with a diffusion model; all else stays the photo's own."
    goal = "prompt"
    kind = "structural"
    needs = frozenset({"mask"})
    context_setting = "context"
    Params = InpaintParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason(find_model)

    def requires(self, params: InpaintParams) -> frozenset[Need]:
        """A mask, and a real anomaly where the model is shown one."""
        return self.needs | {"examples"} if params.reference == "example" else self.needs

    def copies_examples(self, params: Mapping[str, object]) -> bool:
        """Whether the model was shown a real anomaly, which it may have copied."""
        return params.get("reference") == "example"

    def idle_settings(self, params: InpaintParams) -> Mapping[str, str]:
        """Settings that the chosen model does not take, and why; none where no model can be found."""
        try:
            found = find_model(params.backbone)
        except FlawsmithError:
            return {}
        if not isinstance(found, FoundEditor):
            return idle_of_sampling()
        return idle_of_editor(found, editor_way(found, params.drawing))

    def context_of(self, params: InpaintParams) -> ContextRectangle | ContextMargin | None:
        """The rectangle that was set, else the mask's surroundings; None where no model can be found."""
        if (rectangle := params.context_rectangle) is not None:
            return rectangle
        try:
            return ContextMargin(params.margin, params.side or trained_side(find_model(params.backbone)))
        except FlawsmithError:
            return None

    def preferred_batch_size(self, params: Mapping[str, object], label: str, ctx: Context) -> int:
        """How many are best drawn together on this machine."""
        wanted = read_params(self, params).backbone
        if isinstance(find_model(wanted), FoundEditor):
            return 1
        from core.diffusion.backbone import preferred_batch_size
        from core.diffusion.loading import load_backbone

        return preferred_batch_size(load_backbone(wanted, ctx.device))

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, drawn together; or why there is none. They share label and settings."""
        ctx.check()
        params: InpaintParams = read_params(self, requests[0].params)
        if params.sampler != "ddim" and params.eta:
            raise InputError(f"{self.name}: eta: the sampler {params.sampler} has none; set eta to 0 or use ddim")
        masks = [require_mask(self, request) for request in requests]
        found = find_model(params.backbone)
        self._refuse_idle(params)
        adapter = chosen_adapter(self, found, params)
        if not isinstance(found, FoundEditor):
            return self._sampled(requests, masks, params, adapter, ctx)
        return [
            sample_or_error(draw_with_editor, self, found, request, mask, params, adapter, ctx)
            for request, mask in zip(requests, masks, strict=True)
        ]

    def _refuse_idle(self, params: InpaintParams) -> None:
        """InputError where a setting was changed that the model does not take."""
        for setting, reason in self.idle_settings(params).items():
            if getattr(params, setting) != InpaintParams.model_fields[setting].default:
                raise InputError(f"{self.name}: {setting}: {reason}; leave it as it is, or choose another model")

    def _sampled(
        self,
        requests: Sequence[Request],
        masks: Sequence[Mask],
        params: InpaintParams,
        adapter: AdapterFile | None,
        ctx: Context,
    ) -> list[Sample | InputError]:
        """By our own sampling."""
        from core.diffusion.adapters import adapted, with_word
        from core.diffusion.backbone import exclusive
        from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
        from core.diffusion.loading import load_backbone
        from core.diffusion.model_crop import CropSettings

        params = with_model_defaults(params, OWN_STEPS, OWN_GUIDANCE, adapter)
        prompt = with_word(in_words(params.prompt, requests[0].label), adapter)
        backbone = load_backbone(params.backbone, ctx.device)
        with exclusive(backbone, ctx.cancelled), adapted(backbone, adapter, params.adapter_weight) as known:
            pictures = inpaint(
                known,
                [
                    InpaintTask(r.normal.pixels, mask, prompt, derive_seed(r.seed, self.name))
                    for r, mask in zip(requests, masks, strict=True)
                ],
                params.negative,
                look=DrawingSettings(params.steps, params.guidance, params.strength, params.sampler, params.eta),
                frame=CropSettings(
                    params.margin, params.side, params.feather, params.seam, context=params.context_rectangle
                ),
                progress=ctx.progress,
                cancelled=ctx.cancelled,
            )
        return [
            sample_or_error(finalize_sample, self, r, grey_like(r.normal.pixels, picture), mask, params=params)
            for r, mask, picture in zip(requests, masks, pictures, strict=True)
        ]
