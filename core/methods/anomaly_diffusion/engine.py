"""AnomalyDiffusion (Hu et al., AAAI 2024): a learned anomaly drawn into the mask by blended diffusion.

{e_a, e_s} is the prompt, the surroundings of the mask are the photo's (eq. 1), and Adaptive Attention Re-weighting
(section 3.3) sees to it that the mask is filled. How it is learned: core.training.textual_inversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from core.engines.api import Context, DrawingPreset, LearningEngine, read_params, require_mask, sample_or_error
from core.engines.backbone_requirements import concepts_folder, missing_model_reason
from core.engines.concept_drawing import PUBLISHED, ConceptDrawingParams, DrawingTask, concept_batch_size, draw_concept
from core.engines.finalize import finalize_sample
from core.errors import InputError
from core.training.checkpoints import Concept, find_concept
from core.training.learning_settings import AnomalyLearningParams
from core.types import AnomalyExample, NormalImage, Request, Sample


class AnomalyDiffusionParams(ConceptDrawingParams):
    """Form and bounds of the ``anomaly_diffusion`` engine."""


class AnomalyDiffusion(LearningEngine):
    """Blended diffusion with a learned anomaly as its prompt."""

    name = "anomaly_diffusion"
    title = "Learned defect"
    summary = "Draws an anomaly it has learned from a handful of real ones into the mask; all else is the photo's own."
    goal = "examples"
    paper = "AnomalyDiffusion"
    kind = "structural"
    needs = frozenset({"mask"})
    Params = AnomalyDiffusionParams
    Learning = AnomalyLearningParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def drawing_presets(self) -> Mapping[str, DrawingPreset]:
        """The released code re-weights where it is told to (``--adaptive_mask``), by default not."""
        return {
            "flawsmith": DrawingPreset(),
            "paper": DrawingPreset({**PUBLISHED, "reweighting": "paper"}),
            "code": DrawingPreset({**PUBLISHED, "reweighting": "off"}),
        }

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: AnomalyLearningParams,
        ctx: Context,
    ) -> Concept:
        """Learn ``label``, or every label of ``examples`` together if it is ""; see learn."""
        ctx.check()
        folder = concepts_folder(self.name, ctx)
        from core.diffusion.loading import load_backbone
        from core.training.callbacks import TrainingCallbacks
        from core.training.textual_inversion import learn_embeddings

        labels = [label] if label else sorted({e.label for e in examples})
        groups = {name: [e for e in examples if e.label == name] for name in labels}
        backbone = load_backbone(params.backbone, ctx.device, "float32")
        callbacks = TrainingCallbacks(ctx.progress, ctx.curve, ctx.cancelled)
        return learn_embeddings(
            backbone, groups, normals, params, engine=self.name, folder=folder, callbacks=callbacks
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

    def preferred_batch_size(self, params: Mapping[str, object], label: str, ctx: Context) -> int:
        """How many are best drawn together on this machine."""
        return concept_batch_size(self.name, read_params(self, params), label, ctx)

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, drawn together; or why there is none. They share label and settings."""
        ctx.check()
        label, params = requests[0].label, read_params(self, requests[0].params)
        tasks = [DrawingTask(label, request, require_mask(self, request)) for request in requests]
        concept = find_concept(ctx.concepts, self.name, params.concept, label)
        used = params.model_copy(update={"concept": concept.id})
        pictures = draw_concept(self.name, concept, tasks, params, ctx)
        return [
            sample_or_error(finalize_sample, self, task.request, picture, task.mask, params=used)
            for task, picture in zip(tasks, pictures, strict=True)
        ]
