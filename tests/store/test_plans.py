"""What the app asks often searches an index: 5,000 photos and 20,000 samples are read row by row by nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from core.store import Project, SampleFilter
from core.types import ReviewStatus

KEPT = SampleFilter(verdict=ReviewStatus.KEPT)
LARGE = {"normals", "examples", "regions", "samples", "sample_details", "sample_scores"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Project.create(tmp_path_factory.mktemp("plans") / "p") as made:
        photos = [made.add_normal(b"photo %d" % n, "png", f"{n}.png", 8, 8, True).id for n in range(8)]
        for photo in photos:
            made.set_region(photo, "nut", b"mask")
        for n in range(40):
            made.add_sample(
                b"image %d" % n, b"mask", normal_id=photos[n % 8], label="dent", kind="structural", engine="perlin",
                seed=n, recipe_json=json.dumps({"n": n}), scores={"strength": n / 40},
            )  # fmt: skip
        made.add_example(b"real", "png", "dent", "structural", [b"mask"], "real.png", 8, 8)
        yield made


@contextmanager
def plans(project: Project) -> Iterator[list[str]]:
    """The plan of every statement that runs meanwhile."""
    told: list[str] = []

    def explain(_connection, cursor, statement, parameters, _context, _many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            told.extend(row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

    engines = project._db._reader, project._db._writer
    for engine in engines:
        event.listen(engine, "before_cursor_execute", explain)
    try:
        yield told
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", explain)


def scans(told: list[str]) -> list[str]:
    """The steps that read a whole large table, and not one of its indices."""
    found = [(plan, re.match(r"SCAN (\w+)", plan)) for plan in told]
    return [plan for plan, scan in found if scan and scan[1] in LARGE and "INDEX" not in plan]


NEEDED_OFTEN: dict[str, Callable[[Project, str, str], object]] = {
    "counts in the header": lambda p, photo, sample: (p.count_normals(), p.count_samples(KEPT)),
    "counts by label": lambda p, photo, sample: p.label_counts(),
    "counts by engine": lambda p, photo, sample: p.engine_counts(ReviewStatus.KEPT),
    "a photo": lambda p, photo, sample: p.normal_row(photo),
    "its place": lambda p, photo, sample: p.normal_place(photo),
    "the next photo": lambda p, photo, sample: p.neighbour_row(photo, True),
    "its regions": lambda p, photo, sample: p.regions(photo),
    "names of regions": lambda p, photo, sample: p.region_names(),
    "a sample": lambda p, photo, sample: p.sample_row(sample),
    "samples of a photo": lambda p, photo, sample: p.samples(SampleFilter(normal_id=photo), 0, 48),
    "samples of a job": lambda p, photo, sample: p.samples(SampleFilter(job_id="x"), 0, 48),
    "a verdict": lambda p, photo, sample: p.set_review_status([sample], ReviewStatus.KEPT),
    "a verdict taken back": lambda p, photo, sample: p.undo_review(),
    "real anomalies of a label": lambda p, photo, sample: p.examples("dent"),
    "a score": lambda p, photo, sample: p.update_scores(sample, {"strength": 0.5}),
    "samples deleted": lambda p, photo, sample: p.delete_samples(["none"]),
    "photos removed": lambda p, photo, sample: p.remove_normals(["none"]),
}


@pytest.mark.parametrize("what", NEEDED_OFTEN)
def test_no_large_table_is_read_row_by_row(project: Project, what: str) -> None:
    photo, sample = project.normals(0, 1)[0].id, project.sample_ids()[0]
    with plans(project) as told:
        NEEDED_OFTEN[what](project, photo, sample)
    assert told
    assert scans(told) == []
