"""Who sends a request: what the browser is known by, and by what login."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
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


def login_name(tokens: Mapping[str, str], cookies: str) -> str:
    """The name that a browser with this ``Cookie`` header is logged in with; "" for none. ``tokens`` are Gradio's."""
    held = [morsel.value for name, morsel in cookies_in(cookies).items() if name.startswith(_LOGIN_COOKIES)]
    return next(filter(None, map(tokens.get, held)), "")


def cookies_in(header: str) -> SimpleCookie:
    """The cookies of a ``Cookie`` header; none where it cannot be read."""
    try:
        return SimpleCookie(header)
    except CookieError:
        return SimpleCookie()


def caller_of(cookies: str, proxy_user: str = "") -> Caller:
    """Who sends a request with this ``Cookie`` header, which a proxy vouches for as ``proxy_user``."""
    jar = cookies_in(cookies)
    known = jar[COOKIE].value if COOKIE in jar else ""
    logins = sorted(f"{name}={morsel.value}" for name, morsel in jar.items() if name.startswith(_LOGIN_COOKIES))
    if proxy_user:
        logins = [f"proxy: {proxy_user}"]
    login = hashlib.sha256("; ".join(logins).encode()).hexdigest() if logins else ""
    return Caller(known if _COOKIE_VALUE.fullmatch(known) else "", login)
