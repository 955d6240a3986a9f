"""Generated pairs to be measured, from a project or from a dataset, each with the photo it was made from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import exporters as exporting
from core.errors import ExportError, InputError, MaskError, NotFound
from core.evaluation.photo_sets import Shot
from core.evaluation.set_depth import scales_of_photos
from core.exporters.api import DatasetItem
from core.images import isolated
from core.types import Image, ReviewStatus, check_image


@dataclass(frozen=True)
class GeneratedPair(Shot):
    """A generated anomaly with its mask; ``before`` is the photo it was made from, None if that is not known."""

    before: Path | Image | None = None

    def read_before(self) -> Image | None:
        """That photo, uint8 (H, W, 3)."""
        if self.before is None:
            return None
        if isinstance(self.before, Path):
            return isolated.read_photo(self.before, scales=self.scales).pixels
        return check_image(self.before, self.name)


@dataclass(frozen=True)
class PairSet:
    """What a folder holds: pairs, photos of good parts, real anomalies that engines may have learned from."""

    pairs: tuple[GeneratedPair, ...]
    normals: tuple[Path | Image, ...]
    examples: tuple[Shot, ...] = ()
    notes: tuple[str, ...] = ()


def read_pairs(path: Path, everything: bool = False) -> PairSet:
    """The pairs at ``path``.

    Of a Flawsmith project, the kept samples (all new ones too if ``everything``, or if nothing was reviewed); of a
    dataset in any format that core.exporters reads, its anomalies, with the good photo they name as their source.
    InputError in one line: not there, no pairs, no masks.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise NotFound(f"{path}: there is no such folder; give a project or a dataset of generated pairs")
    taken = _project(path, everything) if (path / "project.db").is_file() else _dataset(path)
    if without := [p for p in taken.pairs if not p.masks]:
        raise MaskError(f"{path}: {len(without)} pairs have no mask (first: {without[0].name}); export with masks")
    return taken


def _project(path: Path, everything: bool) -> PairSet:
    from core.store import Project, SampleFilter

    notes: tuple[str, ...] = ()
    with Project.open(path) as project:
        rows = project.samples(SampleFilter(verdict=ReviewStatus.KEPT))
        new = project.samples(SampleFilter(verdict=ReviewStatus.NEW))
        if everything:
            rows = rows + new
        elif not rows and new and not project.count_samples(SampleFilter(verdict=ReviewStatus.REJECTED)):
            rows, notes = new, (f"Nothing was reviewed yet: all {len(new)} new pairs were taken.",)
        photos = {row.id: row.path for row in project.normals()}
        real = [Shot(f"{r.label}/{r.id}", r.path, r.label, r.mask_paths) for r in project.examples(part="learn")]
    if not rows:
        waiting = f", {len(new)} wait in Review: keep some, or take all with --all" if new else ": generate some first"
        raise InputError(f"{path}: the project has no kept pairs{waiting}")
    pairs = tuple(
        GeneratedPair(
            f"{r.label}/{r.id}",
            r.image_path,
            r.label,
            r.instance_paths or (r.mask_path,),
            before=photos.get(r.normal_id),
        )
        for r in rows
    )
    return PairSet(pairs, tuple(photos.values()), tuple(real), notes)


def _dataset(path: Path) -> PairSet:
    try:
        items = exporting.read_dataset(path, exporting.detect_format(path) or "mvtec-ad")
    except ExportError as error:
        raise InputError(
            f"{path}: expected a Flawsmith project or a dataset ({', '.join(exporting.FORMATS)}); {error}"
        ) from error
    good = [i for i in items if i.good]
    made = [i for i in items if not i.good]
    if not made:
        raise InputError(f"{path}: found {len(good)} good photos but no pairs; give the folder that an export wrote")
    before, scales = _sources(good), scales_of_photos((i.image for i in items), path)
    pairs = tuple(
        GeneratedPair(
            f"{i.label}/{i.name}", i.image, i.label, i.masks, scales=scales, before=before.get(i.source or "")
        )
        for i in made
    )
    return PairSet(pairs, tuple(i.image for i in good))


def _sources(good: Sequence[DatasetItem]) -> dict[str, Path | Image]:
    """Good photos by name, those whose name is theirs alone."""
    named: dict[str, list[Path | Image]] = defaultdict(list)
    for item in good:
        named[item.name].append(item.image)
    return {name: images[0] for name, images in named.items() if len(images) == 1}
