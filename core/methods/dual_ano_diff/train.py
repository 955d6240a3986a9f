"""Learning a picture and its anomalous part together, from a handful of real anomalies.

Name here ↔ symbol in DualAnoDiff: lessons' whole, part, background ↔ z, z', z^b, the same t for all, a noise for each;
the loss ↔ eqs. 4 and 6. Against the released code, ``flawsmith`` looks at the defects' surroundings, counts the loss
more where the anomaly is, shows good photos with an empty part beside the real anomalies, encodes pictures once, and
stops by a validation loss.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.device import derive_seed
from core.diffusion.backbone import Backbone, encode_image
from core.diffusion.inpainting import latent_mask
from core.diffusion.sampling import stop_if
from core.diffusion.tokens import prompt_ids
from core.errors import Cancelled, StoreError
from core.images import png_bytes
from core.methods.dual_ano_diff.adapters import Build, Dual, dual, make_build
from core.methods.dual_ano_diff.interaction import wide
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualParams, DualPreset
from core.methods.dual_ano_diff.sample import draw_pair
from core.methods.dual_ano_diff.training_samples import (
    PicturePair,
    Views,
    draw_views,
    find_backgrounds,
    margin_of,
    object_finder,
)
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks, own_model, thinned
from core.training.checkpoints import Concept
from core.training.dataset import TrainingExamples, held_out
from core.training.example_crops import Target
from core.training.latents import TrainingBatchSource
from core.training.learning_settings import PRESETS as SEEING
from core.training.loop import TrainingPlan, TrainingResult, steps_done, train
from core.types import AnomalyExample, Image, NormalImage

_VALIDATED_EVERY, _DRAWS, _PATIENCE = 60, 4, 4
_PRODUCT_START = "surface"


def learn_dual(
    backbone: Backbone,
    groups: Mapping[str, Sequence[AnomalyExample]],
    normals: Sequence[NormalImage],
    params: DualParams,
    *,
    engine: str,
    folder: Path,
    watch: TrainingCallbacks | None = None,
    about: Mapping[str, Any] | None = None,
) -> Concept:
    """Learn both branches for ``groups`` (label → real examples) together, and shelve them under ``folder``.

    Labels share the adapters, the interaction and the product's word, and have a word each for the anomaly; the paper
    learns each label alone. ``about`` (plain JSON values) is kept with the concept. ``backbone`` is float32 or
    bfloat16. Stopped or fallen, a run goes on from where it was when it is asked for again with the same photos and
    settings. InputError or MaskError where there is nothing to learn from; Unavailable where a part mask is asked of
    what is not there; Cancelled within a step; StoreError.
    """
    watch, began = watch or TrainingCallbacks(), time.monotonic()
    preset = replace(PRESETS[params.preset], whole=params.whole)
    material = TrainingExamples.of(groups, _as_seen(params, preset), round(preset.zoom * backbone.side))
    identity = checkpoints.fingerprint(backbone)
    run = folder / ".learning" / _key(engine, identity, params, material)
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{run}: cannot be written ({error.strerror}); check the folder and free space") from error
    try:
        with own_model(backbone, watch.cancelled) as model:
            study = _DualTraining(model, material, list(groups), normals, params, preset, run / "learn.pt", watch)
            tensors, report, picture = study.learn()
    except Cancelled as stop:
        done = steps_done(run / "learn.pt")
        raise Cancelled(f"stopped after {done} steps; learn again with the same settings to go on") from stop
    labels = list(groups)
    label = labels[0] if len(labels) == 1 else ""
    concept = Concept(
        checkpoints.new_id(label, engine, identity, checkpoints.digest_of(tensors)),
        engine,
        label,
        ", ".join(labels),
        backbone.name,
        identity,
        checkpoints.now(),
        {
            **report,
            **(about or {}),
            "labels": labels,
            "settings": params.model_dump(mode="json"),
            "seconds": round(time.monotonic() - began, 1),
            "examples": {name: [t.example.id for t in found] for name, found in material.targets.items()},
            "tones": material.tones(),
        },
        (*material.notes, *study.notes),
    )
    checkpoints.save_concept(folder, concept, tensors, {"preview": png_bytes(picture)})
    shutil.rmtree(run, ignore_errors=True)
    return concept


@dataclass
class _DualTraining:
    """One run: the model, and what it is to learn from what."""

    backbone: Backbone
    material: TrainingExamples
    labels: Sequence[str]
    normals: Sequence[NormalImage]
    params: DualParams
    preset: DualPreset
    checkpoint: Path
    watch: TrainingCallbacks

    def __post_init__(self) -> None:
        self.notes: list[str] = []
        self.finder, self.backgrounds = "", dict[str, Image]()
        if self.params.bcm:
            self.finder, find = object_finder(self.params.objects)
            photos = [t.example for found in self.material.targets.values() for t in found]
            more = self.normals if self.preset.normals else ()
            self.backgrounds = find_backgrounds([*photos, *more], find, lambda: stop_if(self.watch.cancelled))
            if not self.backgrounds:
                self.notes.append("without background compensation: the part fills the photos")
        self.views = Views(
            self.backbone.side, self.material.extent, self.preset.motion, self.preset.whole, self.backgrounds
        )

    def learn(self) -> tuple[dict[str, Tensor], dict[str, Any], Image]:
        """Tensors of the concept, what to note of the run, and a picture: a real pair beside a drawn one."""
        params, material = self.params, self.material
        build = make_build(self.backbone, params, self.labels, bool(self.backgrounds))
        steps = params.steps or self.preset.budget(material.defects, len(self.labels))
        learning, holding = held_out(material, _as_seen(params, self.preset))
        with dual(self.backbone, build, params.seed, self._starts(build)) as model, _saving_memory(model, params):
            trained = self._rounds(model, learning, holding, steps)
            picture = self._preview(model, (holding or learning)[0])
            tensors = {name: value.clone() for name, value in model.tensors().items()}
        report = {
            "preset": params.preset,
            "build": build.plain(),
            "whole": self.preset.whole,
            "side": self.backbone.side,
            "extent": material.extent,
            "margin": margin_of(params, self.preset),
            "objects": self.finder if self.backgrounds else "",
            "steps": trained.steps,
            "stopped_early": trained.stopped_early,
            "losses": thinned(trained.losses),
            "validation": [list(point) for point in trained.validation],
        }
        return tensors, report, picture

    def _starts(self, build: Build) -> dict[str, str]:
        """The model's own words that learned ones start from: the label's, where it knows each, else damage."""
        found: dict[str, str] = {}
        for name in build.words:
            label = next((label for label, own in build.anomaly.items() if own == name), None)
            word = _PRODUCT_START if label is None else label.replace("_", " ")
            plain = all(len(prompt_ids(self.backbone, w)) == 1 for w in word.split())
            found[name] = word if plain else "damage"
        return found

    def _rounds(
        self, model: Dual, learning: Sequence[Target], holding: Sequence[Target], steps: int
    ) -> TrainingResult:
        """All steps on views drawn once, or in rounds on fresh views."""
        length = self.preset.fresh or steps
        count = -(-steps // length)
        for number in range(min(steps_done(self.checkpoint) // length, max(0, count - 1)), count):
            pairs = draw_views(self.views, learning, self.normals, self.preset, self.params.seed, number)
            lessons, labels = self._lessons(pairs, model.build)
            judged = [self.views.of(t, None) for t in (holding or learning)[:8]] if self.preset.validate else []
            trained = self._train(model, lessons, labels, judged, min(steps, (number + 1) * length), steps)
            if trained.stopped_early:
                break
        return trained

    def _lessons(self, pairs: Sequence[PicturePair], build: Build) -> tuple[TrainingBatchSource, list[str]]:
        """Latents (N, group C, h, w), weights of the loss of the same shape, and each pair's label."""
        latents, weights = [], []
        cell, group = self.backbone.factor, build.group
        for pair in pairs:
            stop_if(self.watch.cancelled)
            rows = [pair.image, pair.part] + ([pair.background] if pair.background is not None else [])
            if len(rows) < group:
                rows.append(np.full_like(pair.image, 128))
            encoded = torch.cat([encode_image(self.backbone, row).cpu() for row in rows[:group]])
            latents.append(wide(encoded, group))
            shape = (pair.mask.shape[0] // cell, pair.mask.shape[1] // cell)
            more = 1 + (self.preset.defect - 1) * latent_mask(pair.mask, shape)
            weights.append(torch.cat([more / more.mean()] * 2 + [torch.zeros_like(more)] * (group - 2), dim=1))
        z = torch.cat(latents)
        counted = torch.cat(weights).repeat_interleave(z.shape[1] // group, dim=1)
        ids = torch.zeros(len(pairs), 1, dtype=torch.int64)
        return TrainingBatchSource(z, counted, ids, None), [pair.label for pair in pairs]

    def _train(
        self,
        model: Dual,
        lessons: TrainingBatchSource,
        labels: Sequence[str],
        judged: Sequence[PicturePair],
        until: int,
        steps: int,
    ) -> TrainingResult:
        preset = self.preset
        validation, judged_labels = self._lessons(judged, model.build) if judged else (None, [])
        plan = TrainingPlan(
            until, self.params.batch or preset.batch, preset.lr, preset.rates, preset.weight_decay, preset.warmup,
            preset.clip, self.params.seed, area_weight=False,
            validate_every=max(_VALIDATED_EVERY, steps // 10) if judged else 0, validate_draws=_DRAWS,
            patience=_PATIENCE, checkpoint_every=50 if preset.validate else 500,
        )  # fmt: skip
        shown = max(1, steps // self.watch.previews) if self.watch.previews else steps

        def texts(given: TrainingBatchSource, rows: Tensor) -> Tensor:
            known = judged_labels if validation is not None and given is validation else labels
            return model.text([known[int(row)] for row in rows])

        def news(done: int, of: int, loss: float) -> None:
            self.watch.curve("loss", done, loss)
            target = next(iter(self.material.targets.values()))[0]
            picture = self._preview(model, target) if done % shown == 0 and done < steps else None
            self.watch.progress(done, steps, picture)

        return train(
            model.backbone, model.parameters, lessons, plan, validation=validation, checkpoint=self.checkpoint,
            predictor=model.predict, texts=texts, progress=news, cancelled=self.watch.cancelled,
        )  # fmt: skip

    @torch.no_grad()
    def _preview(self, model: Dual, target: Target) -> Image:
        """A real pair and, below it, one that the model draws by now."""
        real = self.views.of(target, None)
        steps, guidance, sampler = self.preset.draws
        seed = derive_seed(self.params.seed, "preview")
        drawn = draw_pair(
            model, target.example.label, seed=seed, steps=min(steps, 12), guidance=guidance, sampler=sampler,
            background=real.background, cancelled=self.watch.cancelled,
        )  # fmt: skip
        rows = [np.concatenate(row, axis=1) for row in ((real.image, real.part), (drawn.whole, drawn.part))]
        return np.ascontiguousarray(np.concatenate(rows))


@contextmanager
def _saving_memory(model: Dual, params: DualParams) -> Iterator[None]:
    """Gradient checkpointing, where it is asked for."""
    unet = model.backbone.unet
    if not params.checkpointing:
        yield
        return
    unet.enable_gradient_checkpointing()
    try:
        yield
    finally:
        unet.disable_gradient_checkpointing()


def _as_seen(params: DualParams, preset: DualPreset) -> Any:
    """The preset as the shared code for material reads it."""
    motion = replace(preset.motion, whole=preset.whole)
    return replace(SEEING["flawsmith"], motion=motion, margin=margin_of(params, preset), validate=preset.validate)


def _key(engine: str, identity: str, params: DualParams, material: TrainingExamples) -> str:
    """Names the run: the same photos, masks and settings (but for the number of steps) go on where they were."""
    settings = params.model_dump(mode="json", exclude={"steps"})
    digest = hashlib.sha256(json.dumps([engine, identity, settings], sort_keys=True).encode())
    for label, found in material.targets.items():
        digest.update(label.encode())
        for target in found:
            digest.update(target.example.id.encode() + np.packbits(target.example.mask).tobytes())
    return digest.hexdigest()[:16]
