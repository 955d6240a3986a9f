"""How much a request may send: said from its header, before any of it is read, and held to while it is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from app.server.uploads import Uploads

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

MAX_BODY = 64 << 20
"""Bytes of a request that is no upload: a drawn mask of the largest photo is far smaller."""
MAX_UPLOAD = 4 << 30
"""Bytes of one upload."""
MAX_PER_BROWSER = 8 << 30
"""Bytes that one browser may send within an hour."""
MAX_IN_ALL = 32 << 30
"""Bytes that all uploads together may take on the disk."""


class TooLarge(Exception):
    """A request sent more than it may."""


@dataclass(frozen=True)
class Limits:
    """The limits of one server."""

    uploads: Uploads
    body: int = MAX_BODY
    upload: int = MAX_UPLOAD
    per_browser: int = MAX_PER_BROWSER
    in_all: int = MAX_IN_ALL

    def refused(self, method: str, path: str, headers: Mapping[str, str], browser: str) -> str | None:
        """Why the body that a request announces is not taken, in a line; None where it is."""
        if method in ("GET", "HEAD", "OPTIONS"):
            return None
        text = headers.get("content-length", "0")
        size = int(text) if text.isdigit() else 0
        if not is_upload(path):
            return None if size <= self.body else f"{_mb(size)} are above the limit of {_mb(self.body)} for a request"
        if size > self.upload:
            return (
                f"{_mb(size)} are above the limit of {_mb(self.upload)} for an upload; give the folder's path instead"
            )
        if self.uploads.of(browser) + size > self.per_browser:
            return f"{_mb(self.uploads.of(browser))} came from you in this hour; go on in the next one"
        self.uploads.clear_unfinished()
        if self.uploads.used() + size > self.in_all:
            return f"uploads take {_mb(self.uploads.used())} of {_mb(self.in_all)}; try again when others are imported"
        return None

    def counted(self, receive: Receive, method: str, path: str, browser: str) -> Receive:
        """``receive`` that raises TooLarge once more has come than the limit, whatever was announced."""
        if method in ("GET", "HEAD", "OPTIONS"):
            return receive
        most, upload, got = self.upload if is_upload(path) else self.body, is_upload(path), 0

        async def counting() -> Message:
            nonlocal got
            message = await receive()
            size = len(message.get("body", b""))
            got += size
            if upload:
                self.uploads.came(browser, size)
            if got > most:
                raise TooLarge(f"more than {_mb(most)} were sent")
            return message

        return counting


def is_upload(path: str) -> bool:
    """Whether a request to ``path`` brings files."""
    return path.rstrip("/").endswith("/upload")


def _mb(size: int) -> str:
    return f"{size / 2**20:,.0f} MB"
