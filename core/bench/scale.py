"""``launch.py bench scale``: what it takes to make very many samples: by one process, by two, on a Ray cluster of two
slots; to merge shards; to keep them; and to open a project that holds them.

``rates``   samples made by the command line at two sizes of the photo; the later half of a run, so that starting does
            not count. CPU seconds are those of all processes, Ray's own too: on a busy machine they tell more than
            the clock.
``merge``   a batch made as one shard, and merged.
``tabs``    first and further openings of each tab of a large project, on the server's side.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, Workbench
from core.bench.drawn_scenes import scene
from core.bench.hostile.large import opening_times
from core.bench.process_tree import CpuOfProcesses
from core.bench.ray_head import RAY_IS_HERE, ray_head
from core.errors import InputError
from core.images import png_bytes
from core.lookup import named

LAUNCH = Path(__file__).resolve().parents[2] / "launch.py"
SIDES = {"quick samples": 512, "samples of about a second": 3072}
"""Side of the photo in pixels."""
RUNS = {512: 300, 3072: 40}
"""Samples of a run, by side."""
MERGED, MERGED_SIDE = 10_000, 64
PHOTOS, SAMPLES = 50_000, 100_000
WAYS: Mapping[str, tuple[str, ...]] = {
    "one": ("--workers", "1"), "two": ("--devices", "cpu:2"), "ray": ("--ray", "ADDRESS"),
}  # fmt: skip


def measure(
    quick: bool = False,
    *,
    rows: Sequence[str] = (),
    count: int | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Figures by row (all of them if ``rows`` is empty). ``count`` is how many samples are merged; quick takes fewer
    of everything."""
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "rates": lambda place: _rates(place, quick, progress),
        "merge": lambda place: merge_times(place, count or (200 if quick else MERGED)),
        "tabs": lambda place: opening_times(place, *((500, 1_000) if quick else (PHOTOS, SAMPLES)), repeats=4),
    }
    for name in rows:
        named(parts, name, "row")
    found = {}
    for name, part in parts.items():
        if not rows or name in rows:
            with tempfile.TemporaryDirectory(prefix="flawsmith-bench-") as place:
                found[name] = part(Path(place))
            progress(json.dumps({name: found[name]}))
    return found


def _rates(place: Path, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Rates by size and way; ``ray`` is missing where Ray is not installed."""
    sides = {"quick samples": 512} if quick else SIDES
    found: dict[str, Any] = {}
    with ray_head(slots=2) if RAY_IS_HERE else nullcontext() as address:
        for what, side in sides.items():
            count = 24 if quick else RUNS[side]
            template = drawn_project(place / f"{side}", side)
            found[what] = {"side": side, "bytes_a_sample": _bytes_a_sample(template, place / f"kept-{side}")}
            for way, options in WAYS.items():
                if way != "ray" or address is not None:
                    told = [option.replace("ADDRESS", address or "") for option in options]
                    found[what][way] = _rate(template, place / f"{way}-{side}", told, count)
                    progress(json.dumps({what: {way: found[what][way]}}))
            found[what] |= _overheads(found[what])
    return found


def _overheads(ways: Mapping[str, Any]) -> dict[str, float]:
    """CPU that another way takes beside one process, as a share."""
    alone = ways["one"]["cpu_s_a_sample"]
    return {
        f"{way}_cpu_overhead": round(ways[way]["cpu_s_a_sample"] / alone - 1, 3)
        for way in ("two", "ray")
        if way in ways
    }


def _rate(template: Path, project: Path, options: Sequence[str], count: int) -> dict[str, float]:
    """The later half of a run of ``count`` samples in a new project; ``start_s`` until the first one is stored."""
    shutil.copytree(template, project)
    command = [sys.executable, str(LAUNCH), "generate", str(project), "--engine", "perlin", "--count", str(count)]
    environment = {**os.environ, "FLAWSMITH_VENV": "none"}
    with CpuOfProcesses() as cpu:
        began_s = time.time()
        done = subprocess.run([*command, *options], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"bench scale: {' '.join(options)} failed: {done.stderr.strip()[-300:]}")
    with closing(sqlite3.connect(project / "project.db")) as db:
        stored_s = [moment for (moment,) in db.execute("SELECT created FROM samples ORDER BY number")]
    first, last = stored_s[count // 2 - 1], stored_s[-1]
    samples = count - count // 2
    return {
        "samples_per_s": round(samples / (last - first), 3),
        "cpu_s_a_sample": round((cpu.spent_by(last) - cpu.spent_by(first)) / samples, 4),
        "start_s": round(stored_s[0] - began_s, 1),
    }  # fmt: skip


def drawn_project(path: Path, side: int, photos: int = 4) -> Path:
    """A project of drawn photos, ``side`` pixels wide and high."""
    with Workbench.create(path) as bench:
        for seed in range(photos):
            photo = png_bytes(scene(side, seed)[0].pixels, grey=True)
            bench.project.add_normal(photo, "png", f"{seed}.png", side, side, True)
    return path


def _bytes_a_sample(template: Path, project: Path, count: int = 8) -> int:
    """Bytes that the project grows by with a sample, database and thumbnails apart from."""
    shutil.copytree(template, project)
    with Workbench.open(project) as bench:
        before = _bytes_of(project)
        bench.studio.generate(GenerationBatch(engine="perlin", label="dent", count=count, workers=1))
        return (_bytes_of(project) - before) // count


def _bytes_of(project: Path) -> int:
    return sum(path.stat().st_size for path in (project / "files").rglob("*") if path.is_file())


def merge_times(place: Path, count: int, side: int = MERGED_SIDE) -> dict[str, Any]:
    """How long a shard of ``count`` samples takes to make and to merge, and how much the project grows by each."""
    project = drawn_project(place / "project", side)
    batch = GenerationBatch(engine="perlin", label="dent", count=count, workers=1)
    with Workbench.open(project, for_reading=True) as bench:
        began = time.perf_counter()
        bench.shards.make(batch, "1/1", place / "shard")
        made_s = time.perf_counter() - began
    with Workbench.open(project) as bench:
        before = (project / "project.db").stat().st_size
        began, cpu = time.perf_counter(), time.process_time()
        merged = bench.shards.merge([place / "shard"])
        spent_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        began = time.perf_counter()
        again = bench.shards.merge([place / "shard"])
        again_s = time.perf_counter() - began
    if (merged.samples, again.samples, again.already) != (count, 0, count):
        raise InputError(f"bench scale: {merged.message}, then {again.message}; expected {count} once")
    grown = (project / "project.db").stat().st_size - before
    return {
        "samples": count, "side": side, "make_s": round(made_s, 1), "merge_s": round(spent_s, 1),
        "merge_cpu_s": round(cpu_s, 1), "again_s": round(again_s, 1), "database_bytes_a_sample": grown // count,
    }  # fmt: skip
