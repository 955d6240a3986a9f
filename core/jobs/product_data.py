"""What the stages work on: photos, regions, examples and object masks of a project, read once and kept warm."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from core.features.index import FeatureIndex, build_index, embed
from core.images import made_once, mask_png_bytes, read_image, read_mask
from core.masks.foreground import object_mask
from core.masks.placement.free_area import PlacementMap
from core.store import Project
from core.training.instances import by_instance
from core.training.learned_masks import learned_masks
from core.types import AnomalyExample, Image, Mask, NormalImage, Region

T = TypeVar("T")

WARM_BYTES = 512 << 20
"""Decoded photos and masks kept in memory; the oldest go first."""

VOTERS = 15
"""Photos asked whether the part fills the frame."""


class ProductData:
    """Reads a project's pictures into the types the engines take. Safe to share between threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._warm: OrderedDict[tuple[str, str], tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def concepts(self) -> Path:
        """The folder of the concepts learned in this project; it need not be there yet."""
        return self.project.path / "concepts"

    def normal(self, normal_id: str) -> NormalImage:
        """The photo with this id."""
        return self._keep(("normal", normal_id), lambda: self._read_normal(normal_id), lambda n: n.pixels.nbytes)

    def nearest(self, image: Image, cancelled: Callable[[], bool] = lambda: False) -> NormalImage:
        """The photo of a good part that is most like ``image`` (ComGEN, eq. 5); Unavailable without the features.

        Cancelled between photos.
        """
        return self.normal(self.references(cancelled).nearest(embed(image)[None])[0][0].id)

    @property
    def references_path(self) -> Path:
        """Where the photos' vectors are kept, in the project's cache."""
        return self.project.cache_dir / "reference.npz"

    def references(self, cancelled: Callable[[], bool] = lambda: False) -> FeatureIndex:
        """All photos of good parts as core.features.index describes them, each once. Cancelled between photos."""
        ids = tuple(row.id for row in self.project.normals())
        build = lambda: build_index(  # noqa: E731
            self.references_path, ids, lambda i: self.normal(i).pixels, cancelled=cancelled
        )
        return self._keep(("memory", "/".join(ids)), build, lambda m: 3 * m.vectors.nbytes)

    def object_mask(self, normal_id: str) -> Mask:
        """Where the part is on this photo, bool (H, W); kept on disk too, since finding it costs more than reading."""
        return self._keep(("object", normal_id), lambda: self._find_object(normal_id), lambda m: m.nbytes)

    def regions(self, normal_id: str) -> tuple[Region, ...]:
        """The named regions of this photo, as they are now."""
        rows = self.project.regions(normal_id)
        return tuple(Region(r.name, self._mask(r.mask_path), r.source, r.confidence) for r in rows)

    def terrain(self, normal_id: str, regions: Sequence[Region]) -> PlacementMap:
        """Where anomalies may lie on this photo, with what placement needs precomputed."""
        key = ("terrain", normal_id + "".join(f"/{r.name}:{id(r.mask)}" for r in regions))
        shape = self.normal(normal_id).shape
        # The kept value holds the regions, so that no other mask can take one's identity meanwhile.
        build = lambda: (PlacementMap.of(self.object_mask(normal_id), regions), tuple(regions))  # noqa: E731
        return self._keep(key, build, lambda _: 8 * shape[0] * shape[1])[0]

    def examples(self, label: str | None = None, most: int = 64) -> tuple[AnomalyExample, ...]:
        """Real anomalies of ``label`` (all labels if None), at most ``most``."""
        rows = self.project.examples(label)[:most]
        return tuple(self.example(r.id) for r in rows)

    def example(self, example_id: str) -> AnomalyExample:
        """The real anomaly with this id; ``<id>#2`` is the second of its masks alone."""
        whole, _, number = example_id.partition("#")
        if number:
            return next(e for e in by_instance([self.example(whole)]) if e.id == example_id)
        return self._keep(("example", example_id), lambda: self._read_example(example_id), lambda e: e.pixels.nbytes)

    def learned_masks(self, label: str) -> list[Mask]:
        """New mask shapes of ``label`` that were drawn by a learned concept, as large as the real ones; NotFound."""
        return learned_masks(self.concepts, label, [e.mask for e in self.examples(label)])

    def _mask(self, path: Path) -> Mask:
        # Files are named by their content, so a path stands for the same mask for ever.
        return self._keep(("mask", path.name), lambda: read_mask(path), lambda m: m.nbytes)

    def _read_normal(self, normal_id: str) -> NormalImage:
        row = self.project.normal_row(normal_id)
        return NormalImage(row.id, row.name, read_image(row.path))

    def _read_example(self, example_id: str) -> AnomalyExample:
        row = self.project.example_row(example_id)
        masks = tuple(read_mask(p) for p in row.mask_paths)
        return AnomalyExample(row.id, row.label, read_image(row.path), masks, row.kind)

    def _find_object(self, normal_id: str) -> Mask:
        found = self._object_alone(normal_id)
        if found.all() or not self._part_fills_frame():
            return found
        return np.ones(found.shape, np.bool_)

    def _part_fills_frame(self) -> bool:
        """Whether the part fills most photos: one product is photographed one way, so the odd one out is an error."""
        ids = [row.id for row in self.project.normals(0, VOTERS)]
        whole = self._keep(("vote", "/".join(ids)), lambda: [bool(self._object_alone(i).all()) for i in ids], len)
        return sum(whole) > len(whole) / 2

    def _object_alone(self, normal_id: str) -> Mask:
        path = self.project.cache_dir / "object" / f"{normal_id}.png"
        return read_mask(made_once(path, lambda: mask_png_bytes(object_mask(self.normal(normal_id).pixels))))

    def _keep(self, key: tuple[str, str], build: Callable[[], T], size: Callable[[T], int]) -> T:
        with self._lock:
            if key in self._warm:
                self._warm.move_to_end(key)
                return cast(T, self._warm[key][0])
        value = build()
        with self._lock:
            if key not in self._warm:
                self._warm[key] = (value, size(value))
                self._bytes += size(value)
            while self._bytes > WARM_BYTES and len(self._warm) > 1:
                self._bytes -= self._warm.popitem(last=False)[1][1]
        return value


def mean_area(examples: Sequence[AnomalyExample]) -> float | None:
    """Mean anomaly area in pixels over ``examples`` (A_avg of GAA eq. 6); None without examples."""
    return float(np.mean([e.mask.sum() for e in examples])) if examples else None
