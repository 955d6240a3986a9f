"""The projects that this server has open, and which others it knows."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import gradio as gr

from app.server.roots import roots
from core.api import Workbench
from core.api.recent import recent_projects
from core.errors import StoreError

logger = logging.getLogger(__name__)

NO_PROJECT = "none"
"""The key of a page without a project."""


def header_of(bench: Workbench) -> tuple[str, int, int]:
    """What a page says of a project before all else: its name, its photos and its kept samples. StoreError."""
    return bench.project.name, bench.photos.count(), bench.review.kept_count()


def project_key(bench: Workbench | None) -> str:
    """What a page knows a project by; NO_PROJECT for none."""
    return NO_PROJECT if bench is None else _key(bench.path)


def known_projects() -> list[Path]:
    """Projects opened before and still there that may be opened here, the last one first."""
    return [path for path in recent_projects() if roots.allow(path)]


class OpenProjects:
    """One workbench for each open project, shared by all who work in it. Safe to use from many threads."""

    def __init__(self) -> None:
        self._open: dict[Path, Workbench] = {}
        self._lock = threading.RLock()
        self.initial: Path | None = None

    def open(self, path: Path) -> Workbench:
        """The workbench of the project in the folder ``path``; StoreError if it is none, InputError if not allowed."""
        path = roots.checked(path).resolve()
        with self._lock:
            if path not in self._open:
                self._open[path] = Workbench.open(path)
                _serve_files(self._open[path])
            return self._open[path]

    def create(self, path: Path, name: str) -> Workbench:
        """The workbench of a new project."""
        path = roots.checked(path).resolve()
        with self._lock:
            bench = self._open[path] = Workbench.create(path, name)
            _serve_files(bench)
        return bench

    def with_key(self, key: str, seen: Callable[[Path], bool]) -> Workbench | None:
        """The open or recent project with this key, if it is whole and ``seen`` allows it."""
        known = (*self._open, *known_projects())
        return self._first_whole(path for path in known if _key(path) == key and seen(path))

    def first(self, seen: Callable[[Path], bool]) -> Workbench | None:
        """The project of the command line or, failing that, the last one that is whole and that ``seen`` allows."""
        return self._first_whole(path for path in (self.initial, *known_projects()) if path and seen(path))

    def close_all_but(self, used: Iterable[Workbench | None]) -> None:
        """Close the projects that are not in use and in which no job runs, with the memory they take."""
        keep = {id(bench) for bench in used}
        with self._lock:
            unused = [path for path, bench in self._open.items() if id(bench) not in keep and not is_busy(bench)]
            closing = [self._open.pop(path) for path in unused]
        for bench in closing:
            bench.close()

    def close_project(self, path: Path) -> None:
        """Close the project in the folder ``path`` if it is open, and do not open it by itself again."""
        with self._lock:
            bench = self._open.pop(path, None)
            if self.initial == path:
                self.initial = None
        if bench is not None:
            bench.close()

    def close(self) -> None:
        """Close every project."""
        with self._lock:
            for bench in self._open.values():
                bench.close()
            self._open.clear()

    def file_folders(self) -> list[tuple[Path, Path]]:
        """The folders that hold files of open projects, each with its project's folder."""
        with self._lock:
            own = [(path, path) for path in self._open]
            return [*own, *((bench.project.cache_dir, path) for path, bench in self._open.items())]

    def __iter__(self) -> Iterator[Path]:
        return iter(tuple(self._open))

    def _first_whole(self, paths: Iterable[Path]) -> Workbench | None:
        for path in paths:
            try:
                bench = self.open(path)
                header_of(bench)
                return bench
            except StoreError as error:  # the others can still be opened
                logger.warning("left closed: %s", error)
        return None


def is_busy(bench: Workbench | None) -> bool:
    """Whether a job runs in the project."""
    return bench is not None and bool(bench.jobs.active())


def is_whole(bench: Workbench) -> bool:
    """Whether what a page says first of an open project can be read."""
    try:
        header_of(bench)
    except StoreError as error:
        logger.warning("closed: %s", error)
        return False
    return True


def _key(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:16]


def _serve_files(bench: Workbench) -> None:
    # Pictures are served from where they lie, behind Gradio's login check; the database is not.
    folders = [bench.path / name for name in ("files", "concepts", "evaluations")]
    gr.set_static_paths([*folders, bench.project.cache_dir])
