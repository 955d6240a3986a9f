"""What a worker on another machine needs to make a batch's samples: put into the cluster once, the same for all."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from core.jobs.batch_digest import batch_inputs
from core.jobs.requests import BatchPlan, GenerationBatch
from core.store.reading_copy import DATABASE, copy_database

_NEEDLESS = ("samples", "sample_details", "sample_scores", "score_names", "jobs")


@dataclass(frozen=True)
class BatchPackage:
    """``database`` is the project's as it was when the batch began, without its samples; photos, masks and concepts
    are read from the folder ``project``, which every node must see. ``inputs`` is the digest of what samples
    depend on."""

    project: Path
    batch: GenerationBatch
    database: bytes
    inputs: str

    @classmethod
    def of(cls, plan: BatchPlan) -> BatchPackage:
        """The package of a planned batch."""
        path = plan.product_data.project.path
        return cls(path, plan.batch, database_without_samples(path), batch_inputs(plan))


def database_without_samples(project: Path) -> bytes:
    """The database in the folder ``project`` as it is now, without what a worker has no use for."""
    with tempfile.TemporaryDirectory(prefix="flawsmith-package-") as folder:
        path = Path(folder) / DATABASE
        copy_database(project, path)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in _NEEDLESS:
                if table in there:
                    db.execute(f"DELETE FROM {table}")
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("VACUUM")
        return path.read_bytes()
