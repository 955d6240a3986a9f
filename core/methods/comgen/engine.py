"""The comgen engine: from a request to a sample whose mask says what changed, and in which component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.device import derive_seed, numpy_rng, torch_generator
from core.engines.api import Background, Context, LearningEngine, Need, read_params
from core.engines.backbone_requirements import as_grey_as, concepts_folder, no_model
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.prompt_editing import Product
from core.engines.recipe_notes import CandidateNotes, EditNotes, with_notes
from core.errors import InputError
from core.methods.comgen.component_masks import instances
from core.methods.comgen.component_prompt import Prompt
from core.methods.comgen.components import ComponentParams
from core.methods.comgen.edit_plan import EditPlan, make_plan
from core.methods.comgen.paste_back import enlarged, paste, true_mask
from core.methods.comgen.prompt_edits import Edited
from core.methods.comgen.prompt_view import ComponentPromptEditing
from core.methods.comgen.requested_prompt import UNEDITED, component_prompt, edited_prompt, learned, lent, says_all
from core.methods.comgen.residual import Residual, grown, refined
from core.methods.comgen.settings import ComGenParams
from core.training.checkpoints import Concept, load_concept
from core.types import AnomalyExample, Image, Mask, NormalImage, Request, Sample

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone
    from core.methods.comgen.sample import Held

TOOK = 0.2
"""Share of a component that must visibly differ for the edit to have taken there."""
RIM = 4.0
"""Pixels of the model's picture that are pasted around what changed."""


@dataclass(frozen=True)
class ComGenEvidence:
    """One sample with all that a person may want to see of how it came about.

    ``residual`` is at the model's size; ``components`` of it says which is wrong. The sample's ``unrefined`` is the
    mask as eq. 10 gives it; its own is refined to what visibly changed.
    """

    sample: Sample
    prompt: Prompt
    edited: Edited
    residual: Residual


class ComGen(LearningEngine):
    """Edits the prompt that lists a photo's components; the photo follows."""

    name = "comgen"
    title = "Component edit"
    summary = "Removes, repeats, swaps or restyles components by editing the prompt that names them."
    kind = "logical"
    needs = frozenset({"regions"})
    background = "redrawn"
    tools = frozenset({"prompt"})
    learns_from = "normals"
    needs_concept = False
    Params = ComGenParams
    Learning = ComponentParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return no_model()

    def requires(self, params: ComGenParams) -> frozenset[Need]:
        """Regions, unless the components are named otherwise; their words' attention then says where they are."""
        return frozenset() if params.concept.strip() or says_all(params.prompt) else self.needs

    def prompt_editing(self, product: Product) -> ComponentPromptEditing:
        """The component prompt by hand."""
        return ComponentPromptEditing(product)

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: ComponentParams,
        ctx: Context,
    ) -> Concept:
        """Learn the components of ``normals``; real anomalies and labels play no part."""
        ctx.check()
        folder = concepts_folder(self.name, ctx)
        from core.diffusion.loading import load_backbone
        from core.methods.comgen.components.train import learn_components
        from core.methods.comgen.components.training_samples import ComponentPhoto
        from core.training.callbacks import TrainingCallbacks

        photos = [ComponentPhoto(normal, tuple(ctx.regions_of(normal.id))) for normal in normals]
        backbone = load_backbone(params.backbone, ctx.device, "float32")
        callbacks = TrainingCallbacks(ctx.progress, ctx.curve, ctx.cancelled)
        return learn_components(backbone, photos, params, engine=self.name, folder=folder, callbacks=callbacks)

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; Unavailable when the model is not on this machine."""
        yield self.find(request, ctx).sample

    def find(self, request: Request, ctx: Context) -> ComGenEvidence:
        """The sample of a request, with its attention.

        InputError, in one line: no components, an unknown one, an edit that leaves nothing or changes nothing.
        """
        ctx.check()
        params: ComGenParams = read_params(self, request.params)
        concept = learned(ctx.concepts, params.concept, whole=params.edit.strip() == UNEDITED)
        others = lent(ctx.concepts, params.borrowed, concept)
        prompt = component_prompt(params.prompt, (region.name for region in request.regions), concept)
        rng = numpy_rng(request.seed, self.name, "edit")
        edited = edited_prompt(prompt, params.edit, params.mode == "noise", rng)
        from core.diffusion.backbone import exclusive
        from core.diffusion.loading import load_backbone

        ids = {"concept": concept.id if concept is not None else "", "borrowed": ", ".join(one.id for one in others)}
        params, model = params.model_copy(update=ids), params.backbone
        if model == "auto" and (teachers := [concept, *others] if concept is not None else others):
            model = teachers[0].config.backbone
        backbone = load_backbone(model, ctx.device)
        work = self._from_noise if params.mode == "noise" else self._from_photo
        with exclusive(backbone, ctx.cancelled), self._speaking(backbone, concept, others, edited, ctx) as spoken:
            return work(*spoken, request, params, ctx)

    @contextmanager
    def _speaking(
        self, backbone: Backbone, concept: Concept | None, others: Sequence[Concept], edited: Edited, ctx: Context
    ) -> Iterator[tuple[Backbone, Edited]]:
        """The model, and the edit as it is to read it: with the concept's words, or those that ``others`` lend."""
        from core.methods.comgen.components.component_tokens import names_of, speaking

        known = {chip.noun for chip in edited.before.chips}
        with ExitStack() as stack:
            for one in [*([concept] if concept is not None else []), *others]:
                backbone, words = stack.enter_context(speaking(backbone, one, self._tensors(one, ctx)))
                if one is concept:
                    if not any(chip.spoken(words).token for chip in edited.before.chips):
                        raise InputError(
                            f"{self.name}: concept {one.id} knows {', '.join(names_of(one))}, and none of these is in "
                            f"{edited.before.text!r}; name the components as they were learned, or choose the "
                            "concept of this product"
                        )
                    edited = edited.spoken(words)
                else:
                    chips = (c if c.noun in known or c.token else c.spoken(words) for c in edited.after.chips)
                    edited = replace(edited, after=replace(edited.after, chips=tuple(chips)))
            yield backbone, edited

    def _tensors(self, concept: Concept, ctx: Context) -> Any:
        key = (self.name, concept.id, concept.created)
        if key not in ctx.cache:
            assert ctx.concepts is not None
            ctx.cache[key] = load_concept(ctx.concepts / concept.id)[1]
        return ctx.cache[key]

    def _from_photo(
        self, backbone: Backbone, edited: Edited, request: Request, params: ComGenParams, ctx: Context
    ) -> ComGenEvidence:
        from core.methods.comgen.sample import draw, hold

        photo = request.normal.pixels
        held = hold(backbone, photo, edited.before, params.steps, ctx.progress, ctx.cancelled)
        shape = (held.pixels.shape[0], held.pixels.shape[1])
        maps = held.maps(backbone, edited.before)
        found = instances(edited.before.chips, request.regions, maps, shape)
        rng = numpy_rng(request.seed, self.name, "plan")
        plan = make_plan(edited, found, held.pixels, params.margin * max(shape), backbone.factor, rng)
        generator = torch_generator(derive_seed(request.seed, self.name))
        drawn = draw(backbone, held, edited, plan, params, generator, ctx.progress, ctx.cancelled)
        coarse = drawn.residual.unrefined | np.logical_or.reduce([act.core for act in plan.acts])
        cell = max(shape) / max(maps.shape[1:])
        changed = refined(coarse, held.rebuilt, drawn.image, cell, within=plan.region)
        if not changed.any():
            raise NoVisibleChange(self._unmoved(edited, request))
        image, mask = _pasted(photo, held, drawn.image, plan, changed, params, rng)
        parts = _instances(plan, (photo.shape[0], photo.shape[1]))
        background: Background = "redrawn" if params.background == "rewrite" else "exact"
        sample = finalize_sample(
            self, request, image, mask, background=background, tighten=False, instances=parts, params=params
        )
        return self._finding(sample, edited, drawn.residual)

    def _from_noise(
        self, backbone: Backbone, edited: Edited, request: Request, params: ComGenParams, ctx: Context
    ) -> ComGenEvidence:
        from core.methods.comgen.low_density import best_candidate

        chosen = best_candidate(backbone, request, edited, params, ctx)
        normal = chosen.neighbour
        request = replace(request, normal=normal, regions=())
        mask = enlarged(chosen.mask, normal.shape)
        image = cv2.resize(chosen.image, normal.shape[::-1], interpolation=cv2.INTER_CUBIC)
        image = as_grey_as(normal.pixels, np.asarray(image, np.uint8))
        sample = finalize_sample(self, request, image, mask, background="redrawn", params=params)
        return self._finding(sample, edited, chosen.residual, chosen.notes)

    def _finding(self, sample: Sample, edited: Edited, found: Residual, *more: CandidateNotes) -> ComGenEvidence:
        shape = (sample.mask.shape[0], sample.mask.shape[1])
        notes = EditNotes(
            prompt=edited.before.plain.text,
            edit="; ".join(map(str, edited.edits)),
            edited=edited.after.plain.text,
            named=found.named,
            components={name: round(mass, 3) for name, mass in found.masses.items() if mass >= 0.01},
        )
        soft = cv2.resize(found.soft, shape[::-1], interpolation=cv2.INTER_LINEAR)
        most = max(float(found.soft.max()), 1e-6)
        sample = replace(
            sample,
            recipe=with_notes(sample.recipe, notes, *more),
            attention=np.asarray(soft, np.float32),
            components={name: np.clip(part / most, 0, 1) for name, part in found.components.items()},
            unrefined=enlarged(found.unrefined, shape),
        )
        return ComGenEvidence(sample, edited.before, edited, found)

    def _unmoved(self, edited: Edited, request: Request) -> str:
        said = "; ".join(map(str, edited.edits))
        return (
            f"{self.name}: {said!r} left nothing visibly changed on {request.normal.name!r}; raise the guidance, take "
            "another seed, or a model that knows these components"
        )


def _pasted(
    photo: Image,
    held: Held,
    drawn: Image,
    plan: EditPlan,
    changed: Mask,
    params: ComGenParams,
    rng: np.random.Generator,
) -> tuple[Image, Mask]:
    """The sample's image and mask at the photo's size, from what was ``drawn`` and ``changed`` at the model's."""
    full = (photo.shape[0], photo.shape[1])
    bounds = enlarged(_whole(plan, changed), full)
    if params.background == "rewrite":
        image = np.asarray(cv2.resize(drawn, full[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        return as_grey_as(photo, image), bounds
    image = paste(photo, held.pixels, held.rebuilt, drawn, bounds, params.detail, rng, plan.carried)
    image = as_grey_as(photo, image)
    mask = true_mask(photo, image, bounds) if params.tighten else bounds
    return np.where(mask[..., None], image, photo), mask


def _whole(plan: EditPlan, changed: Mask) -> Mask:
    """What to paste of each act: all that changed there and, where the edit took, all of the component.

    Parts of it that happen to be as bright as what comes instead did change too. The edge runs a little outside, where
    both pictures agree.
    """
    out = np.zeros_like(changed)
    for act in plan.acts:
        part = changed & act.bounds
        if act.whole and (part & act.core).sum() >= TOOK * act.core.sum():
            part |= act.core
        out |= grown(part, RIM) & act.bounds
    return out


def _instances(plan: EditPlan, shape: tuple[int, int]) -> tuple[Mask, ...]:
    """One mask per act at the photo's size; where two meet the later one has it."""
    out: list[Mask] = []
    taken = np.zeros(shape, np.bool_)
    for act in reversed(plan.acts):
        part = enlarged(act.bounds, shape) & ~taken
        taken |= part
        out.append(part)
    return tuple(part for part in reversed(out) if part.any())
