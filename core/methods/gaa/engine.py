"""GAA (Lu et al. 2025): a label's anomalies told apart by their looks, each look learned and drawn by itself.

Name here ↔ symbol in the paper: clusters ↔ those of AMFC (eq. 2, clustering), a cluster's words ↔ e_f of
8 tokens, the shared encoder's ↔ e_p = E(M_a) of 4 tokens, both learned by the masked loss (eqs. 3 and 4,
core.training.textual_inversion), masks ↔ M_Align of 3.3 (core.masks.placement.planner), drawing ↔ 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from core.device import derive_seed, numpy_rng
from core.engines.api import Context, DrawingPreset, LearningEngine, read_params, require_mask, sample_or_error
from core.engines.backbone_requirements import concepts_folder, missing_model_reason
from core.engines.concept_drawing import PUBLISHED, ConceptDrawingParams, DrawingTask, concept_batch_size, draw_concept
from core.engines.finalize import finalize_sample
from core.errors import InputError
from core.masks.morphology import dilate
from core.methods.gaa.clustering import Clustering, contact_sheet
from core.methods.gaa.clustering.clustering_store import load_or_cluster_regions, set_aside_broken
from core.methods.gaa.groups import GaaGrouping
from core.training.checkpoints import Concept, find_concept
from core.training.example_crops import usable_examples
from core.training.instances import split_by_instance
from core.training.learning_settings import PRESETS, AnomalyLearningParams, LearningPreset
from core.types import AnomalyExample, Image, Mask, NormalImage, Request, Sample

ANY_CLUSTER, MIXED_CLUSTERS = "any", "mixed"
_JOINED = 6
"""Pixels between parts of a mask up to which they are one defect."""
_PARTS = 6

LQSF: Mapping[str, Any] = {
    "rank": "ars", "min_change": 0.0, "min_covered": 0.0, "max_seam": 200.0, "min_ars": 0.0, "copies": True,
    "min_asked": 0.0, "max_off_part": 1.0,
    "duplicates": 0.0,
}  # fmt: skip
"""Low-quality sample filtering: the highest ARS and no other rule."""

_STEPS = 310_000
"""Of the paper's training on MVTec AD (appendix B.1); all else that it says is as AnomalyDiffusion has it."""


class GaaParams(ConceptDrawingParams):
    """Form and bounds of the ``gaa`` engine."""

    draw_as: Literal["auto", "flawsmith", "paper"] = Field(  # type: ignore[assignment]
        "auto",
        title="Draw as",
        description="Sets all that follows: ours (flawsmith), as published (paper); auto: as the concept was learned. "
        "Single values can be changed.",
    )
    reweighting: Literal["flawsmith", "paper", "literal", "code", "off"] = Field(
        "off",
        title="Re-weighting",
        description="More attention where the anomaly is hardly visible, as in AnomalyDiffusion; GAA does not use it.",
    )
    steps: int = Field(20, ge=1, le=250, title="Steps", description="Steps of the sampler: more is finer and slower.")
    sampler: Literal["ddim", "dpmpp_2m"] = Field(
        "ddim", title="Sampler", description="DDIM, as in the paper, or DPM-Solver++(2M), which needs fewer steps."
    )
    cluster: str = Field(
        ANY_CLUSTER,
        title="Cluster",
        description="The cluster to draw: its name; any: a random one, large ones more often; "
        "mixed: a random one for each separate part of the mask.",
    )


class GaaLearningParams(AnomalyLearningParams):
    """What a person may set when GAA learns."""

    preset: Literal["flawsmith", "paper"] = Field(
        "flawsmith", title="Preset", description="flawsmith: minutes; paper: GAA as published, for a GPU."
    )
    clusters: Literal["kept", "new", "none"] = Field(
        "kept",
        title="Clusters",
        description="kept: those of the project, as they were changed by hand, else new ones; new: made now; "
        "none: the label as one.",
    )
    most_clusters: int = Field(
        10, ge=2, le=50, title="Maximum clusters", description="Limit for one round of clustering a label."
    )


@dataclass(frozen=True)
class ClusterChoice:
    """What is learned: group → its examples, group → its label, notes on what was left out, and how it was told."""

    groups: Mapping[str, Sequence[AnomalyExample]]
    labels: Mapping[str, str]
    notes: tuple[str, ...]
    about: Mapping[str, object]
    sheets: Mapping[str, bytes]


class Gaa(LearningEngine):
    """Blended diffusion with one of a label's learned looks, in masks like those of that look."""

    name = "gaa"
    title = "Learned look"
    summary = "Tells the looks of a label apart, learns each from a handful of real ones, and draws one into the mask."
    goal = "examples"
    paper = "GAA"
    kind = "structural"
    needs = frozenset({"mask"})
    Params = GaaParams
    Learning = GaaLearningParams

    def available(self) -> str | None:
        """None, or which library or weights are missing and how to get them."""
        return missing_model_reason()

    def grouping(self) -> GaaGrouping:
        """AMFC's clusters of a label."""
        return GaaGrouping()

    def drawing_presets(self) -> Mapping[str, DrawingPreset]:
        """The paper draws as AnomalyDiffusion without its re-weighting; masks are made by eqs. 5 and 6 and put
        anywhere on the part or its regions, and samples are ranked by ARS alone (LQSF)."""
        return {
            "flawsmith": DrawingPreset(),
            "paper": DrawingPreset({**PUBLISHED, "reweighting": "off"}, {"position": "anywhere", "bend": 0.0}, LQSF),
        }

    def learn(
        self,
        examples: Sequence[AnomalyExample],
        normals: Sequence[NormalImage],
        label: str,
        params: GaaLearningParams,
        ctx: Context,
    ) -> Concept:
        """Learn the clusters of ``label``, or of every label of ``examples`` if it is "", with one mask encoder.

        Errors as core.training.textual_inversion.learn; Unavailable if the network that describes defects is missing.
        """
        ctx.check()
        folder = concepts_folder(self.name, ctx)
        found = group_examples(examples, label, params, ctx)
        from core.diffusion.loading import load_backbone
        from core.training.callbacks import TrainingCallbacks
        from core.training.textual_inversion import learn_embeddings

        return learn_embeddings(
            load_backbone(params.backbone, ctx.device, "float32"),
            found.groups,
            normals,
            params,
            engine=self.name,
            folder=folder,
            callbacks=TrainingCallbacks(ctx.progress, ctx.curve, ctx.cancelled),
            notes=found.notes,
            labels=found.labels,
            preset=gaa_preset(params.preset),
            about={"clusters": dict(found.about)},
            pictures=found.sheets,
        )

    def matching_examples(
        self,
        params: Mapping[str, object],
        label: str,
        seed: int,
        examples: Sequence[AnomalyExample],
        concepts: Path | None,
    ) -> Sequence[AnomalyExample]:
        """The examples that the sample of ``seed`` may be like: those of the cluster that it will be drawn from."""
        chosen: GaaParams = read_params(self, params)
        concept = find_concept(concepts, self.name, chosen.concept, label)
        name = choose_cluster(concept, chosen.cluster, label, seed)
        return cluster_members(concept, name, label, examples) or examples

    def preferred_batch_size(self, params: Mapping[str, object], label: str, ctx: Context) -> int:
        """How many are best drawn together on this machine."""
        return concept_batch_size(self.name, read_params(self, params), label, ctx)

    def generate_batch(self, requests: Sequence[Request], ctx: Context) -> list[Sample | InputError]:
        """A sample for each request, drawn together; or why there is none. They share label and settings."""
        ctx.check()
        label, params = requests[0].label, read_params(self, requests[0].params)
        masks = [require_mask(self, request) for request in requests]
        concept = find_concept(ctx.concepts, self.name, params.concept, label)
        used = params.model_copy(update={"concept": concept.id})
        if params.cluster == MIXED_CLUSTERS:
            return [
                sample_or_error(self._draw_mixed, concept, request, mask, used, ctx)
                for request, mask in zip(requests, masks, strict=True)
            ]
        tasks = []
        for request, mask in zip(requests, masks, strict=True):
            look = choose_cluster(concept, params.cluster, label, request.seed)
            like = cluster_members(concept, look, label, request.examples)
            tasks.append(DrawingTask(look, replace(request, examples=like), mask))
        pictures = draw_concept(self.name, concept, tasks, params, ctx)
        return [
            sample_or_error(self._finalized, request, task, picture, used)
            for request, task, picture in zip(requests, tasks, pictures, strict=True)
        ]

    def _finalized(self, request: Request, task: DrawingTask, drawn: Image, params: GaaParams) -> Sample:
        return finalize_sample(
            self, request, drawn, task.mask, params=params.model_copy(update={"cluster": task.group})
        )

    def _draw_mixed(self, concept: Concept, request: Request, mask: Mask, params: GaaParams, ctx: Context) -> Sample:
        """Another look for each part of the mask, one after the other: later parts see the earlier ones."""
        drawn, parts = request.normal.pixels, separate_defects(mask)
        for number, part in enumerate(parts):
            own = derive_seed(request.seed, self.name, "part", number)
            look = choose_cluster(concept, ANY_CLUSTER, request.label, own)
            like = cluster_members(concept, look, request.label, request.examples)
            asked = replace(request, normal=replace(request.normal, pixels=drawn), seed=own, examples=like)
            (drawn,) = draw_concept(self.name, concept, [DrawingTask(look, asked, part)], params, ctx)
        return finalize_sample(self, request, drawn, mask, instances=parts, params=params)


def group_examples(
    examples: Sequence[AnomalyExample], label: str, params: GaaLearningParams, ctx: Context
) -> ClusterChoice:
    """The clusters of each label's defects that can be learned from, by a name of their own.

    MaskError if no example of a label can be learned from; InputError if there is none; Cancelled.
    """
    groups: dict[str, list[AnomalyExample]] = {}
    labels: dict[str, str] = {}
    notes: list[str] = []
    about: dict[str, object] = {}
    sheets: dict[str, bytes] = {}
    wanted = [label] if label else sorted({e.label for e in examples})
    for one in wanted:
        regions = split_by_instance([e for e in examples if e.label == one])
        if not regions:
            raise InputError(f"label {one!r}: there is no real anomaly of it; import some with their masks")
        kept, dropped = usable_examples(regions)
        notes += dropped
        if params.clusters == "none":
            groups[one], labels[one] = list(kept), one
            continue
        if broken := set_aside_broken(ctx.concepts, one):
            notes.append(broken)
        clustering = load_or_cluster_regions(
            ctx.concepts,
            one,
            [e for e in examples if e.label == one],
            preset=params.preset,
            seed=params.seed,
            most=params.most_clusters,
            anew=params.clusters == "new",
            cancelled=ctx.cancelled,
        )
        for cluster in clustering.clusters:
            name = cluster.name if cluster.name not in groups else f"{one}_{cluster.name}"
            members = [e for e in kept if e.id in cluster.members]
            if members:
                groups[name], labels[name] = members, one
        about[one] = _facts(clustering)
        sheets["clusters" if len(wanted) == 1 else f"clusters_{one}"] = contact_sheet(clustering, regions)
    return ClusterChoice(groups, labels, tuple(notes), about, sheets)


def _facts(clustering: Clustering) -> dict[str, object]:
    """How clusters were found, as it is kept with the concept."""
    return {
        "features": clustering.features,
        "weights": dict(clustering.weights),
        "edited": clustering.edited,
        "silhouettes": {c.name: c.silhouette for c in clustering.clusters},
    }


def gaa_preset(name: Literal["flawsmith", "paper"]) -> LearningPreset:
    """How a preset learns: as AnomalyDiffusion's of that name, but for the paper's prompt and number of steps."""
    if name == "flawsmith":
        return PRESETS[name]
    return replace(PRESETS[name], prompts=("a photo of {}",), steps=_STEPS, most_steps=_STEPS)


def concept_clusters(concept: Concept, label: str) -> tuple[str, ...]:
    """The clusters of ``label`` in ``concept``; all of them where it knows one label only, whatever that is called."""
    own = tuple(name for name, of in concept.groups.items() if of == label)
    if own or len(concept.labels) == 1:
        return own or tuple(concept.groups)
    raise InputError(
        f"concept {concept.id}: it knows {', '.join(concept.labels)}, not {label!r}; choose one of these labels"
    )


def cluster_members(
    concept: Concept, name: str, label: str, examples: Sequence[AnomalyExample]
) -> tuple[AnomalyExample, ...]:
    """Those of ``examples``, defect by defect, that cluster ``name`` was learned from; ``mixed`` is all clusters."""
    names = concept_clusters(concept, label) if name == MIXED_CLUSTERS else (name,)
    members = {m for n in names for m in concept.config.examples[n]}
    return tuple(e for e in split_by_instance(examples) if e.id in members)


def choose_cluster(concept: Concept, wanted: str, label: str, seed: int) -> str:
    """The cluster that ``wanted`` stands for with this seed, or ``mixed``; InputError names those there are."""
    names = concept_clusters(concept, label)
    if wanted in (*names, MIXED_CLUSTERS):
        return wanted
    if wanted != ANY_CLUSTER:
        raise InputError(f"cluster {wanted!r}: concept {concept.id} has {', '.join(names)}; or take any, or mixed")
    sizes = np.array([len(concept.config.examples[name]) for name in names], np.float64)
    return names[int(numpy_rng(seed, "gaa", "cluster").choice(len(names), p=sizes / sizes.sum()))]


def separate_defects(mask: Mask) -> tuple[Mask, ...]:
    """The separate defects of a mask, largest first, those close together as one; at most six, the rest with the last.

    Disjoint bool (H, W), together the mask.
    """
    count, numbers = cv2.connectedComponents(dilate(mask, _JOINED // 2).view(np.uint8), connectivity=8)
    parts = [np.asarray((numbers == n) & mask, np.bool_) for n in range(1, count)]
    parts = sorted((p for p in parts if p.any()), key=np.count_nonzero, reverse=True)
    rest = parts[_PARTS:]
    if rest:
        parts = [*parts[: _PARTS - 1], np.asarray(np.logical_or.reduce([parts[_PARTS - 1], *rest]), np.bool_)]
    return tuple(parts)
