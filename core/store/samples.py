"""Generated anomalies: add, list by filter and score, delete."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from core.errors import InputError, NotFound
from core.store.base import Store, among
from core.store.files import Stored
from core.store.rows import SampleFilter, SampleRow
from core.store.tables import sample_details, sample_scores, samples
from core.types import KINDS, Kind, Verdict, check_label

EVERYTHING = SampleFilter()


class Samples(Store):
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
        descriptor: bytes | None = None,
        job_id: str | None = None,
    ) -> SampleRow:
        """Add a sample, verdict "new". The same image, mask and recipe twice are one row, its verdict kept.

        So a batch that was killed can simply run again. ``seed`` is 0..2^63-1; scores are finite numbers.
        """
        scores = _check_scores(scores or {})
        label = check_label(label)
        if kind not in KINDS:
            raise InputError(f"kind {kind!r}: expected one of {', '.join(KINDS)}")
        if not 0 <= seed < 2**63:
            raise InputError(f"seed {seed}: expected 0 to {2**63 - 1}")
        image, mask = self._files.put(image_png, "png"), self._files.put(mask_png, "png")
        attention = self._files.put(attention_png, "png") if attention_png is not None else None
        instances = [self._files.put(png, "png") for png in instance_pngs]
        id = hashlib.sha256(f"{image.digest}/{mask.digest}/{recipe_json}".encode()).hexdigest()[:16]
        row = {
            "id": id,
            "normal_id": normal_id,
            "label": label,
            "kind": kind,
            "engine": engine,
            "seed": seed,
            "verdict": Verdict.NEW.value,
            "reason": "",
            "job_id": job_id,
            "scores": scores,
            "image": image.file,
            "mask": mask.file,
            "attention": attention.file if attention else None,
            "instances": [s.file for s in instances],
            "created": time.time(),
        }
        kept = [image, mask, *([attention] if attention else []), *instances]
        self._insert(row, kept, recipe_json, descriptor)
        return self.sample_row(id)

    def _insert(self, row: dict[str, Any], files: list[Stored], recipe_json: str, descriptor: bytes | None) -> None:
        with self._db.write() as db:
            self.normal_row(row["normal_id"])  # type: ignore[attr-defined]
            for file in files:
                self._files.ensure(file)
            fresh = insert(samples).values(row).on_conflict_do_nothing(index_elements=["id"])
            number = db.execute(fresh.returning(samples.c.number)).scalar_one_or_none()
            if number is None:
                return
            db.execute(insert(sample_details).values(sample=number, recipe=recipe_json, descriptor=descriptor))
            _write_scores(db, number, row["scores"])

    def samples(self, where: SampleFilter = EVERYTHING, offset: int = 0, limit: int | None = None) -> list[SampleRow]:
        """A page of samples."""
        page = _filtered(select(samples.c.number), where)
        page = _ordered(page, where).offset(offset).limit(-1 if limit is None else limit)
        with self._db.read() as db:
            numbers = list(db.execute(page).scalars())
            return self._rows(db, numbers)

    def count_samples(self, where: SampleFilter = EVERYTHING) -> int:
        """How many samples the filter lets through."""
        with self._db.read() as db:
            return int(db.execute(_filtered(select(func.count()).select_from(samples), where)).scalar_one())

    def sample_ids(self, where: SampleFilter = EVERYTHING) -> list[str]:
        """Ids of all samples the filter lets through, in its order."""
        with self._db.read() as db:
            return list(db.execute(_ordered(_filtered(select(samples.c.id), where), where)).scalars())

    def sample_row(self, id: str) -> SampleRow:
        """The sample ``id``; NotFound."""
        with self._db.read() as db:
            number = db.execute(select(samples.c.number).where(samples.c.id == id)).scalar_one_or_none()
            if number is None:
                raise NotFound(f"sample {id!r} is not in project {self.path}; it may have been deleted")
            return self._rows(db, [number])[0]

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Samples per label and verdict; each label has all three verdicts."""
        query = select(samples.c.label, samples.c.verdict, func.count()).group_by(samples.c.label, samples.c.verdict)
        counts: dict[str, dict[str, int]] = {}
        with self._db.read() as db:
            for label, verdict, count in db.execute(query):
                counts.setdefault(label, {v.value: 0 for v in Verdict})[verdict] = count
        return counts

    def score_names(self) -> list[str]:
        """The names of all scores there are."""
        with self._db.read() as db:
            return list(db.execute(select(sample_scores.c.name).distinct().order_by(sample_scores.c.name)).scalars())

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
            return int(db.execute(delete(samples).where(among(samples.c.id, ids))).rowcount)

    def _rows(self, db: Connection, numbers: Sequence[int]) -> list[SampleRow]:
        query = (
            select(samples, sample_details.c.recipe, sample_details.c.descriptor)
            .join(sample_details)
            .where(among(samples.c.number, numbers))
        )
        found = {row.number: row for row in db.execute(query)}
        return [self._sample(found[number]) for number in numbers]

    def _sample(self, row: Any) -> SampleRow:
        return SampleRow(
            id=row.id,
            number=row.number,
            normal_id=row.normal_id,
            label=row.label,
            kind=row.kind,
            engine=row.engine,
            seed=row.seed,
            recipe_json=row.recipe,
            verdict=Verdict(row.verdict),
            reason=row.reason,
            scores=dict(row.scores),
            image_path=self.path / row.image,
            mask_path=self.path / row.mask,
            attention_path=self.path / row.attention if row.attention else None,
            instance_paths=tuple(self.path / name for name in row.instances),
            descriptor=row.descriptor,
            job_id=row.job_id,
            created=row.created,
        )


def _filtered(query: Select[Any], where: SampleFilter) -> Select[Any]:
    for name in ("label", "engine", "verdict", "normal_id", "job_id"):
        if (value := getattr(where, name)) is not None:
            query = query.where(samples.c[name] == str(value))
    for name, value in where.min_score.items():
        score = sample_scores.alias()
        query = query.join(score, _score_of(score.c, name)).where(score.c.value >= value)
    return query


def _ordered(query: Select[Any], where: SampleFilter) -> Select[Any]:
    tie = samples.c.number.desc() if where.descending else samples.c.number.asc()
    if where.order_by == "created":
        return query.order_by(tie)
    score = sample_scores.alias()
    value = score.c.value.desc() if where.descending else score.c.value.asc()
    return query.outerjoin(score, _score_of(score.c, where.order_by)).order_by(value.nulls_last(), tie)


def _score_of(score: Any, name: str) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = (score.sample == samples.c.number) & (score.name == name)
    return matches


def _check_scores(scores: Mapping[str, float]) -> dict[str, float]:
    for name, value in scores.items():
        if not math.isfinite(value):
            raise InputError(f"score {name!r}: expected a finite number, got {value!r}")
    return {name: float(value) for name, value in scores.items()}


def _write_scores(db: Connection, number: int, scores: Mapping[str, float]) -> None:
    if scores:
        statement = insert(sample_scores)
        db.execute(
            statement.on_conflict_do_update(
                index_elements=["sample", "name"], set_={"value": statement.excluded.value}
            ),
            [{"sample": number, "name": name, "value": value} for name, value in scores.items()],
        )
