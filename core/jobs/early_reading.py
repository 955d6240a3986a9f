"""Photos decoded and stored while they are looked at, so that an import at one go decodes each of them once."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError
from core.images import ReadPhoto, isolated
from core.images.depth import DepthScale, DepthScales
from core.importers.plan import Anomaly, GoodPhoto
from core.importers.source_entry import Problem
from core.importers.survey import Seen, has_black_masks
from core.jobs.expected_scales import ExpectedScales
from core.jobs.import_reading import (
    DecodedPhoto,
    Item,
    decode_and_store,
    decoded_anomaly,
    decoded_good,
    store_photo,
)
from core.jobs.import_report import Odd
from core.jobs.kept_looks import KeptLooks
from core.store import Project, StoredFile


@dataclass(frozen=True, slots=True)
class _WrittenPhoto:
    """What was written of ``item``: of more than 8 bits where there is a ``dtype``, which was read on ``scale``."""

    item: Item
    photo: DecodedPhoto[str] | Odd
    dtype: str
    scale: DepthScale | None


class EarlyReading:
    """Writes the files of photos at the first look and keeps their names alone, so that memory stays flat.

    What ``looks`` know of an earlier import is not looked at again. A photo is decoded again where the look at the
    whole set changed what it is, and where the scale of photos above 8 bits is not what was expected. Files that no
    row comes to name are swept like those of a killed process.
    """

    def __init__(self, project: Project, scales: DepthScales, looks: KeptLooks) -> None:
        """``scales`` are those that are known before the photos are seen."""
        self._project = project
        self._looks = looks
        self._scales = ExpectedScales(scales)
        self._found: dict[str, _WrittenPhoto] = {}

    def see(self, item: Item) -> Seen:
        """``core.importers.survey.see``, and the photo's files are written. Called from several threads."""
        if (kept := self._looks.seen(item)) is not None:
            self._scales.add(kept)
            return kept
        name = item.entry.name
        scales = self._scales.now()
        try:
            data = item.entry.load()
            black = has_black_masks(item)
            if isinstance(item, Anomaly) and not black:
                look, photo = isolated.look_and_read(data, name, scales)
                read = None if photo is None else _sound(item, photo)
            else:
                look, file = isolated.look_and_read_file(data, name, scales)
                read = None if file is None else decoded_good(file)
        except InputError:
            return Seen(None)
        seen = Seen(look, black)
        self._scales.add(seen)
        self._keep(item, seen, read, scales)
        return seen

    def _keep(self, item: Item, seen: Seen, read: DecodedPhoto[bytes] | Odd | None, scales: DepthScales) -> None:
        names = _names(store_photo(self._project, read)) if isinstance(read, DecodedPhoto) else None
        found = read if isinstance(read, Odd) else names
        if not self._looks.keep(item, seen, names) and found is not None:
            meant = GoodPhoto(item.entry) if seen.black_masks else item
            dtype = seen.look.depth[0] if seen.look is not None and seen.look.depth is not None else ""
            self._found[item.entry.name] = _WrittenPhoto(meant, found, dtype, scales.get(dtype))

    def read(self, item: Item, scales: DepthScales) -> DecodedPhoto[StoredFile] | Problem | Odd:
        """``decode_and_store``, from the files of the first look where they are what is wanted now."""
        found = self._found.pop(item.entry.name, None)
        if found is not None and found.item == item and found.scale == scales.get(found.dtype):
            known: DecodedPhoto[str] | Odd | None = found.photo
        else:
            known = self._looks.photo(item)
        if isinstance(known, Odd):
            return known
        if known is not None and (stored := self._stored(known)) is not None:
            return stored
        read = decode_and_store(self._project, item, scales)
        if isinstance(read, DecodedPhoto):
            self._looks.add_photo(item, _names(read))
        return read

    def _stored(self, found: DecodedPhoto[str]) -> DecodedPhoto[StoredFile] | None:
        """``found`` with the bytes of its files; None where a sweep took one, since no row named it yet."""

        def stored(file: str) -> StoredFile:
            return StoredFile(file, (self._project.path / file).read_bytes())

        try:
            masks = tuple(map(stored, found.masks))
            deep = None if found.deep is None else stored(found.deep)
            soft = None if found.soft is None else stored(found.soft)
            size = found.width, found.height, found.grey
            return DecodedPhoto(stored(found.photo), found.ext, *size, found.notes, masks, deep, found.scale, soft)
        except FileNotFoundError:
            return None


def _names(photo: DecodedPhoto[StoredFile]) -> DecodedPhoto[str]:
    masks = tuple(mask.file for mask in photo.masks)
    deep = None if photo.deep is None else photo.deep.file
    soft = None if photo.soft is None else photo.soft.file
    size = photo.width, photo.height, photo.grey
    return DecodedPhoto(photo.photo.file, photo.ext, *size, photo.notes, masks, deep, photo.scale, soft)


def _sound(item: Anomaly, photo: ReadPhoto) -> DecodedPhoto[bytes] | Odd | None:
    """The anomaly with its masks; None where one is not sound, which is told when it is read."""
    try:
        return decoded_anomaly(item, photo)
    except InputError:
        return None
