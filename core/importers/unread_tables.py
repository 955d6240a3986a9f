"""Tables and annotations that no importer reads, and the photos that they tell of.

A photo that such a file names may well be a defect, so it is not taken for a good part without a question.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from itertools import islice

from core.errors import InputError
from core.importers.source_entry import SourceEntry
from core.importers.source_tree import SourceTree
from core.importers.words import words_of

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml", ".xlsx", ".parquet")
_ARRAYS = (".mat", ".npy", ".npz", ".h5")
"""Masks as other programs keep them."""
_TEXTS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".xml")
_LIST_STEMS = frozenset(
    "train training val valid validation test testing trainval all list lists files filelist images names "
    "photos".split()
)
"""Texts that name photos and say nothing of them."""
_OF_THE_SET = frozenset("readme license licence changelog".split())
_WORKBOOK = ".xlsx"
_FILE_NAME = re.compile(r"[^/\\\"'<>,;:=\t\r\n]+\.(?:png|jpe?g|bmp|tiff?|webp|gif)\b", re.IGNORECASE)
_MOST_BYTES = 64 << 20
_MOST_OPENED = 64
"""Tables that are opened to see which photos they name."""


def photos_told_of(tree: SourceTree, photos: Sequence[SourceEntry]) -> dict[str, str]:
    """By the name of a photo, the file that tells of it: one called like it, or one in which its name stands."""
    tables = tree.named(*_TABLES)
    texts = [text for text in tree.named(".txt") if not text.is_image]
    beside = [*tables, *tree.named(*_ARRAYS), *texts]
    by_stem: dict[str, SourceEntry] = {}
    for table in beside:
        by_stem.setdefault(table.stem.casefold(), table)
    found: dict[str, str] = {}
    by_file: dict[str, list[SourceEntry]] = {}
    for photo in photos:
        twin = by_stem.get(photo.stem.casefold()) or by_stem.get(photo.file.casefold())
        if twin is not None and _holds_something(twin):
            found[photo.name] = twin.name
        by_file.setdefault(photo.file.casefold(), []).append(photo)
    named_like_photos = set(found.values())
    opened = [t for t in tables if t.suffix in (*_TEXTS, _WORKBOOK) and t.name not in named_like_photos][:_MOST_OPENED]
    lists = (t for t in texts if t.name not in named_like_photos and _tells_of_photos(t))
    for table in (*opened, *islice(lists, _MOST_OPENED)):
        for file in _file_names(table) & by_file.keys():
            for photo in by_file[file]:
                found.setdefault(photo.name, table.name)
    return found


def _tells_of_photos(text: SourceEntry) -> bool:
    """Whether it names a picture early on, and more than that: ``ng.txt``, or a name with a label behind it."""
    try:
        lines = text.head().decode("utf-8", "replace").splitlines()
    except InputError:
        return False
    named = [line for line in lines if _FILE_NAME.search(line)]
    plain = set(words_of(text.stem)) <= _LIST_STEMS and all(len(line.split()) == 1 for line in named)
    return bool(named) and not plain and not _OF_THE_SET & set(words_of(text.stem))


def _file_names(table: SourceEntry) -> set[str]:
    """What looks like the name of a picture in a text, in small letters and without its folders."""
    try:
        data = table.load()
    except InputError:
        return set()
    if table.suffix == _WORKBOOK:
        data = _texts_of_workbook(data)
    text = data[:_MOST_BYTES].decode("utf-8", "replace")
    found = {m.strip().casefold() for m in _FILE_NAME.findall(text)}
    return found | {name.rpartition(" ")[2] for name in found}


def _texts_of_workbook(data: bytes) -> bytes:
    """The XML that holds all texts of a workbook's cells; nothing where there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book, book.open("xl/sharedStrings.xml") as texts:
            return texts.read(_MOST_BYTES)
    except Exception:  # the unpackers raise many kinds on broken bytes
        return b""


def _holds_something(table: SourceEntry) -> bool:
    """Whether it is not empty, as the text of a photo without a defect is."""
    try:
        return bool(table.head().strip())
    except InputError:
        return True
