"""A digest of what a batch's samples depend on, by which two machines see that they make the same ones."""

from __future__ import annotations

import hashlib
import json

import core
from core.jobs.requests import BatchPlan


def batch_inputs(plan: BatchPlan) -> str:
    """Digest of what the samples of a batch depend on beside its settings: 64 hex digits.

    That is the photos in their order, the label's real anomalies, the concepts, the settled placement and the version.
    """
    builder = plan.builder
    concepts = sorted(path.name for path in builder.material.concepts.glob("*") if path.is_dir())
    parts = [
        plan.normal_ids, builder.donor_ids, [e.id for e in builder.examples], concepts,
        builder.placement.model_dump(mode="json"), core.__version__,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
