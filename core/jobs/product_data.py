"""What the stages work on: photos, regions, examples and object masks of a project, read once and kept warm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from core.bank import BANK_PREFIX, bank_folder, opened_bank
from core.features.index import FeatureIndex, build_index, embed
from core.images import cached_file, mask_png_bytes, read_image, read_mask
from core.masks.foreground import object_mask
from core.masks.placement.free_area import PlacementMap
from core.memory_budget import WarmCache
from core.store import Project
from core.training.instances import split_by_instance
from core.training.learned_masks import learned_masks, learned_with_place
from core.types import AnomalyExample, Image, Mask, NormalImage, Region

FRAME_VOTE_PHOTOS = 15
"""Photos asked whether the part fills the frame."""


_Terrain = tuple[PlacementMap, tuple[Region, ...]]


class ProductData:
    """Reads a project's pictures into the types the engines take. Safe to share between threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._normals: WarmCache[str, NormalImage] = WarmCache(lambda n: n.pixels.nbytes)
        self._examples: WarmCache[str, AnomalyExample] = WarmCache(lambda e: e.pixels.nbytes)
        self._masks: WarmCache[str, Mask] = WarmCache(lambda m: m.nbytes)
        self._objects: WarmCache[str, Mask] = WarmCache(lambda m: m.nbytes)
        self._terrains: WarmCache[str, _Terrain] = WarmCache(lambda t: 8 * t[0].part.mask.size)
        self._indexes: WarmCache[tuple[str, ...], FeatureIndex] = WarmCache(lambda m: 3 * m.vectors.nbytes, most=1)
        self._votes: WarmCache[tuple[str, ...], list[bool]] = WarmCache(len)

    def forget_photos(self) -> None:
        """Read all photos anew, since their working copies were made again."""
        for cache in (self._normals, self._examples, self._objects, self._terrains, self._indexes, self._votes):
            cache.clear()

    @property
    def concepts(self) -> Path:
        """The folder of the concepts learned in this project; it need not be there yet."""
        return self.project.path / "concepts"

    def normal(self, normal_id: str) -> NormalImage:
        """The photo with this id."""
        return self._normals.get(normal_id, lambda: self._read_normal(normal_id))

    def normal_ids(self) -> tuple[str, ...]:
        """The ids of all photos of good parts."""
        return tuple(row.id for row in self.project.normals())

    def nearest(self, image: Image, cancelled: Callable[[], bool] = lambda: False) -> NormalImage:
        """The photo of a good part that is most like ``image`` (ComGEN, eq. 5); Unavailable without the features.

        Cancelled between photos.
        """
        return self.normal(self.feature_index(cancelled).nearest(embed(image)[None])[0][0].id)

    @property
    def feature_index_path(self) -> Path:
        """Where the photos' vectors are kept, in the project's cache."""
        return self.project.cache_dir / "reference.npz"

    def feature_index(self, cancelled: Callable[[], bool] = lambda: False) -> FeatureIndex:
        """All photos of good parts as core.features.index describes them, each once. Cancelled between photos."""
        ids = tuple(row.id for row in self.project.normals())
        build = lambda: build_index(  # noqa: E731
            self.feature_index_path, ids, lambda i: self.normal(i).pixels, cancelled=cancelled
        )
        return self._indexes.get(ids, build)

    def object_mask(self, normal_id: str) -> Mask:
        """Where the part is on this photo, bool (H, W); kept on disk too, since finding it costs more than reading."""
        return self._objects.get(normal_id, lambda: self._find_object(normal_id))

    def regions(self, normal_id: str) -> tuple[Region, ...]:
        """The named regions of this photo, as they are now."""
        rows = self.project.regions(normal_id)
        return tuple(Region(r.name, self._mask(r.mask_path), r.source, r.confidence) for r in rows)

    def placement_map(self, normal_id: str, regions: Sequence[Region]) -> PlacementMap:
        """Where anomalies may lie on this photo, with what placement needs precomputed."""
        key = normal_id + "".join(f"/{r.name}:{id(r.mask)}" for r in regions)
        # The kept value holds the regions, so that no other mask can take one's identity meanwhile.
        build = lambda: (PlacementMap.from_masks(self.object_mask(normal_id), regions), tuple(regions))  # noqa: E731
        return self._terrains.get(key, build)[0]

    def examples(self, label: str | None = None, most: int = 64) -> tuple[AnomalyExample, ...]:
        """Real anomalies of ``label`` (all labels if None) to learn from or to draw like, at most ``most``.

        Those that the project's split keeps for the test are not among them.
        """
        rows = self.project.examples(label, "learn")[:most]
        return tuple(self.example(r.id) for r in rows)

    def example(self, example_id: str) -> AnomalyExample:
        """The real anomaly with this id; ``<id>#2`` is the second of its masks alone, ``bank:<id>`` an entry of the
        bank."""
        if example_id.startswith(BANK_PREFIX):
            return self._bank_example(example_id)
        whole, _, number = example_id.partition("#")
        if number:
            return next(e for e in split_by_instance([self.example(whole)]) if e.id == example_id)
        return self._examples.get(example_id, lambda: self._read_example(example_id))

    def bank_examples(self, label: str, most: int = 64) -> tuple[AnomalyExample, ...]:
        """The bank's entries of ``label``, at most ``most``."""
        return tuple(
            self._bank_example(BANK_PREFIX + id) for id in list(opened_bank(bank_folder()).facts(label))[:most]
        )

    def _bank_example(self, example_id: str) -> AnomalyExample:
        id = example_id.removeprefix(BANK_PREFIX)
        return self._examples.get(example_id, lambda: opened_bank(bank_folder()).entry(id).as_example())

    def learned_masks(self, label: str) -> list[Mask]:
        """New mask shapes of ``label`` that were drawn by a learned concept, as large as the real ones; NotFound."""
        return learned_masks(self.concepts, label, [e.mask for e in self.examples(label)])

    def learned_with_place(self, label: str) -> bool:
        """Whether those shapes lie where they were drawn on the photo."""
        return learned_with_place(self.concepts, label)

    def _mask(self, path: Path) -> Mask:
        # Files are named by their content, so a path stands for the same mask for ever.
        return self._masks.get(path.name, lambda: read_mask(path))

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
        ids = tuple(row.id for row in self.project.normals(0, FRAME_VOTE_PHOTOS))
        whole = self._votes.get(ids, lambda: [bool(self._object_alone(i).all()) for i in ids])
        return sum(whole) > len(whole) / 2

    def _object_alone(self, normal_id: str) -> Mask:
        path = self.project.cache_dir / "object" / f"{normal_id}.png"
        return read_mask(cached_file(path, lambda: mask_png_bytes(object_mask(self.normal(normal_id).pixels))))


def mean_area(examples: Sequence[AnomalyExample]) -> float | None:
    """Mean anomaly area in pixels over ``examples`` (A_avg of GAA eq. 6); None without examples."""
    return float(np.mean([e.mask.sum() for e in examples])) if examples else None
