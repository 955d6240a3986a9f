"""A project of thousands of photos and samples: how long the server takes to open each tab of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from core.api import Workbench
from core.bench.hostile.attempts import small_project
from core.bench.hostile.drawn_folders import drawn_defects
from core.bench.hostile.page_client import Answer, PageClient
from core.bench.served_app import ServedApp
from core.bench.stats import p95

PHOTOS, SAMPLES = 5_000, 20_000
REPEATS = 12
VERDICTS = ("new", "kept", "rejected")


def opening_times(place: Path, photos: int = PHOTOS, samples: int = SAMPLES, repeats: int = REPEATS) -> dict[str, Any]:
    """``{"photos", "samples", "first_ms", "p95_ms", "slowest_ms", "errors"}``, the times by what was asked."""
    project = large_project(place / "large", photos, samples)
    spent: dict[str, list[float]] = {}
    errors: list[str] = []
    with ServedApp(place / "large-home", project) as app:
        page = PageClient(app.port)

        def noted(name: str, answer: Answer) -> None:
            spent.setdefault(name, []).append(1000 * answer.seconds)
            if answer.error:
                errors.append(f"{name}: {answer.error[:200]}")

        for _ in range(repeats):
            noted("page", page.load())
            for number, row in page.components.items():
                if row["type"] == "tabitem":
                    event = page.event(number, "select")
                    noted(str(row["props"]["id"]), page.send(event, page.values_of(event)))
            board = page.answering("judge")
            noted("review: a page of samples", page.ask(board, "look", {}))
            noted("review: the next page", page.ask(board, "turn", {"step": 1, "left": 48}))
        errors += [text.strip()[-300:] for text in app.tracebacks()]
    return {
        "photos": photos, "samples": samples, "errors": errors,
        "first_ms": {name: round(times[0]) for name, times in spent.items()},
        "p95_ms": {name: round(p95(times[1:])) for name, times in spent.items()},
        "slowest_ms": round(max(max(times) for times in spent.values())),
    }  # fmt: skip


def large_project(folder: Path, photos: int, samples: int) -> Path:
    """A project with so many rows; they share the files of six samples and three photos, which were made as usual.

    Its real anomalies have a label of the samples, so that an evaluation has something to compare.
    """
    path = small_project(folder)
    with Workbench.open(path) as bench:
        bench.photos.import_images(folder / "photos", anomalies=drawn_defects(folder / "defects", seed=1))
        bench.photos.label_examples([example.id for example in bench.photos.examples()], "label_1")
    with closing(sqlite3.connect(path / "project.db")) as db:
        db.execute("PRAGMA foreign_keys = ON")
        _multiply(db, "normals", [{"id": f"{n:016x}", "name": f"part {n}.png"} for n in range(photos)])
        ids = [row[0] for row in db.execute("SELECT id FROM normals ORDER BY number")]
        rows = [
            {"id": f"{n:016x}", "normal_id": ids[n % len(ids)], "label": f"label_{n % 12}", "verdict": VERDICTS[n % 3]}
            for n in range(samples)
        ]
        first = _multiply(db, "samples", rows)
        for table in ("sample_details", "sample_scores"):
            names = [name for name in _columns(db, table) if name != "sample"]
            said = ", ".join(names)
            db.execute(
                f"INSERT INTO {table} (sample, {said}) SELECT made.number, {', '.join(f'old.{n}' for n in names)} "
                f"FROM samples made JOIN {table} old ON old.sample = 1 + made.number % {first - 1} "
                f"WHERE made.number >= {first}"
            )
        db.commit()
    return path


def _multiply(db: sqlite3.Connection, table: str, changes: Sequence[dict[str, str]]) -> int:
    """Copy the rows of a table again and again, each with these changes; the first new row's number."""
    names = [name for name in _columns(db, table) if name != "number"]
    known = [dict(zip(names, row, strict=True)) for row in db.execute(f"SELECT {', '.join(names)} FROM {table}")]
    first = len(known) + 1
    rows = [[(known[n % len(known)] | change)[name] for name in names] for n, change in enumerate(changes)]
    db.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)
    return first


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
