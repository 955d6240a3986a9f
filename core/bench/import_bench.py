"""``launch.py bench import``: how long large trees take to recognise and to import, and what memory that takes.

Each row is a process of its own, so that the memory of one does not count for the next.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core.bench.import_trees import LAYOUTS, draw_tree
from core.errors import Cancelled, InputError
from core.jobs.import_images import import_images, plan_import
from core.lookup import named
from core.store import Project

SIZES = (2_000, 10_000, 20_000)
_RECOGNISED_ONLY = ("folders", "images-and-masks", "mvtec-ad", "yolo-seg", "labelme", "coco", "voc", "voc-defects")


@dataclass(frozen=True)
class ImportFigures:
    """One tree: ``recognise_s`` until the plan is there, and ``recognise_cpu_s`` of computing, which other work on the
    machine does not lengthen; memory of this process and of its decoders, MB.

    ``steps`` counts how often progress was said; ``stopped_after`` photos, ``stop_s`` after it was asked for, and the
    ``resumed`` import took the rest.
    """

    layout: str
    files: int
    recognise_s: float
    recognise_cpu_s: float
    plan: dict[str, int] = field(default_factory=dict)
    import_s: float | None = None
    cpu_s: float | None = None
    start_mb: float = 0.0
    planned_mb: float = 0.0
    peak_mb: float = 0.0
    decoders_mb: float = 0.0
    steps: int = 0
    stopped_after: int = 0
    stop_s: float = 0.0
    resumed: int = 0


def measure(
    quick: bool = False,
    *,
    count: int | None = None,
    rows: Sequence[str] = (),
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{"rows": [...]}``: the mixed tree imported at several sizes, and every layout recognised at the largest.

    ``rows`` names layouts, ``count`` is the number of files of all of them; quick takes 300.
    """
    largest = count or (300 if quick else SIZES[-1])
    sizes = (largest,) if count or quick else SIZES
    for name in rows:
        named(LAYOUTS, name, "layout")
    imported = [("mixed", size, True) for size in sizes if not rows or "mixed" in rows]
    looked_at = [(name, largest, False) for name in _RECOGNISED_ONLY if not rows or name in rows]
    found = []
    for layout, size, whole in [*imported, *looked_at]:
        with tempfile.TemporaryDirectory(prefix="flawsmith-bench-") as folder:
            found.append(_in_a_process(Path(folder), layout, size, whole))
        progress(json.dumps(found[-1]))
    return {"rows": found}


def _in_a_process(folder: Path, layout: str, files: int, whole: bool) -> dict[str, Any]:
    told = json.dumps([str(folder), layout, files, whole])
    command = [sys.executable, "-m", "core.bench.import_bench", told]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    if done.returncode:
        raise InputError(f"bench import: {layout} with {files} files failed: {done.stderr.strip()[-300:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_tree(folder: Path, layout: str, files: int, whole: bool) -> ImportFigures:
    """Draw a tree below ``folder`` and recognise it; ``whole`` imports it too, stopped once and gone on with."""
    there = draw_tree(folder / "in", layout, files)
    start = _megabytes(psutil.Process())
    began, spent = time.perf_counter(), time.process_time()
    plan = plan_import(folder / "in")
    recognised, computed = time.perf_counter() - began, time.process_time() - spent
    counts = {str(kind): n for kind, n in plan.counts.items() if n}
    plan.close()
    planned = _megabytes(psutil.Process())
    told = ImportFigures(
        layout, there, round(recognised, 2), round(computed, 2), counts, start_mb=start, planned_mb=planned
    )
    if not whole:
        return told
    del plan
    return _imported(folder, told)


def _imported(folder: Path, told: ImportFigures) -> ImportFigures:
    steps: list[float] = []
    asked: list[tuple[int, float]] = []

    def step(done: int, total: int) -> None:
        steps.append(time.perf_counter())
        if not asked and done > total // 2:
            asked.append((done, time.perf_counter()))

    with Project.create(folder / "project") as project, _watched() as memory:
        began, spent = time.perf_counter(), time.process_time()
        try:
            import_images(project, folder / "in", progress=step, cancelled=lambda: bool(asked))
        except Cancelled:
            stopped = time.perf_counter()
        kept = project.count_normals() + len(project.examples())
        report = import_images(project, folder / "in", progress=step)
        ended, cpu = time.perf_counter(), time.process_time() - spent
        everything = project.count_normals() + len(project.examples())
        resumed = len(report.normals) + len(report.examples)
    if kept + resumed != everything or not asked:
        raise InputError(f"bench import: {kept} kept and {resumed} resumed are not the {everything} in the project")
    return ImportFigures(
        **{
            **asdict(told),
            "import_s": round(ended - began, 1),
            "cpu_s": round(cpu, 1),
            "peak_mb": max(own for own, _ in memory),
            "decoders_mb": max(other for _, other in memory),
            "steps": len(steps),
            "stopped_after": kept,
            "stop_s": round(stopped - asked[0][1], 2),
            "resumed": resumed,
        }
    )


@contextmanager
def _watched() -> Iterator[list[tuple[float, float]]]:
    """The memory of this process and of those below it, MB, looked at again and again while the block runs."""
    process, ended = psutil.Process(), threading.Event()
    seen: list[tuple[float, float]] = []

    def watch() -> None:
        while True:
            seen.append((_megabytes(process), sum(_megabytes(child) for child in process.children())))
            if ended.wait(0.2):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _megabytes(process: psutil.Process) -> float:
    try:
        return round(float(process.memory_info().rss) / 2**20, 1)
    except psutil.NoSuchProcess:
        return 0.0


if __name__ == "__main__":
    place, layout, files, whole = json.loads(sys.argv[1])
    print(json.dumps(asdict(measure_tree(Path(place), layout, files, whole))))
