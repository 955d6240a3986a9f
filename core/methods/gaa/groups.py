"""The clusters of a label as a person sees and changes them before they are learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from core.engines.grouping import ExampleGrouping
from core.errors import InputError
from core.methods.gaa.clustering import Clustering, merge, move, rename, split, typical_first
from core.methods.gaa.clustering.clustering_store import (
    load_matching_clustering,
    load_or_cluster_regions,
    set_aside_broken,
    store_clustering,
)
from core.progress import Steps, unwatched
from core.training.instances import split_by_instance
from core.types import AnomalyExample


class GaaGrouping(ExampleGrouping[Clustering]):
    """AMFC's clusters (about 0.3 s a defect to make); ``launch.py learn --engine gaa`` takes those that are kept."""

    def kept(self, concepts: Path, label: str, examples: Sequence[AnomalyExample]) -> Clustering | None:
        return load_matching_clustering(concepts, label, examples)

    def group(
        self,
        concepts: Path,
        label: str,
        examples: Sequence[AnomalyExample],
        *,
        anew: bool = False,
        progress: Steps = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda line: None,
    ) -> Clustering:
        if line := set_aside_broken(concepts, label):
            say(line)
        found = load_or_cluster_regions(concepts, label, examples, anew=anew, progress=progress, cancelled=cancelled)
        self.save(concepts, label, examples, found)
        return found

    def save(self, concepts: Path, label: str, examples: Sequence[AnomalyExample], groups: Clustering) -> None:
        known = {e.id for e in split_by_instance(examples)}
        if strange := sorted(set(groups.ids) ^ known):
            raise InputError(
                f"groups of {label!r}: they are not those of its examples (defect {strange[0]!r}); group them again"
            )
        store_clustering(concepts, label, groups)

    def typical_first(self, groups: Clustering, name: str) -> list[str]:
        return list(typical_first(groups, groups[name]))

    def merge(self, groups: Clustering, names: Sequence[str]) -> Clustering:
        return merge(groups, names)

    def split(self, groups: Clustering, name: str, members: Sequence[str] | None = None) -> Clustering:
        return split(groups, name, members=members)

    def move(self, groups: Clustering, member: str, to: str) -> Clustering:
        return move(groups, member, to)

    def rename(self, groups: Clustering, old: str, new: str) -> Clustering:
        return rename(groups, old, new)
