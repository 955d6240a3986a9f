"""Who is looking at what. A session is one browser tab; it survives a reload, the server's memory holds it.

The server makes the session's id, the browser keeps it in ``sessionStorage``. Every event sends a ticket as its first
input: the session and the project that the page shows. A ticket counts only from the browser and login that it was
given to, and only while that project is open in the session, so that no page works in a project that it does not show.
A workbench is shared by all sessions on the same project.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.drawn_masks import DrawnMasks
from app.open_projects import OpenProjects, header_of, is_busy, is_whole, known_projects, project_key
from app.server.accounts import Role
from app.server.callers import Caller, asking_caller
from app.server.roots import roots
from app.server.team import team
from app.server.uploads import Uploads
from app.tab_memory import TabMemory
from core.api import SampleFilter, Workbench
from core.api.recent import add_recent_project
from core.errors import InputError, StoreError
from core.types import ReviewStatus

logger = logging.getLogger(__name__)

MAX_SESSIONS = 1000
"""Sessions remembered in all. Above it none is begun unless one was idle for ``REPLACED_IDLE_S``."""
MAX_PER_PERSON = 40
"""Sessions of one login, or of one browser where there is none; its own one unused for longest makes room."""
MAX_IDLE_S = 8 * 3600.0
"""A session that sent nothing for so long ends. What is stored stays; drawings that became no sample do not."""
REPLACED_IDLE_S = 600.0
SWITCH_S = 10.0
"""Events that a page sends within so many seconds after it opened another project may still name the one before."""


@dataclass
class Session:
    """What one browser tab is doing. Only ids, masks and small values; pictures live in the project.

    ``filter``, ``offset`` and ``grouped`` say what Review shows, ``tab`` which tab is in front, ``headline`` what
    the browser's header says now, ``login`` who it is where the app asks for a login. ``caller`` is the only browser
    and login that may use it, ``used`` when it last did (monotonic seconds). ``switched``: the key of the project that
    was open before this one, and until when the page may not know of the change.
    """

    id: str
    api: Workbench | None = None
    normal_id: str = ""
    masks: DrawnMasks = field(default_factory=DrawnMasks)
    job_id: str = ""
    batch_id: str = ""
    import_id: str = ""
    export_id: str = ""
    pack_id: str = ""
    fetch_id: str = ""
    try_id: str = ""
    bulk_id: str = ""
    find_id: str = ""
    carry_id: str = ""
    rules_id: str = ""
    breaking_id: str = ""
    evaluate_id: str = ""
    calibrate_id: str = ""
    loop_id: str = ""
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
    caller: Caller = Caller()
    used: float = field(default_factory=time.monotonic)
    switched: tuple[str, float] = ("", 0.0)

    @property
    def ticket(self) -> str:
        """What the page sends with each request: this session, and the project that is open in it."""
        return f"{self.id}.{project_key(self.api)}"

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


class StaleTicket(InputError):
    """A page sent a request for a project that is not open in its session any more."""


class TicketJustReplaced(StaleTicket):
    """The page opened another project a moment ago, and sent this before it knew that it was opened."""


class Sessions:
    """All sessions and open projects of this server."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.RLock()
        self.projects = OpenProjects()
        self.uploads: Uploads | None = None

    def start(self, ticket: str, caller: Caller, login: str = "") -> Session:
        """The session of a page that loads: the one of its ticket if it is this caller's, else a new one.

        A new one opens the ticket's project if it is a recent one, else the one of the command line or the last.
        """
        id, _, key = ticket.partition(".")
        with self._lock:
            session = self._sessions.get(id)
            if session is None or session.caller != caller:
                session = self._begin(secrets.token_hex(16), key, caller, login)
            elif session.api is None or not is_whole(session.api) or not team.sees(login, session.api.path):
                session = self._sessions[id] = Session(id, self.projects.first(_seen_by(login)), caller=caller)
            session.login = login
            return self._touched(session)

    def get(self, ticket: str, caller: Caller, role: Role = Role.INSPECTOR) -> Session:
        """The session that a request names. InputError where it is another caller's, or the project not its own.

        Every request of a page comes through here, so here its person is refused who has not at least the ``role``
        that the request needs, or may not see the project. A session that ended (the server began anew, it was idle)
        begins again, in the project that the ticket names.
        """
        id, _, key = ticket.partition(".")
        with self._lock:
            session = self._sessions.get(id)
            if session is None:
                session = self._revived(id, key, caller)
            if session.caller != caller:
                logger.warning("a request of another browser or login named session %s...", id[:6])
                raise InputError("this page belongs to another browser or login; reload it to work on")
            if key != project_key(session.api):
                _raise_stale(session, key)
            team.check_role(session.login, role)
            if session.api is not None:
                team.check_project(session.login, session.api.path)
            return self._touched(session)

    def current(self, session: Session) -> Session:
        """What stands for ``session`` now: another one once it has opened another project."""
        with self._lock:
            return self._sessions.get(session.id, session)

    def go_to(self, session: Session, folder: str, tab: str) -> Session:
        """The session, at the place that an address names: a project that was open before, and a tab.

        Only known projects are opened so, by the name of their folder; else all stays as it is.
        """
        here = session.api.path.name if session.api else ""
        known = next((path for path in self.known_to(session) if path.name == folder), None)
        if folder and folder != here and known is not None:
            try:
                session = self.open(session.id, known)
            except StoreError as error:
                logger.warning("left closed: %s", error)
        session.tab = tab or session.tab
        return session

    def known_to(self, session: Session) -> list[Path]:
        """Projects opened before that the session's person may see, the last one first."""
        return [path for path in known_projects() if team.sees(session.login, path)]

    def open(self, sid: str, path: Path) -> Session:
        """Put the project at ``path`` on this session's table; StoreError if it is none or damaged.

        InputError where the session's person may not see it.
        """
        team.check_project(self._login_of(sid), roots.checked(path).resolve())
        bench = self.projects.open(path)
        try:
            header_of(bench)
        except StoreError:
            self._close_unused()  # so that the next try reads a backup that was put in its place
            raise
        return self._open_in_tab(sid, bench)

    def check_new_project(self, session: Session) -> None:
        """InputError where the session's person may not make another project."""
        team.check_new_project(session.login)

    def create(self, sid: str, path: Path, name: str) -> Session:
        """Make a new project and put it on this session's table."""
        team.check_new_project(self._login_of(sid))
        return self._open_in_tab(sid, self.projects.create(path, name))

    def end_idle(self, idle_s: float = MAX_IDLE_S) -> int:
        """End sessions that were idle for so long and close projects that none uses; return how many ended.

        A project in which a job runs stays, and so do its sessions.
        """
        limit = time.monotonic() - idle_s
        with self._lock:
            idle = [s for s in self._sessions.values() if s.used < limit and not is_busy(s.api)]
            for session in idle:
                self._forget(session)
            self._close_unused()
        return len(idle)

    def end_idle_regularly(self, every_s: float = 300.0) -> threading.Event:
        """Call ``end_idle`` again and again in a thread, until the event that is returned is set."""
        ending = threading.Event()

        def watch() -> None:
            while not ending.wait(every_s):
                if ended := self.end_idle():
                    logger.info("%d idle sessions ended", ended)

        threading.Thread(target=watch, name="idle-sessions", daemon=True).start()
        return ending

    def __len__(self) -> int:
        return len(self._sessions)

    def close_project(self, path: Path) -> None:
        """Close one project in every session that has it; their next look finds none open."""
        with self._lock:
            for session in [s for s in self._sessions.values() if s.api is not None and s.api.path == path]:
                fresh = Session(session.id, tab=session.tab, login=session.login, caller=session.caller)
                fresh.switched = (project_key(session.api), time.monotonic() + SWITCH_S)
                self._sessions[session.id] = fresh
            self.projects.close_project(path)

    def close(self) -> None:
        """Close every project."""
        with self._lock:
            self.projects.close()
            self._sessions.clear()

    def _close_unused(self) -> None:
        with self._lock:
            self.projects.close_all_but(s.api for s in self._sessions.values())

    def _login_of(self, sid: str) -> str:
        session = self._sessions.get(sid)
        return session.login if session is not None else ""

    def _touched(self, session: Session) -> Session:
        session.used = time.monotonic()
        return session

    def _begin(self, id: str, key: str, caller: Caller, login: str) -> Session:
        if not caller.browser:
            raise InputError("this browser sends no cookie; allow cookies for this address and reload the page")
        self._make_room(caller, login)
        seen = _seen_by(login)
        bench = self.projects.with_key(key, seen) or self.projects.first(seen)
        session = self._sessions[id] = Session(id, api=bench, login=login, caller=caller)
        return session

    def _revived(self, id: str, key: str, caller: Caller) -> Session:
        # Behind a login, who it is is known when the page loads.
        bench = None if caller.login else self.projects.with_key(key, _seen_by(""))
        if bench is None or not _is_id(id):
            raise InputError("this page's session has ended; reload the page to work on")
        return self._begin(id, key, caller, "")

    def _make_room(self, caller: Caller, login: str) -> None:
        own = [s for s in self._sessions.values() if (s.login == login if login else s.caller == caller)]
        if len(own) >= MAX_PER_PERSON:
            self._forget(min(own, key=_last_used))
        elif len(self._sessions) >= MAX_SESSIONS:
            oldest = min(self._sessions.values(), key=_last_used)
            if time.monotonic() - oldest.used < REPLACED_IDLE_S:
                raise InputError(f"{MAX_SESSIONS} pages are open on this server; close some, or try again later")
            self._forget(oldest)

    def _forget(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        product = session.memory.product
        if session.api is not None and not is_busy(session.api):
            session.api.photos.drafts.discard(product.draft_id)
            if self.uploads is not None:
                self.uploads.done_with(product.uploaded)

    def _open_in_tab(self, sid: str, bench: Workbench) -> Session:
        with self._lock:
            fresh = Session(sid, api=bench)
            if before := self._sessions.get(sid):
                fresh.tab, fresh.login, fresh.caller = before.tab, before.login, before.caller
                fresh.switched = (project_key(before.api), time.monotonic() + SWITCH_S)
            self._sessions[sid] = fresh
        add_recent_project(bench.path)
        return fresh


def _seen_by(login: str) -> Callable[[Path], bool]:
    return lambda path: team.sees(login, path)


def _last_used(session: Session) -> float:
    return session.used


def _is_id(text: str) -> bool:
    return len(text) == 32 and all(c in "0123456789abcdef" for c in text)


def _raise_stale(session: Session, key: str) -> None:
    before, until = session.switched
    line = "another project is open in this page's session now; nothing was done, reload the page"
    raise TicketJustReplaced(line) if key == before and time.monotonic() < until else StaleTicket(line)


sessions = Sessions()


def requested_session(ticket: object, role: Role = Role.INSPECTOR) -> Session:
    """The session that a request outside Gradio's queue names; InputError also where its person's role is less."""
    if not isinstance(ticket, str) or not ticket:
        raise InputError("the request names no session; reload the page")
    return sessions.get(ticket, asking_caller.get(), role)


def file_url(path: Path) -> str:
    """Where the browser finds a file of an open project."""
    return f"/gradio_api/file={path}"
