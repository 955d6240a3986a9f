"""The photos of a loop as shots, by their ids in the project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.evaluation.photo_sets import Shot
from core.store import ExampleRow, NormalRow, Project, SampleRow
from core.types import GOOD


def good_shot(row: NormalRow) -> Shot:
    """A photo of a good part."""
    return Shot(f"{GOOD}/{row.id}", row.path, GOOD)


def real_shot(row: ExampleRow) -> Shot:
    """A real anomaly."""
    return Shot(f"{row.label}/{row.id}", row.path, row.label, row.mask_paths)


def pair_shot(row: SampleRow) -> Shot:
    """A pair."""
    masks = row.instance_paths or (row.mask_path,)
    return Shot(f"{row.label}/{row.id}", row.image_path, row.label, masks, soft=row.attention_path)


def good_shots(project: Project, ids: Iterable[str]) -> list[Shot]:
    """Photos of good parts, in the order of their ids; NotFound where one was removed."""
    return [good_shot(project.normal_row(id)) for id in ids]


def real_shots(project: Project, ids: Iterable[str]) -> list[Shot]:
    """Real anomalies, likewise."""
    return [real_shot(project.example_row(id)) for id in ids]


def pair_shots(project: Project, ids: Iterable[str]) -> list[Shot]:
    """Pairs, likewise."""
    return [pair_shot(project.sample_row(id)) for id in ids]


def repeated(shots: Sequence[Shot], repeats: Mapping[str, int]) -> list[Shot]:
    """Each anomaly as often as ``repeats`` says of its label, so that it is drawn so much more often."""
    return [shot for shot in shots for _ in range(repeats.get(shot.label, 1))]
