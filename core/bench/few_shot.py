"""``launch.py bench few-shot``: what learning from a handful of real anomalies comes to.

The real anomalies are those of core.bench.fixtures.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.bench.clustering import measure_clusters
from core.bench.fixtures import BenchFixture, photo_with_mask, read_bench_examples
from core.bench.profiler import peak_memory, time_and_memory, work_seconds
from core.device import derive_seed, numpy_rng
from core.errors import Unavailable
from core.masks.morphology import dilate
from core.quality import visible_change
from core.training.checkpoints import Concept
from core.training.learning_settings import PRESETS, AnomalyLearningParams, LearningPreset
from core.types import Image, Mask, Request

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone


def measure(quick: bool = False, backbone: str = "mini") -> dict[str, Any]:
    """All figures of the model ``backbone``, ``mini`` on one thread of the CPU and others where they run best;
    docs/benchmarks.md says what each is and the aim it is held against."""
    try:
        clusters = measure_clusters(quick)
    except Unavailable as error:
        clusters = {"clusters": str(error)}
    from core.diffusion.loading import load_backbone

    device = "cpu" if backbone == "mini" else "auto"
    model, lesson = load_backbone(backbone, device, "float32"), read_bench_examples()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        began = time.monotonic()
        concept = _learn(model, lesson, folder, 20 if quick else 0)
        minutes = (time.monotonic() - began) / 60
        bench = _FewShotBench(model, backbone, lesson, folder, quick)
        return {
            "data": lesson.name,
            "backbone": model.name,
            "device": model.device.type,
            "examples": len(lesson.examples),
            "learn_minutes": round(minutes, 1),
            "learn_steps": concept.config.steps,
            **_training_speed(model, lesson, 3 if quick else 8),
            **bench.speed(concept),
            **bench.mask_fill(concept, 3 if quick else 100),
            **bench.position_iou(concept, 2 if quick else 30),
            **clusters,
        }


def _learn(
    backbone: Backbone, lesson: BenchFixture, folder: Path, steps: int, preset: LearningPreset | None = None
) -> Concept:
    from core.training.textual_inversion import learn_embeddings

    params = AnomalyLearningParams(adapt=True, steps=steps, adapt_steps=20 if steps == 20 else 240)
    groups = {lesson.label: lesson.examples}
    return learn_embeddings(
        backbone, groups, lesson.normals, params, engine="anomaly_diffusion", folder=folder, preset=preset,
        about={"masked": preset is None},
    )  # fmt: skip


def _training_speed(backbone: Backbone, lesson: BenchFixture, steps: int) -> dict[str, Any]:
    """Steps a second of our loop, latents and views cached, and of the published one, both in batches of four.

    The published loop reads, turns and encodes its pictures and runs a ResNet-50 with its pyramid in every step.
    """
    from core.training.textual_inversion import learn_embeddings

    def seconds(preset: LearningPreset) -> float:
        marks: list[float] = []
        with tempfile.TemporaryDirectory() as made:
            from core.training.callbacks import TrainingCallbacks

            callbacks = TrainingCallbacks(
                lambda done, total, picture: marks.append(work_seconds(backbone)), previews=0
            )
            learn_embeddings(
                backbone, {lesson.label: lesson.examples}, (), AnomalyLearningParams(steps=steps), engine="bench",
                folder=Path(made), callbacks=callbacks, preset=preset,
            )  # fmt: skip
        return float(np.median(np.diff(marks)))

    with peak_memory(backbone) as peak:
        ours = seconds(replace(PRESETS["flawsmith"], validate=False))
        peak_mb = peak()
    cached = seconds(replace(PRESETS["paper"], fresh=0))
    fresh = _encoding_s(backbone, lesson)
    return {
        "learn_speedup": round((cached + fresh) / ours, 2),
        "learn_steps_per_s": round(1 / ours, 2),
        "learn_peak_mb": round(peak_mb),
        "learn_steps_per_s_published": round(1 / (cached + fresh), 2),
    }


def _encoding_s(backbone: Backbone, lesson: BenchFixture, batch: int = 4) -> float:
    """What drawing a batch of views and encoding them takes, in seconds."""
    from core.diffusion.backbone import encode_image
    from core.training.example_crops import cropped_view, defect_targets

    preset, times = PRESETS["paper"], []
    found = [t for e in lesson.examples for t in defect_targets(e, preset.framing(backbone.side))]
    for again in range(5):
        began = work_seconds(backbone)
        for i in range(batch):
            shown = cropped_view(found[i % len(found)], numpy_rng(again, i), preset.motion)
            encode_image(backbone, shown.image)
        times.append(work_seconds(backbone) - began)
    return float(np.median(times))


@dataclass(frozen=True)
class _FewShotBench:
    """A learned anomaly, drawn on good photos."""

    backbone: Backbone
    name: str
    lesson: BenchFixture
    folder: Path
    quick: bool

    def speed(self, concept: Concept) -> dict[str, Any]:
        """Pairs a second as the engine draws by default, several at once as in bulk or one by one; and as published:
        one by one, 50 steps, decoded in each."""
        from core.diffusion.backbone import preferred_batch_size

        rows = preferred_batch_size(self.backbone)
        ours, peak_mb = self._time_and_memory(concept, 2 if self.quick else 5, rows)
        alone, _ = self._time_and_memory(concept, 2 if self.quick else 9)
        steps = 10 if self.quick else 50
        published: dict[str, Any] = {"steps": steps, "sampler": "ddim", "reweighting": "paper", "strength": 1.0}
        theirs, _ = self._time_and_memory(concept, 1 if self.quick else 2, **published)
        return {
            "pairs_per_s": round(1 / ours, 3),
            "generate_speedup": round(theirs * 50 / steps / ours, 2),
            "drawn_at_once": rows,
            "batch_speedup": round(alone / ours, 2),
            "peak_mb": round(peak_mb),
        }

    def mask_fill(self, concept: Concept, count: int) -> dict[str, float]:
        """Mean share of an odd mask that visibly changed, drawn from noise, with each kind of re-weighting."""
        found: dict[str, float] = {}
        for kind, key in (("flawsmith", "aar_fill"), ("off", "aar_fill_off"), ("code", "aar_fill_code")):
            shares = []
            for seed in range(count):
                photo, mask = photo_with_mask(self.lesson, seed)
                (drawn,) = self._draw(concept, [seed], reweighting=kind, strength=1.0)
                shares.append(float(visible_change(photo.pixels, drawn, mask).sum() / mask.sum()))
            found[key] = round(float(np.mean(shares)), 3)
        return found

    def position_iou(self, concept: Concept, count: int) -> dict[str, float]:
        """IoU of what visibly changed with the mask that e_s was made from, where three times its box is free to
        change; with the tokens of an empty mask instead; and learned without the masked loss."""
        unmasked = replace(PRESETS["flawsmith"], area_weight=False, background=1.0)
        other = _learn(self.backbone, self.lesson, self.folder, 20 if self.quick else 400, unmasked)
        return {
            "position_iou": self._position_iou(concept, count, True),
            "position_iou_without_e_p": self._position_iou(concept, count, False),
            "position_iou_without_masked_loss": self._position_iou(other, count, True),
        }

    def _position_iou(self, concept: Concept, count: int, told: bool) -> float:
        from core.diffusion.inpainting import DrawingSettings, InpaintTask, inpaint
        from core.diffusion.model_crop import crop_for_model
        from core.training.apply_concept import apply_concept
        from core.training.checkpoints import load_concept

        ious = []
        _, tensors = load_concept(self.folder / concept.id)
        with apply_concept(self.backbone, concept, tensors) as speaker:
            for seed in range(count):
                photo, mask = photo_with_mask(self.lesson, seed, ("blob", "spot", "stain"))
                free = _box_around(mask, 1.0)
                frame = replace(speaker.crop_settings(), detail=1.0)
                window = crop_for_model(self.backbone, photo.pixels, free, frame)
                prompt = speaker.conditioning(
                    self.lesson.label, window.crop_mask(mask if told else np.zeros_like(mask))
                )
                place = InpaintTask(photo.pixels, free, prompt, derive_seed(seed, "position"))
                (drawn,) = inpaint(
                    speaker.backbone, [place], speaker.normal_prompt, look=DrawingSettings(14, 3.0, 1.0), frame=frame
                )
                seen = visible_change(photo.pixels, drawn, free)
                ious.append(float((seen & mask).sum() / max(1, (seen | mask).sum())))
        return round(float(np.mean(ious)), 3)

    def _draw(self, concept: Concept, seeds: Sequence[int], **given: Any) -> list[Image]:
        """What is drawn into the placed mask of each seed, as one batch."""
        from core.engines.api import Context
        from core.engines.concept_drawing import ConceptDrawingParams, DrawingTask, draw_concept

        label, tasks = self.lesson.label, []
        for seed in seeds:
            photo, mask = photo_with_mask(self.lesson, seed)
            tasks.append(DrawingTask(label, Request(normal=photo, label=label, params={}, seed=seed, mask=mask), mask))
        params = ConceptDrawingParams(**given, concept=concept.id, backbone=self.name)
        return draw_concept(
            "anomaly_diffusion", concept, tasks, params, Context(self.backbone.device.type, self.folder)
        )

    def _time_and_memory(self, concept: Concept, count: int, rows: int = 1, **given: Any) -> tuple[float, float]:
        """Median seconds of a drawing where ``rows`` are made at once, and the memory at its highest, MB."""
        draw = lambda i: self._draw(concept, range(i * rows, (i + 1) * rows), **given)  # noqa: E731
        seconds, peak_mb = time_and_memory(self.backbone, draw, count)
        return seconds / rows, peak_mb


def _box_around(mask: Mask, around: float) -> Mask:
    """The box of ``mask``, wider by ``around`` times its longer side all around."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    more = round(around * max(np.ptp(rows), np.ptp(columns)) + 1)
    box = np.zeros_like(mask)
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return dilate(box, more)
