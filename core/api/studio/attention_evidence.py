"""Why a sample's mask is as it is: attention over the photo, component by component, and the nearest good part."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from core.api.outline import outline
from core.engines.recipe_notes import CandidateNotes, EditNotes, read_notes
from core.errors import Cancelled, Unavailable
from core.features.extract import scale_features
from core.features.index import SIDE, embed, ssim_distance
from core.images import cached_file, read_image, read_mask, thumbnail_bytes
from core.images.geometry import false_colours
from core.jobs.product_data import ProductData
from core.store import NormalRow, SampleRow
from core.types import EVERYWHERE, Image, Recipe

Floats = npt.NDArray[np.float32]

PICTURE_SIDE = 640
"""Longer side of a picture of attention."""
MAX_NEW_EMBEDDINGS = 300
"""Photos described for one preview at most: about ten seconds' work. Of a larger project, comgen's sampling from noise
describes the rest."""


@dataclass(frozen=True)
class ComponentShare:
    """A component's part in the attention that differs: its ``share`` of the whole, 0..1, and a picture of where."""

    name: str
    share: float
    path: Path


@dataclass(frozen=True)
class NearestGoodPart:
    """The good part that is most like a sample; ``d`` is its distance (ComGEN, eq. 6; 0 to 6).

    ``own`` is the distance to the photo that the sample was made from, None where it was made from none.
    """

    id: str
    d: float
    own: float | None


@dataclass(frozen=True)
class AttentionEvidence:
    """What an engine that compares attention leaves with a sample.

    ``named`` is the component that differs most, "" for none; ``unrefined`` is an outline as core.api.outline
    draws it. The prompts are as a person reads them.
    """

    edit: str
    before: str
    after: str
    top_component: str
    heatmap_path: Path
    components: tuple[ComponentShare, ...]
    unrefined: dict[str, Any]
    nearest_good_part: NearestGoodPart | None
    nearest_good_part_row: NormalRow | None


class AttentionEvidenceApi:
    """Reads what was stored with samples."""

    def __init__(self, material: ProductData) -> None:
        self._project = material.project
        self._nearest = NearestGoodPartIndex(material)

    def of_sample(self, row: SampleRow) -> AttentionEvidence | None:
        """A sample's evidence; None where its engine compares no attention."""
        if not row.component_paths or row.attention_path is None or row.unrefined_path is None:
            return None
        notes = read_notes(EditNotes, Recipe.from_json(row.recipe_json))
        unrefined = row.unrefined_path
        lines = self._project.cache_dir / "outlines" / f"{row.id}-unrefined.json"
        cached_file(lines, lambda: json.dumps(outline(read_mask(unrefined))).encode())
        shares = notes.components
        names = sorted(row.component_paths, key=lambda name: -shares.get(name, 0.0))
        near = self._nearest.cached(row.id)
        return AttentionEvidence(
            notes.edit,
            notes.prompt,
            notes.edited,
            notes.named,
            self._heatmap(row, row.attention_path, "all", own_scale=True),
            tuple(
                ComponentShare(name, shares.get(name, 0.0), self._heatmap(row, row.component_paths[name], f"{place}"))
                for place, name in enumerate(names)
            ),
            dict(json.loads(lines.read_text())),
            near,
            self._project.normal_row(near.id) if near is not None else None,
        )

    def _heatmap(self, row: SampleRow, path: Path, name: str, own_scale: bool = False) -> Path:
        """A map over the sample's photo; made once."""

        def make() -> bytes:
            soft = read_image(path)[..., 0].astype(np.float32)
            most = max(float(soft.max()), 1.0) if own_scale else 255.0
            photo = read_image(self._project.normal_row(row.normal_id).path)
            return thumbnail_bytes(heatmap_overlay(photo, soft / most), PICTURE_SIDE)

        return cached_file(self._project.cache_dir / "heat" / f"{row.id}-{name}.jpg", make)


def edit_of(row: SampleRow) -> tuple[str, str]:
    """What was done to the components, and which of them differs most; "" for engines without components."""
    if not row.component_paths:
        return "", ""
    notes = read_notes(EditNotes, Recipe.from_json(row.recipe_json))
    return notes.edit, notes.named


def nearest_good_part_applies(row: SampleRow) -> bool:
    """Whether its nearest good part says something of a sample: where the engine redrew the photo, or may have."""
    drawn = row.component_paths or row.picture_paths
    return bool(drawn) or Recipe.from_json(row.recipe_json).feather == EVERYWHERE


class NearestGoodPartIndex:
    """The good part most like each sample, found once and kept in the project's cache."""

    def __init__(self, material: ProductData) -> None:
        self._product_data, self._project = material, material.project

    def cached(self, sample_id: str) -> NearestGoodPart | None:
        """What ``find`` found."""
        path = self._cache_path(sample_id)
        return NearestGoodPart(**json.loads(path.read_text())) if path.is_file() else None

    def find(self, row: SampleRow, cancelled: Callable[[], bool] = lambda: False) -> NearestGoodPart | None:
        """The nearest good part (eq. 5) but for the sample's own photo, and how far it is; of a sample from noise, the
        one that it was compared with.

        None without the features, without other photos, in a large project that has not been described yet, and where
        it was cancelled.
        """
        if (found := self.cached(row.id)) is not None:
            return found
        recipe = Recipe.from_json(row.recipe_json)
        if "neighbour" in recipe.notes:
            notes = read_notes(CandidateNotes, recipe)
            found = NearestGoodPart(notes.neighbour, notes.d, None)
        else:
            found = self._search(row, cancelled)
        if found is not None:
            cached_file(self._cache_path(row.id), lambda: json.dumps(asdict(found)).encode())
        return found

    def _search(self, row: SampleRow, cancelled: Callable[[], bool]) -> NearestGoodPart | None:
        count = self._project.count_normals()
        if count < 2 or (count > MAX_NEW_EMBEDDINGS and not self._product_data.feature_index_path.is_file()):
            return None
        try:
            memory = self._product_data.feature_index(cancelled)
            scales = scale_features(read_image(row.image_path), SIDE)
        except (Unavailable, Cancelled):
            return None
        near = memory.nearest(embed(scales), without={row.normal_id})[0][0].id
        apart, own = (
            round(ssim_distance(scales, scale_features(self._product_data.normal(one).pixels, SIDE)), 4)
            for one in (near, row.normal_id)
        )
        return NearestGoodPart(near, apart, own)

    def _cache_path(self, sample_id: str) -> Path:
        return self._project.cache_dir / "neighbours" / f"{sample_id}.json"


def heatmap_overlay(photo: Image, soft: Floats) -> Image:
    """``photo`` uint8 (H, W, 3), greyed, under a map (h, w) in 0..1: the more, the brighter and the more opaque."""
    strength = cv2.resize(soft, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colour = false_colours(strength, cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)[..., None]
    alpha = np.sqrt(strength)[..., None] * 0.85
    return np.asarray(np.clip(grey * 0.6 * (1 - alpha) + colour * alpha, 0, 255), np.uint8)
