"""Masks whose values are classes, for the importers of VOC, labelme's datasets and Roboflow."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from core.errors import InputError
from core.images import isolated
from core.images.class_map import ClassAreas
from core.importers.source_entry import SourceEntry
from core.masks.voc_codes import CodedMask, VocCodes

_AT_ONCE = 4
_UNREAD = "defect"


def coded_mask(entry: SourceEntry) -> CodedMask:
    """A mask file as numbers; InputError where it cannot be read."""
    return CodedMask(*isolated.class_codes(entry.load(), entry.name), entry.name)


class MaskAreas:
    """What many masks show, by their names: the areas of their classes, which tell a good photo from a bad one.

    Several are read at once, as many as there are decoders, and those with the same bytes only once: nearly all masks
    of good photos are the same black picture.
    """

    def __init__(self, masks: Iterable[SourceEntry]) -> None:
        self._read: dict[tuple[str, bytes], ClassAreas | None] = {}
        entries = list(masks)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="labels") as pool:
            found = pool.map(self._areas, entries)
            self._by_name = {mask.name: areas for mask, areas in zip(entries, found, strict=True)}

    def label(self, mask: SourceEntry, codes: VocCodes) -> str | None:
        """The label that covers most of one of the masks; None where nothing is drawn.

        A mask that cannot be read is a defect's: its photo is refused with the mask's error when it is read.
        """
        areas = self._by_name[mask.name]
        return _UNREAD if areas is None else codes.label(areas)

    def _areas(self, mask: SourceEntry) -> ClassAreas | None:
        try:
            data = mask.load()
        except InputError:
            return None
        same = mask.suffix, hashlib.blake2b(data, digest_size=16).digest()  # a TGA is known by its name alone
        if same not in self._read:
            self._read[same] = _areas_in(data, mask.name)
        return self._read[same]


def _areas_in(data: bytes, name: str) -> ClassAreas | None:
    try:
        return isolated.class_areas(data, name)
    except InputError:
        return None
