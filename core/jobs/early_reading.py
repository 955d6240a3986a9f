"""Photos decoded and stored while they are looked at, so that an import at one go decodes each of them once."""

from __future__ import annotations

from core.errors import InputError
from core.images import ReadPhoto, isolated
from core.images.depth import DepthScales
from core.importers.plan import Anomaly, GoodPhoto
from core.importers.source_entry import Problem
from core.importers.survey import Seen, has_black_masks
from core.jobs.import_reading import (
    DecodedPhoto,
    Item,
    decode_and_store,
    decoded_anomaly,
    decoded_good,
    store_photo,
)
from core.jobs.import_report import Odd
from core.store import Project, StoredFile


class EarlyReading:
    """Writes the files of photos at the first look and keeps their names alone, so that memory stays flat.

    A photo is decoded again where the look at the whole set changed what it is, and where it has more than 8 bits and
    the set's scale was not known yet. Files that no row comes to name are swept like those of a killed process.
    """

    def __init__(self, project: Project, scales: DepthScales) -> None:
        """``scales`` are those that are known before the photos are seen."""
        self._project = project
        self._scales = scales
        self._found: dict[str, tuple[Item, DecodedPhoto[str] | Odd]] = {}

    def see(self, item: Item) -> Seen:
        """``core.importers.survey.see``, and the photo's files are written. Called from several threads."""
        name = item.entry.name
        try:
            data = item.entry.load()
            black = has_black_masks(item)
            if isinstance(item, Anomaly) and not black:
                look, photo = isolated.look_and_read(data, name, self._scales)
                read = None if photo is None else _sound(item, photo)
            else:
                look, file = isolated.look_and_read_file(data, name, self._scales)
                read = None if file is None else decoded_good(file)
                item = GoodPhoto(item.entry) if isinstance(item, Anomaly) else item
        except InputError:
            return Seen(None)
        if read is not None:
            self._found[name] = item, read if isinstance(read, Odd) else _names(store_photo(self._project, read))
        return Seen(look, black)

    def read(self, item: Item, scales: DepthScales) -> DecodedPhoto[StoredFile] | Problem | Odd:
        """``decode_and_store``, from the files of the first look where they are what is wanted now."""
        known, found = self._found.pop(item.entry.name, (None, None))
        if found is None or known != item or any(scales.get(d, s) != s for d, s in self._scales.items()):
            return decode_and_store(self._project, item, scales)
        return (
            found if isinstance(found, Odd) else self._stored(found) or decode_and_store(self._project, item, scales)
        )

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
