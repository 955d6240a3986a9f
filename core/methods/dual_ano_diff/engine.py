"""DualAnoDiff (Jin et al., CVPR 2025): a picture with an anomaly and the anomaly alone, drawn together.

Both branches are drawn in one batch (sample); the mask comes from the part, and from that what goes
into the photo. How it is learned: core.methods.dual_ano_diff.train.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from core.device import derive_seed, numpy_rng
from core.engines.api import Context, DrawingPreset, LearningEngine, Need, read_params, require_mask
from core.engines.backbone_requirements import concepts_folder, grey_like, missing_model_reason
from core.engines.concept_drawing import brightness_ratios_of, initial_image
from core.engines.finalize import NoVisibleChange, finalize_sample
from core.engines.recipe_notes import PairNotes, with_notes
from core.engines.surface.surface import crop_surface, paste_surface
from core.engines.surface.transplant import transplant
from core.errors import InputError
from core.images.square_crop import SquareCrop, whole_photo
from core.masks import rle
from core.methods.dual_ano_diff.concept_config import dual_config
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams
from core.methods.dual_ano_diff.mask_extraction import ExtractedMasks, extract_masks
from core.methods.dual_ano_diff.settings import DualAnoDiffParams
from core.methods.dual_ano_diff.training_samples import foreground_segmenter, masked_on_grey
from core.quality import descriptor, nearest_distance
from core.segmentation.salient_object import salient_missing
from core.training.checkpoints import Concept, find_concept, load_concept
from core.types import AnomalyExample, Image, Mask, NormalImage, Request, Sample

if TYPE_CHECKING:
    from core.methods.dual_ano_diff.sample import DrawnPair, InitialImage


MIN_COVERED_SHARE = 0.1
"""Share of the mask that was asked for which the drawn part must cover to bound what is taken."""
REQUESTED_MASK = "asked"


@dataclass(frozen=True)
class DualAnoDiffEvidence:
    """One sample with all that a person may want to see of how it came about.

    ``pair`` is what was drawn, at the model's size, and ``masks`` are all three of it; ``pane`` says which piece of
    the photo it stands for. ``on_photo`` are the three masks at the photo's size, where the sample is the whole
    picture or was drawn over the photo; of an anomaly that was carried elsewhere there is only the sample's own.
    """

    sample: Sample
    pair: DrawnPair
    masks: ExtractedMasks
    pane: SquareCrop
    on_photo: Mapping[str, Mask]


class DualAnoDiff(LearningEngine):
    """Draws a picture and its anomalous part together, and takes the mask from the part."""

    name = "dual_ano_diff"
    title = "Learned picture"
    summary = "Draws a new picture and its anomaly alone together; the mask comes with the anomaly."
    goal = "examples"
    paper = "DualAnoDiff"
    kind = "structural"
    needs = frozenset({"mask"})
    background = "redrawn"
    Params = DualAnoDiffParams
    Learning = DualLearningParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def requires(self, params: DualAnoDiffParams) -> frozenset[Need]:
        """A mask; whole new pictures bring their own."""
        return frozenset() if not params.transplant and params.start in ("auto", "noise") else self.needs

    def drawing_presets(self) -> Mapping[str, DrawingPreset]:
        """Published: whole pictures from noise, masks by U²-Net on the part. Without its weights on this machine the
        part's threshold stands in for it."""
        mask = "u2net" if salient_missing() is None else "threshold"
        made: dict[str, Any] = {
            "transplant": False, "start": "noise", "mask": mask, "negative": "empty prompt", "detail": 0.0,
            "feather": 0.0, "tighten": False,
        }  # fmt: skip
        found = {"flawsmith": DrawingPreset()}
        for name in ("paper", "code"):
            steps, guidance, sampler = PRESETS[name].sampling
            found[name] = DrawingPreset({**made, "steps": steps, "guidance": guidance, "sampler": sampler})
        return found

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: DualLearningParams,
        ctx: Context,
    ) -> Concept:
        """Learn ``label``, or every label of ``examples`` together if it is ""."""
        ctx.check()
        folder = concepts_folder(self.name, ctx)
        from core.diffusion.loading import load_backbone
        from core.methods.dual_ano_diff.train import learn_dual
        from core.training.callbacks import TrainingCallbacks

        labels = [label] if label else sorted({e.label for e in examples})
        groups = {name: [e for e in examples if e.label == name] for name in labels}
        backbone = load_backbone(params.backbone, ctx.device, "float32")
        callbacks = TrainingCallbacks(ctx.progress, ctx.curve, ctx.cancelled)
        looks = [descriptor(e.pixels, e.mask).round(5).tolist() for group in groups.values() for e in group]
        return learn_dual(
            backbone,
            groups,
            normals,
            params,
            engine=self.name,
            folder=folder,
            callbacks=callbacks,
            about={"looks": looks},
        )

    def matching_examples(
        self,
        params: Mapping[str, object],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample]:
        """The examples that the sample of ``seed`` may be like: any of the label."""
        return examples

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; NotFound says how to learn where nothing was learned."""
        yield self.generate_with_evidence(request, ctx).sample

    def generate_with_evidence(self, request: Request, ctx: Context) -> DualAnoDiffEvidence:
        """The sample of a request, with the pair it was made of and all three masks."""
        ctx.check()
        params: DualAnoDiffParams = read_params(self, request.params)
        asked = require_mask(self, request) if "mask" in self.requires(params) else request.mask
        concept = find_concept(ctx.concepts, self.name, params.concept, request.label)
        start = params.start if params.start != "auto" else _default_start(concept, params)
        params = params.model_copy(update={"concept": concept.id, "start": start})
        if not params.transplant and not dual_config(concept).whole:
            raise InputError(
                f"{self.name}: concept {concept.id} was learned from windows and draws no whole photos; learn it with "
                "sight=whole, or leave transplant on"
            )
        config_preset = dual_config(concept).preset
        pane = self.crop_for(concept, request, asked)
        begin, started = self.initial_image(concept, request, asked, pane, params, ctx)
        pair = self._draw_pair(concept, request, pane, begin, params, ctx)
        masks = extract_masks(pair.whole, pair.part, pair.attention, params.mask, ctx.cancelled)
        over = begin is not None or not params.transplant
        on_photo = {way: pane.mask_to_photo(mask) for way, mask in masks.by_source.items()} if over else {}
        drawn, taken = _at_photo_size(started, pair, pane, params), masks.chosen
        if not params.transplant:
            if begin is None and params.draw_as in ("auto", "flawsmith") and config_preset == "flawsmith":
                drawn = _brightness_matched(request.normal.pixels, drawn)
            sample = self._whole_picture_sample(request, drawn, on_photo[taken], params)
        elif asked is not None and begin is not None:
            mask = on_photo[taken] & asked
            if mask.sum() < MIN_COVERED_SHARE * asked.sum():
                # The part was drawn beside the mask, in which something was begun all the same.
                mask, taken = asked, REQUESTED_MASK
            sample = self._sample_on_photo(request, drawn, mask if params.tighten else asked, asked, params, ctx)
        else:
            assert asked is not None
            if not masks.mask.any():
                raise NoVisibleChange(self._no_change_message(masks))
            image = _transplanted(request, pair, masks.mask, asked, params, ctx)
            sample = finalize_sample(self, request, image, asked, params=params)
        return DualAnoDiffEvidence(
            self._with_notes(sample, pair, masks, taken, pane, concept), pair, masks, pane, on_photo
        )

    def _no_change_message(self, masks: ExtractedMasks) -> str:
        return (
            f"{self.name}: nothing visible changed, for no anomaly can be told from the picture ({masks.chosen}); "
            "take another seed, raise the guidance, or learn for more steps"
        )

    def crop_for(self, concept: Concept, request: Request, asked: Mask | None) -> SquareCrop:
        """The piece of the photo that a request is drawn in, as the concept learned to see."""
        config = dual_config(concept)
        if config.whole or asked is None:
            return whole_photo(request.normal.shape, config.side)
        return PRESETS[config.preset].framing(config.side, config.margin, False).around(asked)

    def initial_image(
        self,
        concept: Concept,
        request: Request,
        asked: Mask | None,
        pane: SquareCrop,
        params: DualAnoDiffParams,
        ctx: Context,
    ) -> tuple[InitialImage | None, Image]:
        """What is drawn over, at the model's size, and the same at the photo's."""
        photo = request.normal.pixels
        if params.start == "noise" or asked is None:
            return None, photo
        from core.methods.dual_ano_diff.adapters import known_label
        from core.methods.dual_ano_diff.sample import InitialImage

        tones = brightness_ratios_of(concept, known_label(concept, request.label))
        started = initial_image(params.start, self.name, request, asked, tones, ctx)
        shown = asked if params.start == "example" else np.zeros_like(asked)
        return InitialImage(pane.crop_image(started), pane.crop_mask(shown), params.strength), started

    def _draw_pair(
        self,
        concept: Concept,
        request: Request,
        pane: SquareCrop,
        begin: InitialImage | None,
        params: DualAnoDiffParams,
        ctx: Context,
    ) -> DrawnPair:
        assert ctx.concepts is not None, "a concept was found, so there is a folder"
        from core.diffusion.backbone import exclusive
        from core.diffusion.loading import load_backbone
        from core.methods.dual_ano_diff.adapters import EMPTY_PROMPT, NORMAL_LABEL, known_label, load_adapters
        from core.methods.dual_ano_diff.sample import draw_pair

        key = (self.name, concept.id, concept.created)
        if key not in ctx.cache:
            ctx.cache[key] = load_concept(ctx.concepts / concept.id)[1]
        model = params.backbone if params.backbone != "auto" else concept.config.backbone
        backbone = load_backbone(model, ctx.device)
        steps, guidance, sampler = PRESETS[dual_config(concept).preset].sampling
        with exclusive(backbone, ctx.cancelled), load_adapters(backbone, concept, ctx.cache[key]) as speaker:
            return draw_pair(
                speaker,
                known_label(concept, request.label),
                seed=derive_seed(request.seed, self.name),
                steps=params.steps or steps,
                guidance=params.guidance or guidance,
                sampler=sampler if params.sampler == "auto" else params.sampler,
                negative=EMPTY_PROMPT if params.negative == "empty prompt" else NORMAL_LABEL,
                background=self._background(concept, request, pane),
                begin=begin,
                progress=lambda done, total: ctx.progress(done, total, None),
                cancelled=ctx.cancelled,
            )

    def _background(self, concept: Concept, request: Request, pane: SquareCrop) -> Image | None:
        """What is around the part in the pane: by the network it was learned with, else as the project has it."""
        config = dual_config(concept)
        if not config.build.bcm:
            return None
        photo = request.normal.pixels
        if config.objects == "foreground" and request.object_mask is not None:
            part = request.object_mask
        elif config.objects == "foreground" and request.regions:
            part = np.asarray(np.logical_or.reduce([r.mask for r in request.regions]), np.bool_)
        else:
            part = foreground_segmenter(config.objects)[1](photo)
        return pane.crop_image(masked_on_grey(photo, ~part))

    def _whole_picture_sample(self, request: Request, drawn: Image, mask: Mask, params: DualAnoDiffParams) -> Sample:
        """The whole new picture, at the photo's size."""
        if not mask.any():
            raise NoVisibleChange(f"{self.name}: nothing visible changed on the photo; take another seed")
        image = grey_like(request.normal.pixels, drawn)
        return finalize_sample(self, request, image, mask, background="redrawn", params=params)

    def _sample_on_photo(
        self, request: Request, drawn: Image, mask: Mask, asked: Mask, params: DualAnoDiffParams, ctx: Context
    ) -> Sample:
        """What was drawn over the photo, inside the mask that came of it and was ``asked`` for."""
        surface = crop_surface(request, mask, ctx, pad=4)
        patch = drawn[surface.rows, surface.cols].astype(np.float32)
        alpha = surface.soft_edge(params.feather)[..., None]
        image = paste_surface(request, surface, surface.pixels + (patch - surface.pixels) * alpha)
        return finalize_sample(self, request, image, asked, params=params)

    def _with_notes(
        self, sample: Sample, pair: DrawnPair, masks: ExtractedMasks, taken: str, pane: SquareCrop, concept: Concept
    ) -> Sample:
        """The sample with its pair, what is known of its masks and of its likeness to what was learned from."""
        near = None
        if looks := dual_config(concept).looks:
            near = nearest_distance(descriptor(sample.image, sample.mask), np.asarray(looks, np.float32))
        notes = PairNotes(
            mask_from=taken,
            agreement={way: round(value, 3) for way, value in masks.agreement.items()},
            pair_masks={way: rle.pack(mask) for way, mask in masks.by_source.items()},
            pane=(round(pane.centre[0], 2), round(pane.centre[1], 2), round(pane.extent, 2)),
            nearest_example=None if near is None else round(near, 4),
        )
        return replace(
            sample, recipe=with_notes(sample.recipe, notes), pictures={"whole": pair.whole, "part": pair.part}
        )


def _default_start(concept: Concept, params: DualAnoDiffParams) -> Literal["noise", "example"]:
    """The papers begin with noise; what minutes of learning teach shows best over a real example."""
    return "example" if params.transplant and dual_config(concept).preset == "flawsmith" else "noise"


def _at_photo_size(started: Image, pair: DrawnPair, pane: SquareCrop, params: DualAnoDiffParams) -> Image:
    """What was drawn, at the photo's size; over what was ``started``, with the grain that the autoencoder took."""
    full = pane.to_photo(pair.whole)
    if pair.reconstructed is not None:
        full = full + params.detail * (started.astype(np.float32) - pane.to_photo(pair.reconstructed))
    return np.asarray(np.clip(np.rint(full), 0, 255), np.uint8)


def _brightness_matched(photo: Image, drawn: Image) -> Image:
    """``drawn`` with the photo's mean and spread in each channel: from noise alone a model draws at middling light."""
    own, wanted = drawn.astype(np.float32), photo.astype(np.float32)
    spread = wanted.std(axis=(0, 1)) / np.maximum(own.std(axis=(0, 1)), 1)
    toned = (own - own.mean(axis=(0, 1))) * np.clip(spread, 0.5, 2) + wanted.mean(axis=(0, 1))
    return np.asarray(np.clip(np.rint(toned), 0, 255), np.uint8)


def _transplanted(
    request: Request, pair: DrawnPair, mask: Mask, asked: Mask, params: DualAnoDiffParams, ctx: Context
) -> Image:
    """The photo with the drawn anomaly carried over into the mask that was asked for."""
    drawn = grey_like(request.normal.pixels, pair.whole)
    source = AnomalyExample("drawn", request.label, drawn, (mask,))
    surface = crop_surface(request, asked, ctx, pad=4)
    patch = transplant(source, surface, numpy_rng(request.seed, "dual_ano_diff", "carry"), None)
    alpha = surface.soft_edge(params.feather)[..., None]
    return paste_surface(request, surface, surface.pixels + (patch - surface.pixels) * alpha)
