"""Masked textual inversion: what an anomaly looks like, learned as words from a handful of real examples.

Name here ↔ symbol in AnomalyDiffusion (section 3.2): vectors ↔ e_a,i of label i, encoder ↔ E, its tokens ↔ e_s, the
masked loss ↔ L_dif (eq. 5), learned over all labels together ↔ eq. 6. Against the released code, ``flawsmith`` looks
at the defects' surroundings at the model's working size, keeps every defect at latent size (max-pool), weights its
loss by HW / |m|, encodes pictures once, and stops by a validation loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed
from core.diffusion.backbone import Backbone
from core.diffusion.conditioning import Conditioning
from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
from core.diffusion.model_crop import CropSettings
from core.diffusion.prompt_encoding import encode_ids
from core.diffusion.tokens import Placeholder, initial_vectors, jittered, padded_ids, prompt_ids, with_placeholders
from core.errors import InputError
from core.images import png_bytes
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept
from core.training.dataset import SpatialSamples, TrainingExamples, encode_surfaces, encode_views, split_held_out
from core.training.example_crops import DefectTarget, cropped_view
from core.training.learned_masks import shapes_picture_name, shapes_png
from core.training.learning_settings import PRESETS, AnomalyLearningParams, LearningPreset
from core.training.loop import Trainable, TrainingPlan, TrainingResult, prompt_conditioning
from core.training.low_rank import unet_adapter
from core.training.mask_embedding import LearnedShapes, learn_shapes
from core.training.spatial_embedding import (
    MaskEncoder,
    SpatialTables,
    encode_with_spatial,
    encoder_input,
    make_encoder,
    spatial_word,
)
from core.training.trainer import LearnedConcept, LearningTask, Trainer, TrainingRun, TrainingStage
from core.training.training_samples import PromptSamples
from core.training.working_copy import memory_is_scarce
from core.types import AnomalyExample, Image, Mask, NormalImage

SPATIAL_WORD = "<where>"
"""The word that stands for e_s in every prompt."""
_VALIDATED_EVERY, _DRAWS, _PATIENCE = 40, 6, 4


def anomaly_word(index: int) -> str:
    """The word that stands for e_a of the ``index``-th label."""
    return f"<anomaly{index}>"


def learned_words(anomaly: str, spatial: bool) -> str:
    """What stands for an anomaly in a prompt: its own word and, where it is told where it lies, the spatial one."""
    return f"{anomaly} {SPATIAL_WORD}" if spatial else anomaly


def learn_embeddings(
    backbone: Backbone,
    groups: Mapping[str, Sequence[AnomalyExample]],
    normals: Sequence[NormalImage],
    params: AnomalyLearningParams,
    *,
    engine: str,
    folder: Path,
    callbacks: TrainingCallbacks | None = None,
    notes: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    preset: LearningPreset | None = None,
    about: Mapping[str, object] | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> Concept:
    """Learn one embedding for each of ``groups`` (label → real examples) with one mask encoder, and keep them.

    Groups may be finer than labels: ``labels`` then says which label each is of. ``preset`` stands in for that of
    ``params``; ``about`` (plain JSON values) and ``pictures`` (PNGs by name) are kept with the concept.
    ``backbone`` is float32 or bfloat16; ``normals`` are needed to adapt to the product. The concept is saved under
    ``folder``. Stopped or fallen, a run goes on from where it was when it is asked for again with the same photos and
    settings. InputError or MaskError where there is nothing to learn from; Cancelled within a step; StoreError.
    """
    preset = preset or PRESETS[params.preset]
    label_of = dict(labels or {name: name for name in groups})
    examples = TrainingExamples.of(groups, preset.framing(backbone.side))
    if params.adapt and not normals:
        raise InputError("adapting to the product needs photos of good parts; import some, or leave it off")
    learned = list(dict.fromkeys(label_of[name] for name in groups))
    label = learned[0] if len(learned) == 1 else ""
    finer = {} if labels is None else {"groups": [[name, label_of[name]] for name in groups]}
    noted = {**finer, **(about or {}), "labels": learned}
    training = _InversionTraining(examples, label_of, normals, params, preset)

    def work(run: TrainingRun) -> LearnedConcept:
        found = training.learn(run)
        return replace(
            found,
            config={**found.config, **noted, **examples.summary()},
            pictures={**(pictures or {}), **found.pictures},
            notes=(*notes, *examples.notes),
        )

    return Trainer(backbone, folder, callbacks or TrainingCallbacks()).learn(
        LearningTask(
            engine,
            label,
            ", ".join(learned) + (f" in {len(groups)} clusters" if len(groups) > len(learned) else ""),
            label,
            params,
            examples.identity(),
            training.all_steps,
            work,
            lambda model: memory_is_scarce(model, preset.batch),
        )
    )


@dataclass(frozen=True)
class _InversionTraining:
    """What is to be learned, from what."""

    examples: TrainingExamples
    label_of: Mapping[str, str]
    normals: Sequence[NormalImage]
    params: AnomalyLearningParams
    preset: LearningPreset

    @property
    def all_steps(self) -> int:
        """Steps of adapting, of learning and of the shapes together, a shape counted as a step."""
        adapting = self.params.adapt_steps if self.params.adapt else 0
        count = self.params.shapes * len(set(self.label_of.values()))
        return adapting + self.steps + (self.shape_steps + count if count else 0)

    @property
    def steps(self) -> int:
        """Steps of learning."""
        return self.params.steps or self.preset.budget(self.examples.defects, len(self.examples.targets))

    @property
    def shape_steps(self) -> int:
        """Steps of the mask embedding."""
        return self.params.shape_steps or self.preset.shape_steps

    def learn(self, run: TrainingRun) -> LearnedConcept:
        """Adapt, learn the words and perhaps the shapes; the run's model is as before when this returns."""
        with self._ready(run) as words:
            found = words.learn()
        if not self.params.shapes:
            return found
        shapes = self._learn_shapes(run)
        view = self.preset.shape_view
        pictures = {shapes_picture_name(i): shapes_png(s, view) for i, s in enumerate(shapes.drawn.values()) if s}
        return replace(
            found,
            tensors={**found.tensors, **shapes.tensors},
            config={**found.config, "shape_view": view},
            pictures={**found.pictures, **pictures},
        )

    @contextmanager
    def _ready(self, run: TrainingRun) -> Iterator[_WordTraining]:
        """The model understands the new words and wears the adapter; as before when the block ends."""
        preset, params, backbone = self.preset, self.params, run.backbone
        starts = [_first_word(backbone, self.label_of[n], params.start_word) for n in self.examples.targets]
        start = initial_vectors(backbone, starts[0], preset.mask_tokens)
        encoder = make_encoder(preset.encoder, start, derive_seed(params.seed, "encoder")).to(backbone.device)
        vectors: dict[str, nn.Parameter] = {}
        for index, word in enumerate(starts):
            first = initial_vectors(backbone, word, preset.anomaly_tokens)
            first = jittered(first, derive_seed(params.seed, "start", index))
            vectors[anomaly_word(index)] = nn.Parameter(first.to(backbone.device))
        with ExitStack() as stack:
            known = stack.enter_context(with_placeholders(backbone, [Placeholder(w, v) for w, v in vectors.items()]))
            known, tables = stack.enter_context(spatial_word(known, SPATIAL_WORD, preset.mask_tokens))
            lora: dict[str, nn.Parameter] = {}
            if params.adapt:
                seed = derive_seed(params.seed, "adapter")
                lora = stack.enter_context(unet_adapter(backbone, params.rank, seed))
            yield _WordTraining(self, run, known, vectors, lora, encoder, tables)

    def _learn_shapes(self, run: TrainingRun) -> LearnedShapes:
        """The mask embedding of each label (eq. 9) and new shapes from it (eq. 10); the model must be as it was."""
        masks: dict[str, list[Mask]] = {}
        for name, found in self.examples.targets.items():
            masks.setdefault(self.label_of[name], []).extend(t.defect for t in found)
        return learn_shapes(
            run.backbone,
            masks,
            steps=self.shape_steps,
            tokens=self.preset.shape_tokens,
            view=self.preset.shape_view,
            sampling=self.preset.shape_sampling,
            count=self.params.shapes,
            rank=self.params.rank if self.preset.validate else 0,
            seed=self.params.seed,
            checkpoint=run.folder / "shapes.pt",
            progress=run.report,
            cancelled=run.callbacks.cancelled,
        )


@dataclass(frozen=True)
class _WordTraining:
    """The training of the words on a model that understands them: ``vectors`` e_a by word, ``encoder`` E."""

    task: _InversionTraining
    run: TrainingRun
    backbone: Backbone
    vectors: Mapping[str, nn.Parameter]
    lora: Mapping[str, nn.Parameter]
    encoder: MaskEncoder
    tables: SpatialTables

    def learn(self) -> LearnedConcept:
        """Tensors of the concept, what to note of the run, and a preview."""
        task = self.task
        adapted = self._adapt() if task.params.adapt else None
        learning, holding = split_held_out(task.examples, task.preset.validate)
        trained = self.run.fit(self._stage(learning, holding))
        tensors = {f"anomaly.{w}": v.detach() for w, v in self.vectors.items()}
        tensors |= {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        tensors |= {name: value.detach() for name, value in self.lora.items()}
        with torch.no_grad():
            preview = self._preview((holding or learning)[0])
        config = {
            **trained.summary(),
            "validation": [list(point) for point in trained.validation],
            "preset": task.params.preset,
            "prompt": task.preset.prompts[0],
            "normal_prompt": task.preset.normal_prompt,
            "encoder": task.preset.encoder,
            "margin": task.preset.margin,
            "view": "whole" if task.preset.whole else "surroundings",
            "spatial": task.params.spatial,
            "adapted": None if adapted is None else adapted.steps,
        }
        return LearnedConcept(tensors, config, {"preview": png_bytes(preview)})

    def _adapt(self) -> TrainingResult:
        """The adapter alone, on the product's photos."""
        params, preset, cancelled = self.task.params, self.task.preset, self.run.callbacks.cancelled
        stage: TrainingStage[PromptSamples] = TrainingStage(
            Trainable(self.backbone, self.lora, prompt_conditioning(self.backbone)),
            lambda _: encode_surfaces(
                self.backbone, self.task.examples, self.task.normals, preset, params.seed, cancelled
            ),
            TrainingPlan(params.adapt_steps, preset.batch, lr=1e-3, warmup=20, clip=1.0, seed=params.seed),
            name="adapt",
            curve="adapting",
        )
        return self.run.fit(stage)

    def _stage(
        self, learning: Sequence[DefectTarget], holding: Sequence[DefectTarget]
    ) -> TrainingStage[SpatialSamples]:
        """All steps on views drawn once, or in rounds on fresh views."""
        preset, params, judged = self.task.preset, self.task.params, (holding or learning)
        encoder = {f"encoder.{n}": p for n, p in self.encoder.named_parameters() if params.spatial}
        weighted, elsewhere = (preset.area_weight, preset.background) if params.masked_loss else (False, 1.0)
        plan = TrainingPlan(
            self.task.steps, preset.batch, preset.lr,
            (("encoder.", preset.encoder_rate), ("lora.", preset.adapter_rate)),
            warmup=preset.warmup, clip=preset.clip, seed=params.seed, area_weight=weighted,
            background=elsewhere, validate_draws=_DRAWS, patience=_PATIENCE,
            validate_every=max(_VALIDATED_EVERY, self.task.steps // 12) if preset.validate else 0,
            checkpoint_every=50 if preset.validate else 500,
        )  # fmt: skip
        # Validation sees the windows as they are, never varied.
        still = replace(preset, motion=replace(preset.motion, share=0.0), views=1)
        normals = self.task.normals if params.adapt else ()
        return TrainingStage(
            Trainable(self.backbone, {**self.vectors, **encoder, **self.lora}, self._conditioning),
            lambda number: self._views(learning, preset, number, normals),
            plan,
            validation=lambda: self._views(judged[:8], still, -1, ()),
            fresh=preset.fresh,
            preview=lambda: self._preview(judged[0]),
        )

    def _views(
        self, found: Sequence[DefectTarget], preset: LearningPreset, number: int, normals: Sequence[NormalImage]
    ) -> SpatialSamples:
        seed, cancelled = (self.task.params.seed, number), self.run.callbacks.cancelled
        return encode_views(self.backbone, self.task.examples, found, preset, self._prompt, seed, normals, cancelled)

    def _prompt(self, label: str, rng: np.random.Generator) -> str:
        """A prompt that holds the label's word and the spatial word."""
        index = list(self.task.examples.targets).index(label)
        prompts = self.task.preset.prompts
        words = learned_words(anomaly_word(index), self.task.params.spatial)
        return prompts[int(rng.integers(len(prompts)))].format(words)

    def _conditioning(self, samples: SpatialSamples, rows: Tensor) -> Conditioning:
        if not self.task.params.spatial:
            return encode_ids(self.backbone, samples.ids[rows])
        tokens = self.encoder(samples.encoder_masks[rows].to(self.backbone.device))
        return encode_with_spatial(self.backbone, samples.ids[rows], self.tables, tokens)

    def _preview(self, target: DefectTarget) -> Image:
        """A real example and, beside it, what the model draws in its place by now."""
        backbone, preset = self.backbone, self.task.preset
        shown = cropped_view(target, None, preset.motion)
        words = self._prompt(self.task.examples.label_of(target), np.random.default_rng(0))
        tokens = self.encoder(encoder_input(self.encoder.kind, shown.mask).to(backbone.device))
        prompt = encode_with_spatial(backbone, padded_ids(backbone, [words]), self.tables, tokens)
        place = InpaintTask(shown.image, shown.mask, prompt, derive_seed(self.task.params.seed, "preview"))
        (drawn,) = inpaint(
            backbone, [place], preset.normal_prompt, look=DrawingSettings(steps=10, guidance=3.0),
            frame=CropSettings(margin=4.0, side=backbone.side), cancelled=self.run.callbacks.cancelled,
        )  # fmt: skip
        return np.ascontiguousarray(np.concatenate([shown.image, drawn], axis=1))


def _first_word(backbone: Backbone, label: str, wanted: str) -> str:
    """A word to start from: the one wanted, else those of the label where each is a token of its own, else damage."""
    if wanted.strip():
        return wanted
    words = label.replace("_", " ").split()
    known = all(len(prompt_ids(backbone, word)) == 1 for word in words)
    return " ".join(words) if words and known else "damage"
