"""The first that sees a request (ASGI): turns away what does not come from the app's page, and dresses the answers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gradio.routes import App as GradioApp

from app.server.callers import COOKIE, asking_caller, caller_of, login_name
from app.server.limits import Limits, TooLarge
from app.server.logins import asking_address
from app.server.origins import OwnNames, refused
from app.server.proxy_user import user_header
from app.server.rights import Rights

logger = logging.getLogger(__name__)

# Gradio's page has scripts and styles inside it, and makes functions from text for the canvas.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    b"content-security-policy": CONTENT_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Wraps the server's application."""

    def __init__(self, app: App, names: OwnNames, limits: Limits, rights: Rights) -> None:
        self._app = app
        self._rights = rights
        self._names = names
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        method, path = scope.get("method", "GET"), str(scope["path"])
        asking_address.set(address := _address(scope))
        cookies, proxy_user = headers.get("cookie", ""), user_header.user_of(headers, address)
        asking_caller.set(caller := caller_of(cookies, proxy_user))
        browser = caller.browser
        line, status = refused(self._names, method, path, headers), 403
        if line is None:
            line = self._rights.refused(proxy_user or login_name(_tokens(scope), cookies), method, path)
        if line is None:
            line, status = self._limits.refused(method, path, headers, browser or address), 413
        if line is not None:
            logger.warning("refused %r %r from %s: %s", method, path[:200], address, line)
            await _answer(scope, send, status, line)
            return
        dressed = _Dressed(send, None if browser else secrets.token_urlsafe(32))
        counted = self._limits.counted(receive, method, path, browser or address)
        try:
            await self._app(scope, counted, dressed)
        except TooLarge as error:
            logger.warning("refused %r %r from %s: %s", method, path[:200], address, error)
            if not dressed.begun:
                await _answer(scope, send, 413, str(error))


class _Dressed:
    """Sends an answer on with the headers that it should have, and none of those that let other pages read it."""

    def __init__(self, send: Send, new_browser: str | None) -> None:
        self._send = send
        self._new_browser = new_browser
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            kept = [
                (key, _same_site(value) if key.lower() == b"set-cookie" else value)
                for key, value in message.get("headers", [])
                if not key.lower().startswith(b"access-control-") and key.lower() not in HEADERS
            ]
            if self._new_browser is not None:
                cookie = f"{COOKIE}={self._new_browser}; Path=/; HttpOnly; SameSite=Lax; Max-Age=31536000"
                kept.append((b"set-cookie", cookie.encode()))
            message["headers"] = [*kept, *HEADERS.items()]
        await self._send(message)


def _same_site(cookie: bytes) -> bytes:
    """A cookie that is sent with requests of this page, and when a link leads to it."""
    parts = [part for part in cookie.split(b";") if not part.strip().lower().startswith(b"samesite")]
    return b";".join([*parts, b" SameSite=Lax"])


def _tokens(scope: Scope) -> dict[str, str]:
    """The names of those who logged in by what their cookies hold, as Gradio keeps them."""
    app = scope.get("app")
    return app.tokens if isinstance(app, GradioApp) else {}


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "?"


async def _answer(scope: Scope, send: Send, status: int, line: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": line[:100]})
        return
    body = f"{line}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *HEADERS.items()]})
    await send({"type": "http.response.body", "body": body})
