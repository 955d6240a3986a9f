"""Draws the anomaly of one real photo into another, without learning (after O2MAG)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.bank import BANK_PREFIX
from core.device import derive_seed, numpy_rng
from core.engines.api import Context, Engine, ExampleSource, read_params, require_mask
from core.engines.backbone_requirements import grey_like, missing_model_reason
from core.engines.finalize import finalize_sample
from core.engines.recipe_notes import BankNotes, with_notes
from core.engines.surface.outline_warp import TurnLimit
from core.engines.surface.stamping import UPRIGHT, StampSettings, place_reach, shows_light_direction, stamp_onto
from core.engines.surface.surface import crop_surface, paste_surface
from core.errors import InputError
from core.methods.graft.settings import ANY, GraftParams, asked_ids
from core.types import AnomalyExample, Image, Mask, Request, Sample


class Graft(Engine):
    """The look of one real anomaly, read by the target's self-attention."""

    name = "graft"
    title = "Graft from one example"
    summary = "Draws an anomaly like one real one, without learning: a diffusion model reads its look from that photo."
    goal = "examples"
    paper = "O2MAG"
    kind = "structural"
    needs = frozenset({"mask", "examples"})
    reference_setting = "reference"
    Params = GraftParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def matching_examples(
        self,
        params: Mapping[str, object],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample] | None:
        """The references that were asked for, else all of the label: a mask is like the one that is drawn into it."""
        named = asked_ids(str(params.get("reference", ANY)))
        by_id = {example.id: example for example in examples}
        for id in named:
            if id not in by_id:
                raise InputError(
                    f"graft: there is no real anomaly {id[:40]!r} labelled {label!r} to draw like; choose one in "
                    "Studio, or leave it at any"
                )
        return [by_id[id] for id in named] or examples

    def example_source_for(self, params: Mapping[str, object]) -> ExampleSource:
        """The bank where one of its entries is named."""
        named = asked_ids(str(params.get("reference", ANY)))
        return "bank" if any(id.startswith(BANK_PREFIX) for id in named) else "project"

    def examples_per_sample(self, params: Mapping[str, object]) -> int:
        """As many as are read together."""
        read: GraftParams = read_params(self, params)
        return read.together

    def keeps_direction(self, example: AnomalyExample) -> bool:
        """One that shows where its light comes from."""
        return shows_light_direction(example)

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; InputError without a reference."""
        ctx.check()
        params: GraftParams = read_params(self, request.params)
        mask = require_mask(self, request)
        if not request.examples:
            raise InputError(
                f"graft: it draws like one real anomaly, and there is none labelled {request.label!r}; "
                "import one with its mask, or draw its mask in Concepts"
            )
        picture = self._drawn(request, params, mask, ctx)
        sample = finalize_sample(self, request, grey_like(request.normal.pixels, picture), mask, params=params)
        sources = tuple(sorted({id for example in request.examples for id in example.sources}))
        notes = BankNotes(bank_sources=sources)
        yield replace(sample, recipe=with_notes(sample.recipe, notes)) if sources else sample

    def _drawn(self, request: Request, params: GraftParams, mask: Mask, ctx: Context) -> Image:
        from core.diffusion.backbone import exclusive
        from core.diffusion.loading import load_backbone
        from core.diffusion.model_crop import CropSettings
        from core.diffusion.tokens import token_positions
        from core.methods.graft.drawing import GraftSettings, GraftTask, draw_graft
        from core.methods.graft.prompt_tuning import tuned_words

        initial = _initial_picture(self, request, mask, ctx)
        prompt = params.prompt.replace("{label}", request.label.replace("_", " ")).strip()
        backbone = load_backbone(params.backbone, ctx.device)
        settings = GraftSettings(
            params.steps, params.renewal, params.rounds, params.reinjection, params.attention, params.detail
        )
        frame = CropSettings(
            params.margin, 0, params.feather, params.seam, framed=True, least=params.least, detail=params.detail
        )
        references = [(example.pixels, example.mask) for example in request.examples]
        drawn = max(1, round(params.steps * params.renewal))
        with exclusive(backbone, ctx.cancelled):
            words = tuned_words(
                backbone, prompt, references, params.tune, frame,
                lambda done, total: ctx.progress(done, total + drawn, None), ctx.cancelled,
            )  # fmt: skip
            task = GraftTask(
                (request.normal.pixels, mask),
                initial,
                references,
                words,
                token_positions(backbone, prompt, prompt) if prompt else (),
                derive_seed(request.seed, self.name),
            )
            shown = lambda done, total, seen: ctx.progress(params.tune + done, params.tune + total, seen)  # noqa: E731
            return draw_graft(backbone, task, settings, frame, shown, ctx.cancelled)


def _initial_picture(engine: Graft, request: Request, mask: Mask, ctx: Context) -> Image:
    """The photo with the first example bent into the mask, as it is before anything is drawn."""
    example, rng = request.examples[0], numpy_rng(request.seed, engine.name)
    upright = request.placement is not None and request.placement.follows_example or engine.keeps_direction(example)
    surface = crop_surface(request, mask, ctx, pad=place_reach(mask) + 2)
    limit = UPRIGHT if upright else TurnLimit()
    pixels = stamp_onto(surface, example, limit, StampSettings(), request.label, rng)
    return paste_surface(request, surface, pixels)
