"""Learning: a project's real anomalies and good photos → engine → concept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.engines.api import Context, LearningEngine
from core.engines.registry import learning_engine
from core.errors import InputError, Unavailable
from core.importers.words import safe_label
from core.jobs.product_data import ProductData
from core.progress import PreviewedSteps, unwatched
from core.store import Project
from core.training.checkpoints import Concept
from core.types import AnomalyExample, NormalImage, check_label
from core.validation import read_settings

MAX_EXAMPLES = 512


class LearnRequest(BaseModel):
    """What to learn: by which engine, which label (several with commas between, "" for all there are: these are
    learned together), with which settings. ``also`` are folders of other projects, whose real anomalies and good
    photos are learned along: one model over several products."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    label: str = ""
    params: dict[str, Any] = {}
    also: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels asked for; none for all."""
        return tuple(dict.fromkeys(filter(None, (name.strip() for name in self.label.split(",")))))


@dataclass(frozen=True)
class LearnPlan:
    """An order that was found feasible, with what is learned from."""

    request: LearnRequest
    engine: LearningEngine
    params: Any
    examples: tuple[AnomalyExample, ...]
    normals: tuple[NormalImage, ...]


def plan_learning(material: ProductData, order: LearnRequest) -> LearnPlan:
    """The order's plan, if it can run at all; InputError, NotFound or Unavailable, in one line, if not."""
    chosen = learning_engine(order.engine)
    if reason := chosen.available():
        raise Unavailable(f"engine {order.engine}: {reason}")
    params = read_settings(chosen.Learning, order.params, f"learning with {order.engine}")
    examples: tuple[AnomalyExample, ...] = ()
    if chosen.learns_from == "examples":
        for label in order.labels:
            if not (found := material.examples(check_label(label))):
                raise InputError(_nothing(material, label))
            examples += found
        if not order.labels and not (examples := material.examples(None, MAX_EXAMPLES)):
            raise InputError(_nothing(material, ""))
    normals = _good_photos(material, params.max_normals)
    for path in order.also:
        with Project.open(Path(path).expanduser()) as project:
            other = ProductData(project)
            if chosen.learns_from == "examples":
                examples += _labelled_by_product(other)
            normals += _good_photos(other, params.max_normals)
    return LearnPlan(order, chosen, params, examples, normals)


def _good_photos(material: ProductData, most: int) -> tuple[NormalImage, ...]:
    """At most so many, from all over the list."""
    rows = material.project.normals()
    step = max(1, -(-len(rows) // most))
    return tuple(material.normal(row.id) for row in rows[::step])


def _labelled_by_product(material: ProductData) -> tuple[AnomalyExample, ...]:
    """Another product's real anomalies, each under ``<product>_<label>``: its scratch is not this product's."""
    product = safe_label(material.project.name)
    examples = material.examples(None, MAX_EXAMPLES)
    if not examples:
        raise InputError(f"{material.project.path}: there is no real anomaly to learn along; import some there")
    return tuple(replace(example, label=check_label(f"{product}_{example.label}"[:64])) for example in examples)


def learn(
    material: ProductData,
    plan: LearnPlan,
    *,
    progress: PreviewedSteps = unwatched,
    curve: Callable[[str, float, float], None] = lambda name, x, y: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Concept:
    """Carry the plan out; the concept is in the project's folder when this returns. Cancelled within a step."""
    ctx = Context(
        concepts=material.concepts, progress=progress, curve=curve, cancelled=cancelled, regions_of=material.regions
    )
    label = plan.request.labels[0] if len(plan.request.labels) == 1 and not plan.request.also else ""
    return plan.engine.learn(plan.examples, plan.normals, label, plan.params, ctx)


def _nothing(material: ProductData, label: str) -> str:
    there = sorted({row.label for row in material.project.examples(None, "learn")})
    if not there:
        return "nothing to learn from: the project has no real anomalies; import some with their masks"
    return f"label {label!r}: there is no real anomaly of it to learn from (there are: {', '.join(there)})"
