"""Reading the planned photos in threads and adding them one by one, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError, MaskError
from core.images import mask_png_bytes, read_mask, read_photo
from core.jobs.intake.entries import Problem
from core.jobs.intake.plan import Anomaly, GoodPhoto, Plan, scan, scan_anomalies
from core.store import Project

READ_AHEAD = 8
"""Photos read and not yet added."""


@dataclass(frozen=True)
class IntakeReport:
    """What became of each file, by its path in the source."""

    layout: str
    normals: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """(label, path) of each real anomaly."""
    duplicates: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """One line for a person."""
        good = _count(len(self.normals), "photo") + " of good parts"
        bad = _count(len(self.examples), "real anomal", "y", "ies")
        line = f"imported {good}" if not self.examples else f"imported {bad}"
        if self.examples and self.normals:
            line = f"imported {good} and {bad}"
        if self.duplicates:
            line += f"; {_count(len(self.duplicates), 'file')} already there"
        if self.problems:
            line += f"; {_count(len(self.problems), 'file')} left out"
        return line

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; counts of what was taken, paths of what was not."""
        labels: dict[str, int] = {}
        for label, _ in self.examples:
            labels[label] = labels.get(label, 0) + 1
        return {
            "layout": self.layout,
            "accepted": len(self.normals) + len(self.examples),
            "normals": len(self.normals),
            "examples": labels,
            "duplicates": list(self.duplicates),
            "problems": [{"path": p.path, "reason": p.reason} for p in self.problems],
            "notes": list(self.notes),
            "message": self.message,
        }


def _count(number: int, word: str, one: str = "", many: str = "s") -> str:
    return f"{number} {word}{one if number == 1 else many}"


def take_in(
    project: Project,
    source: Path | Sequence[Path],
    *,
    anomalies: Path | None = None,
    label: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> IntakeReport:
    """Import ``source`` (see ``scan``) and, if given, a folder of real ``anomalies`` (see ``scan_anomalies``).

    A file that cannot be used is listed with its reason and the others are imported; a file whose content
    is in the project already is listed as a duplicate. Each photo is kept whole or not at all. Raises
    InputError if there is nothing to look at, and Cancelled, keeping what was imported, when ``cancelled``
    says so; ``progress`` gets how many of how many photos are done.
    """
    plan = scan(source, label=label)
    try:
        if anomalies is not None:
            plan = plan + scan_anomalies(anomalies)
        return _take(project, plan, progress, cancelled)
    finally:
        plan.close()


def _take(
    project: Project, plan: Plan, progress: Callable[[int, int], None], cancelled: Callable[[], bool]
) -> IntakeReport:
    tally = _Tally(project)
    problems = list(plan.problems)
    progress(0, plan.total)
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), thread_name_prefix="intake")
    try:
        for done, (item, reading) in enumerate(_in_order(pool, [*plan.normals, *plan.anomalies])):
            if cancelled():
                raise Cancelled(f"stopped after {done} of {plan.total} photos; they are kept")
            try:
                photo = reading.result()
            except InputError as error:
                problems.append(Problem.of(item.entry.name, error))
            else:
                tally.add(item, photo)
            progress(done + 1, plan.total)
    finally:
        pool.shutdown(cancel_futures=True)
    return tally.report(plan, problems)


def _in_order(
    pool: ThreadPoolExecutor, items: Sequence[GoodPhoto | Anomaly]
) -> Iterator[tuple[GoodPhoto | Anomaly, Future[_Read]]]:
    """Read ahead a little: enough to keep the threads busy, not so much that photos pile up in memory."""
    ahead: deque[tuple[GoodPhoto | Anomaly, Future[_Read]]] = deque()
    for item in items:
        ahead.append((item, pool.submit(_read, item)))
        if len(ahead) > READ_AHEAD:
            yield ahead.popleft()
    yield from ahead


@dataclass(frozen=True)
class _Read:
    """A photo that turned out fine, without its pixels."""

    data: bytes
    ext: str
    width: int
    height: int
    grey: bool
    notes: tuple[str, ...]
    mask_pngs: tuple[bytes, ...] = ()


def _read(item: GoodPhoto | Anomaly) -> _Read:
    entry = item.entry
    photo = read_photo(entry.load(), entry.name)
    height, width = photo.pixels.shape[:2]
    masks: list[bytes] = []
    if isinstance(item, Anomaly):
        drawn = [read_mask(m.load(), (height, width), name=f"its mask {m.name}") for m in item.masks]
        masks = [mask_png_bytes(mask) for mask in drawn if mask.any()]
        if not masks:
            raise MaskError(f"its mask {item.masks[0].name} is empty; draw the defect in it")
    return _Read(photo.data, photo.ext, width, height, photo.grey, photo.notes, tuple(masks))


class _Tally:
    """Adds photos to a project and keeps count."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known = {row.id for row in project.normals()} | {row.id for row in project.examples()}
        self._normals: list[str] = []
        self._examples: list[tuple[str, str]] = []
        self._duplicates: list[str] = []

    def add(self, item: GoodPhoto | Anomaly, photo: _Read) -> None:
        name = item.entry.name
        if isinstance(item, GoodPhoto):
            notes = photo.notes + ((f"from the {item.split} part",) if item.split else ())
            size = photo.width, photo.height, photo.grey
            id = self._project.add_normal(photo.data, photo.ext, name, *size, notes).id
        else:
            form = item.label, item.kind, photo.mask_pngs
            id = self._project.add_example(photo.data, photo.ext, *form, name, photo.width, photo.height).id
        if id in self._known:
            self._duplicates.append(name)
        elif isinstance(item, GoodPhoto):
            self._normals.append(name)
        else:
            self._examples.append((item.label, name))
        self._known.add(id)

    def report(self, plan: Plan, problems: Sequence[Problem]) -> IntakeReport:
        return IntakeReport(
            plan.layout,
            tuple(self._normals),
            tuple(self._examples),
            tuple(self._duplicates),
            tuple(problems),
            plan.notes,
        )
