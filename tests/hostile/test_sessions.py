"""What the server keeps of a browser tab: small, for its own browser and project alone, and not for ever."""

from __future__ import annotations

import json
import os
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from app.drawn_masks import MOST, DrawnMasks
from app.server.access import Access
from app.server.callers import Caller
from app.server.roots import roots
from app.server.uploads import Uploads
from app.session import REPLACED_IDLE_S, Session, Sessions, StaleTicket, TicketJustReplaced
from app.tabs.product.album import album_updates
from app.tabs.product.import_panel import project_choices
from core.api import Workbench
from core.api.masks import MasksApi
from core.api.recent import add_recent_project, project_damage
from core.errors import InputError, MaskError, StoreError


def drawn(shape: tuple[int, int] = (1000, 1000)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[300:700, 200:800] = True
    return mask


def test_drawings_come_back_as_they_are() -> None:
    masks = DrawnMasks()
    masks.put("a", drawn())
    assert np.array_equal(masks.get("a"), drawn())
    assert masks.runs("a", (1000, 1000)) == MasksApi.encode(drawn())
    assert masks.get("b") is None
    assert masks.runs("b", (3, 4)) == [12]
    masks.put("a", np.zeros((5, 5), np.bool_))
    assert masks.get("a") is None


def test_an_older_drawing_does_not_replace_a_newer_one() -> None:
    masks = DrawnMasks()
    masks.put_runs("a", [1, 3], (2, 2), 7)
    masks.put_runs("a", [0, 1, 3], (2, 2), 6)
    assert masks.runs("a", (2, 2)) == [1, 3]
    with pytest.raises(MaskError):
        masks.put_runs("a", [1, 2], (2, 2), 8)
    masks.drop("a")
    assert masks.get("a") is None


def test_many_drawings_take_little_memory() -> None:
    masks = DrawnMasks()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(MOST + 20):
        masks.put(str(number), drawn())
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 4_000_000  # 520 MB as arrays
    assert masks.get("0") is None


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setitem(os.environ, "FLAWSMITH_STATE", str(folder))
    return folder


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    kept = Sessions()
    yield kept
    kept.close()


@pytest.fixture
def two_projects(tmp_path: Path, state: Path) -> tuple[Path, Path]:
    """``a`` was opened last, ``b`` before it."""
    for name in ("a", "b"):
        Workbench.create(tmp_path / name, name).close()
    (state / "recent.json").write_text(json.dumps([str(tmp_path / "a"), str(tmp_path / "b")]))
    return tmp_path / "a", tmp_path / "b"


ANNA, BERT = Caller("a" * 43), Caller("b" * 43, "bert's login")


def damage(project: Path, sql: str = "UPDATE settings SET value = CAST(x'22ff22' AS TEXT) WHERE key = 'name'") -> None:
    with closing(sqlite3.connect(project / "project.db")) as raw:
        raw.execute(sql)
        raw.commit()


def path_of(session: Session) -> Path:
    return session.required_api.path


def test_one_damaged_project_keeps_nobody_out(two_projects: tuple[Path, Path], sessions: Sessions) -> None:
    bad, good = two_projects
    damage(bad)
    session = sessions.start("", ANNA)
    assert path_of(session) == good
    with pytest.raises(StoreError, match="damaged"):
        sessions.open(session.id, bad)
    assert path_of(sessions.get(session.ticket, ANNA)) == good
    assert "(damaged)" in str(project_choices(session)["choices"][0])
    assert project_damage(good) is None


def test_a_project_that_is_damaged_while_it_is_open_is_left(
    two_projects: tuple[Path, Path], sessions: Sessions, photo_folder: Path
) -> None:
    first, second = two_projects
    session = sessions.start("", ANNA)
    session.required_api.photos.import_images(photo_folder)
    damage(first, "UPDATE normals SET name = CAST(x'ff41' AS TEXT)")
    assert project_damage(first) is not None
    pick, shown = project_choices(session), album_updates(session)[0]
    assert "cannot be shown" in shown["value"]
    assert str(second) in [path for _, path in pick["choices"]]
    damage(first)
    assert path_of(sessions.start(session.ticket, ANNA)) == second


def test_a_session_is_its_own_browsers_and_logins(two_projects: tuple[Path, Path], sessions: Sessions) -> None:
    session = sessions.start("", ANNA)
    assert sessions.get(session.ticket, ANNA) is session
    for stranger in (BERT, Caller(ANNA.browser, BERT.login), Caller(BERT.browser, ANNA.login), Caller()):
        with pytest.raises(InputError, match="another browser or login"):
            sessions.get(session.ticket, stranger)
    other = sessions.start(session.ticket, BERT)
    assert other.id != session.id
    assert sessions.start(session.ticket, ANNA) is session
    with pytest.raises(InputError, match="cookie"):
        sessions.start("", Caller())


def test_a_request_reaches_the_project_that_its_page_shows_or_none(
    two_projects: tuple[Path, Path], sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_projects
    session = sessions.start("", ANNA)
    shown = session.ticket
    opened = sessions.open(session.id, second)
    with pytest.raises(TicketJustReplaced):
        sessions.get(shown, ANNA)
    assert path_of(sessions.get(opened.ticket, ANNA)) == second
    monkeypatch.setattr("app.session.SWITCH_S", 0.0)
    sessions.open(session.id, first)
    with pytest.raises(StaleTicket, match="nothing was done, reload the page") as told:
        sessions.get(opened.ticket, ANNA)
    assert not isinstance(told.value, TicketJustReplaced)


def test_a_forgotten_session_begins_again_in_its_own_project(
    two_projects: tuple[Path, Path], sessions: Sessions
) -> None:
    first, second = two_projects
    opened = sessions.open(sessions.start("", ANNA).id, second)
    add_recent_project(first)  # the last one opened, by someone else
    after = Sessions()
    try:
        assert path_of(after.get(opened.ticket, ANNA)) == second
        with pytest.raises(InputError, match="reload the page"):
            after.get(f"{'0' * 32}.{'0' * 16}", ANNA)
        with pytest.raises(InputError, match="reload the page"):
            after.get(f"{'1' * 32}.{opened.ticket.split('.')[1]}", BERT)
        assert path_of(after.start(opened.ticket, BERT)) == second
    finally:
        after.close()


def test_nobody_pushes_others_out(
    two_projects: tuple[Path, Path], sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session.MAX_PER_PERSON", 3)
    anna = sessions.start("", ANNA, "anna")
    berts = [sessions.start("", Caller("b" * 43, f"login {n}"), "bert") for n in range(9)]
    assert sessions.get(anna.ticket, ANNA) is anna
    assert len(sessions) == 4
    monkeypatch.setattr("app.session.MAX_SESSIONS", 4)
    with pytest.raises(InputError, match="pages are open"):
        sessions.start("", Caller("c" * 43), "")
    anna.used -= REPLACED_IDLE_S + 1
    sessions.start("", Caller("c" * 43), "")
    assert sessions.get(berts[-1].ticket, berts[-1].caller) is berts[-1]


def test_idle_sessions_end_and_their_projects_close(
    two_projects: tuple[Path, Path], sessions: Sessions, photo_folder: Path, tmp_path: Path
) -> None:
    idle = sessions.start("", ANNA)
    bench = idle.required_api
    sessions.uploads = Uploads(tmp_path)
    upload = sessions.uploads.folder / "given.png"
    upload.write_bytes((photo_folder / "plate 0.png").read_bytes())
    idle.memory.product.uploaded = [upload]
    other = sessions.open(sessions.start("", BERT).id, two_projects[1])
    idle.used -= 100
    assert sessions.end_idle(50) == 1
    assert not upload.exists()
    assert sessions.get(other.ticket, BERT) is other
    with pytest.raises(StoreError, match="closed"):
        bench.photos.count()
    assert sessions.get(idle.ticket, ANNA) is not idle  # the same page works on, in the same project


def test_paths_outside_the_given_folders_are_refused(
    two_projects: tuple[Path, Path], sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "out").symlink_to(tmp_path)
    monkeypatch.setattr(roots, "folders", (tmp_path / "in",))
    assert roots.checked(tmp_path / "in" / "x") == tmp_path / "in" / "x"
    for outside in ("/etc/passwd", tmp_path / "in" / ".." / "a", tmp_path / "in" / "out" / "a", "~root", "x\0y"):
        with pytest.raises(InputError):
            roots.checked(Path(outside))
    assert sessions.start("", ANNA).api is None
    with pytest.raises(InputError, match="opens paths below"):
        sessions.open("x", two_projects[0])


def test_who_else_can_log_in_limits_the_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "FLAWSMITH_PROJECTS", str(tmp_path / "projects"))
    assert Access().allowed_folders() == ()
    assert Access(auth=tmp_path / "users").allowed_folders() == (tmp_path / "projects",)
    assert Access(roots=(tmp_path,)).allowed_folders() == (tmp_path, tmp_path / "projects")
    with pytest.raises(InputError, match="--root"):
        Access(roots=(tmp_path / "none",)).allowed_folders()
