"""Masks whose values are classes, for the importers of VOC, labelme's datasets and Roboflow."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from core.errors import InputError
from core.images import isolated
from core.importers.source_entry import SourceEntry
from core.masks.voc_codes import CodedMask, VocCodes

_AT_ONCE = 4
_UNREAD = "defect"


def coded_mask(entry: SourceEntry) -> CodedMask:
    """A mask file as numbers; InputError where it cannot be read."""
    return CodedMask(*isolated.class_codes(entry.load(), entry.name), entry.name)


def labels_in(entries: Iterable[SourceEntry], codes: VocCodes) -> dict[str, str | None]:
    """``label_in`` of many masks by their names, several at once, as many as there are decoders."""
    masks = list(entries)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="labels") as pool:
        found = pool.map(partial(label_in, codes=codes), masks)
        return {mask.name: label for mask, label in zip(masks, found, strict=True)}


def label_in(entry: SourceEntry, codes: VocCodes) -> str | None:
    """The label that covers most of a mask; None where nothing is drawn.

    A mask that cannot be read is a defect's: its photo is refused with the mask's error when it is read.
    """
    try:
        return codes.label(coded_mask(entry))
    except InputError:
        return _UNREAD
