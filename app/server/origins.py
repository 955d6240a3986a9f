"""Which requests come from the app's own page: names a browser may know it by, and where a request began."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from core.errors import InputError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BY_LINK = frozenset({"", "/"})
"""Paths that a link on another page may lead to."""
_SHUT = ("/gradio_api/proxy=", "/gradio_api/file=http", "/gradio_api/vibe", "/gradio_api/process_recording")
"""Beginnings of paths that Gradio serves and the app has no use for: they fetch from elsewhere, or change code."""
_FORMS = {"/login": ("application/x-www-form-urlencoded", "multipart/form-data"), "/upload": ("multipart/form-data",)}
"""Paths whose body is a form; all others take JSON."""

Headers = Mapping[str, str]


@dataclass(frozen=True)
class OwnNames:
    """The host names of this server. ``addresses``: any IP address is one too, for it listens on all of them.

    An address in a ``Host`` header is no danger: a page that makes its own name lead here (DNS rebinding) is asked
    for by that name.
    """

    names: frozenset[str]
    addresses: bool

    @classmethod
    def of(cls, host: str, more: Iterable[str] = ()) -> OwnNames:
        """What ``--host`` and ``--allow-host`` say, and the names of the machine itself."""
        every = host in _EVERY_ADDRESS
        given = {_plain(name) for name in more}
        if "" in given:
            raise InputError("--allow-host: expected a host name such as inspect.example.com, without http://")
        own = {socket.gethostname().lower()} if every else {host.lower()}
        return cls(LOOPBACK | own | given, every)

    def has(self, host: str) -> bool:
        """Whether a ``Host`` header, with or without its port, names this server."""
        name = _plain(host)
        return name in self.names or (self.addresses and _is_address(name))


def refused(names: OwnNames, method: str, path: str, headers: Headers) -> str | None:
    """Why this request is not answered, in a line; None where it is.

    ``headers`` by small names. Requests of programs, which send neither ``Origin`` nor ``Sec-Fetch-Site``, pass.
    """
    host = headers.get("host", "")
    if not names.has(host):
        return f"this server is not called {host[:80]!r}; start it with --allow-host NAME if it should be"
    if path.startswith(_SHUT):
        return "the app has no use for this"
    site, origin = headers.get("sec-fetch-site", ""), headers.get("origin")
    foreign = site not in ("", "none", "same-origin") or (origin is not None and not _is_own(names, origin, host))
    if foreign and not (
        method in ("GET", "HEAD") and path in _BY_LINK and headers.get("sec-fetch-mode") == "navigate"
    ):
        return "another page may not ask this; open the app itself"
    if method in _SAFE_METHODS:
        return None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    form = next((kinds for end, kinds in _FORMS.items() if path.rstrip("/").endswith(end)), None)
    if kind not in (form or ("application/json",)):
        return f"expected {' or '.join(form or ('application/json',))}, got {kind[:80] or 'no content type'}"
    return None


def _is_own(names: OwnNames, origin: str, host: str) -> bool:
    """Whether ``Origin`` is this server: the address asked for, or a name that a proxy in front of it has."""
    try:
        parts = urlsplit(origin)
        there = parts.netloc.lower()
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not there:
        return False
    return there == host.lower() or (_plain(there) in names.names - LOOPBACK and parts.port in (None, 80, 443))


def _plain(host: str) -> str:
    """The name in a ``Host`` header: without port, brackets and capitals; "" where it is none."""
    try:
        return (urlsplit(f"//{host.strip()}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
