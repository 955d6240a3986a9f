"""Learning a picture and its anomalous part together, from a handful of real anomalies.

Name here ↔ symbol in DualAnoDiff: a PicturePair's image, part, background ↔ z, z', z^b, the same t for all, a noise
for each; the loss ↔ eqs. 4 and 6. Against the released code, ``flawsmith`` looks at the defects' surroundings, counts
the loss more where the anomaly is, shows good photos with an empty part beside the real anomalies, encodes pictures
once, and stops by a validation loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.device import derive_seed
from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import latent_mask
from core.diffusion.sampling import raise_if_cancelled
from core.diffusion.tokens import prompt_ids
from core.images import png_bytes
from core.methods.dual_ano_diff.adapters import DualModel, dual_model, make_dual_spec
from core.methods.dual_ano_diff.concept_config import Build
from core.methods.dual_ano_diff.interaction import stacked_channels
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams, DualPreset
from core.methods.dual_ano_diff.sample import draw_pair
from core.methods.dual_ano_diff.training_samples import (
    NEUTRAL,
    DualPairSampler,
    PicturePair,
    draw_training_pairs,
    find_backgrounds,
    foreground_segmenter,
    learning_margin,
)
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept
from core.training.dataset import TrainingExamples, split_held_out
from core.training.example_crops import DefectTarget
from core.training.loop import Trainable, TrainingPlan
from core.training.trainer import LearnedConcept, LearningTask, Trainer, TrainingRun, TrainingStage
from core.training.training_samples import EncodedSamples
from core.types import AnomalyExample, Image, NormalImage

_VALIDATED_EVERY, _DRAWS, _PATIENCE = 60, 4, 4
_PRODUCT_START = "surface"


def learn_dual(
    backbone: Backbone,
    groups: Mapping[str, Sequence[AnomalyExample]],
    normals: Sequence[NormalImage],
    params: DualLearningParams,
    *,
    engine: str,
    folder: Path,
    callbacks: TrainingCallbacks | None = None,
    about: Mapping[str, object] | None = None,
) -> Concept:
    """Learn both branches for ``groups`` (label → real examples) together, and keep them under ``folder``.

    Labels share the adapters, the interaction and the product's word, and have a word each for the anomaly; the paper
    learns each label alone. ``about`` (plain JSON values) is kept with the concept. ``backbone`` is float32 or
    bfloat16. Stopped or fallen, a run goes on from where it was when it is asked for again with the same photos and
    settings. InputError or MaskError where there is nothing to learn from; Unavailable where a part mask is asked of
    what is not there; Cancelled within a step; StoreError.
    """
    preset = replace(PRESETS[params.preset], whole=params.learns_whole_photos)
    framing = preset.framing(backbone.side, learning_margin(params, preset), preset.whole)
    examples = TrainingExamples.of(groups, framing)
    callbacks = callbacks or TrainingCallbacks()
    finder, backgrounds = _find_backgrounds(examples, normals, params, preset, callbacks)
    training = _DualTraining(examples, tuple(groups), normals, params, preset, finder, backgrounds)

    def work(run: TrainingRun) -> LearnedConcept:
        found = training.learn(run)
        noted = {**(about or {}), "labels": list(groups), **examples.summary()}
        return replace(found, config={**found.config, **noted}, notes=(*examples.notes, *found.notes))

    label = training.labels[0] if len(groups) == 1 else ""
    return Trainer(backbone, folder, callbacks).learn(
        LearningTask(
            engine,
            label,
            ", ".join(groups),
            label,
            params,
            examples.identity(),
            training.steps,
            work,
            lambda model: params.checkpointing,
        )
    )


@dataclass(frozen=True)
class PairSamples(EncodedSamples):
    """Pairs with a label each: latents (N, group C, h, w), and as masks the weights of the loss, of the same shape."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class _DualTraining:
    """What is to be learned, from what. ``finder`` told part from background; ``backgrounds`` are by photo id."""

    examples: TrainingExamples
    labels: tuple[str, ...]
    normals: Sequence[NormalImage]
    params: DualLearningParams
    preset: DualPreset
    finder: str
    backgrounds: Mapping[str, Image]

    @property
    def steps(self) -> int:
        """Steps at most."""
        return self.params.steps or self.preset.budget(self.examples.defects, len(self.labels), bool(self.backgrounds))

    def learn(self, run: TrainingRun) -> LearnedConcept:
        """Tensors of the concept, what to note of the run, and a picture: a real pair beside a drawn one."""
        params, backbone = self.params, run.backbone
        backgrounds = self.backgrounds
        views = DualPairSampler(
            backbone.side, self.examples.extent, self.preset.augmentation_of_crops, self.preset.whole, backgrounds
        )
        build = make_dual_spec(backbone, params, self.labels, bool(backgrounds))
        learning, holding = split_held_out(self.examples, self.preset.validate)
        with dual_model(backbone, build, params.seed, _starts(backbone, build)) as model:
            pairs = _PairTraining(self, run, model, views)
            trained = run.fit(pairs.stage(learning, holding))
            with torch.no_grad():
                picture = pairs.preview((holding or learning)[0])
            tensors = {name: value.clone() for name, value in model.concept_tensors().items()}
        config = {
            **trained.summary(),
            "validation": [list(point) for point in trained.validation],
            "preset": params.preset,
            "build": asdict(build),
            "whole": self.preset.whole,
            "side": backbone.side,
            "extent": self.examples.extent,
            "margin": learning_margin(params, self.preset),
            "objects": self.finder if backgrounds else "",
        }
        missing = params.bcm and not backgrounds
        notes = ("without background compensation: the part fills the photos",) if missing else ()
        return LearnedConcept(tensors, config, {"preview": png_bytes(picture)}, notes)


@dataclass(frozen=True)
class _PairTraining:
    """The training of a dual model."""

    task: _DualTraining
    run: TrainingRun
    model: DualModel
    views: DualPairSampler

    def stage(self, learning: Sequence[DefectTarget], holding: Sequence[DefectTarget]) -> TrainingStage[PairSamples]:
        """All steps on views drawn once, or in rounds on fresh views."""
        task, model, preset, steps = self.task, self.model, self.task.preset, self.task.steps
        plan = TrainingPlan(
            steps, task.params.batch or self._batch(), preset.lr, preset.rates, preset.weight_decay, preset.warmup,
            preset.clip, task.params.seed, area_weight=False,
            validate_every=max(_VALIDATED_EVERY, steps // 10) if preset.validate else 0, validate_draws=_DRAWS,
            patience=_PATIENCE, checkpoint_every=50 if preset.validate else 500,
        )  # fmt: skip
        shown = next(iter(task.examples.targets.values()))[0]
        return TrainingStage(
            Trainable(model.backbone, model.parameters, self._conditioning, model.predict),
            lambda number: self._encoded(
                draw_training_pairs(self.views, learning, task.normals, preset, task.params.seed, number)
            ),
            plan,
            validation=lambda: self._encoded([self.views.draw_anomaly(t, None) for t in (holding or learning)[:8]]),
            fresh=preset.redraw_every,
            preview=lambda: self.preview(shown),
        )

    def _batch(self) -> int:
        """Pairs a step: with a background fewer, where the preset says so."""
        preset = self.task.preset
        return (self.model.spec.bcm and preset.batch_with_bcm) or preset.batch

    def _conditioning(self, samples: PairSamples, rows: Tensor) -> Conditioning:
        return self.model.conditioning([samples.labels[int(row)] for row in rows])

    def _encoded(self, pairs: Sequence[PicturePair]) -> PairSamples:
        """Pairs as latents, the loss weighted more where the anomaly is and not at all on the background."""
        latents, weights = [], []
        backbone, group = self.run.backbone, self.model.spec.group
        for pair in pairs:
            raise_if_cancelled(self.run.callbacks.cancelled)
            rows = [pair.image, pair.part] + ([pair.background] if pair.background is not None else [])
            if len(rows) < group:
                rows.append(np.full_like(pair.image, NEUTRAL))
            encoded = torch.cat([encode_image(backbone, row).cpu() for row in rows[:group]])
            latents.append(stacked_channels(encoded, group))
            shape = (pair.mask.shape[0] // backbone.vae_scale_factor, pair.mask.shape[1] // backbone.vae_scale_factor)
            more = 1 + (self.task.preset.anomaly_loss_weight - 1) * latent_mask(pair.mask, shape)
            weights.append(torch.cat([more / more.mean()] * 2 + [torch.zeros_like(more)] * (group - 2), dim=1))
        z = torch.cat(latents)
        counted = torch.cat(weights).repeat_interleave(z.shape[1] // group, dim=1)
        return PairSamples(z, counted, tuple(pair.label for pair in pairs))

    def preview(self, target: DefectTarget) -> Image:
        """A real pair and, below it, one that the model draws by now."""
        real = self.views.draw_anomaly(target, None)
        steps, guidance, sampler = self.task.preset.sampling
        seed = derive_seed(self.task.params.seed, "preview")
        drawn = draw_pair(
            self.model, target.example.label, seed=seed, steps=min(steps, 12), guidance=guidance, sampler=sampler,
            background=real.background, cancelled=self.run.callbacks.cancelled,
        )  # fmt: skip
        rows = [np.concatenate(row, axis=1) for row in ((real.image, real.part), (drawn.whole, drawn.part))]
        return np.ascontiguousarray(np.concatenate(rows))


def _find_backgrounds(
    examples: TrainingExamples, normals: Sequence[NormalImage], params: DualLearningParams, preset: DualPreset,
    callbacks: TrainingCallbacks,
) -> tuple[str, dict[str, Image]]:  # fmt: skip
    """What tells part from background, and what is around the part by photo id; nothing without BCM."""
    if not params.bcm:
        return "", {}
    finder, find = foreground_segmenter(params.objects)
    photos = [t.example for found in examples.targets.values() for t in found]
    more = normals if preset.normal_share else ()
    return finder, find_backgrounds([*photos, *more], find, lambda: raise_if_cancelled(callbacks.cancelled))


def _starts(backbone: Backbone, build: Build) -> dict[str, str]:
    """The model's own words that learned ones start from: the label's, where it knows each, else damage."""
    found: dict[str, str] = {}
    for name in build.words:
        label = next((label for label, own in build.anomaly.items() if own == name), None)
        word = _PRODUCT_START if label is None else label.replace("_", " ")
        plain = all(len(prompt_ids(backbone, w)) == 1 for w in word.split())
        found[name] = word if plain else "damage"
    return found
