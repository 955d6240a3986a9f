"""Merging shards into the project: verified, in the order of the batch, as often as one likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.engines.registry import engine
from core.errors import FlawsmithError, InputError
from core.images import png_size, read_image, read_mask
from core.jobs.bulk_store import store_all
from core.jobs.packed_sample import PackedSample
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch
from core.jobs.sample_identity import check_belongs
from core.jobs.shards.shard_folder import ShardCard, ShardFolder
from core.progress import Progress, unwatched
from core.store import Project, SampleFilter, SampleRow
from core.validation import read_settings

GROUP = 64
"""Samples that are verified and stored together; a merge that is stopped or killed has whole groups."""
READERS = 2
_NAMED = 3
"""Damaged samples named in one message."""


@dataclass
class MergedShards:
    """What came of a merge. ``samples`` were taken in, ``already`` lay in the project, ``given_up`` had come to
    nothing; ``missing`` of the batch are in no shard that was given; ``damaged`` say what is wrong with the others."""

    samples: int = 0
    already: int = 0
    given_up: int = 0
    missing: int = 0
    damaged: list[str] = field(default_factory=list)
    cancelled: bool = False

    @property
    def message(self) -> str:
        """All of it in one line."""
        parts = [f"{self.samples} samples merged"]
        parts += [f"{self.already} were there already"] if self.already else []
        parts += [f"{self.given_up} had been given up"] if self.given_up else []
        parts += [f"{self.missing} are still missing"] if self.missing else []
        if self.damaged:
            more = f" and {len(self.damaged) - _NAMED} more" if len(self.damaged) > _NAMED else ""
            parts.append(f"{len(self.damaged)} refused: {'; '.join(self.damaged[:_NAMED])}{more}")
        return ("stopped: " if self.cancelled else "") + ", ".join(parts)


def read_shards(folders: Sequence[Path]) -> tuple[GenerationBatch, dict[int, ShardFolder]]:
    """The batch that the folders are shards of, and where each of its samples lies; InputError where they differ."""
    cards: list[tuple[ShardFolder, ShardCard]] = [(ShardFolder(path), ShardFolder(path).card()) for path in folders]
    if not cards:
        raise InputError("merge: give the folders of the shards")
    first_folder, first = cards[0]
    for folder, card in cards[1:]:
        if card.batch != first.batch:
            raise InputError(f"{folder.path}: is a shard of another batch than {first_folder.path}; merge them apart")
        if (card.inputs, card.count) != (first.inputs, first.count):
            raise InputError(
                f"{folder.path}: was made of other photos, concepts, another version or another number of shards than "
                f"{first_folder.path}; make both again from the project as it is"
            )
    batch = read_settings(GenerationBatch, dict(first.batch), f"{first_folder.path}")
    places: dict[int, ShardFolder] = {}
    for folder, card in cards:
        own = card.shard.indices(batch.count)
        places |= {index: folder for index in sorted(folder.done()) if index in own}
    return batch, dict(sorted(places.items()))


def merge_shards(
    material: ProductData,
    folders: Sequence[Path],
    *,
    job_id: str | None = None,
    progress: Progress = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> MergedShards:
    """Take the samples of shards into the project, in the order of the batch.

    Each is compared with its checksums, its seed with the batch's, and what lies outside its mask with the photo. One
    that fails is left out and named. Merging again adds nothing; verdicts that were given meanwhile stay.
    """
    batch, places = read_shards(folders)
    project, merged = material.project, MergedShards(missing=batch.count - len(places))
    before = set(project.sample_ids(SampleFilter(engine=batch.engine, label=batch.label)))
    indices = list(places)
    for start in range(0, len(indices), GROUP):
        if cancelled():
            merged.cancelled = True
            break
        group = indices[start : start + GROUP]
        sound = _sound_samples(material, batch, {index: places[index] for index in group}, merged)
        for row in _stored(project, sound, job_id, merged):
            merged.already += row.id in before
            merged.samples += row.id not in before
        progress(start + len(group), len(indices))
    return merged


def _sound_samples(
    material: ProductData, batch: GenerationBatch, places: Mapping[int, ShardFolder], merged: MergedShards
) -> dict[int, PackedSample]:
    """The samples at ``places`` that pass, by index; what is wrong with the others goes into ``merged``."""

    def checked(index: int) -> PackedSample | str | FlawsmithError:
        try:
            packed = places[index].read(index)
            if isinstance(packed, PackedSample):
                _verify(material, batch, index, packed)
            return packed
        except FlawsmithError as error:
            return error

    sound = {}
    with ThreadPoolExecutor(READERS, thread_name_prefix="merge") as pool:
        for index, found in zip(places, pool.map(checked, places), strict=True):
            if isinstance(found, PackedSample):
                sound[index] = found
            elif isinstance(found, FlawsmithError):
                merged.damaged.append(f"sample {index}: {found}")
            else:
                merged.given_up += 1
    return sound


def _stored(
    project: Project, samples: Mapping[int, PackedSample], job_id: str | None, merged: MergedShards
) -> list[SampleRow]:
    """The rows of ``samples``; one that cannot be stored goes into ``merged`` and does not take others along."""
    try:
        return store_all(project, list(samples.values()), job_id)
    except FlawsmithError:
        rows = []
        for index, sample in samples.items():
            try:
                rows.append(sample.store(project, job_id))
            except FlawsmithError as error:
                merged.damaged.append(f"sample {index}: {error}")
        return rows


def _verify(material: ProductData, batch: GenerationBatch, index: int, packed: PackedSample) -> None:
    """InputError or NotFound if a sample is not the batch's ``index``-th, or changed more than its mask says."""
    check_belongs(batch, index, packed)
    photo = material.normal(packed.normal_id).pixels
    # Another machine wrote them: their size is seen before they are decoded.
    sizes = png_size(packed.image_png, "image"), png_size(packed.mask_png, "mask")
    if set(sizes) != {photo.shape[:2]}:
        raise InputError(f"image {sizes[0]} and mask {sizes[1]} are not of the photo's size {photo.shape[:2]}")
    image, mask = read_image(packed.image_png), read_mask(packed.mask_png)
    if engine(batch.engine).background == "exact" and np.any((image != photo).any(axis=2) & ~mask):
        raise InputError("it differs from its photo outside its mask")
