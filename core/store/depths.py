"""Photos of more than 8 bits: their source values, and working copies of another scale in place of the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from core.errors import StoreError
from core.images.depth import DepthScale, DepthScales
from core.images.source_depth import SourceDepth
from core.store.base import column_in
from core.store.database import damage_told
from core.store.files import StoredFile
from core.store.photos import EXAMPLE_SPLIT, PhotoStore
from core.store.tables import examples, normals, samples, source_depths

DEPTH_SCALES = "depth_scales"
"""Setting that holds the scale of each number type."""
EARLIER_SCALES = "earlier_scales"
"""Setting that holds, oldest first, what photos had as their scale up to which sample."""

_SCALED = "scaled to 8-bit"
"""What a photo's note says of its scale."""


@dataclass(frozen=True)
class NewCopy:
    """The working copy ``file`` of a photo in place of ``old``, both by the file's stem, and what of its source values
    is 0 and 255 in it."""

    old: str
    file: str
    low: float
    high: float


@dataclass(frozen=True)
class EarlierScale:
    """What was 0 and 255 of a photo's source values for its samples up to the number ``last_sample``."""

    photo: str
    low: float
    high: float
    last_sample: int


class DepthStore(PhotoStore):
    """What photos of more than 8 bits have beside their working copies."""

    def add_source_depth(self, photo: Path, values: StoredFile, low: float, high: float, dtype: str) -> None:
        """Keep the source values of the photo whose working copy is ``photo``, and the number type that it came in.

        The first ones given count.
        """
        with self._db.write() as db:
            self._files.ensure_written(values)
            row = {"photo": photo.stem, "file": values.file, "low": low, "high": high, "dtype": dtype}
            db.execute(insert(source_depths).values(row).on_conflict_do_nothing(index_elements=["photo"]))

    def source_depths(self) -> dict[str, SourceDepth]:
        """The source values there are, by the name of the working copy's file without its ending."""
        with self._db.read() as db:
            rows = db.execute(select(source_depths)).all()
        with damage_told(self.path):
            return {r.photo: SourceDepth(self.stored_path(r.file), r.low, r.high, r.dtype) for r in rows}

    def depth_scales(self) -> dict[str, DepthScale]:
        """The scale of each number type that the project's photos come in; empty where all have 8 bits."""
        kept = dict(self.get_setting(DEPTH_SCALES, {}))
        return {str(d): DepthScale(float(s["low"]), float(s["high"]), str(s["why"])) for d, s in kept.items()}

    def set_depth_scales(self, scales: DepthScales) -> None:
        """Keep these scales; working copies stay as they are."""
        self.set_setting(DEPTH_SCALES, {dtype: asdict(scale) for dtype, scale in scales.items()})

    def last_sample(self) -> int:
        """The number of the newest sample, 0 without any."""
        with self._db.read() as db:
            return int(db.execute(select(func.max(samples.c.number))).scalar_one() or 0)

    def earlier_scales(self) -> dict[str, list[EarlierScale]]:
        """The scales that photos had before, by their id, oldest first."""
        found: dict[str, list[EarlierScale]] = {}
        for photo, low, high, last in self.get_setting(EARLIER_SCALES, []):
            found.setdefault(str(photo), []).append(EarlierScale(str(photo), float(low), float(high), int(last)))
        return found

    def replace_copies(self, copies: Sequence[NewCopy], note: str) -> int:
        """Put other working copies in place; return how many samples were drawn on the old ones.

        Ids, masks, samples and the split stay. ``note`` takes the place of what the photos' notes say of their scale.

        Call it in a transaction with what else changes. StoreError if a file is gone.
        """
        with self._db.write() as db:
            gone = next((copy.file for copy in copies if not (self.path / copy.file).is_file()), None)
            if gone is not None:
                raise StoreError(f"project {self.path}: {gone} was removed meanwhile; change the scale again")
            drawn = self._remember_scales(db, copies)
            split = self.example_split()
            test = set(split.test) if split else set()
            for copy in copies:
                self._replace(db, copy, note)
                if copy.old in test:
                    test = test - {copy.old} | {Path(copy.file).stem}
            if split is not None:
                self.set_setting(EXAMPLE_SPLIT, replace(split, test=frozenset(test)).to_json())
            return drawn

    def _replace(self, db: Connection, copy: NewCopy, note: str) -> None:
        old = f"files/{copy.old[:2]}/{copy.old}.png"
        for id, notes in db.execute(select(normals.c.id, normals.c.notes).where(normals.c.file == old)).all():
            kept = [line for line in notes if _SCALED not in line]
            db.execute(update(normals).where(normals.c.id == id).values(file=copy.file, notes=[*kept, note]))
        db.execute(update(examples).where(examples.c.file == old).values(file=copy.file))
        row = db.execute(select(source_depths).where(source_depths.c.photo == copy.old)).one()
        db.execute(delete(source_depths).where(source_depths.c.photo == copy.old))
        fresh = {
            "photo": Path(copy.file).stem,
            "file": row.file,
            "low": copy.low,
            "high": copy.high,
            "dtype": row.dtype,
        }
        db.execute(insert(source_depths).values(fresh).on_conflict_do_nothing(index_elements=["photo"]))

    def _remember_scales(self, db: Connection, copies: Sequence[NewCopy]) -> int:
        """Keep the scale of photos that samples were made from; return how many samples these are."""
        used = set(db.execute(select(samples.c.normal_id).distinct()).scalars())
        by_file = {Path(file).stem: id for id, file in db.execute(select(normals.c.id, normals.c.file))}
        ends = {r.photo: (r.low, r.high) for r in db.execute(select(source_depths))}
        last = self.last_sample()
        fresh = [
            [id, *ends[copy.old], last] for copy in copies if (id := by_file.get(copy.old)) is not None and id in used
        ]
        self.set_setting(EARLIER_SCALES, [*self.get_setting(EARLIER_SCALES, []), *fresh])
        chosen = column_in(samples.c.normal_id, [str(one[0]) for one in fresh])
        return int(db.execute(select(func.count()).select_from(samples).where(chosen)).scalar_one())

    def _drop_unused_depths(self) -> None:
        """Forget the source values of photos that were removed."""
        with self._db.write() as db:
            files = [*db.execute(select(normals.c.file)).scalars(), *db.execute(select(examples.c.file)).scalars()]
            db.execute(delete(source_depths).where(~column_in(source_depths.c.photo, {Path(f).stem for f in files})))
