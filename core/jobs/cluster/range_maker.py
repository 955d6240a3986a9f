"""What a worker of a cluster runs; it knows nothing of the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from core.jobs.batch_digest import batch_inputs
from core.jobs.batch_maker import BatchMaker
from core.jobs.cluster.batch_package import BatchPackage
from core.jobs.stored_samples import StoredSamples
from core.jobs.worker_reply import WorkerReply
from core.store import Project, SampleRow


class RangeMaker:
    """Holds the batch of a package, with model and concept, and makes ranges of it."""

    def __init__(self, package: BatchPackage) -> None:
        self._package = package
        self._project: Project | None = None
        self._maker: BatchMaker | None = None

    def opened(self) -> str:
        """Open the batch; the digest of what its samples are made from here. Errors as in Project.open_copy."""
        return batch_inputs(self._open().plan)

    def make(self, indices: Sequence[int], stored: Sequence[SampleRow]) -> WorkerReply:
        """What comes of the samples ``indices``; ``stored`` may hold some of them already."""
        maker = self._open()
        return maker.make(indices, StoredSamples.among(maker.plan.engine, stored).find)

    def close(self) -> None:
        """Remove what it wrote to this machine."""
        if self._project is not None:
            self._project.close()
        self._project, self._maker = None, None

    def _open(self) -> BatchMaker:
        if self._maker is None:
            self._project = Project.open_copy(self._package.project, self._package.database)
            self._maker = BatchMaker(self._project, self._package.batch)
        return self._maker
