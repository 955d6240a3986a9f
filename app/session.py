"""Who is looking at what. A session is one browser tab; it survives a reload, the server's memory holds it.

The browser makes the session's id and keeps it in ``sessionStorage``; every event sends it as its first input.
A workbench is shared by all sessions on the same project.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from app.drawn_masks import DrawnMasks
from app.server.uploads import Uploads
from app.tab_memory import TabMemory
from core.api import SampleFilter, Workbench
from core.api.recent import add_recent_project, recent_projects
from core.errors import InputError, StoreError
from core.types import ReviewStatus

logger = logging.getLogger(__name__)

MAX_SESSIONS = 200
"""Sessions remembered; the one unused for longest is forgotten first (its project keeps everything stored)."""


@dataclass
class Session:
    """What one browser tab is doing. Only ids, masks and small values; pictures live in the project.

    ``filter``, ``offset`` and ``grouped`` say what Review shows, ``tab`` which tab is in front, ``headline`` what
    the browser's header says now, ``login`` who it is where the app asks for a login.
    """

    id: str
    api: Workbench | None = None
    normal_id: str = ""
    masks: DrawnMasks = field(default_factory=DrawnMasks)
    job_id: str = ""
    batch_id: str = ""
    import_id: str = ""
    export_id: str = ""
    fetch_id: str = ""
    try_id: str = ""
    bulk_id: str = ""
    find_id: str = ""
    carry_id: str = ""
    evaluate_id: str = ""
    learn_id: str = ""
    group_id: str = ""
    sample_id: str = ""
    tab: str = "product"
    headline: str = ""
    filter: SampleFilter = SampleFilter(verdict=ReviewStatus.NEW, descending=True)
    offset: int = 0
    grouped: bool = False
    memory: TabMemory = field(default_factory=TabMemory)
    login: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def required_api(self) -> Workbench:
        """The open project's workbench; InputError if none is open."""
        if self.api is None:
            raise InputError("no project is open: make or open one in the Product tab")
        return self.api

    def photo_id(self) -> str:
        """The id of the photo on the table: the chosen one, else the first; "" without photos."""
        if self.api is None:
            return ""
        if self.normal_id:
            try:
                return self.api.photos.row(self.normal_id).id
            except LookupError:
                pass  # it was removed: the first one takes its place
        first = self.api.photos.page(0, 1)
        self.normal_id = first[0].id if first else ""
        return self.normal_id


def header_of(bench: Workbench) -> tuple[str, int, int]:
    """What a page says of a project before all else: its name, its photos and its kept samples. StoreError."""
    return bench.project.name, bench.photos.count(), bench.review.kept_count()


class Sessions:
    """All sessions and open projects of this server."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._apis: dict[Path, Workbench] = {}
        self._lock = threading.RLock()
        self.initial_project: Path | None = None
        self.uploads: Uploads | None = None

    def get(self, sid: str) -> Session:
        """The session with this id; a new one opens the project named on the command line or the last one."""
        with self._lock:
            if sid not in self._sessions:
                self._sessions[sid] = Session(sid, api=self._default_api())
                while len(self._sessions) > MAX_SESSIONS:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(sid)
            return self._sessions[sid]

    def check(self, path: Path) -> Path:
        """The absolute path of a project that can be opened; StoreError if it is none."""
        return self._api_of(path.expanduser().resolve()).path

    def open(self, sid: str, path: Path) -> Session:
        """Put the project at ``path`` on this session's table; StoreError if it is none."""
        return self._open_in_tab(sid, self._api_of(path.expanduser().resolve()))

    def create(self, sid: str, path: Path, name: str) -> Session:
        """Make a new project and put it on this session's table."""
        path = path.expanduser().resolve()
        with self._lock:
            bench = self._apis[path] = Workbench.create(path, name)
            _serve_files(bench)
        return self._open_in_tab(sid, bench)

    def close(self) -> None:
        """Close every project."""
        with self._lock:
            for bench in self._apis.values():
                bench.close()
            self._apis.clear()
            self._sessions.clear()

    def _open_in_tab(self, sid: str, bench: Workbench) -> Session:
        with self._lock:
            before = self._sessions.get(sid)
            fresh = Session(sid, api=bench)
            if before:
                fresh.tab, fresh.login = before.tab, before.login
            self._sessions[sid] = fresh
        add_recent_project(bench.path)
        return fresh

    def _default_api(self) -> Workbench | None:
        for path in filter(None, (self.initial_project, *recent_projects())):
            try:
                bench = self._api_of(path)
                header_of(bench)
                return bench
            except StoreError as error:  # the others can still be opened
                logger.warning("left closed: %s", error)
        return None

    def _api_of(self, path: Path) -> Workbench:
        with self._lock:
            if path not in self._apis:
                self._apis[path] = Workbench.open(path)
                _serve_files(self._apis[path])
            return self._apis[path]


def _serve_files(bench: Workbench) -> None:
    # Pictures are served from where they lie, behind Gradio's login check; the database is not.
    gr.set_static_paths([bench.path / name for name in ("files", "cache", "concepts", "evaluations")])


sessions = Sessions()


def file_url(path: Path) -> str:
    """Where the browser finds a file of an open project."""
    return f"/gradio_api/file={path}"
