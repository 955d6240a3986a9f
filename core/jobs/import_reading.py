"""Photos of a plan, read in threads with their masks: what each turned out to be, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

from core.errors import InputError
from core.images import ReadPhoto, isolated, mask_png_bytes, soft_png_bytes
from core.images.depth import DepthScales
from core.images.isolated import PhotoFile
from core.images.source_depth import DeepPhoto
from core.importers.mask_fit import fitted_masks, question
from core.importers.plan import Anomaly, GoodPhoto
from core.importers.source_entry import Problem
from core.jobs.import_report import Odd
from core.store import Project, StoredFile

THREADS = 6
"""Reading is partly waiting for the disk, so more threads than cores help."""
READ_AHEAD = 16
"""Photos read and not yet added: as many as share a transaction, few enough not to pile up in memory."""

Item = GoodPhoto | Anomaly
T = TypeVar("T")
ItemT = TypeVar("ItemT", bound=Item)


def in_order(items: Sequence[ItemT], work: Callable[[ItemT], T]) -> Iterator[list[tuple[ItemT, T]]]:
    """``work`` of each item, in groups: the next one and those behind it that are ready too."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="import")
    ahead: deque[tuple[ItemT, Future[T]]] = deque()
    rest = iter(items)
    try:
        while True:
            for item in islice(rest, READ_AHEAD - len(ahead)):
                ahead.append((item, pool.submit(work, item)))
            if not ahead:
                return
            group: list[tuple[ItemT, T]] = []
            while ahead and (not group or ahead[0][1].done()):
                item, reading = ahead.popleft()
                group.append((item, reading.result()))
            yield group
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class DecodedPhoto(Generic[T]):
    """A photo that turned out fine, without its pixels; ``T`` is what its files are."""

    photo: T
    ext: str
    width: int
    height: int
    grey: bool
    notes: tuple[str, ...]
    masks: tuple[T, ...] = ()
    deep: T | None = None
    scale: tuple[float, float, str] = (0.0, 0.0, "")
    """What is 0 and 255 of the source values ``deep``, where the photo has more than 8 bits, and their number type."""
    soft: T | None = None
    """How sure each pixel of the masks is, where that is known."""


def decode_photo(item: Item, scales: DepthScales, *, keep_depth: bool = False) -> DecodedPhoto[bytes] | Problem | Odd:
    """Decode a photo with its masks; all of them are sound, or the reason is given.

    ``keep_depth`` keeps the source values of a photo of more than 8 bits.
    """
    try:
        if not isinstance(item, Anomaly):
            return decoded_good(isolated.read_photo_file(item.entry.load(), item.entry.name, scales=scales))
        photo = isolated.read_photo(item.entry.load(), item.entry.name, scales=scales, keep_depth=keep_depth)
        return decoded_anomaly(item, photo)
    except InputError as error:
        return Problem.of(item.entry.name, error)


def decoded_good(file: PhotoFile) -> DecodedPhoto[bytes]:
    """A photo of a good part that was read."""
    found = DecodedPhoto(file.data, file.ext, file.width, file.height, file.grey, file.notes)
    return _with_depth(found, file.deep)


def decoded_anomaly(item: Anomaly, photo: ReadPhoto) -> DecodedPhoto[bytes] | Odd:
    """A photo of a real anomaly that was read, with its masks; InputError where one of them is not sound."""
    fitted = fitted_masks(item, photo)
    if asked := question(item, fitted.masks):
        return Odd(item.entry.name, asked)
    height, width = photo.pixels.shape[:2]
    files = tuple(mask_png_bytes(mask) for mask in fitted.masks)
    soft = None if fitted.soft is None else soft_png_bytes(fitted.soft)
    told = (*photo.notes, *dict.fromkeys(fitted.notes))
    found = DecodedPhoto(photo.data, photo.ext, width, height, photo.grey, told, files, soft=soft)
    return _with_depth(found, photo.deep)


def _with_depth(photo: DecodedPhoto[bytes], deep: DeepPhoto | None) -> DecodedPhoto[bytes]:
    return photo if deep is None else replace(photo, deep=deep.png, scale=(deep.low, deep.high, deep.dtype))


def decode_and_store(project: Project, item: Item, scales: DepthScales) -> DecodedPhoto[StoredFile] | Problem | Odd:
    """Decode a photo with its masks, and only when all of them are sound write their files."""
    read = decode_photo(item, scales, keep_depth=True)
    return read if isinstance(read, Problem | Odd) else store_photo(project, read)


def store_photo(project: Project, read: DecodedPhoto[bytes]) -> DecodedPhoto[StoredFile]:
    """The same photo, with its files written."""
    masks = tuple(project.store_file(png, "png") for png in read.masks)
    photo = project.store_file(read.photo, read.ext)
    deep = None if read.deep is None else project.store_file(read.deep, "png")
    soft = None if read.soft is None else project.store_file(read.soft, "png")
    size = read.width, read.height, read.grey
    return DecodedPhoto(photo, read.ext, *size, read.notes, masks, deep, read.scale, soft)
