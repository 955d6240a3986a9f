"""The clusters of a label that a project keeps, and what becomes of a person's changes when examples come or go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from core.errors import InputError, NotFound, StoreError
from core.methods.gaa.clustering.amfc import cluster_regions, describe_regions
from core.methods.gaa.clustering.clustering_file import load_clustering, save_clustering
from core.methods.gaa.clustering.clusters import Clustering, build_clusters
from core.methods.gaa.clustering.descriptors import ClusteringPreset, check_clustering_preset, features_name
from core.methods.gaa.clustering.kmeans_rounds import MOST
from core.progress import Steps, unwatched
from core.training.instances import split_by_instance
from core.types import AnomalyExample, check_label

FOLDER = "clusters"
"""Inside the folder of a project's concepts."""


def clustering_path(concepts: Path, label: str) -> Path:
    """Where the clusters of ``label`` are kept, of a project whose concepts lie in the folder ``concepts``."""
    return concepts / FOLDER / f"{check_label(label)}.json"


def store_clustering(concepts: Path, label: str, clustering: Clustering) -> Path:
    """Write what ``label``'s clusters are from now on, a broken file set aside.

    StoreError if the disk refuses; NewerFormat, writing nothing, if a newer Flawsmith wrote what is there.
    """
    path = clustering_path(concepts, label)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{path.parent}: cannot be made ({error.strerror}); check the folder and its rights"
        ) from error
    set_aside_broken(concepts, label)
    save_clustering(path, clustering)
    return path


def set_aside_broken(concepts: Path | None, label: str) -> str:
    """Give a file of ``label`` that cannot be read another name, for it may hold a person's work; say so in one line.

    "" where there is none or it can be read. NewerFormat if a newer Flawsmith wrote it: then it stays.
    """
    if concepts is None:
        return ""
    path = clustering_path(concepts, label)
    try:
        load_clustering(path)
        return ""
    except NotFound:
        return ""
    except InputError as error:
        aside = next(p for n in count(1) if not (p := path.with_name(f"{label}.unreadable-{n}.json")).exists())
        try:
            path.rename(aside)
        except OSError as refused:
            raise StoreError(f"{path}: it cannot be read, nor set aside ({refused.strerror})") from refused
        return f"{label}: the groups kept before could not be read ({error}); they lie in {aside} now"


def load_matching_clustering(
    concepts: Path | None, label: str, examples: Sequence[AnomalyExample]
) -> Clustering | None:
    """The kept clusters of ``label`` if they are about these ``examples``, defect by defect, and of today's features.

    None where nothing is kept, or something else is; a broken file counts as nothing kept. NewerFormat.
    """
    found = _stored_clustering(concepts, label)
    if found is None or found.features != features_name(check_clustering_preset(found.preset)):
        return None
    return found if set(found.ids) == {e.id for e in split_by_instance(examples)} else None


def load_or_cluster_regions(
    concepts: Path | None,
    label: str,
    examples: Sequence[AnomalyExample],
    *,
    preset: ClusteringPreset = "flawsmith",
    seed: int = 0,
    most: int = MOST,
    anew: bool = False,
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> Clustering:
    """The clusters of ``label``'s defects: those a project keeps, else made now. Nothing is written.

    What a person changed outlives its examples: where some came or went since, the others stay in the clusters they
    were put in, and each new one joins the cluster whose mean it is closest to. With ``anew`` nothing kept counts.
    Errors as describe_regions and cluster; NewerFormat.
    """
    if not anew and (found := load_matching_clustering(concepts, label, examples)) is not None:
        if found.edited or found.preset == preset:
            return found
    described = describe_regions(split_by_instance(examples), preset, progress, cancelled)
    fresh = cluster_regions(described, label, seed, most)
    before = None if anew else _stored_clustering(concepts, label)
    return with_earlier_clusters(before, fresh) if before is not None and before.edited else fresh


def with_earlier_clusters(before: Clustering, fresh: Clustering) -> Clustering:
    """``fresh`` regions in the clusters of ``before``; ``fresh`` itself if the two share no region."""
    names = [c.name for c in before.clusters if any(m in set(fresh.ids) for m in c.members)]
    if not names:
        return fresh
    where = {m: names.index(c.name) for c in before.clusters for m in c.members if c.name in names}
    groups = np.array([where.get(i, -1) for i in fresh.ids], np.int64)
    means = np.stack([fresh.vectors[groups == n].mean(axis=0) for n in range(len(names))])
    new = np.flatnonzero(groups < 0)
    groups[new] = [int(np.argmin(np.linalg.norm(means - fresh.vectors[i], axis=1))) for i in new]
    clusters = build_clusters(fresh.vectors, fresh.ids, groups, names)
    return replace(fresh, clusters=clusters, edited=True, extra=before.extra)


def _stored_clustering(concepts: Path | None, label: str) -> Clustering | None:
    """What is kept for ``label``, whatever it was made from; None if nothing or nothing readable is. NewerFormat."""
    if concepts is None:
        return None
    try:
        return load_clustering(clustering_path(concepts, label))
    except (NotFound, InputError):
        return None
