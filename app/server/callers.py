"""Who sends a request: what the browser is known by, and by what login."""

from __future__ import annotations

import hashlib
import re
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

COOKIE = "flawsmith-browser"
"""Holds what a browser is known by; its sessions are those with this value and no others."""
_LOGIN_COOKIES = "access-token-"
"""How the names of the cookies begin in which Gradio keeps a login."""
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Caller:
    """``browser`` is the value of the browser's cookie, "" before it has one; ``login`` a digest of its login's."""

    browser: str = ""
    login: str = ""


NOBODY = Caller()
asking_caller: ContextVar[Caller] = ContextVar("asking_caller", default=NOBODY)
"""Who sent the request that this thread answers; Gradio's queue answers elsewhere and hands the request on."""


def caller_of(cookies: str) -> Caller:
    """Who sends a request with this ``Cookie`` header."""
    try:
        jar = SimpleCookie(cookies)
    except CookieError:
        return NOBODY
    known = jar[COOKIE].value if COOKIE in jar else ""
    logins = sorted(f"{name}={morsel.value}" for name, morsel in jar.items() if name.startswith(_LOGIN_COOKIES))
    login = hashlib.sha256("; ".join(logins).encode()).hexdigest() if logins else ""
    return Caller(known if _COOKIE_VALUE.fullmatch(known) else "", login)
