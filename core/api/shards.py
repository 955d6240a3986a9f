"""A batch in shards, made anywhere and merged here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.jobs.product_data import ProductData
from core.jobs.recorded_job import recorded_job
from core.jobs.requests import GenerationBatch
from core.jobs.shards.make import MadeShard, generate_shard
from core.jobs.shards.merge import MergedShards, merge_shards
from core.jobs.shards.shard_folder import Shard
from core.progress import Progress, unwatched

__all__ = ["MadeShard", "MergedShards", "Shard", "ShardsApi"]


class ShardsApi:
    """Behind ``launch.py generate --shard`` and ``launch.py merge``."""

    def __init__(self, material: ProductData) -> None:
        self._product_data = material

    def make(
        self,
        batch: GenerationBatch,
        shard: str,
        out: Path,
        *,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> MadeShard:
        """Make one shard ("2/8") of a batch into the folder ``out``; the project is read, never written."""
        return generate_shard(
            self._product_data, batch, Shard.parse(shard), out, progress=progress, cancelled=cancelled
        )

    def merge(
        self,
        folders: Sequence[Path],
        *,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> MergedShards:
        """Take shards into the project, see core.jobs.shards.merge; recorded as a job."""
        title = f"{len(folders)} shards" if len(folders) != 1 else str(folders[0].name)
        with recorded_job(self._product_data.project, "merge", title, "{}") as job:
            merged = merge_shards(self._product_data, folders, job_id=job.id, progress=progress, cancelled=cancelled)
            job.result = {"samples": merged.samples, "message": merged.message}
        return merged
