"""Photos of good parts, real anomalies, and the named regions on the photos."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from core.errors import InputError, MaskError, NotFound, StoreError
from core.store.base import Store, column_in
from core.store.database import damage_told
from core.store.example_split import ExamplePart, ExampleSplit
from core.store.files import StoredFile
from core.store.rows import ExampleRow, NormalRow, RegionRow, RegionSource
from core.store.tables import examples, normals, regions
from core.types import KINDS, Kind, check_label, check_new_label

RENAMED = "renamed_labels"
EXAMPLE_SPLIT = "example_split"
"""Setting that holds which real anomalies are kept for the test."""


class PhotoStore(Store):
    """What a person brings in."""

    def add_normal(
        self,
        data: bytes | StoredFile,
        ext: str,
        name: str,
        width: int,
        height: int,
        grey: bool,
        notes: Sequence[str] = (),
    ) -> NormalRow:
        """Add a photo of ``width`` x ``height`` pixels by its file's bytes; the same bytes twice are one row."""
        photo = self._files.as_stored(data, ext)
        row = {
            "id": photo.digest[:16],
            "name": name,
            "width": width,
            "height": height,
            "grey": int(grey),
            "notes": list(notes),
            "file": photo.file,
            "created": time.time(),
        }
        with self._db.write() as db:
            self._files.ensure_written(photo)
            db.execute(insert(normals).values(row).on_conflict_do_nothing(index_elements=["id"]))
        return self.normal_row(photo.digest[:16])

    def normals(self, offset: int = 0, limit: int | None = None) -> list[NormalRow]:
        """Photos in the order they were added."""
        return self._normals(offset=offset, limit=limit)

    def normal_row(self, id: str) -> NormalRow:
        """The photo ``id``; NotFound."""
        found = self._normals(normals.c.id == id)
        if not found:
            raise NotFound(f"photo {id!r} is not in project {self.path}; it may have been removed")
        return found[0]

    def count_normals(self) -> int:
        """How many photos of good parts there are."""
        with self._db.read() as db:
            return int(db.execute(select(func.count()).select_from(normals)).scalar_one())

    def normal_sizes(self) -> dict[tuple[int, int], tuple[int, int]]:
        """By width and height in pixels: how many photos of good parts, and how many of them are grey."""
        size = (normals.c.width, normals.c.height)
        counted = select(*size, func.count(), func.sum(normals.c.grey)).group_by(*size)
        with self._db.read() as db:
            return {(width, height): (many, grey) for width, height, many, grey in db.execute(counted)}

    def neighbour_row(self, id: str, forward: bool) -> NormalRow:
        """The photo added after ``id``, or before it, round the end; NotFound. No other photo's row is read."""
        here = select(normals.c.number).where(normals.c.id == id).scalar_subquery()
        beyond = normals.c.number > here if forward else normals.c.number < here
        with self._db.read():
            self.normal_row(id)
            found = self._normals(beyond, limit=1, last_first=not forward)
            return (found or self._normals(limit=1, last_first=not forward))[0]

    def normal_place(self, id: str) -> int:
        """How many photos were added before ``id``; 0 for one that is not there."""
        here = select(normals.c.number).where(normals.c.id == id).scalar_subquery()
        with self._db.read() as db:
            return int(db.execute(select(func.count(normals.c.number)).where(normals.c.number < here)).scalar_one())

    def _normals(
        self, *where: Any, offset: int = 0, limit: int | None = None, last_first: bool = False
    ) -> list[NormalRow]:
        order = normals.c.number.desc() if last_first else normals.c.number
        query = select(normals).where(*where).order_by(order).offset(offset)
        query = query.limit(-1 if limit is None else limit)
        with self._db.read() as db:
            found = db.execute(query).all()
        with damage_told(self.path):
            return [self._normal(row) for row in found]

    def _normal(self, row: Row[Any]) -> NormalRow:
        path = self.stored_path(row.file)
        return NormalRow(row.id, row.name, row.width, row.height, bool(row.grey), tuple(row.notes), path)

    def add_example(
        self,
        data: bytes | StoredFile,
        ext: str,
        label: str,
        kind: Kind,
        mask_pngs: Sequence[bytes | StoredFile],
        name: str,
        width: int,
        height: int,
        soft_png: bytes | StoredFile | None = None,
    ) -> ExampleRow:
        """Add a real anomaly: a photo's bytes and one mask PNG per defect; the same ones twice are one row.

        ``soft_png`` is a grey PNG of how sure each pixel of the masks is, where that is known.
        """
        label = check_label(label)
        if kind not in KINDS:
            raise InputError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
        if not mask_pngs:
            raise MaskError(f"example {name!r}: expected at least one mask; give a mask of the defect")
        stored = [self._files.as_stored(data, ext), *(self._files.as_stored(png, "png") for png in mask_pngs)]
        soft = None if soft_png is None else self._files.as_stored(soft_png, "png")
        id = hashlib.sha256("/".join([label, *(s.digest for s in stored)]).encode()).hexdigest()[:16]
        row = {
            "id": id,
            "label": label,
            "kind": kind,
            "name": name,
            "width": width,
            "height": height,
            "file": stored[0].file,
            "masks": [s.file for s in stored[1:]],
            "created": time.time(),
            "soft": soft and soft.file,
        }
        with self._db.write() as db:
            for file in (*stored, *([soft] if soft else [])):
                self._files.ensure_written(file)
            # A renamed label leaves the id as it was, so the same picture is known by its files.
            same = (examples.c.label == label) & (examples.c.file == row["file"]) & (examples.c.masks == row["masks"])
            if known := db.execute(select(examples.c.id).where(same)).scalar():
                id = row["id"] = str(known)
            changed = {"kind": kind} | ({"soft": soft.file} if soft else {})
            statement = insert(examples).values(row)
            db.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))
        return self.example_row(id)

    def examples(self, label: str | None = None, part: ExamplePart = "") -> list[ExampleRow]:
        """Real anomalies in the order they were added, perhaps only those of ``label``, or of a part of the split.

        Without a split every part has them all.
        """
        rows = self._examples(*([examples.c.label == label] if label is not None else []))
        return [row for row in rows if part == "" or row.part in ("", part)]

    def example_split(self) -> ExampleSplit | None:
        """Which real anomalies are kept for the test; None where all are learned from. StoreError if it is damaged."""
        kept = self.get_setting(EXAMPLE_SPLIT)
        try:
            return ExampleSplit.from_json(kept) if kept else None
        except (AttributeError, InputError, KeyError, TypeError, ValueError):
            raise StoreError(
                f"project {self.path}: its split of real anomalies is damaged; set it again, for example --split 1/3"
            ) from None

    def example_row(self, id: str) -> ExampleRow:
        """The example ``id``; NotFound."""
        found = self._examples(examples.c.id == id)
        if not found:
            raise NotFound(f"example {id!r} is not in project {self.path}; it may have been removed")
        return found[0]

    def remove_examples(self, ids: Iterable[str]) -> int:
        """Remove real anomalies; return how many."""
        with self._db.write() as db:
            return int(db.execute(delete(examples).where(column_in(examples.c.id, ids))).rowcount)

    def label_examples(self, ids: Iterable[str], label: str) -> int:
        """Give these real anomalies another label; return how many were changed."""
        label = check_new_label(label)
        with self._db.write() as db:
            here = column_in(examples.c.id, ids) & (examples.c.label != label)
            return int(db.execute(update(examples).where(here).values(label=label)).rowcount)

    def rename_label(self, old: str, new: str) -> int:
        """Give all real anomalies of label ``old`` the label ``new``, which may be there already; return how many.

        Later imports bring anomalies of ``old`` in under ``new``. NotFound if there are none.
        """
        new = check_new_label(new)
        with self._db.write() as db:
            moved = int(db.execute(update(examples).where(examples.c.label == old).values(label=new)).rowcount)
            if not moved:
                have = ", ".join(sorted({e.label for e in self.examples()})) or "none"
                raise NotFound(f"label {old!r}: no real anomaly has it (there are: {have})")
            names = {a: new if b == old else b for a, b in self.renamed_labels().items()}
            self.set_setting(RENAMED, {a: b for a, b in {**names, old: new}.items() if a != b})
        return moved

    def renamed_labels(self) -> dict[str, str]:
        """Labels that were renamed, old to new."""
        return {str(a): str(b) for a, b in dict(self.get_setting(RENAMED, {})).items()}

    def _examples(self, *where: Any) -> list[ExampleRow]:
        with self._db.read() as db:
            rows = db.execute(select(examples).where(*where).order_by(examples.c.number)).all()
        split = self.example_split()
        with damage_told(self.path):
            return [
                ExampleRow(
                    r.id,
                    r.label,
                    r.kind,
                    r.name,
                    r.width,
                    r.height,
                    self.stored_path(r.file),
                    tuple(self.stored_path(m) for m in r.masks),
                    "" if split is None else split.part_of(Path(r.file).stem),
                    self.stored_path(r.soft) if r.soft else None,
                )
                for r in rows
            ]

    def set_region(
        self,
        normal_id: str,
        name: str,
        mask_png: bytes,
        source: RegionSource = "hand",
        confidence: float = 1.0,
    ) -> RegionRow:
        """Draw a named region on a photo, in place of one of the same name."""
        name = _check_region_name(name)
        if not (math.isfinite(confidence) and 0 <= confidence <= 1):
            raise InputError(f"region {name!r}: expected a confidence from 0 to 1, got {confidence!r}")
        mask = self._files.put(mask_png, "png")
        row = {"source": source, "confidence": confidence, "file": mask.file, "created": time.time()}
        with self._db.write() as db:
            self.normal_row(normal_id)
            self._files.ensure_written(mask)
            statement = insert(regions).values(normal_id=normal_id, name=name, **row)
            db.execute(statement.on_conflict_do_update(index_elements=["normal_id", "name"], set_=row))
        return RegionRow(normal_id, name, source, confidence, self.path / mask.file)

    def regions(self, normal_id: str) -> list[RegionRow]:
        """The regions of one photo by name."""
        return self.region_rows([normal_id])

    def region_rows(self, normal_ids: Iterable[str] | None = None) -> list[RegionRow]:
        """The regions of these photos, or of all; photo by photo as they were added, then by name."""
        query = select(regions).join(normals, normals.c.id == regions.c.normal_id)
        if normal_ids is not None:
            query = query.where(column_in(regions.c.normal_id, normal_ids))
        with self._db.read() as db:
            rows = db.execute(query.order_by(normals.c.number, regions.c.name)).all()
        with damage_told(self.path):
            return [RegionRow(r.normal_id, r.name, r.source, r.confidence, self.stored_path(r.file)) for r in rows]

    def region_names(self) -> dict[str, int]:
        """How many photos have each region, by name."""
        query = select(regions.c.name, func.count()).group_by(regions.c.name).order_by(regions.c.name)
        with self._db.read() as db:
            return {name: count for name, count in db.execute(query)}

    def rename_region(self, normal_id: str, old: str, new: str) -> None:
        """Give a region another name; NotFound if ``old`` is not on the photo, InputError if ``new`` is."""
        new = _check_region_name(new)
        here = regions.c.normal_id == normal_id
        with self._db.write() as db:
            names = set(db.execute(select(regions.c.name).where(here)).scalars())
            if old not in names:
                raise NotFound(
                    f"region {old!r} is not on photo {normal_id} (it has: {', '.join(sorted(names)) or 'none'})"
                )
            if new != old and new in names:
                raise InputError(f"region {new!r} is on this photo already; choose another name or delete it first")
            db.execute(update(regions).where(here, regions.c.name == old).values(name=new))

    def delete_region(self, normal_id: str, name: str) -> bool:
        """Take a region off a photo; False if it was not there."""
        with self._db.write() as db:
            here = (regions.c.normal_id == normal_id) & (regions.c.name == name)
            return bool(db.execute(delete(regions).where(here)).rowcount)


def _check_region_name(name: str) -> str:
    clean = " ".join(name.split())
    if not clean or len(clean) > 64 or not clean.isprintable():
        raise InputError(f"region name {name!r}: expected 1 to 64 printable characters, for example 'washer'")
    return clean
