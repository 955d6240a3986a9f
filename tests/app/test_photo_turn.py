"""Turning to the next photo: round the end, and at the same cost however many photos there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from sqlalchemy import Engine, event

from app.components import photo_panel
from app.components.photo_panel import PhotoPanel, photo_title
from app.components.pulse import Pulse
from app.page_context import PageContext
from app.session import Session
from core.api import Workbench
from core.store import photos as photo_store


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(photo_panel, "prepare_for_clicks", lambda session, normal_id: None)
    with Workbench.create(tmp_path / "many", "many") as bench:
        yield Session("s", api=bench)


def fill(session: Session, count: int) -> list[str]:
    project = session.required_api.project
    with project.transaction():
        for i in range(count):
            project.add_normal(b"photo %d" % i, "png", f"{i}.png", 8, 6, False)
    return [row.id for row in project.normals()]


def panel() -> PhotoPanel:
    with gr.Blocks():
        shell = PageContext(gr.Textbox(), gr.State(0), gr.Tabs(), gr.HTML(), Pulse(), gr.Textbox())
        return PhotoPanel(shell, "regions", "100px")


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How many statements SQLite was given, and how many photos were read, within the block."""
    seen = {"statements": 0, "photos": 0}
    make = photo_store.NormalRow

    def asked(*_: Any) -> None:
        seen["statements"] += 1

    def read(*given: Any) -> Any:
        seen["photos"] += 1
        return make(*given)

    event.listen(Engine, "before_cursor_execute", asked)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(photo_store, "NormalRow", read)
            yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", asked)


def test_photos_are_turned_round_both_ends(session: Session) -> None:
    ids, table = fill(session, 3), panel()
    for forward, order in ((True, [1, 2, 0]), (False, [2, 1, 0])):
        for place in order:
            table.turn(session, forward)
            assert session.normal_id == ids[place] and f"{place + 1} of 3" in photo_title(session)
    session.required_api.photos.remove(ids[:1])
    assert session.photo_id() == ids[1] and "1 of 2" in photo_title(session)


def test_a_single_photo_stays(session: Session) -> None:
    (only,) = fill(session, 1)
    panel().turn(session, True)
    assert session.normal_id == only


def test_a_turn_costs_the_same_among_many(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    table = panel()
    turn: Callable[[], Any] = lambda: table.turn(session, True)  # noqa: E731
    fill(session, 5)
    with counted(monkeypatch) as few:
        turn()
    fill(session, 400)
    with counted(monkeypatch) as many:
        turn()
    assert many == few and few["photos"] < 10
