"""Masked textual inversion: what an anomaly looks like, learned as words from a handful of real examples.

Name here ↔ symbol in AnomalyDiffusion (section 3.2): vectors ↔ e_a,i of label i, encoder ↔ E, its tokens ↔ e_s, the
masked loss ↔ L_dif (eq. 5), learned over all labels together ↔ eq. 6. Against the released code, ``flawsmith`` looks
at the defects' surroundings at the model's working size, keeps every defect at latent size (max-pool), weights its
loss by HW / |m|, encodes pictures once, and stops by a validation loss.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.device import derive_seed, torch_generator
from core.diffusion.backbone import Backbone
from core.diffusion.inpainting import DrawingSettings, Place, inpaint
from core.diffusion.model_crop import CropSettings
from core.diffusion.tokens import Placeholder, padded_ids, placeholders, prompt_ids, vectors_of
from core.errors import Cancelled, InputError, StoreError
from core.images import png_bytes
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks, own_model, thinned, thrifty
from core.training.checkpoints import Concept
from core.training.dataset import EncodedSamples, TrainingExamples, held_out, prepare_surfaces, prepare_views
from core.training.example_crops import Target, view
from core.training.latents import TrainingBatchSource
from core.training.learned_masks import picture_name, strip
from core.training.learning_settings import PRESETS, LearningPreset, LearnParams
from core.training.loop import TrainingPlan, TrainingResult, steps_done, train
from core.training.low_rank import adapter
from core.training.mask_embedding import SHAPE_STEPS, Shapes, learn_shapes
from core.training.spatial_embedding import MaskEncoder, RowEmbedding, encode_with, make_encoder, seen_by, spatial_word
from core.types import AnomalyExample, Image, Mask, NormalImage

SPATIAL = "<where>"
"""The word that stands for e_s in every prompt."""
_VALIDATED_EVERY, _DRAWS, _PATIENCE = 40, 6, 4


def anomaly_word(index: int) -> str:
    """The word that stands for e_a of the ``index``-th label."""
    return f"<anomaly{index}>"


def learn(
    backbone: Backbone,
    groups: Mapping[str, Sequence[AnomalyExample]],
    normals: Sequence[NormalImage],
    params: LearnParams,
    *,
    engine: str,
    folder: Path,
    watch: TrainingCallbacks | None = None,
    notes: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    preset: LearningPreset | None = None,
    about: Mapping[str, Any] | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> Concept:
    """Learn one embedding for each of ``groups`` (label → real examples) with one mask encoder, and shelve them.

    Groups may be finer than labels: ``labels`` then says which label each is of. ``preset`` stands in for that of
    ``params``; ``about`` (plain JSON values) and ``pictures`` (PNGs by name) are kept with the concept.
    ``backbone`` is float32 or bfloat16; ``normals`` are needed to adapt to the product. The concept is saved under
    ``folder``. Stopped or fallen, a run goes on from where it was when it is asked for again with the same photos and
    settings. InputError or MaskError where there is nothing to learn from; Cancelled within a step; StoreError.
    """
    watch = watch or TrainingCallbacks()
    began = time.monotonic()
    preset = preset or PRESETS[params.preset]
    kinds = dict(labels or {name: name for name in groups})
    material = TrainingExamples.of(groups, preset, backbone.side)
    if params.adapt and not normals:
        raise InputError("adapting to the product needs photos of good parts; import some, or leave it off")
    identity = checkpoints.fingerprint(backbone)
    run = folder / ".learning" / _key(engine, identity, params, material)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{run}: cannot be written ({error.strerror}); check the folder and free space") from error
    try:
        with own_model(backbone, watch.cancelled) as model, thrifty(model, preset.batch):
            study = _InversionTraining(model, material, kinds, normals, params, preset, run, watch)
            with study.ready():
                tensors, report, drawn = study.learn()
            if params.shapes:
                shapes = study.learn_shapes()
                tensors |= shapes.tensors
                drawn |= {picture_name(i): strip(s) for i, s in enumerate(shapes.drawn.values()) if s}
    except Cancelled as stop:
        done = steps_done(run / "learn.pt")
        raise Cancelled(f"stopped after {done} steps; learn again with the same settings to go on") from stop
    learned = list(dict.fromkeys(kinds[name] for name in groups))
    label = learned[0] if len(learned) == 1 else ""
    finer = {} if labels is None else {"groups": [[name, kinds[name]] for name in groups]}
    concept = Concept(
        checkpoints.new_id(label, engine, identity, checkpoints.digest_of(tensors)),
        engine,
        label,
        ", ".join(learned) + (f" in {len(groups)} clusters" if len(groups) > len(learned) else ""),
        backbone.name,
        identity,
        checkpoints.now(),
        {
            **report,
            **finer,
            **(about or {}),
            "labels": learned,
            "settings": params.model_dump(mode="json"),
            "seconds": round(time.monotonic() - began, 1),
            "examples": {name: [t.example.id for t in found] for name, found in material.targets.items()},
            "tones": material.tones(),
        },
        (*notes, *material.notes),
    )
    checkpoints.save_concept(folder, concept, tensors, {**(pictures or {}), **drawn})
    shutil.rmtree(run, ignore_errors=True)
    return concept


@dataclass
class _InversionTraining:
    """One run: the model with its new words, and what is to be learned."""

    backbone: Backbone
    material: TrainingExamples
    kinds: Mapping[str, str]
    normals: Sequence[NormalImage]
    params: LearnParams
    preset: LearningPreset
    folder: Path
    watch: TrainingCallbacks
    vectors: dict[str, nn.Parameter] = field(default_factory=dict)
    lora: dict[str, nn.Parameter] = field(default_factory=dict)
    known: Backbone = field(init=False)
    encoder: MaskEncoder = field(init=False)
    table: RowEmbedding = field(init=False)

    @property
    def _before(self) -> int:
        return self.params.adapt_steps if self.params.adapt else 0

    @property
    def _steps(self) -> int:
        return self.params.steps or self.preset.budget(self.material.defects, len(self.material.targets))

    @property
    def _after(self) -> int:
        count = self.params.shapes * len(set(self.kinds.values()))
        return SHAPE_STEPS + count if count else 0

    @contextmanager
    def ready(self) -> Iterator[None]:
        """The model understands the new words and wears the adapter; as before when the block ends."""
        preset, params = self.preset, self.params
        words = [_first_word(self.backbone, self.kinds[n], params.start_word) for n in self.material.targets]
        start = vectors_of(self.backbone, words[0], preset.mask_tokens)
        self.encoder = make_encoder(preset.encoder, start, derive_seed(params.seed, "encoder"))
        self.encoder.to(self.backbone.device)
        for index, word in enumerate(words):
            first = vectors_of(self.backbone, word, preset.anomaly_tokens)
            noise = torch.randn(first.shape, generator=torch_generator(derive_seed(params.seed, "start", index)))
            # Equal tokens would only ever learn the same.
            first = first + 0.1 * first.std() * noise
            self.vectors[anomaly_word(index)] = nn.Parameter(first.to(self.backbone.device))
        with ExitStack() as stack:
            named = [Placeholder(word, vectors) for word, vectors in self.vectors.items()]
            known = stack.enter_context(placeholders(self.backbone, named))
            self.known, self.table = stack.enter_context(spatial_word(known, SPATIAL, preset.mask_tokens))
            if params.adapt:
                seed = derive_seed(params.seed, "adapter")
                self.lora = stack.enter_context(adapter(self.backbone, params.rank, seed))
            yield

    def learn(self) -> tuple[dict[str, Tensor], dict[str, Any], dict[str, bytes]]:
        """Tensors of the concept, what to note of the run, and pictures."""
        steps, before = self._steps, self._before
        total = before + steps
        adapted = self._adapt(total) if before else None
        learning, holding = held_out(self.material, self.preset)
        trained = self._rounds(learning, holding, steps, before)
        tensors = {f"anomaly.{w}": v.detach() for w, v in self.vectors.items()}
        tensors |= {f"encoder.{name}": value for name, value in self.encoder.state_dict().items()}
        tensors |= {name: value.detach() for name, value in self.lora.items()}
        preview = self._preview(holding or learning)
        report = {
            "preset": self.params.preset,
            "prompt": self.preset.prompts[0],
            "normal_prompt": self.preset.normal_prompt,
            "encoder": self.preset.encoder,
            "margin": self.preset.margin,
            "adapted": None if adapted is None else adapted.steps,
            "steps": trained.steps,
            "stopped_early": trained.stopped_early,
            "losses": thinned(trained.losses),
            "validation": [list(point) for point in trained.validation],
        }
        return tensors, report, {"preview": png_bytes(preview)}

    def learn_shapes(self) -> Shapes:
        """The mask embedding of each label (eq. 9) and new shapes from it (eq. 10); the model must be as it was."""
        masks: dict[str, list[Mask]] = {}
        for name, found in self.material.targets.items():
            masks.setdefault(self.kinds[name], []).extend(t.defect for t in found)
        before = self._before + self._steps
        return learn_shapes(
            self.backbone,
            masks,
            steps=SHAPE_STEPS,
            count=self.params.shapes,
            rank=self.params.rank if self.preset.validate else 0,
            seed=self.params.seed,
            checkpoint=self.folder / "shapes.pt",
            progress=lambda done: self.watch.progress(before + done, before + self._after, None),
            cancelled=self.watch.cancelled,
        )

    def _adapt(self, total: int) -> TrainingResult:
        """The adapter alone, on the product's photos (and on the examples' good surface)."""
        lessons = prepare_surfaces(self.known, self.material, self.normals, self.preset, self.params.seed,
                                   self.watch.cancelled)  # fmt: skip
        plan = TrainingPlan(
            self.params.adapt_steps, self.preset.batch, lr=1e-3, warmup=20, clip=1.0, seed=self.params.seed
        )
        return train(
            self.known,
            self.lora,
            lessons,
            plan,
            checkpoint=self.folder / "adapt.pt",
            progress=lambda done, of, loss: self._news(done, total, "adapting", done, loss),
            cancelled=self.watch.cancelled,
        )

    def _rounds(
        self, learning: Sequence[Target], holding: Sequence[Target], steps: int, before: int
    ) -> TrainingResult:
        """All steps on views drawn once, or in rounds on fresh views."""
        preset, checkpoint = self.preset, self.folder / "learn.pt"
        length = preset.fresh or steps
        first = min(steps_done(checkpoint) // length, max(0, -(-steps // length) - 1))
        for number in range(first, -(-steps // length)):
            taught = prepare_views(
                self.known, self.material, learning, preset, self._prompts, (self.params.seed, number),
                self.normals if self.params.adapt else (), self.watch.cancelled,
            )  # fmt: skip
            until = min(steps, (number + 1) * length)
            trained = self._train(taught, learning, holding, until, steps, before, checkpoint)
            if trained.stopped_early:
                break
        return trained

    def _train(
        self, taught: EncodedSamples, learning: Sequence[Target], holding: Sequence[Target], until: int, steps: int,
        before: int, checkpoint: Path,
    ) -> TrainingResult:  # fmt: skip
        preset = self.preset
        parameters = {**self.vectors, **{f"encoder.{n}": p for n, p in self.encoder.named_parameters()}, **self.lora}
        every = max(_VALIDATED_EVERY, steps // 12) if preset.validate else 0
        plan = TrainingPlan(
            until, preset.batch, preset.lr, (("encoder.", preset.encoder_rate), ("lora.", preset.adapter_rate)),
            warmup=preset.warmup, clip=preset.clip, seed=self.params.seed, area_weight=preset.area_weight,
            background=preset.background, validate_every=every, validate_draws=_DRAWS, patience=_PATIENCE,
            checkpoint_every=50 if preset.validate else 500,
        )  # fmt: skip
        judged = self._judging(holding or learning) if every else None
        shown = max(1, steps // self.watch.previews) if self.watch.previews else steps
        sees = _Sees(taught, judged)

        def news(done: int, of: int, loss: float) -> None:
            picture = self._preview(holding or learning) if done % shown == 0 and done < steps else None
            self._news(before + done, before + steps, "loss", done, loss, picture)

        return train(
            self.known,
            parameters,
            taught.lessons,
            plan,
            validation=judged.lessons if judged else None,
            checkpoint=checkpoint,
            texts=lambda lessons, rows: self._text(lessons, rows, sees.of(lessons)),
            progress=news,
            cancelled=self.watch.cancelled,
        )

    def _judging(self, found: Sequence[Target]) -> EncodedSamples:
        """The windows as they are, never varied."""
        still = replace(self.preset, motion=replace(self.preset.motion, share=0.0), views=1)
        return prepare_views(self.known, self.material, found[:8], still, self._prompts, (self.params.seed, -1), (),
                             self.watch.cancelled)  # fmt: skip

    def _prompts(self, label: str, rng: np.random.Generator) -> str:
        """A prompt that holds the label's word and the spatial word."""
        index = list(self.material.targets).index(label)
        template = self.preset.prompts[int(rng.integers(len(self.preset.prompts)))]
        return template.format(f"{anomaly_word(index)} {SPATIAL}")

    def _text(self, lessons: TrainingBatchSource, rows: Tensor, seen: Tensor) -> Tensor:
        tokens = self.encoder(seen[rows].to(self.known.device))
        return encode_with(self.known, lessons.ids[rows], self.table, tokens)

    def _news(self, done: int, total: int, name: str, step: int, loss: float, picture: Image | None = None) -> None:
        self.watch.curve(name, step, loss)
        self.watch.progress(done, total + self._after, picture)

    @torch.no_grad()
    def _preview(self, found: Sequence[Target]) -> Image:
        """A real example and, beside it, what the model draws in its place by now."""
        target = found[0]
        shown = view(target, self.known.side, None, self.preset.motion)
        prompt = self._prompts(_label_of(self.material, target), np.random.default_rng(0))
        tokens = self.encoder(seen_by(self.encoder.kind, shown.mask).to(self.known.device))
        text = encode_with(self.known, padded_ids(self.known, [prompt]), self.table, tokens)
        place = Place(shown.image, shown.mask, text, derive_seed(self.params.seed, "preview"))
        (drawn,) = inpaint(
            self.known, [place], self.preset.normal_prompt, look=DrawingSettings(steps=10, guidance=3.0),
            frame=CropSettings(margin=4.0, side=self.known.side), cancelled=self.watch.cancelled,
        )  # fmt: skip
        return np.ascontiguousarray(np.concatenate([shown.image, drawn], axis=1))


@dataclass(frozen=True)
class _Sees:
    """The masks the encoder reads for the lessons at hand: those of learning or those of validation."""

    learning: EncodedSamples
    judged: EncodedSamples | None

    def of(self, lessons: TrainingBatchSource) -> Tensor:
        return self.judged.seen if self.judged is not None and lessons is self.judged.lessons else self.learning.seen


def _first_word(backbone: Backbone, label: str, wanted: str) -> str:
    """A word to start from: the one wanted, else those of the label where each is a token of its own, else damage."""
    if wanted.strip():
        return wanted
    words = label.replace("_", " ").split()
    known = all(len(prompt_ids(backbone, word)) == 1 for word in words)
    return " ".join(words) if words and known else "damage"


def _label_of(material: TrainingExamples, target: Target) -> str:
    return next(label for label, found in material.targets.items() if any(t is target for t in found))


def _key(engine: str, identity: str, params: LearnParams, material: TrainingExamples) -> str:
    """Names the run: the same photos, masks and settings (but for the number of steps) go on where they were."""
    settings = params.model_dump(mode="json", exclude={"steps"})
    digest = hashlib.sha256(json.dumps([engine, identity, settings], sort_keys=True).encode())
    for label, found in material.targets.items():
        digest.update(label.encode())
        for target in found:
            digest.update(target.example.id.encode() + np.packbits(target.example.mask).tobytes())
    return digest.hexdigest()[:16]
