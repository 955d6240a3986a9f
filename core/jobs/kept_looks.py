"""What an import saw of each photo, kept until it is whole, so that one that was stopped goes on at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sqlite3
import threading
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any, Self

import numpy as np

from core.images.depth import DepthRange
from core.images.looks import Look, ToneSplit
from core.importers.plan import Anomaly, GoodPhoto
from core.importers.source_entry import SourceEntry
from core.importers.survey import Seen, see
from core.jobs.import_reading import DecodedPhoto, Item
from core.store import Project

_FORMAT = 1
_TABLE = "CREATE TABLE IF NOT EXISTS looks (id BLOB PRIMARY KEY, look TEXT, print BLOB, photo TEXT)"
_COMMIT_EVERY = 64

logger = logging.getLogger(__name__)


class KeptLooks:
    """Looks, and the files that were written of sound photos, by what tells that photo and masks are still the same.

    For any thread. It is a cache: where its file cannot be written or read, nothing is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._waiting = 0
        self._db: sqlite3.Connection | None = None
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, timeout=1)
            (known,) = self._db.execute("PRAGMA user_version").fetchone()
            if known != _FORMAT:
                self._db.execute("DROP TABLE IF EXISTS looks")
            self._db.execute(f"PRAGMA user_version = {_FORMAT}")
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            self._give_up(error)

    @classmethod
    def of(cls, project: Project) -> Self:
        """Those of a project."""
        return cls(project.cache_dir / "import-looks.db")

    def close(self) -> None:
        """Write what waits; may be called twice."""
        with self._lock:
            if self._db is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._db.commit()
                self._db.close()
                self._db = None

    def forget(self) -> None:
        """Delete everything: the import is whole."""
        self.close()
        with contextlib.suppress(OSError):  # another process has it open
            self._path.unlink(missing_ok=True)

    def seen(self, item: Item) -> Seen | None:
        """What was seen of a photo before; None where it is not known, or it or its masks have changed since."""
        row = self._one("SELECT look, print FROM looks WHERE id = ?", (_id(item),))
        return None if row is None else _seen(json.loads(row[0]), row[1])

    def see(self, item: Item) -> Seen:
        """``core.importers.survey.see`` of what is not known."""
        if (known := self.seen(item)) is not None:
            return known
        found = see(item)
        self.keep(item, found, None)
        return found

    def photo(self, item: Item) -> DecodedPhoto[str] | None:
        """The names of the files that were written of it, if they were."""
        if _has_drawn_masks(item):
            return None
        row = self._one("SELECT photo FROM looks WHERE id = ?", (_id(item),))
        if row is None or row[0] is None:
            return None
        told = json.loads(row[0])
        told["notes"], told["masks"] = tuple(told["notes"]), tuple(told["masks"])
        told["scale"] = (0.0, 0.0, "")
        return DecodedPhoto(**told)

    def keep(self, item: Item, seen: Seen, photo: DecodedPhoto[str] | None) -> bool:
        """Keep what was seen, and the files; whether ``photo`` gives them now.

        Files of more than 8 bits are not kept, since they hang on the scale of the set.
        """
        if seen.look is None:
            return False
        if seen.black_masks:  # the photo is a good part, as which it is read
            self._keep(item, seen.look, True, None)
            item = GoodPhoto(item.entry)
        lasting = photo is not None and photo.deep is None and not _has_drawn_masks(item)
        return self._keep(item, seen.look, False, _told_photo(photo) if photo is not None and lasting else None)

    def _keep(self, item: Item, look: Look, black: bool, photo: str | None) -> bool:
        row = _id(item), json.dumps(_told_look(look, black)), look.print.tobytes(), photo
        return self._write("INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)", row) and photo is not None

    def add_photo(self, item: Item, photo: DecodedPhoto[str]) -> None:
        """The files of a photo that was looked at before."""
        if photo.deep is None and not _has_drawn_masks(item):
            self._write("UPDATE looks SET photo = ? WHERE id = ?", (_told_photo(photo), _id(item)))

    def _one(self, query: str, values: tuple[bytes | None]) -> tuple[Any, ...] | None:
        with self._lock:
            if self._db is None or values[0] is None:
                return None
            try:
                found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
            except sqlite3.Error as error:
                self._give_up(error)
                return None
        return found

    def _write(self, statement: str, values: tuple[str | bytes | None, ...]) -> bool:
        with self._lock:
            if self._db is None or None in values[:1]:
                return False
            try:
                self._db.execute(statement, values)
                self._waiting += 1
                if self._waiting % _COMMIT_EVERY == 0:
                    self._db.commit()
            except sqlite3.Error as error:
                self._give_up(error)
                return False
        return True

    def _give_up(self, error: sqlite3.Error) -> None:
        logger.warning("looks of this import are not kept (%s: %s); a stopped one begins anew", self._path, error)
        if self._db is not None:
            self._db.close()
            self._db = None
        if not isinstance(error, sqlite3.OperationalError):  # damaged, not merely in use or on a full disk
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _id(item: Item) -> bytes | None:
    """Of the stamps of a photo and of its files of masks, and how they are read; None where one of them has none."""
    entries, how = [item.entry], ""
    if isinstance(item, Anomaly):
        entries += [mask for mask in item.masks if isinstance(mask, SourceEntry)]
        how = f"{item.good_if_empty} {item.confirmed} {item.inverted}"
    stamps = [entry.stamp for entry in entries]
    if None in stamps:
        return None
    told = "\n".join([*(str(stamp) for stamp in stamps), how])
    return hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _has_drawn_masks(item: Item) -> bool:
    """Whether an annotation draws its masks, which no stamp tells of."""
    return isinstance(item, Anomaly) and not all(isinstance(mask, SourceEntry) for mask in item.masks)


def _told_look(look: Look, black: bool) -> dict[str, Any]:
    depth = None if look.depth is None else [look.depth[0], *astuple(look.depth[1])]
    return {"flat": look.flat, "depth": depth, "size": look.size, "tones": astuple(look.tones), "black": black}


def _seen(told: dict[str, Any], print_: bytes) -> Seen:
    depth = None if told["depth"] is None else (str(told["depth"][0]), DepthRange(*told["depth"][1:]))
    height, width = told["size"]
    pixels = np.frombuffer(print_, np.uint8).copy()
    return Seen(Look(told["flat"], pixels, depth, (height, width), ToneSplit(*told["tones"])), told["black"])


def _told_photo(photo: DecodedPhoto[str]) -> str:
    told = asdict(photo)
    del told["scale"]
    return json.dumps(told)
