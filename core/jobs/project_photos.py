"""Masks by name for photos that are in the project already: those photos become real anomalies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.importers.mask_pairing import is_flat, is_orphan, pair_masks
from core.importers.plan import Anomaly, ImportPlan
from core.importers.source_entry import DiskFolder, Problem, SourceEntry
from core.importers.survey import FLAT, Seen
from core.importers.words import photo_label, safe_label
from core.store import Project
from core.types import Kind

_DRAWN_ON = (
    "its photo is in the project and samples were made from it; remove those first, or draw the mask in Concepts"
)


@dataclass(frozen=True)
class ProjectPhoto:
    """A photo of a project as an import sees it; ``label`` and ``kind`` are a real anomaly's, "" those of a good part.

    ``size`` is (H, W); ``has_samples``: samples were made from it, so that it has to stay what it is.
    """

    entry: SourceEntry
    id: str
    size: tuple[int, int]
    label: str = ""
    kind: Kind = "structural"
    has_samples: bool = False


KnownPhotos = Callable[[], Sequence[ProjectPhoto]]
"""The photos of a project, read only where a mask has no photo of its own."""


def no_photos() -> Sequence[ProjectPhoto]:
    """Of a project that is not there yet."""
    return ()


def project_photos(project: Project) -> tuple[ProjectPhoto, ...]:
    """All photos of a project."""
    used, storage = project.normals_with_samples(), DiskFolder(str(project.path))
    good = [
        ProjectPhoto(_entry(storage, row.name, row.path), row.id, (row.height, row.width), has_samples=row.id in used)
        for row in project.normals()
    ]
    bad = [
        ProjectPhoto(_entry(storage, row.name, row.path), row.id, (row.height, row.width), row.label, row.kind)
        for row in project.examples()
    ]
    return (*good, *bad)


def with_project_photos(plan: ImportPlan, known: KnownPhotos, seen: Mapping[str, Seen]) -> ImportPlan:
    """``plan``, whose masks without a photo are given to photos of the project that have their name and size.

    A flat picture in a folder that is called like a defect (``scratch/7.png``) is such a mask, too.
    """
    entries = {e.name: e for e in plan.entries}
    orphans = [entries[p.path] for p in plan.problems if is_orphan(p.reason) and p.path in entries]
    flat = [entries[p.path] for p in plan.odd if p.reason == FLAT and p.path in entries]
    unmasked = {u.entry.name: u.entry for u in plan.unmasked}
    if not orphans and not flat and not unmasked:
        return plan
    by_name = {photo.entry.name: photo for photo in known()}
    asked = [*orphans, *flat, *unmasked.values()]
    pairing = pair_masks([photo.entry for photo in by_name.values()], asked, anywhere=True)
    found: list[Anomaly] = []
    refused: list[Problem] = []
    for name, masks in pairing.masks.items():
        photo, named = by_name[name], [m for m in masks if m.name not in unmasked or is_flat(m)]
        fitting = [m for m in named if _fits(m, photo, seen)]
        if fitting and photo.has_samples:
            refused += [Problem(m.name, _DRAWN_ON) for m in fitting]
        elif fitting:
            label = photo.label or safe_label(photo_label(fitting[0].folders))
            found.append(Anomaly(photo.entry, label, photo.kind, tuple(fitting), replaces=photo.id))
    taken = {m.name for a in found for m in a.mask_files} | {p.path for p in refused}
    note = f"{len(found)} masks belong to photos of the project, which become real anomalies with these masks"
    return replace(
        plan,
        anomalies=(*plan.anomalies, *found),
        unmasked=tuple(u for u in plan.unmasked if u.entry.name not in taken),
        problems=(*(p for p in plan.problems if p.path not in taken), *refused),
        odd=tuple(p for p in plan.odd if p.path not in taken),
        notes=(*plan.notes, note) if found else plan.notes,
    )


def _fits(mask: SourceEntry, photo: ProjectPhoto, seen: Mapping[str, Seen]) -> bool:
    """Whether a flat picture has the photo's size; that of a mask in a folder of masks is checked when it is read."""
    look = seen[mask.name].look if mask.name in seen else None
    return look is None or all(abs(a - b) < 8 for a, b in zip(look.size, photo.size, strict=True))


def _entry(storage: DiskFolder, name: str, path: Path) -> SourceEntry:
    """A stored photo as a file of a source; its name says that it is none."""
    return SourceEntry(f"in the project: {name}", storage, str(path), name)
