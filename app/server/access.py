"""Where the app listens, and who may reach it there."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from app.server.accounts import Role
from app.server.guard import Guard
from app.server.limits import Limits
from app.server.origins import LOOPBACK, OwnNames
from app.server.proxy_user import UserHeader
from app.server.rights import Rights
from app.server.roots import checked_roots
from app.server.uploads import Uploads
from core.api.recent import projects_folder
from core.errors import InputError

FIRST_PORT = 7860
_PORTS = 100


@dataclass(frozen=True)
class Access:
    """What ``ui`` was told. ``allow_hosts`` are names beside those of the machine that browsers may use.

    ``roots`` are folders below which pages may name paths of this machine. With a ``user_header`` a proxy says who it
    is, and ``auth`` their roles; ``unknown`` is the role of those whom the file does not name.
    """

    host: str = "127.0.0.1"
    auth: Path | None = None
    allow_hosts: tuple[str, ...] = ()
    without_login: bool = False
    roots: tuple[Path, ...] = ()
    user_header: UserHeader = field(default_factory=UserHeader)
    unknown: Role | None = None

    def __post_init__(self) -> None:
        self.user_header.checked()
        if self.user_header.name and self.auth is None and self.unknown is None:
            raise InputError("--user-header: say what they may do, with --auth FILE, --unknown-role or both")
        if self.unknown is not None and not self.user_header.name:
            raise InputError("--unknown-role: only with --user-header; with --auth alone, unknown users cannot log in")
        if not self.asks and self.host.lower() not in LOOPBACK and not self.without_login:
            raise InputError(
                f"--host {self.host}: everybody in the network could open and change the projects; "
                "ask for a login with --auth FILE (launch.py users makes it), or say --i-know"
            )

    @property
    def asks(self) -> bool:
        """Whether people have to say who they are, by a login or a proxy."""
        return self.auth is not None or bool(self.user_header.name)

    def allowed_folders(self) -> tuple[Path, ...]:
        """The folders below which pages may name paths, the projects folder among them; none where all may be named.

        InputError for one that is not there.
        """
        if not self.roots and not self.asks and self.host.lower() in LOOPBACK:
            return ()
        return (*checked_roots(self.roots), projects_folder().expanduser().resolve())


def middleware(access: Access, uploads: Uploads, rights: Rights) -> list[Middleware]:
    """What every request goes through first; give it as ``app_kwargs={"middleware": ...}``."""
    names = OwnNames.of(access.host, access.allow_hosts)
    guard = Middleware(Guard, names=names, limits=Limits(uploads), rights=rights)
    # Where this is configured Gradio leaves out its own, which lets pages of other origins read answers.
    return [guard, Middleware(CORSMiddleware, allow_origins=())]


def free_port(host: str) -> int:
    """The first port from 7860 on that nobody listens on; InputError."""
    for port in range(FIRST_PORT, FIRST_PORT + _PORTS):
        if _is_free(host, port):
            return port
    raise InputError(f"no free port from {FIRST_PORT} to {FIRST_PORT + _PORTS - 1} on {host}; choose one with --port")


def checked_port(host: str, port: int) -> int:
    """``port`` if nobody listens on it; InputError."""
    if not _is_free(host, port):
        raise InputError(f"--port {port}: another program listens there already; choose another, or leave it out")
    return port


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host[:100]}: no such address ({error}); give one of this machine") from None
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            return True
        except PermissionError:
            raise InputError(f"--port {port}: this user may not listen there; choose one above 1023") from None
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise InputError(f"--host {host}: this machine does not have this address; give one it has") from None
            return False
