"""What a worker holds of a batch: the project read from a copy of its database, the model, and what it made of runs of
indices, in the size of PNGs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.engines.api import Context
from core.jobs.generation import generate_outcomes, make_missing
from core.jobs.packed_sample import PackedSample
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch, plan_batch
from core.jobs.worker_reply import WorkerReply
from core.store import Project, SampleRow
from core.types import Request, Sample


class BatchMaker:
    """Makes samples of ``batch``, one after the other, from a project that is open for reading."""

    def __init__(self, project: Project, batch: GenerationBatch) -> None:
        material = ProductData(project)
        self.plan = plan_batch(material, batch.model_copy(update={"workers": 1}))
        self._ctx = Context(concepts=material.concepts, normals=material, regions_of=material.regions)

    def make(self, indices: Sequence[int], stored: Callable[[Request], SampleRow | None]) -> WorkerReply:
        """What comes of the samples ``indices``; those that ``stored`` has are not made again."""
        made = generate_outcomes(
            self.plan, indices, self._ctx, lambda asked: make_missing(self.plan, asked, self._ctx, stored)
        )
        return [_portable(outcome) for outcome in made]


def _portable(outcome: Sample | SampleRow | PackedSample | str) -> PackedSample | str | tuple[str, str]:
    if isinstance(outcome, Sample):
        return PackedSample.of(outcome)
    return ("stored", outcome.id) if isinstance(outcome, SampleRow) else outcome
