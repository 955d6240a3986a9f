"""Which samples an export and an evaluation take while a project is reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event

from core.api import Workbench
from core.store import Project

ENGINES = ("perlin", "cut_paste", "cut_paste", "perlin", "cut_paste")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    """A project of five samples of two engines."""
    with Workbench.create(tmp_path / "p", "p") as made:
        photo = made.project.add_normal(b"photo", "png", "photo.png", 8, 8, True).id
        for n, engine in enumerate(ENGINES):
            made.project.add_sample(
                b"image %d" % n, b"mask", normal_id=photo, label="dent", kind="structural", engine=engine, seed=n,
                recipe_json="{}",
            )  # fmt: skip
        yield made


@contextmanager
def heard(project: Project) -> Iterator[list[str]]:
    """The statements that are asked of the project meanwhile."""
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_more):
        asked.append(statement)

    event.listen(project._db._reader, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(project._db._reader, "before_cursor_execute", note)


def taken(bench: Workbench) -> tuple[int, int, dict[str, int]]:
    """How many samples an export takes, how many with the new ones, and the engines that Evaluate counts."""
    some, everything = (len(bench.datasets.samples_to_export(every)[0]) for every in (False, True))
    return some, everything, bench.evaluations.engines()


def test_the_kept_are_taken_and_all_before_the_first_verdict(bench: Workbench) -> None:
    ids = bench.project.sample_ids()
    assert taken(bench) == (5, 5, {"cut_paste": 3, "perlin": 2})
    assert bench.datasets.samples_to_export()[1] == "nothing was reviewed yet: all 5 new samples are exported"
    bench.review.set_status([ids[0]], "rejected")
    assert taken(bench) == (0, 4, {})
    bench.review.set_status([ids[3], ids[4]], "kept")
    assert taken(bench) == (2, 4, {"perlin": 1, "cut_paste": 1}), "of equal ones the older first"
    assert bench.datasets.samples_to_export() == (bench.project.samples()[3:], None)


def test_samples_are_read_once_for_the_look_at_an_export(bench: Workbench, tmp_path: Path) -> None:
    bench.review.set_status(bench.project.sample_ids()[:2], "kept")
    with heard(bench.project) as asked:
        bench.datasets.preview("coco", tmp_path / "out", {})
    assert sum("sample_details" in statement for statement in asked) == 1


def test_counts_of_engines_read_no_recipe(bench: Workbench) -> None:
    with heard(bench.project) as asked:
        bench.evaluations.engines()
    assert asked and not any("sample_details" in statement for statement in asked)
