"""Which samples an export and an evaluation take, as long as nobody says otherwise."""

from __future__ import annotations

from core.store import Project, SampleFilter
from core.types import ReviewStatus


def verdict_to_use(project: Project) -> ReviewStatus:
    """The verdict of the samples to take: "kept", or "new" as long as nothing at all was reviewed."""
    reviewed = (ReviewStatus.KEPT, ReviewStatus.REJECTED)
    if any(project.count_samples(SampleFilter(verdict=verdict)) for verdict in reviewed):
        return ReviewStatus.KEPT
    return ReviewStatus.NEW
