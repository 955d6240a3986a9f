"""Who may do what on this server, by the name that a person is logged in with."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from app.server.accounts import Account, Role, read_accounts
from core.errors import InputError

logger = logging.getLogger(__name__)

_STRANGER = Account(password="")
_EVERYBODY = Account(password="", role=Role.ADMIN)


class Team:
    """The people of this server. Without a file there is no login, and whoever opens the page may do all.

    The file is read again once it has changed, so that a role or a list of projects holds from the next request on.
    ``unknown`` is the role of those whom a proxy vouches for and the file does not name; None refuses them.
    """

    def __init__(self) -> None:
        self._file: Path | None = None
        self._unknown: Role | None = None
        self._known: dict[str, Account] = {}
        self._read_at: tuple[int, ...] = ()
        self._lock = threading.Lock()

    def begin(self, file: Path | None, unknown: Role | None = None) -> None:
        """Let in the people of ``file``; InputError where it cannot be read."""
        self._file, self._unknown = file, unknown
        self._known, self._read_at = {}, ()
        if file is not None:
            self._known, self._read_at = read_accounts(file), _state_of(file)

    @property
    def asks(self) -> bool:
        """Whether people have to say who they are."""
        return self._file is not None or self._unknown is not None

    def passwords(self) -> dict[str, str]:
        """The hashed passwords by name."""
        return {name: account.password for name, account in self._accounts().items()}

    def account(self, login: str) -> Account:
        """The person who is logged in as ``login``; InputError where there is none any more."""
        if not self.asks:
            return _EVERYBODY
        found = self._accounts().get(login)
        if found is None and login and self._unknown is not None:
            found = _STRANGER.model_copy(update={"role": self._unknown})
        if found is None:
            raise InputError("you are not among the users of this server any more; ask its admin")
        return found

    def sees(self, login: str, project: Path) -> bool:
        """Whether the person may see the project in this folder (absolute, links followed)."""
        return self.account(login).sees(project)

    def check_project(self, login: str, project: Path) -> None:
        """InputError unless the person may see the project in this folder."""
        if not self.sees(login, project):
            raise InputError(f"project {project.name!r}: you have not been given it; ask an admin of this server")

    def check_new_project(self, login: str) -> None:
        """InputError for viewers, and for who works in given projects only."""
        self.check_role(login, Role.INSPECTOR)
        account = self.account(login)
        if account.role is not Role.ADMIN and account.projects is not None:
            raise InputError("new project: you work in the projects that you were given; ask an admin for another")

    def check_role(self, login: str, least: Role) -> None:
        """InputError unless the person's role may do what ``least`` may."""
        role = self.account(login).role
        if role.includes(least):
            return
        if role is Role.VIEWER:
            raise InputError("you may look, and change nothing: your role here is viewer; ask an admin for another")
        raise InputError(f"only an {least} may do this, and your role here is {role}; ask an admin of this server")

    def _accounts(self) -> dict[str, Account]:
        if self._file is None:
            return {}
        with self._lock:
            state = _state_of(self._file)
            if state != self._read_at:
                self._read_at = state
                try:
                    self._known = read_accounts(self._file)
                except InputError as error:  # a slip in the file locks nobody out, and lets nobody in
                    logger.warning("the users stay as they were: %s", error)
            return self._known


def _state_of(file: Path) -> tuple[int, ...]:
    """Differs once the file was written or replaced."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


team = Team()
"""Those of this server."""
