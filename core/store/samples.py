"""Generated anomalies: add, list by filter and score, delete."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from core.errors import InputError, NotFound
from core.store import query
from core.store.base import column_in
from core.store.database import damage_told
from core.store.files import StoredFile
from core.store.photos import PhotoStore
from core.store.rows import SampleFilter, SampleRow
from core.store.tables import PICTURE, UNREFINED, normals, sample_details, sample_scores, samples, score_names
from core.types import KINDS, Kind, ReviewStatus, VerdictSource, check_label

ALL_SAMPLES = SampleFilter()


class SampleStore(PhotoStore):
    """What engines make."""

    def add_sample(
        self,
        image_png: bytes,
        mask_png: bytes,
        *,
        normal_id: str,
        label: str,
        kind: Kind,
        engine: str,
        seed: int,
        recipe_json: str,
        scores: Mapping[str, float] | None = None,
        attention_png: bytes | None = None,
        instance_pngs: Sequence[bytes] = (),
        component_pngs: Mapping[str, bytes] | None = None,
        unrefined_png: bytes | None = None,
        picture_pngs: Mapping[str, bytes] | None = None,
        descriptor: bytes | None = None,
        job_id: str | None = None,
    ) -> SampleRow:
        """Add a sample, verdict "new". The same image, mask and recipe twice are one row, its verdict kept.

        So a batch that was killed can simply run again. ``seed`` is 0..2^63-1; scores are finite numbers.
        """
        scores = _check_scores(scores or {})
        label = check_label(label)
        _check_kind_and_seed(kind, seed)
        image, mask = self._files.put(image_png, "png"), self._files.put(mask_png, "png")
        attention = self._files.put(attention_png, "png") if attention_png is not None else None
        instances = [self._files.put(png, "png") for png in instance_pngs]
        named = dict(component_pngs or {}) | ({UNREFINED: unrefined_png} if unrefined_png is not None else {})
        named |= {PICTURE + name: png for name, png in (picture_pngs or {}).items()}
        maps = {name: self._files.put(png, "png") for name, png in named.items()}
        id = hashlib.sha256(f"{image.digest}/{mask.digest}/{recipe_json}".encode()).hexdigest()[:16]
        row = {
            "id": id,
            "normal_id": normal_id,
            "label": label,
            "kind": kind,
            "engine": engine,
            "seed": seed,
            "verdict": ReviewStatus.NEW.value,
            "reason": "",
            "job_id": job_id,
            "scores": scores,
            "image": image.file,
            "mask": mask.file,
            "attention": attention.file if attention else None,
            "instances": [s.file for s in instances],
            "created": time.time(),
        }
        kept = [image, mask, *([attention] if attention else []), *instances, *maps.values()]
        listed = {name: stored.file for name, stored in maps.items()} or None
        details = {"recipe": recipe_json, "descriptor": descriptor, "maps": listed}
        self._insert(row, kept, details)
        return self.sample_row(id)

    def write_files(self, pngs: Iterable[bytes]) -> None:
        """Write the files of a sample ahead, which may be done in another thread than ``add_sample``."""
        for png in pngs:
            self._files.put(png, "png")

    @contextmanager
    def one_transaction(self) -> Iterator[None]:
        """All rows that this thread writes within the block are durable at its end, together, or none of them."""
        with self._db.write():
            yield

    def _insert(self, row: dict[str, Any], files: list[StoredFile], details: dict[str, Any]) -> None:
        with self._db.write() as db:
            self.normal_row(row["normal_id"])
            for file in files:
                self._files.ensure_written(file)
            fresh = insert(samples).values(row).on_conflict_do_nothing(index_elements=["id"])
            number = db.execute(fresh.returning(samples.c.number)).scalar_one_or_none()
            if number is None:
                return
            db.execute(insert(sample_details).values(sample=number, **details))
            _write_scores(db, number, row["scores"])

    def samples(self, where: SampleFilter = ALL_SAMPLES, offset: int = 0, limit: int | None = None) -> list[SampleRow]:
        """A page of samples."""
        with self._db.read() as db:
            return self._rows(db, query.sample_numbers(db, where, offset, limit))

    def count_samples(self, where: SampleFilter = ALL_SAMPLES) -> int:
        """How many samples the filter lets through."""
        with self._db.read() as db:
            return query.count_samples(db, where)

    def sample_ids(self, where: SampleFilter = ALL_SAMPLES) -> list[str]:
        """Ids of all samples the filter lets through, in its order."""
        with self._db.read() as db:
            found = query.sample_numbers(db, where)
            ids = {n: id for n, id in db.execute(select(samples.c.number, samples.c.id).where(_numbered(found)))}
            return [ids[number] for number in found]

    def sample_row(self, id: str) -> SampleRow:
        """The sample ``id``; NotFound."""
        with self._db.read() as db:
            number = db.execute(select(samples.c.number).where(samples.c.id == id)).scalar_one_or_none()
            if number is None:
                raise NotFound(f"sample {id!r} is not in project {self.path}; it may have been deleted")
            return self._rows(db, [number])[0]

    def ids_by_seed(self, label: str, engine: str) -> dict[int, str]:
        """The samples of an engine and label by their seeds; of those that share one the newest."""
        mine = (samples.c.label == label) & (samples.c.engine == engine)
        with self._db.read() as db:
            rows = db.execute(select(samples.c.seed, samples.c.id).where(mine).order_by(samples.c.number))
            return {seed: id for seed, id in rows}

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Samples per label and verdict; each label has all three verdicts."""
        pair = samples.c.label, samples.c.verdict
        counts: dict[str, dict[str, int]] = {}
        with self._db.read() as db:
            for label, verdict, count in db.execute(select(*pair, func.count()).group_by(*pair)):
                counts.setdefault(label, {v.value: 0 for v in ReviewStatus})[verdict] = count
        return counts

    def engine_counts(self, verdict: ReviewStatus) -> dict[str, int]:
        """Samples of a verdict per engine, most first; of equal ones that whose first sample is older."""
        count = func.count()
        chosen = select(samples.c.engine, count).where(samples.c.verdict == verdict.value).group_by(samples.c.engine)
        with self._db.read() as db:
            found = db.execute(chosen.order_by(count.desc(), func.min(samples.c.number)))
            return {engine: int(number) for engine, number in found}

    def score_names(self) -> list[str]:
        """The names of all scores there are."""
        with self._db.read() as db:
            return list(db.execute(select(score_names.c.name).order_by(score_names.c.name)).scalars())

    def update_scores(self, id: str, scores: Mapping[str, float]) -> None:
        """Set these scores of a sample; scores of other names stay."""
        scores = _check_scores(scores)
        with self._db.write() as db:
            row = self.sample_row(id)
            merged = {**row.scores, **scores}
            db.execute(update(samples).where(samples.c.number == row.number).values(scores=merged))
            _write_scores(db, row.number, scores)

    def delete_samples(self, ids: Iterable[str]) -> int:
        """Delete samples, with their place in the undo list; return how many. Files go with the next sweep."""
        with self._db.write() as db:
            return _delete(db, column_in(samples.c.id, ids))

    def normals_with_samples(self) -> set[str]:
        """The ids of photos that samples were made from."""
        with self._db.read() as db:
            return set(db.execute(select(samples.c.normal_id).distinct()).scalars())

    def remove_normals(self, ids: Iterable[str]) -> int:
        """Remove photos with their regions and the samples made from them; return how many photos."""
        ids = list(ids)
        with self._db.write() as db:
            _delete(db, column_in(samples.c.normal_id, ids))
            return int(db.execute(delete(normals).where(column_in(normals.c.id, ids))).rowcount)

    def _rows(self, db: Connection, numbers: Sequence[int]) -> list[SampleRow]:
        details = sample_details.c.recipe, sample_details.c.descriptor, sample_details.c.maps
        chosen = select(samples, *details).join(sample_details).where(_numbered(numbers))
        found = {row.number: row for row in db.execute(chosen)}
        with damage_told(self.path):
            return [self._sample(found[number]) for number in numbers]

    def _sample(self, row: Any) -> SampleRow:
        maps = {name: self.stored_path(file) for name, file in (row.maps or {}).items()}
        pictures = {name.removeprefix(PICTURE): maps.pop(name) for name in list(maps) if name.startswith(PICTURE)}
        return SampleRow(
            id=row.id,
            number=row.number,
            normal_id=row.normal_id,
            label=row.label,
            kind=row.kind,
            engine=row.engine,
            seed=row.seed,
            recipe_json=row.recipe,
            verdict=ReviewStatus(row.verdict),
            reason=row.reason,
            verdict_by=VerdictSource(row.verdict_by, row.verdict_name) if row.verdict_by else None,
            scores=dict(row.scores),
            image_path=self.stored_path(row.image),
            mask_path=self.stored_path(row.mask),
            attention_path=self.stored_path(row.attention) if row.attention else None,
            instance_paths=tuple(self.stored_path(name) for name in row.instances),
            descriptor=row.descriptor,
            job_id=row.job_id,
            created=row.created,
            unrefined_path=maps.pop(UNREFINED, None),
            component_paths=maps,
            picture_paths=pictures,
            favourite=bool(row.favourite),
            note=row.note,
        )


def _numbered(numbers: Sequence[int]) -> ColumnElement[bool]:
    return column_in(samples.c.number, numbers)


def _check_kind_and_seed(kind: str, seed: int) -> None:
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
    if not 0 <= seed < 2**63:
        raise InputError(f"seed {seed}: expected 0 to {2**63 - 1}")


def _check_scores(scores: Mapping[str, float]) -> dict[str, float]:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise InputError(f"score {name!r}: expected a finite number, got {value!r}")
    return {name: float(value) for name, value in scores.items()}


def _write_scores(db: Connection, number: int, scores: Mapping[str, float]) -> None:
    if not scores:
        return
    db.execute(insert(score_names).on_conflict_do_nothing(), [{"name": name} for name in scores])
    known = {name: score for score, name in db.execute(select(score_names))}
    statement = insert(sample_scores)
    db.execute(
        statement.on_conflict_do_update(index_elements=["score", "sample"], set_={"value": statement.excluded.value}),
        [{"score": known[name], "sample": number, "value": value} for name, value in scores.items()],
    )


def _delete(db: Connection, which: ColumnElement[bool]) -> int:
    gone = list(db.execute(select(samples.c.number).where(which)).scalars())
    every_score = sample_scores.c.score.in_(select(score_names.c.number))
    db.execute(delete(sample_scores).where(every_score, column_in(sample_scores.c.sample, gone)))
    return int(db.execute(delete(samples).where(_numbered(gone))).rowcount)
