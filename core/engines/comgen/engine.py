"""The comgen engine: from a request to a sample whose mask says what changed, and in which component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.concepts.components import ComponentParams
from core.concepts.prompt import Edited, Prompt, apply, choose, prompt_of, read_edits, read_prompt
from core.concepts.shelf import Concept, find_concept, load_concept
from core.device import derive_seed, numpy_rng, torch_generator
from core.engines.base import Context, NothingChanged, read_params, settle
from core.engines.comgen.params import ComGenParams
from core.engines.comgen.parts import instances
from core.engines.comgen.paste import enlarged, paste, true_mask
from core.engines.comgen.plan import Plan, make_plan
from core.engines.drawn import as_grey_as, concepts_folder, no_model
from core.errors import InputError
from core.residual import Residual, grown, refined
from core.types import AnomalyExample, Image, Kind, Mask, NormalImage, Region, Request, Sample

if TYPE_CHECKING:
    from core.diffusion.model import Backbone
    from core.engines.comgen.draw import Held

LISTED = "{components}"
TOOK = 0.2
"""Share of a component that must visibly differ for the edit to have taken there."""
RIM = 4.0
"""Pixels of the model's picture that are pasted around what changed."""


@dataclass(frozen=True)
class Finding:
    """One sample with all that a person may want to see of how it came about.

    ``residual`` is at the model's size; ``components`` of it says which is wrong. ``unrefined`` is the mask as eq. 10
    gives it, at the photo's size; the sample's own is refined to what visibly changed.
    """

    sample: Sample
    prompt: Prompt
    edited: Edited
    residual: Residual
    unrefined: Mask


class ComGen:
    """Edits the prompt that lists a photo's components; the photo follows."""

    name = "comgen"
    title = "Component edit"
    summary = "Removes, repeats, swaps or restyles components by editing the prompt that names them."
    kind: Kind = "logical"
    needs = frozenset({"regions"})
    rewrites_background = False
    learns = True
    learns_from = frozenset({"normals"})
    needs_concept = False
    Params = ComGenParams
    Learning = ComponentParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return no_model()

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
        from core.concepts.components.learning import Photo, learn_components
        from core.concepts.inversion import Watch
        from core.diffusion.backbone import load_backbone

        photos = [Photo(normal, tuple(ctx.regions_of(normal.id))) for normal in normals]
        backbone = load_backbone(params.backbone, ctx.device, "float32")
        watch = Watch(ctx.progress, ctx.curve, ctx.cancelled)
        return learn_components(backbone, photos, params, engine=self.name, folder=folder, watch=watch)

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; Unavailable when the model is not on this machine."""
        yield self.find(request, ctx).sample

    def find(self, request: Request, ctx: Context) -> Finding:
        """The sample of a request, with its attention.

        InputError, in one line: no components, an unknown one, an edit that leaves nothing or changes nothing.
        """
        ctx.check()
        params: ComGenParams = read_params(self, request.params)
        concept = self._concept(params, ctx)
        title = str(concept.config["title"]) if concept is not None else ""
        prompt = component_prompt(params.prompt, request.regions, title)
        edits = choose(read_edits(params.edit), prompt, numpy_rng(request.seed, self.name, "edit"))
        edited = apply(prompt, edits)
        from core.diffusion.backbone import load_backbone
        from core.diffusion.model import exclusive

        model = params.backbone
        if concept is not None:
            params = params.model_copy(update={"concept": concept.id})
            model = str(concept.config["settings"]["backbone"]) if model == "auto" else model
        backbone = load_backbone(model, ctx.device)
        work = self._from_noise if params.mode == "noise" else self._from_photo
        with exclusive(backbone, ctx.cancelled), self._speaking(backbone, concept, edited, ctx) as (speaker, spoken):
            return work(speaker, request, spoken, params, ctx)

    def _concept(self, params: ComGenParams, ctx: Context) -> Concept | None:
        """The learned components asked for; None for the model's own words. NotFound where there are none."""
        if not params.concept.strip():
            return None
        concept = find_concept(ctx.concepts, self.name, params.concept)
        if concept.config["single"]:
            raise InputError(
                f"{self.name}: concept {concept.id} has one word for the whole product, and edits need one for each "
                "component; learn them without 'single', or choose another"
            )
        return concept

    @contextmanager
    def _speaking(
        self, backbone: Backbone, concept: Concept | None, edited: Edited, ctx: Context
    ) -> Iterator[tuple[Backbone, Edited]]:
        """The model, and the edit as it is to read it."""
        if concept is None or ctx.concepts is None:
            yield backbone, edited
            return
        from core.concepts.components.speak import names_of, speaking

        key = (self.name, concept.id, concept.created)
        if key not in ctx.cache:
            ctx.cache[key] = load_concept(ctx.concepts / concept.id)[1]
        with speaking(backbone, concept, ctx.cache[key]) as (speaker, words):
            if not any(chip.spoken(words).token for chip in edited.before.chips):
                raise InputError(
                    f"{self.name}: concept {concept.id} knows {', '.join(names_of(concept))}, and none of these is in "
                    f"{edited.before.text!r}; name the components as they were learned"
                )
            yield speaker, edited.spoken(words)

    def _from_photo(
        self, backbone: Backbone, request: Request, edited: Edited, params: ComGenParams, ctx: Context
    ) -> Finding:
        from core.engines.comgen.draw import draw, hold

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
            raise NothingChanged(self._unmoved(edited, request))
        image, mask = _pasted(photo, held, drawn.image, plan, changed, params, rng)
        parts = _instances(plan, (photo.shape[0], photo.shape[1]))
        return self._finding(self._settled(request, image, mask, parts, params), edited, drawn.residual, {})

    def _from_noise(
        self, backbone: Backbone, request: Request, edited: Edited, params: ComGenParams, ctx: Context
    ) -> Finding:
        from core.engines.comgen.noise import best_candidate

        chosen = best_candidate(backbone, request, edited, params, ctx)
        normal = chosen.neighbour
        request = replace(request, normal=normal, regions=())
        mask = enlarged(chosen.mask, normal.shape)
        image = cv2.resize(chosen.image, normal.shape[::-1], interpolation=cv2.INTER_CUBIC)
        sample = self._settled(request, as_grey_as(normal.pixels, np.asarray(image, np.uint8)), mask, (), params)
        return self._finding(sample, edited, chosen.residual, chosen.notes)

    def _settled(
        self, request: Request, image: Image, mask: Mask, parts: tuple[Mask, ...], params: ComGenParams
    ) -> Sample:
        """``image`` as it is: pasted, its background is exact and its mask true; else the background is drawn."""
        final: Any = copy(self)
        final.rewrites_background = True
        return settle(final, request, image, mask, instances=parts, params=params)

    def _finding(self, sample: Sample, edited: Edited, found: Residual, more: Mapping[str, Any]) -> Finding:
        shape = (sample.mask.shape[0], sample.mask.shape[1])
        notes = {
            "prompt": edited.before.plain.text,
            "edit": "; ".join(map(str, edited.edits)),
            "edited": edited.after.plain.text,
            "named": found.named,
            "components": {name: round(mass, 3) for name, mass in found.masses.items() if mass >= 0.01},
            **more,
        }
        recipe = replace(sample.recipe, placement={**sample.recipe.placement, **notes})
        soft = cv2.resize(found.soft, shape[::-1], interpolation=cv2.INTER_LINEAR)
        sample = replace(sample, recipe=recipe, attention=np.asarray(soft, np.float32))
        return Finding(sample, edited.before, edited, found, enlarged(found.unrefined, shape))

    def _unmoved(self, edited: Edited, request: Request) -> str:
        said = "; ".join(map(str, edited.edits))
        return (
            f"{self.name}: {said!r} left nothing visibly changed on {request.normal.name!r}; raise the guidance, take "
            "another seed, or a model that knows these components"
        )


def component_prompt(text: str, regions: tuple[Region, ...], title: str = "") -> Prompt:
    """The prompt a person gave, ``{components}`` in it filled with the regions' names; without, the regions' alone,
    after ``title``."""
    if text.strip() and LISTED not in text:
        return read_prompt(text)
    if not regions:
        raise InputError(
            "comgen: this photo has no named regions, and no component prompt was given; name its components in "
            "Regions, or set prompt to what it shows ('a tray with a bolt, a nut and two washers')"
        )
    listed = prompt_of(region.name for region in regions)
    return read_prompt(text.replace(LISTED, listed.text)) if text.strip() else replace(listed, title=title)


def _pasted(
    photo: Image, held: Held, drawn: Image, plan: Plan, changed: Mask, params: ComGenParams, rng: np.random.Generator
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


def _whole(plan: Plan, changed: Mask) -> Mask:
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


def _instances(plan: Plan, shape: tuple[int, int]) -> tuple[Mask, ...]:
    """One mask per act at the photo's size; where two meet the later one has it."""
    out: list[Mask] = []
    taken = np.zeros(shape, np.bool_)
    for act in reversed(plan.acts):
        part = enlarged(act.bounds, shape) & ~taken
        taken |= part
        out.append(part)
    return tuple(part for part in reversed(out) if part.any())
