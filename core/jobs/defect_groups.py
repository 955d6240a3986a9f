"""A label's real defects grouped by how they look, as a person sees and changes them before they are learned.

clusters = load_or_cluster(material, "crack")
clusters = merge(clusters, ["crack_1", "crack_3"], "hairline")      # or split, move, rename
save(material, "crack", clusters)                                    # `launch.py learn --engine gaa` takes these
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.errors import InputError, NotFound
from core.jobs.product_data import ProductData
from core.methods.gaa.clustering import (
    Clustering,
    Preset,
    by_instance,
    contact_sheet,
    crop_tile,
    merge,
    move,
    rename,
    split,
    typical_first,
)
from core.methods.gaa.clustering.clustering_store import keep, kept_file, recall_or_cluster, set_aside_broken
from core.types import AnomalyExample, Image

__all__ = [
    "Clustering", "forget", "load_or_cluster", "merge", "move", "regions_of", "rename", "save", "sheet", "split",
    "thumbnail", "thumbnails",
]  # fmt: skip


def regions_of(material: ProductData, label: str) -> tuple[AnomalyExample, ...]:
    """What is clustered: the label's real defects, one for each mask; NotFound if the label has none."""
    found = by_instance(material.examples(label))
    if not found:
        raise NotFound(f"label {label!r}: there is no real anomaly of it; import some with their masks")
    return found


def load_or_cluster(
    material: ProductData,
    label: str,
    *,
    preset: Preset = "flawsmith",
    seed: int = 0,
    anew: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda line: None,
) -> Clustering:
    """The clusters kept for ``label``, else made now (about 0.3 s a defect) and kept.

    A person's changes stay when examples come or go; ``anew`` forgets them. A file that cannot be read is set aside,
    which ``say`` is told. NotFound if the label has no examples; Unavailable if the network that describes defects is
    missing; NewerFormat; Cancelled.
    """
    regions = regions_of(material, label)
    if line := set_aside_broken(material.concepts, label):
        say(line)
    found = recall_or_cluster(
        material.concepts, label, regions, preset=preset, seed=seed, anew=anew, progress=progress, cancelled=cancelled
    )
    save(material, label, found)
    return found


def save(material: ProductData, label: str, clustering: Clustering) -> Path:
    """Keep ``clustering`` for ``label``: what is learned from now on. StoreError if the disk refuses."""
    known = {e.id for e in regions_of(material, label)}
    if strange := sorted(set(clustering.ids) ^ known):
        raise InputError(
            f"clusters of {label!r}: they are not those of its examples (region {strange[0]!r}); cluster again"
        )
    return keep(material.concepts, label, clustering)


def forget(material: ProductData, label: str) -> None:
    """Drop what is kept for ``label``, a person's changes with it."""
    kept_file(material.concepts, label).unlink(missing_ok=True)


def thumbnail(material: ProductData, label: str, member: str, side: int = 112, outline: bool = True) -> Image:
    """Region ``member`` with its surroundings, uint8 (side, side, 3), outlined; NotFound if the label has no such."""
    for region in regions_of(material, label):
        if region.id == member:
            return crop_tile(region.pixels, region.mask, side, outline)
    raise NotFound(f"region {member!r}: it is not among the examples of {label!r}; cluster again")


def thumbnails(
    material: ProductData, label: str, clustering: Clustering, side: int = 112, outline: bool = True
) -> dict[str, list[tuple[str, Image]]]:
    """Cluster name → (member, picture) of each member, the representative first and the least typical last."""
    by_id = {e.id: e for e in regions_of(material, label)}
    if missing := [m for m in clustering.ids if m not in by_id]:
        raise NotFound(f"region {missing[0]!r}: it is not among the examples of {label!r}; cluster again")
    return {
        c.name: [(m, crop_tile(by_id[m].pixels, by_id[m].mask, side, outline)) for m in typical_first(clustering, c)]
        for c in clustering.clusters
    }


def sheet(material: ProductData, label: str, clustering: Clustering, side: int = 112, most: int = 10) -> bytes:
    """All clusters as one PNG, a row each."""
    return contact_sheet(clustering, regions_of(material, label), side, most)
