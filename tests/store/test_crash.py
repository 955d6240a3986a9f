"""Processes that are killed, and processes that write at the same time."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from core.store import Project

WRITER = """
import sys
from pathlib import Path
from core.store import Project

start, count = int(sys.argv[2]), int(sys.argv[3])
with Project.open(Path(sys.argv[1])) as project:
    job = project.update_job(project.add_job("generate", "cracks").id, status="running")
    print("job", job.id, flush=True)
    for n in range(start, start + count):
        photo = project.add_normal(b"photo %d" % (n % 50) * 500, "png", "a.png", 1, 1, True)
        row = project.add_sample(
            b"image %d" % n * 3000, b"mask %d" % (n % 9) * 300, normal_id=photo.id, label="crack", kind="structural",
            engine="e", seed=n, recipe_json="{}", scores={"a": n, "b": -n}, instance_pngs=[b"part %d" % n] * 2,
            job_id=job.id,
        )
        print("sample", row.id, flush=True)
        project.set_review_status([row.id], "kept")
        print("kept", row.id, flush=True)
        if n % 3 == 0:
            project.set_region(photo.id, "nut", b"region %d" % n)
        if n % 5 == 0:
            project.delete_samples([project.add_sample(
                b"gone %d" % n, b"mask", normal_id=photo.id, label="dent", kind="structural", engine="e", seed=n,
                recipe_json="{}", scores={"a": 0}).id])
    print("end", flush=True)
"""


def start(path: Path, first: int, count: int = 10**6) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def check(path: Path, samples: set[str], kept: set[str]) -> None:
    """The project is sound, all that was acknowledged is in it, and each row's files are what they say."""
    with closing(sqlite3.connect(path / "project.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        orphans = "SELECT count(*) FROM sample_scores WHERE sample NOT IN (SELECT number FROM samples)"
        assert db.execute(orphans).fetchone() == (0,)
    with Project.open(path) as project:
        rows = {r.id: r for r in project.samples()}
        assert samples <= set(rows)
        assert {i for i in kept if rows[i].verdict != "kept"} == set()
        files = {p for r in rows.values() for p in (r.image_path, r.mask_path, *r.instance_paths)}
        files |= {r.path for r in project.normals()} | {r.mask_path for r in project.region_rows()}
        for file in files:
            assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem
        for row in rows.values():
            assert row.scores == {"a": row.seed, "b": -row.seed} or row.label == "dent"


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="needs kill -9")
def test_killed_at_any_moment_nothing_accepted_is_lost(tmp_path):
    """Nine processes, two at a time, killed at random moments of their work."""
    rng = random.Random(7)
    path = tmp_path / "p"
    Project.create(path).close()
    samples: set[str] = set()
    kept: set[str] = set()
    dead_jobs: list[str] = []
    running = [start(path, 0)]
    for life in range(1, 10):
        if life < 9:
            running.append(start(path, life * 10**5))
        writer = running.pop(0)
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        while not lines[-1].startswith("kept"):  # at work
            lines.append(writer.stdout.readline())
            assert lines[-1], "the writer ended by itself"
        time.sleep(rng.uniform(0, 0.15))
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines(keepends=True)
        assert writer.wait() == -signal.SIGKILL
        for line in lines:
            if line.endswith("\n"):
                what, id = line.split()
                {"sample": samples.add, "kept": kept.add, "job": dead_jobs.append}[what](id)
        check(path, samples, kept)
    assert len(dead_jobs) == 9 and len(kept) >= 9
    with Project.open(path) as project:
        assert {j.id: j.status for j in project.jobs()} == dict.fromkeys(dead_jobs, "interrupted")
        assert project.undo_review() != []


@pytest.mark.thorough
def test_two_processes_writing_at_once_lose_nothing(tmp_path):
    path = tmp_path / "p"
    Project.create(path).close()
    writers = [start(path, lane * 1000, 25) for lane in range(2)]
    said = [writer.communicate()[0].splitlines() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    kept = {line.split()[1] for lines in said for line in lines if line.startswith("kept")}
    assert len(kept) == 50
    check(path, kept, kept)
    with Project.open(path) as project:
        assert project.count_samples() == 50
        undone = 0
        while ids := project.undo_review():
            undone += len(ids)
        assert undone == 50


def test_a_job_of_a_living_process_is_left_alone(tmp_path):
    path = tmp_path / "p"
    Project.create(path).close()
    writer = start(path, 0)
    assert writer.stdout is not None
    try:
        id = writer.stdout.readline().split()[1]
        with Project.open(path) as project:
            assert project.job_row(id).status == "running" and project.job_row(id).pid == writer.pid
    finally:
        writer.kill()
        writer.communicate()
    with Project.open(path) as project:
        assert project.job_row(id).status == "interrupted"
        assert "was finished is kept" in project.job_row(id).message


def test_a_reused_process_id_is_not_mistaken_for_the_job(tmp_path):
    with Project.create(tmp_path / "p") as project:
        ours, other = project.add_job("a", "ours").id, project.add_job("a", "earlier process of our number").id
        with project._db.write() as db:
            db.exec_driver_sql("UPDATE jobs SET pid_started = pid_started - 1000 WHERE id = ?", (other,))
    with Project.open(tmp_path / "p") as project:
        assert (project.job_row(ours).status, project.job_row(other).status) == ("queued", "interrupted")


def test_a_job_of_another_machine_is_dead_after_long_silence(tmp_path):
    with Project.create(tmp_path / "p") as project:
        fresh, silent = project.add_job("a", "b").id, project.add_job("a", "b").id
        with project._db.write() as db:
            db.exec_driver_sql("UPDATE jobs SET host = 'container', pid = 1")
            db.exec_driver_sql("UPDATE jobs SET updated = updated - 3600 WHERE id = ?", (silent,))
    with Project.open(tmp_path / "p") as project:
        assert (project.job_row(fresh).status, project.job_row(silent).status) == ("queued", "interrupted")
