"""Good photos that others are compared with (ComGEN, eq. 5), and a training set of photos with their neighbours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.device import derive_seed, numpy_rng
from core.errors import InputError
from core.evaluation.photo_sets import Shot
from core.evaluation.training.batches import TrainingFeed, fit_share
from core.evaluation.training.frozen_features import FrozenTrunk, PackedScales, pack_scales
from core.features.extract import scale_features
from core.features.index import DEPTHS, FeatureIndex, embed, vector_size
from core.features.index import SIDE as DESCRIBED_AT
from core.images.geometry import dilated_square, resized
from core.memory_budget import WarmCache, image_key
from core.types import Image, Mask

Floats = npt.NDArray[np.float32]
Association = Literal["nearest", "random"]

OWN = 0.995
"""Share of a photo's pixels, outside its anomaly, that are a reference's own: it was made from that reference."""

_COMPARED = 4096
"""Pixels, from all over the photo, by which that is told."""


@dataclass(frozen=True)
class ReferenceFeatures:
    """A photo as the trunk sees it, and the vector by which its neighbours are found."""

    maps: PackedScales
    vector: Floats


_warm: WarmCache[tuple[str, str, int], ReferenceFeatures] = WarmCache(
    lambda seen: seen.maps.nbytes + seen.vector.nbytes
)


@dataclass(frozen=True)
class ReferenceSet:
    """``photos`` uint8 (N, side, side, 3) of good parts, called ``names``; ``association`` says how the one to compare
    with is found: the nearest of core.features.index, or, to see what that is worth, any."""

    photos: npt.NDArray[np.uint8]
    names: tuple[str, ...]
    trunk: FrozenTrunk
    association: Association = "nearest"
    seed: int = 0
    vectors: npt.NDArray[np.floating] | None = field(default=None, repr=False, compare=False)
    _maps: dict[int, PackedScales] = field(default_factory=dict, repr=False, compare=False)
    index: FeatureIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        vectors, depths = self.vectors, self._depths
        if vectors is None or vectors.shape[1] != vector_size(depths):  # an older detector's may be of other features
            vectors = np.stack([self.features(photo).vector for photo in self.photos])
        ids = tuple(map(str, range(len(self.photos))))
        object.__setattr__(self, "index", FeatureIndex(ids, vectors, depths=depths))

    @property
    def _depths(self) -> tuple[int, int, int]:
        """Channels of the features by which neighbours are found: the paper's ResNet-18 where that is the trunk."""
        return self.trunk.channels if self.trunk.name == "resnet18" else DEPTHS

    @property
    def side(self) -> int:
        """Of the photos, in pixels."""
        return int(self.photos.shape[1])

    def features(self, image: Image) -> ReferenceFeatures:
        """The photo's features, found once."""
        return _warm.get((image_key(image), self.trunk.kind, self.side), lambda: self._extract(image))

    def maps(self, index: int) -> PackedScales:
        """The features of a reference."""
        if index not in self._maps:
            self._maps[index] = self.features(self.photos[index]).maps
        return self._maps[index]

    def neighbours(self, image: Image, count: int = 1, mask: Mask | None = None) -> list[int]:
        """At most ``count`` references to compare ``image`` with, the nearest first, never the one that it is or,
        outside ``mask``, was made from: beside that, an anomaly would be all that differs."""
        own = self._made_from(image, mask)
        left = len(self.photos) - len(own)
        if not left:
            raise InputError("comparison with good photos: expected at least two different ones; add more")
        if self.association == "random":
            chosen = np.array([i for i in range(len(self.photos)) if str(i) not in own])
            stamp = int(np.frombuffer(self.features(image).vector.tobytes()[:8], np.uint64)[0])
            rng = numpy_rng(derive_seed(self.seed, "reference", stamp))
            return [int(i) for i in rng.permutation(chosen)[:count]]
        found = self.index.nearest(self.features(image).vector[None], min(count, left), own)
        return [int(one.id) for one in found[0]]

    def with_neighbour(self, image: Image) -> PackedScales:
        """The photo's features, and behind them those of its neighbour: what the network takes."""
        return np.concatenate((self.features(image).maps, self.maps(self.neighbours(image)[0])), axis=2)

    def _extract(self, image: Image) -> ReferenceFeatures:
        scales = self.trunk.scale_features(image, self.side)
        describe = self.trunk.scale_features if self.trunk.name == "resnet18" else scale_features
        seen = scales if self.side == DESCRIBED_AT else describe(image, DESCRIBED_AT)
        return ReferenceFeatures(pack_scales(scales), embed(seen))

    def _made_from(self, image: Image, mask: Mask | None) -> Collection[str]:
        small = resized(image, (self.side, self.side), "linear")
        outside = np.ones(small.shape[:2], np.bool_)
        if mask is not None:
            touched = fit_share(mask, (self.side, self.side)) > 0
            outside = ~dilated_square(touched, 1)
        places = np.flatnonzero(outside)
        if not len(places):
            return ()
        places = places[:: -(-len(places) // _COMPARED)]
        same = self.photos.reshape(len(self.photos), -1, 3)[:, places] == small.reshape(-1, 3)[places]
        return [str(i) for i in np.flatnonzero(same.all(axis=2).mean(axis=1) >= OWN)]


def choose_references(
    shots: Sequence[Shot],
    side: int,
    most: int,
    trunk: FrozenTrunk,
    association: Association,
    seed: int,
    check: Callable[[], None] = lambda: None,
) -> ReferenceSet:
    """The good photos of ``shots``, at most ``most``, from all over the list. InputError for fewer than two."""
    good = [shot for shot in shots if shot.good]
    if len(good) < 2:
        raise InputError(
            f"comparison with good photos: expected at least two of them to learn from, got {len(good)}; add more"
        )
    places = np.unique(np.linspace(0, len(good) - 1, min(most, len(good))).round().astype(int))
    photos = []
    for i in places:
        check()
        photos.append(resized(good[i].read(), (side, side), "linear"))
    return ReferenceSet(np.stack(photos), tuple(good[i].name for i in places), trunk, association, seed)


class ReferencePairFeed(TrainingFeed):
    """A training set of which each photo is shown beside one of its ``count`` nearest references, drawn anew each
    time: with the nearest alone the same two photos would meet in every epoch."""

    def __init__(
        self,
        shots: Sequence[Shot],
        references: ReferenceSet,
        count: int,
        cover: float,
        check: Callable[[], None] = lambda: None,
        soft: bool = False,
    ) -> None:
        """With ``soft`` a pair that has a soft map (y_mask of eq. 10) is learned by that, any other by its mask."""
        self._references, self._count, self._soft = references, count, soft
        self.target_type = np.float32 if soft else np.bool_
        super().__init__(shots, references.side, cover, check, references.with_neighbour)

    def target(self, shot: Shot, mask: Mask) -> npt.NDArray[Any]:
        """The soft map where it is asked for and there, brought to 0..1; else the mask."""
        soft = shot.soft_mask((mask.shape[0], mask.shape[1])) if self._soft else None
        return super().target(shot, mask) if soft is None else resized(soft, (self.side, self.side), "linear")

    def stored_input(self, image: Image, mask: Mask | None) -> Any:
        """The photo's features and its neighbours."""
        return self._references.features(image).maps, self._references.neighbours(image, self._count, mask)

    def network_input(self, taken: Any, rng: np.random.Generator) -> npt.NDArray[Any]:
        """The photo's features beside those of one of its neighbours."""
        maps, near = taken
        return np.concatenate((maps, self._references.maps(near[int(rng.integers(len(near)))])), axis=2)
