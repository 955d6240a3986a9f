"""A digest of what a batch's samples depend on, by which two machines see that they make the same ones."""

from __future__ import annotations

import hashlib
import json

import core
from core.diffusion.model_sources import ModelSource, find_model
from core.errors import NotFound, Unavailable
from core.jobs.requests import BatchPlan


def batch_inputs(plan: BatchPlan) -> str:
    """Digest of what the samples of a batch depend on beside its settings: 64 hex digits.

    That is the photos in their order, the label's real anomalies, the concepts, the settled placement, the version,
    and the model that an engine finds here where it draws with one.
    """
    builder = plan.builder
    concepts = sorted(path.name for path in builder.material.concepts.glob("*") if path.is_dir())
    parts = [
        plan.normal_ids, builder.donor_ids, [e.id for e in builder.examples], concepts,
        builder.placement.model_dump(mode="json"), core.__version__,
        *([_model_here(str(builder.params.get("backbone", "auto")))] if plan.engine.draws_with_model else []),
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _model_here(wanted: str) -> str:
    """Name of the model that ``wanted`` stands for on this machine; "none" where it is not here."""
    try:
        found = find_model(wanted)
    except (Unavailable, NotFound):
        return "none"
    return found.name if isinstance(found, ModelSource) else found.folder.name
