"""Tells a page that another window, or the command line, gave verdicts in its project."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.modules import on_load
from app.server.accounts import Role
from app.session import requested_session
from core.errors import FlawsmithError


def pulse(sent: dict[str, Any]) -> dict[str, Any]:
    """What stands for the verdicts of the session's project now; "" where none is open or the page is an old one."""
    try:
        session = requested_session(sent.get("sid") if isinstance(sent, dict) else None, Role.VIEWER)
        return {"revision": session.api.review.revision() if session.api is not None else ""}
    except FlawsmithError:
        return {"revision": ""}


class Pulse(gr.HTML):
    """Nothing to see. ``verdicts_changed`` is its event; the module says when it asks."""

    def __init__(self, **kw: Any) -> None:
        super().__init__(
            js_on_load=on_load("app/components/pulse.js", "verdicts_changed"), server_functions=[pulse], **kw
        )
