"""The comgen engine: from a request to a sample whose mask says what changed, and in which component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.device import derive_seed, numpy_rng, torch_generator
from core.engines.api import Background, Context, DrawingPreset, LearningEngine, Need, read_params
from core.engines.backbone_requirements import concepts_folder, grey_like, missing_model_reason
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.ground.aligned import OtherPhoto
from core.engines.ground.other_photos import chosen_ids, other_photos
from core.engines.prompt_editing import Product
from core.engines.recipe_notes import CandidateNotes, EditNotes, GroundNotes, with_notes
from core.errors import InputError
from core.methods.comgen.component_masks import component_instances
from core.methods.comgen.component_prompt import ComponentPrompt
from core.methods.comgen.components import ComponentLearningParams
from core.methods.comgen.composition import DrawnEdit
from core.methods.comgen.edit_plan import make_edit_plan
from core.methods.comgen.paste_back import enlarged
from core.methods.comgen.prompt_edits import EditedPrompt
from core.methods.comgen.prompt_view import ComponentPromptEditing
from core.methods.comgen.requested_prompt import (
    NO_EDIT,
    borrowed_concepts,
    component_concept,
    component_prompt,
    edited_prompt,
    names_components,
)
from core.methods.comgen.residual import AttentionDiff, refined
from core.methods.comgen.settings import ComGenParams
from core.training.checkpoints import Concept, load_concept
from core.types import AnomalyExample, NormalImage, Request, Sample

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone


@dataclass(frozen=True)
class ComGenEvidence:
    """One sample with all that a person may want to see of how it came about.

    ``residual`` is at the model's size; ``components`` of it says which is wrong. The sample's ``unrefined`` is the
    mask as eq. 10 gives it; its own is refined to what visibly changed.
    """

    sample: Sample
    prompt: ComponentPrompt
    edited: EditedPrompt
    residual: AttentionDiff


class ComGen(LearningEngine):
    """Edits the prompt that lists a photo's components; the photo follows."""

    name = "comgen"
    title = "Component edit"
    summary = "Removes, repeats, swaps or restyles components by editing the prompt that names them."
    goal = "components"
    paper = "ComGEN"
    kind = "logical"
    needs = frozenset({"regions"})
    background = "redrawn"
    fades = True
    tools = frozenset({"prompt"})
    learns_from = "normals"
    needs_concept = False
    Params = ComGenParams
    Learning = ComponentLearningParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def requires(self, params: ComGenParams) -> frozenset[Need]:
        """Regions, unless the components are named otherwise; their words' attention then says where they are."""
        return frozenset() if params.concept.strip() or names_components(params.prompt) else self.needs

    def prompt_editing(self, product: Product) -> ComponentPromptEditing:
        """The component prompt by hand."""
        return ComponentPromptEditing(product)

    def drawing_presets(self) -> Mapping[str, DrawingPreset]:
        """Published: new pictures from noise in 50 steps of DDIM, compared with the nearest good part; nothing of a
        photo is kept."""
        drawn: dict[str, Any] = {
            "mode": "noise", "background": "rewrite", "steps": 50, "detail": 0.0, "read_at": "t = 0"
        }  # fmt: skip
        return {"flawsmith": DrawingPreset(), "paper": DrawingPreset(drawn)}

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: ComponentLearningParams,
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
        yield self.generate_with_evidence(request, ctx).sample

    def generate_with_evidence(self, request: Request, ctx: Context) -> ComGenEvidence:
        """The sample of a request, with its attention.

        InputError, in one line: no components, an unknown one, an edit that leaves nothing or changes nothing.
        """
        ctx.check()
        params: ComGenParams = read_params(self, request.params)
        concept = component_concept(ctx.concepts, params.concept, whole=params.edit.strip() == NO_EDIT)
        others = borrowed_concepts(ctx.concepts, params.borrowed, concept)
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
        with exclusive(backbone, ctx.cancelled), self._with_concepts(backbone, concept, others, edited, ctx) as spoken:
            return work(*spoken, request, params, ctx)

    @contextmanager
    def _with_concepts(
        self,
        backbone: Backbone,
        concept: Concept | None,
        others: Sequence[Concept],
        edited: EditedPrompt,
        ctx: Context,
    ) -> Iterator[tuple[Backbone, EditedPrompt]]:
        """The model, and the edit as it is to read it: with the concept's words, or those that ``others`` lend."""
        from core.methods.comgen.components.component_tokens import apply_concept, concept_component_names

        known = {chip.noun for chip in edited.before.components}
        with ExitStack() as stack:
            for one in [*([concept] if concept is not None else []), *others]:
                backbone, words = stack.enter_context(apply_concept(backbone, one, self._tensors(one, ctx)))
                if one is concept:
                    names = ", ".join(concept_component_names(one))
                    if not any(chip.with_learned_words(words).token for chip in edited.before.components):
                        raise InputError(
                            f"{self.name}: concept {one.id} knows {names}, and none of these is in "
                            f"{edited.before.text!r}; name the components as they were learned, or choose the "
                            "concept of this product"
                        )
                    edited = edited.with_learned_words(words)
                else:
                    chips = (
                        c if c.noun in known or c.token else c.with_learned_words(words)
                        for c in edited.after.components
                    )
                    edited = replace(edited, after=replace(edited.after, components=tuple(chips)))
            yield backbone, edited

    def _tensors(self, concept: Concept, ctx: Context) -> Any:
        key = (self.name, concept.id, concept.created)
        if key not in ctx.cache:
            assert ctx.concepts is not None
            ctx.cache[key] = load_concept(ctx.concepts / concept.id)[1]
        return ctx.cache[key]

    def _from_photo(
        self, backbone: Backbone, edited: EditedPrompt, request: Request, params: ComGenParams, ctx: Context
    ) -> ComGenEvidence:
        from core.methods.comgen.sample import draw_edit, invert_photo

        photo = request.normal.pixels
        held = invert_photo(backbone, photo, edited.before, params.steps, ctx.progress, ctx.cancelled)
        shape = (held.pixels.shape[0], held.pixels.shape[1])
        maps = held.component_maps(backbone, edited.before)
        found = component_instances(edited.before.components, request.regions, maps, shape)
        rng = numpy_rng(request.seed, self.name, "plan")
        plan = make_edit_plan(edited, found, held.pixels, params.margin * max(shape), backbone.vae_scale_factor, rng)
        generator = torch_generator(derive_seed(request.seed, self.name))
        drawn = draw_edit(backbone, held, edited, plan, params, generator, ctx.progress, ctx.cancelled)
        coarse = drawn.attention_diff.unrefined | np.logical_or.reduce([act.core for act in plan.acts])
        cell = max(shape) / max(maps.shape[1:])
        changed = refined(coarse, held.reconstructed, drawn.image, cell, within=plan.region)
        if not changed.any():
            raise NoVisibleChange(self._no_change_message(edited, request))
        ids, goods = self._good_photos(request, params, ctx)
        edit = DrawnEdit(request, held, drawn.image, plan, changed, params, goods, rng).composed()
        background: Background = "redrawn" if params.background == "rewrite" else "exact"
        sample = finalize_sample(
            self, request, edit.image, edit.mask, background=background, tighten=False, instances=edit.instances,
            params=params,
        )  # fmt: skip
        return self._result(sample, edited, drawn.attention_diff, *([GroundNotes(normal_ids=ids)] if goods else []))

    def _good_photos(
        self, request: Request, params: ComGenParams, ctx: Context
    ) -> tuple[tuple[str, ...], tuple[OtherPhoto, ...]]:
        """Ids of the photos that may show the ground, and those of them that show the same view."""
        if params.ground == "drawn" or params.background == "rewrite":
            return (), ()
        ids = request.normal_ids if request.normal_ids is not None else chosen_ids(request.normal, ctx.normals)
        return ids, other_photos(request.normal, ctx.normals, ids, ctx.check, ctx.regions_of)

    def _from_noise(
        self, backbone: Backbone, edited: EditedPrompt, request: Request, params: ComGenParams, ctx: Context
    ) -> ComGenEvidence:
        from core.methods.comgen.low_density import best_candidate

        chosen = best_candidate(backbone, request, edited, params, ctx)
        normal = chosen.neighbour
        request = replace(request, normal=normal, regions=())
        mask = enlarged(chosen.mask, normal.shape)
        image = cv2.resize(chosen.image, normal.shape[::-1], interpolation=cv2.INTER_CUBIC)
        image = grey_like(normal.pixels, np.asarray(image, np.uint8))
        sample = finalize_sample(self, request, image, mask, background="redrawn", params=params)
        return self._result(sample, edited, chosen.residual, chosen.notes)

    def _result(
        self, sample: Sample, edited: EditedPrompt, found: AttentionDiff, *more: CandidateNotes | GroundNotes
    ) -> ComGenEvidence:
        shape = (sample.mask.shape[0], sample.mask.shape[1])
        notes = EditNotes(
            prompt=edited.before.without_learned_words.text,
            edit="; ".join(map(str, edited.edits)),
            edited=edited.after.without_learned_words.text,
            named=found.top_component,
            components={name: round(mass, 3) for name, mass in found.component_weights.items() if mass >= 0.01},
        )
        soft = cv2.resize(found.soft, shape[::-1], interpolation=cv2.INTER_LINEAR)
        most = max(float(found.soft.max()), 1e-6)
        sample = replace(
            sample,
            recipe=with_notes(sample.recipe, notes, *more),
            attention=np.asarray(soft, np.float32),
            components={name: np.clip(part / most, 0, 1) for name, part in found.components.items()},
            unrefined_mask=enlarged(found.unrefined, shape),
        )
        return ComGenEvidence(sample, edited.before, edited, found)

    def _no_change_message(self, edited: EditedPrompt, request: Request) -> str:
        said = "; ".join(map(str, edited.edits))
        return (
            f"{self.name}: {said!r} left nothing visibly changed on {request.normal.name!r}; raise the guidance, take "
            "another seed, or a model that knows these components"
        )
