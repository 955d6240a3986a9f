"""Reading the planned photos and writing their files in threads; adding their rows in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError, MaskError
from core.images import mask_png_bytes, read_mask, read_photo
from core.importers.import_plan import Anomaly, GoodPhoto, ImportPlan, scan, scan_anomalies
from core.importers.source_listing import Problem
from core.progress import Steps, unwatched
from core.store import Project, Stored
from core.types import Mask

THREADS = 6
"""Reading is partly waiting for the disk, so more threads than cores help."""
READ_AHEAD = 16
"""Photos read and not yet added: as many as share a transaction, few enough not to pile up in memory."""


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
    progress: Steps = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> IntakeReport:
    """Import ``source`` (see ``scan``) and, if given, a folder of real ``anomalies`` (see ``scan_anomalies``).

    No source, an empty sequence, imports the anomalies alone.

    A file that cannot be used is listed with its reason and the others are imported; a file whose content
    is in the project already is listed as a duplicate. Each photo is kept whole or not at all. Raises
    InputError if there is nothing to look at, and Cancelled, keeping what was imported, when ``cancelled``
    says so; ``progress`` gets how many of how many photos are done.
    """
    only_anomalies = anomalies is not None and not isinstance(source, Path) and not source
    plan = scan_anomalies(anomalies) if anomalies and only_anomalies else scan(source, label=label)
    try:
        if anomalies is not None and not only_anomalies:
            plan = plan + scan_anomalies(anomalies)
        return _take(project, plan, progress, cancelled)
    finally:
        plan.close()


def _take(project: Project, plan: ImportPlan, progress: Steps, cancelled: Callable[[], bool]) -> IntakeReport:
    tally = _Tally(project)
    problems = list(plan.problems)
    progress(0, plan.total)
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
    try:
        done = 0
        for group in _in_order(pool, project, [*plan.normals, *plan.anomalies]):
            if cancelled():
                raise Cancelled(f"stopped after {done} of {plan.total} photos; they are kept")
            with project.batch():
                for item, photo in group:
                    if isinstance(photo, Problem):
                        problems.append(photo)
                    else:
                        tally.add(item, photo)
            done += len(group)
            progress(done, plan.total)
    finally:
        pool.shutdown(cancel_futures=True)
    return tally.report(plan, problems)


def _in_order(
    pool: ThreadPoolExecutor, project: Project, items: Sequence[GoodPhoto | Anomaly]
) -> Iterator[list[tuple[GoodPhoto | Anomaly, _Read | Problem]]]:
    """What was read, in groups: the next photo and those behind it that are ready too."""
    ahead: deque[tuple[GoodPhoto | Anomaly, Future[_Read | Problem]]] = deque()
    rest = iter(items)
    while True:
        for item in islice(rest, READ_AHEAD - len(ahead)):
            ahead.append((item, pool.submit(_read, project, item)))
        if not ahead:
            return
        group: list[tuple[GoodPhoto | Anomaly, _Read | Problem]] = []
        while ahead and (not group or ahead[0][1].done()):
            item, reading = ahead.popleft()
            group.append((item, reading.result()))
        yield group


@dataclass(frozen=True)
class _Read:
    """A photo that turned out fine, without its pixels."""

    photo: Stored
    ext: str
    width: int
    height: int
    grey: bool
    notes: tuple[str, ...]
    masks: tuple[Stored, ...] = ()


def _read(project: Project, item: GoodPhoto | Anomaly) -> _Read | Problem:
    """Decode a photo with its masks, all of them sound, and only then write their files."""
    try:
        photo = read_photo(item.entry.load(), item.entry.name)
        masks = _read_masks(item, photo.pixels.shape[:2]) if isinstance(item, Anomaly) else []
    except InputError as error:
        return Problem.of(item.entry.name, error)
    height, width = photo.pixels.shape[:2]
    files = tuple(project.keep_file(mask_png_bytes(mask), "png") for mask in masks)
    return _Read(project.keep_file(photo.data, photo.ext), photo.ext, width, height, photo.grey, photo.notes, files)


def _read_masks(item: Anomaly, shape: tuple[int, ...]) -> list[Mask]:
    size = (shape[0], shape[1])
    masks = [read_mask(entry.load(), size, name=f"its mask {entry.name}") for entry in item.masks]
    drawn = [mask for mask in masks if mask.any()]
    if not drawn:
        raise MaskError(f"its mask {item.masks[0].name} is empty; draw the defect in it")
    return drawn


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
            id = self._project.add_normal(photo.photo, photo.ext, name, *size, notes).id
        else:
            form = item.label, item.kind, photo.masks
            id = self._project.add_example(photo.photo, photo.ext, *form, name, photo.width, photo.height).id
        if id in self._known:
            self._duplicates.append(name)
        elif isinstance(item, GoodPhoto):
            self._normals.append(name)
        else:
            self._examples.append((item.label, name))
        self._known.add(id)

    def report(self, plan: ImportPlan, problems: Sequence[Problem]) -> IntakeReport:
        return IntakeReport(
            plan.layout,
            tuple(self._normals),
            tuple(self._examples),
            tuple(self._duplicates),
            tuple(problems),
            plan.notes,
        )
