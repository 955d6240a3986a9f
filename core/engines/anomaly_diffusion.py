"""AnomalyDiffusion (Hu et al., AAAI 2024): a learned anomaly drawn into the mask by blended diffusion.

{e_a, e_s} is the prompt, the surroundings of the mask are the photo's (eq. 1), and Adaptive Attention Re-weighting
(section 3.3) sees to it that the mask is filled. How it is learned: core.concepts.inversion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.concepts.settings import LearnParams
from core.concepts.shelf import Concept, find_concept
from core.engines.base import Context, read_params, require_mask, settle
from core.engines.drawn import concepts_folder, no_model
from core.engines.learned import LearnedParams, draw
from core.types import AnomalyExample, Kind, NormalImage, Request, Sample


class AnomalyDiffusionParams(LearnedParams):
    """Form and bounds of the ``anomaly_diffusion`` engine."""


class AnomalyDiffusion:
    """Blended diffusion with a learned anomaly as its prompt."""

    name = "anomaly_diffusion"
    title = "AnomalyDiffusion"
    summary = "Draws an anomaly it has learned from a handful of real ones into the mask; all else is the photo's own."
    kind: Kind = "structural"
    needs = frozenset({"mask"})
    rewrites_background = False
    learns = True
    Params = AnomalyDiffusionParams
    Learning = LearnParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return no_model()

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: LearnParams,
        ctx: Context,
    ) -> Concept:
        """Learn ``label``, or every label of ``examples`` together if it is ""; see core.concepts.inversion.learn."""
        ctx.check()
        folder = concepts_folder(self.name, ctx)
        from core.concepts.inversion import learn
        from core.concepts.run import Watch
        from core.diffusion.backbone import load_backbone

        labels = [label] if label else sorted({e.label for e in examples})
        groups = {name: [e for e in examples if e.label == name] for name in labels}
        backbone = load_backbone(params.backbone, ctx.device, "float32")
        watch = Watch(ctx.progress, ctx.curve, ctx.cancelled)
        return learn(backbone, groups, normals, params, engine=self.name, folder=folder, watch=watch)

    def kin(
        self,
        params: Mapping[str, Any],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample]:
        """The examples that the sample of ``seed`` may be like: any of the label."""
        return examples

    def generate(self, request: Request, ctx: Context) -> Iterator[Sample]:
        """One sample per request; NotFound says how to learn where nothing was learned."""
        ctx.check()
        params: AnomalyDiffusionParams = read_params(self, request.params)
        mask = require_mask(self, request)
        concept = find_concept(ctx.concepts, self.name, params.concept, request.label)
        drawn = draw(self.name, concept, request.label, request, mask, params, ctx)
        used = params.model_copy(update={"concept": concept.id})
        yield settle(self, request, drawn, mask, params=used)
