"""``launch.py bench dual``: do the part's masks show what is seen in the whole, and what do two branches at once cost?

A concept is learned for a few minutes from the real anomalies of fixtures. What is visible is told by a twin:
the same noise over the same photo, drawn as a good part.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from core.bench.dual_speed import branches_speed
from core.bench.fixtures import BenchFixture, photo_with_mask, read_bench_examples
from core.engines.api import Context
from core.methods.dual_ano_diff import DualAnoDiff
from core.methods.dual_ano_diff.learning_settings import PRESETS, DualLearningParams
from core.methods.dual_ano_diff.mask_extraction import MASK_SOURCES, ExtractedMasks, extract_masks
from core.quality import visible_change
from core.quality.visible_change import difference
from core.segmentation.segmenter import iou
from core.training.checkpoints import Concept, load_concept
from core.types import Image, Mask, Request

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone
    from core.methods.dual_ano_diff.adapters import DualModel

STEPS = 240
"""Steps learned: two to three minutes on a core."""
STRENGTHS: dict[Literal["example", "photo"], float] = {"example": 0.4, "photo": 0.7}
"""Start → how much is drawn anew: the engine's default, and as much as it takes over the bare photo."""
PEAK_SHARE = 0.5


def measure(quick: bool = False) -> dict[str, Any]:
    """All figures; docs/benchmarks.md says what each is."""
    from core.diffusion.loading import load_backbone

    backbone = load_backbone("mini", "cpu", "float32")
    lesson, draws = read_bench_examples(), PRESETS["flawsmith"].sampling[0]
    return (
        measure_backbone(backbone, lesson, 6, 1, 1, 4)
        if quick
        else measure_backbone(backbone, lesson, STEPS, 8, 3, draws)
    )


def measure_backbone(
    backbone: Backbone, lesson: BenchFixture, steps: int, pairs: int, repeats: int, draws: int
) -> dict[str, Any]:
    """The figures after ``steps`` of learning, of ``pairs`` drawn from each start in ``draws`` steps.

    Times are medians of ``repeats``.
    """
    from core.methods.dual_ano_diff.adapters import load_adapters

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        began = time.process_time()
        concept = _learn(backbone, lesson, steps, folder)
        minutes = (time.process_time() - began) / 60
        _, tensors = load_concept(folder / concept.id)
        drawing = _DualBench(lesson, concept, folder, draws)
        with load_adapters(backbone, concept, tensors) as model:
            agreement = drawing.agreement(model, "example", pairs)
            over_photo = drawing.agreement(model, "photo", pairs)
    return {
        "data": lesson.name,
        "examples": len(lesson.examples),
        "learn_cpu_minutes": round(minutes, 1),
        "learn_steps": concept.config.steps,
        **agreement,
        "over_photo": over_photo,
        **branches_speed(backbone, lesson.label, repeats, draws),
    }


def _learn(backbone: Backbone, lesson: BenchFixture, steps: int, folder: Path) -> Concept:
    from core.methods.dual_ano_diff.train import learn_dual
    from core.training.callbacks import TrainingCallbacks

    groups, params = {lesson.label: lesson.examples}, DualLearningParams(steps=steps)
    callbacks = TrainingCallbacks(previews=0)
    return learn_dual(
        backbone, groups, lesson.normals, params, engine="dual_ano_diff", folder=folder, callbacks=callbacks
    )


@dataclass(frozen=True)
class _DualBench:
    """A learned anomaly, drawn over good photos as the engine does."""

    lesson: BenchFixture
    concept: Concept
    folder: Path
    steps: int

    def agreement(self, model: DualModel, start: Literal["example", "photo"], count: int) -> dict[str, float]:
        """Mean IoU of what is visible with the mask that is taken and with each way's; and how often any is seen."""
        found = [self._pair(model, start, seed) for seed in range(count)]
        seen = [(masks, visible) for masks, visible in found if visible.any()]

        def mean(masks_of: list[tuple[Mask, Mask]]) -> float:
            return round(float(np.mean([iou(a, b) for a, b in masks_of])), 3) if masks_of else 0.0

        return {
            "mask_iou": mean([(masks.mask, visible) for masks, visible in seen]),
            **{
                f"mask_iou_{way}": mean([(masks.by_source[way], visible) for masks, visible in seen])
                for way in MASK_SOURCES
            },
            "visible_pairs": len(seen),
            "visible_share": round(float(np.mean([visible.mean() for _, visible in found])), 4),
        }

    def _pair(self, model: DualModel, start: Literal["example", "photo"], seed: int) -> tuple[ExtractedMasks, Mask]:
        """A pair's masks, and where its whole visibly differs from its twin's: bool (S, S)."""
        from core.methods.dual_ano_diff.sample import InitialImage, draw_pair

        photo, asked = photo_with_mask(self.lesson, seed, ("blob", "spot", "stain"))
        example = self.lesson.examples[seed % len(self.lesson.examples)]
        request = Request(photo, self.lesson.label, {}, seed, mask=asked, examples=(example,))
        params = DualAnoDiff.Params(start=start, strength=STRENGTHS[start])
        engine = DualAnoDiff()
        pane = engine.crop_for(self.concept, request, asked)
        begin, _ = engine.initial_image(self.concept, request, asked, pane, params, Context("cpu", self.folder))
        assert begin is not None, "neither start is noise"
        _, guidance, sampler = PRESETS["flawsmith"].sampling
        clean = InitialImage(pane.crop_image(photo.pixels), np.zeros_like(begin.mask), params.strength)
        pair = draw_pair(
            model, self.lesson.label, seed=seed, steps=self.steps, guidance=guidance, sampler=sampler, begin=begin
        )
        # Without guidance towards the anomaly what is left is the good part.
        twin = draw_pair(
            model, self.lesson.label, seed=seed, steps=self.steps, guidance=0, sampler=sampler, begin=clean
        )
        masks = extract_masks(pair.whole, pair.part, pair.attention, "auto", lambda: False)
        return masks, visible_anomaly(twin.whole, pair.whole)


def visible_anomaly(without: Image, drawn: Image) -> Mask:
    """What a person sees on ``drawn`` that is not on ``without``, uint8 (S, S, 3) both: bool (S, S).

    Of all that visibly changed, the pieces that hold at least half the strongest difference: surface that was drawn a
    little otherwise, mostly at the rim, is none of the anomaly.
    """
    changed = visible_change(without, drawn, np.ones(drawn.shape[:2], np.bool_))
    smooth = cv2.GaussianBlur(difference(without, drawn).astype(np.float32), (0, 0), 1.5) * changed
    count, pieces = cv2.connectedComponents(changed.view(np.uint8), connectivity=8)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, pieces.ravel(), smooth.ravel())
    return np.asarray(changed & (peaks >= PEAK_SHARE * peaks.max())[pieces], np.bool_)
