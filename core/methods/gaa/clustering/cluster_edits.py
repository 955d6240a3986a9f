"""What a person does to clusters: merge, split, move one region, rename. Each returns a new clustering.

Members keep their vectors, so silhouettes and representatives are always those of the clusters as they now are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.device import derive_seed
from core.errors import InputError
from core.methods.gaa.clustering.clusters import Clustering, GroupNumbers, build_clusters
from core.methods.gaa.clustering.kmeans_rounds import choose_k, kmeans
from core.types import check_label


def merge(clustering: Clustering, names: Sequence[str], name: str | None = None) -> Clustering:
    """The clusters ``names`` as one, in the place and, without ``name``, under the name of the first of them."""
    wanted = list(dict.fromkeys(names))
    if len(wanted) < 2:
        raise InputError(
            f"merge: expected two clusters or more, got {', '.join(wanted) or 'none'}; choose another one"
        )
    for one in wanted:
        clustering[one]
    groups, all_names = clustering.groups, list(clustering.names)
    target = all_names.index(wanted[0])
    for one in wanted[1:]:
        groups[groups == all_names.index(one)] = target
    all_names[target] = _free(clustering, name, wanted) if name else wanted[0]
    return _rebuilt(clustering, groups, all_names)


def split(
    clustering: Clustering, name: str, into: int | None = None, *, members: Sequence[str] | None = None, seed: int = 0
) -> Clustering:
    """Cluster ``name`` as several: the largest part keeps the name, the others get ``<name>_b``, ``_c``, ...

    ``members`` says which regions leave, together; otherwise KMeans divides it into ``into`` parts, or into as many as
    the indices of eq. 2 like best. InputError if there is nothing to divide: too few members, or no two that differ.
    """
    cluster = clustering[name]
    own = np.array([clustering.ids.index(m) for m in cluster.members])
    if members is not None:
        parts = _taken_out(cluster.members, members, name)
    else:
        _check_parts(len(own), into, name)
        rng = derive_seed(seed, "split", name)
        vectors = clustering.vectors[own]
        if len(np.unique(np.round(vectors, 6), axis=0)) < (into or 2):
            raise InputError(f"split {name!r}: its regions look the same; choose by hand which ones leave")
        if into is None and len(own) > 3:
            parts = choose_k(vectors, rng, "paper")[0]
        else:
            parts = kmeans(vectors, into or 2, rng)
    groups, names = clustering.groups, list(clustering.names)
    at = names.index(name)
    extra = int(parts.max())
    # The new parts stand right behind the one they were split from.
    groups[groups > at] += extra
    groups[own] = at + parts
    return _rebuilt(clustering, groups, [*names[: at + 1], *_part_names(clustering, name, extra), *names[at + 1 :]])


def move(clustering: Clustering, member: str, to: str) -> Clustering:
    """Region ``member`` in cluster ``to``; a cluster left without members goes away."""
    clustering.cluster_of(member)
    clustering[to]
    groups = clustering.groups
    groups[clustering.ids.index(member)] = clustering.names.index(to)
    return _rebuilt(clustering, groups, list(clustering.names))


def rename(clustering: Clustering, old: str, new: str) -> Clustering:
    """Cluster ``old`` under the name ``new``, which must be fit for a label."""
    clustering[old]
    clean = _free(clustering, new, [old])
    clusters = tuple(replace(c, name=clean) if c.name == old else c for c in clustering.clusters)
    return replace(clustering, clusters=clusters, edited=True)


def _rebuilt(clustering: Clustering, groups: GroupNumbers, names: Sequence[str]) -> Clustering:
    """The clustering with these groups; groups without members go."""
    kept = np.unique(groups)
    packed = np.searchsorted(kept, groups)
    clusters = build_clusters(clustering.vectors, clustering.ids, packed, [names[k] for k in kept])
    return replace(clustering, clusters=clusters, edited=True)


def _taken_out(own: Sequence[str], members: Sequence[str], name: str) -> GroupNumbers:
    leaving = set(members)
    if strange := leaving - set(own):
        raise InputError(f"split {name!r}: region {sorted(strange)[0]!r} is not one of its members")
    if not leaving or len(leaving) == len(own):
        raise InputError(f"split {name!r}: choose some of its {len(own)} regions to leave, not {len(leaving)}")
    return np.array([int(m in leaving) for m in own], np.int64)


def _check_parts(count: int, into: int | None, name: str) -> None:
    if into is not None and into < 2:
        raise InputError(f"split {name!r}: expected two parts or more, got {into}")
    if count < (into or 2):
        raise InputError(f"split {name!r}: it has {count} region{'s'[: count != 1]}, too few for {into or 2} parts")


def _free(clustering: Clustering, name: str, own: Sequence[str]) -> str:
    clean = check_label(name)
    if clean in set(clustering.names) - set(own):
        raise InputError(f"cluster {clean!r}: there is one of this name; choose another name, or merge the two")
    return clean


def _part_names(clustering: Clustering, name: str, count: int) -> list[str]:
    taken = set(clustering.names)
    stems = (f"{name}_{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
    more = (f"{name}_part{n}" for n in range(2, len(clustering.ids) + 30))
    free = [n for n in (*stems, *more) if n not in taken]
    return free[:count]
