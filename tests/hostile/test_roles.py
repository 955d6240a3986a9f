"""What people of each role may do: asked of every event and every server function of the page."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from app.cli import run
from app.page import build_page
from app.server.access import Access
from app.server.accounts import Account, Role, read_accounts, write_accounts
from app.server.callers import Caller, login_name
from app.server.passwords import hashed
from app.server.proxy_user import UserHeader
from app.server.rights import Rights
from app.server.team import Team, team
from app.session import Sessions, sessions
from core.api import Workbench
from core.errors import InputError

STORED = hashed("anna-anna")

VIEWERS_EVENTS = set("""
    fs-album:album_chosen fs-album-back:click fs-album-forth:click fs-album-kind:input fs-album-order:input
    fs-album-search:change fs-bulk-review:click fs-cg:group_shown fs-cx-learned:concept_shown fs-engine:change
    fs-engine:input fs-ev-runs:compared fs-ev-runs:opened fs-formats:input fs-label:blur fs-label:input
    fs-learn-engine:input fs-learn-label:input fs-loop-state:round_opened fs-open:input fs-out:change
    fs-project-care:expand fs-regions-back:click fs-regions-canvas:next_photo fs-regions-canvas:previous_photo
    fs-regions-forth:click fs-review-chips:taken_off fs-review-grouped:input fs-review-label:input
    fs-review-verdict:input fs-strip:picked fs-studio-back:click fs-studio-canvas:next_photo
    fs-studio-canvas:previous_photo fs-studio-forth:click fs-to-studio:click
    Pulse:verdicts_changed ReviewGrid:judged State:change Tab:select Timer:tick
""".split())  # fmt: skip
"""What a viewer may send. An event that is new here must write nothing but the session."""
FIELDS = ("Checkbox", "Dropdown", "Number", "NumberField", "Radio", "Slider", "Textbox")
"""Fields of forms without a name of their own, and those of Evaluate (fs-ev-): what is chosen in them lies in the
session until a button is pressed, which is an event of its own."""
WITHOUT_SESSION = {
    "EngineForm.wire.<locals>.choose", "EngineSettings._wire_presets.<locals>.show", "ExportForm.fitting",
    "NameQuestion.hide", "_on_page_load", "_wire_model.<locals>.show", "wire.<locals>.<lambda>",
}  # fmt: skip
"""Events that change what the page shows by what they are given alone, and the one that begins the session."""
VIEWERS_FUNCTIONS = {
    "look", "turn", "verdicts", "about", "beside", "real", "pulse", "segment", "preview",
}  # fmt: skip


class NoRequest:
    """A request that nobody sent."""

    headers: dict[str, str] = {}
    client = None
    username = "vera"


class Asked(InputError):
    """Raised where an event asks for its session, so that none goes on."""


@pytest.fixture
def roles(monkeypatch: pytest.MonkeyPatch) -> list[Role]:
    """The roles that events ask for, in the order of asking."""
    found: list[Role] = []

    def get(ticket: str, caller: Caller, role: Role = Role.INSPECTOR) -> None:
        found.append(role)
        raise Asked("asked")

    monkeypatch.setattr(sessions, "get", get)
    return found


@pytest.fixture(scope="module")
def page() -> gr.Blocks:
    return build_page()


def called(function: Callable[..., Any]) -> None:
    """Call an event's function as Gradio does, with nothing in its fields."""
    given: dict[str, Any] = {
        "ticket": "t.x", "request": NoRequest(), "sent": gr.EventData(None, {}),
        "picked": gr.SelectData(None, {"index": 0, "value": ""}),
    }  # fmt: skip
    names = [
        p.name for p in inspect.signature(inspect.unwrap(function)).parameters.values() if p.kind != p.VAR_POSITIONAL
    ]
    function(*(given.get(name) for name in names))


def named_event(page: gr.Blocks, target: tuple[int | None, str]) -> str:
    number, event = target
    block = page.blocks.get(number) if number is not None else None
    kind = type(block).__name__
    if kind in FIELDS and (not block.elem_id or block.elem_id.startswith("fs-ev-")):
        kind = "field"
    return f"{kind if kind == 'field' or not block.elem_id else block.elem_id}:{event}" if block else f"?:{event}"


def test_a_viewer_may_send_these_events_and_no_others(page: gr.Blocks, roles: list[Role]) -> None:
    allowed, without, admins = set(), set(), set()
    for block_function in page.fns.values():
        if block_function.fn is None:
            continue
        roles.clear()
        with contextlib.suppress(Exception):  # what asks for no session is given nonsense
            called(block_function.fn)
        names = {named_event(page, target) for target in block_function.targets}
        if not roles:
            without.add(inspect.unwrap(block_function.fn).__qualname__)
        elif roles[0] is Role.VIEWER:
            allowed |= names
        elif roles[0] is Role.ADMIN:
            admins |= names
    assert allowed - {"field:input", "field:change"} == VIEWERS_EVENTS
    assert without == WITHOUT_SESSION
    assert admins == {"fs-fetch:click", "fs-project-bin:click", "fs-review-two:input"}


def test_a_viewer_may_call_these_server_functions_and_no_others(page: gr.Blocks, roles: list[Role]) -> None:
    allowed, refused = set(), set()
    for block in page.blocks.values():
        for function in block.server_fns if isinstance(block, gr.HTML) else ():
            roles.clear()
            function({"sid": "t.x", "image_id": "i", "v": 1, "seq": 1})
            assert roles, f"{function.__name__} answers without asking who asks"
            (allowed if roles[0] is Role.VIEWER else refused).add(function.__name__)
    assert allowed == VIEWERS_FUNCTIONS
    assert {"judge", "undo", "relabel", "put_mask"} <= refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users"


def test_a_file_of_format_1_holds_admins_and_is_written_as_format_2(file: Path) -> None:
    file.write_text(f"# team\nanna:{STORED}\n")
    found = read_accounts(file)
    assert found == {"anna": Account(password=STORED, role=Role.ADMIN)}
    write_accounts(file, found)
    assert json.loads(file.read_text())["format"] == 2
    assert read_accounts(file) == found


def test_unknown_keys_stay_and_a_newer_format_is_refused(file: Path) -> None:
    held = {"password": STORED, "role": "viewer", "mail": "a@b"}
    file.write_text(json.dumps({"format": 2, "users": {"anna": held}}))
    write_accounts(file, read_accounts(file))
    assert json.loads(file.read_text())["users"]["anna"]["mail"] == "a@b"
    file.write_text(json.dumps({"format": 3, "users": {}}))
    with pytest.raises(InputError, match="its format is 3, this version reads up to 2"):
        read_accounts(file)
    for wrong in ({"password": STORED, "role": "boss"}, {"role": "viewer"}, {"password": "plain", "role": "viewer"}):
        file.write_text(json.dumps({"format": 2, "users": {"anna": wrong}}))
        with pytest.raises(InputError, match="anna"):
            read_accounts(file)


def test_roles_and_projects_are_given_at_the_command_line(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.cli.users._password", lambda name: f"{name}-password")
    monkeypatch.setattr("app.cli.users.hashed", lambda password: STORED)
    Workbench.create(tmp_path / "p", "p").close()
    for words in ("add F anna", "add F bert", "add F vera --role viewer", "role F bert inspector", "allow F vera P"):
        given = [{"F": str(file), "P": str(tmp_path / "p")}.get(word, word) for word in words.split()]
        assert run(["users", *given]) == 0
    known = read_accounts(file)
    assert [known[name].role for name in ("anna", "bert", "vera")] == [Role.ADMIN, Role.INSPECTOR, Role.VIEWER]
    assert known["vera"].projects == (tmp_path / "p",)
    capsys.readouterr()
    assert run(["users", "list", str(file)]) == 0
    assert f"vera: viewer, {tmp_path / 'p'}" in capsys.readouterr().out
    assert run(["users", "allow", str(file), "vera", "--all"]) == 0
    assert read_accounts(file)["vera"].projects is None
    for wrong in ("role F anna boss", "allow F anna nowhere", "role F carl viewer", "list F anna", "allow F anna"):
        assert run(["users", *[{"F": str(file)}.get(word, word) for word in wrong.split()]]) == 2


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """``a`` was opened last, ``b`` before it."""
    monkeypatch.setitem(os.environ, "FLAWSMITH_STATE", str(tmp_path))
    for name in ("a", "b"):
        Workbench.create(tmp_path / name, name).close()
    (tmp_path / "recent.json").write_text(json.dumps([str(tmp_path / "a"), str(tmp_path / "b")]))
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def people(file: Path, projects: tuple[Path, Path]) -> Iterator[Sessions]:
    """Anna is an admin, Ines an inspector of ``b`` alone, Vera a viewer of all."""
    accounts = {
        "anna": Account(password=STORED, role=Role.ADMIN), "ines": Account(password=STORED, projects=(projects[1],)),
        "vera": Account(password=STORED, role=Role.VIEWER),
    }  # fmt: skip
    write_accounts(file, accounts)
    team.begin(file)
    kept = Sessions()
    yield kept
    kept.close()
    team.begin(None)


def caller(name: str) -> Caller:
    return Caller(name[0] * 43, f"{name}'s login")


def test_people_see_the_projects_they_were_given(people: Sessions, projects: tuple[Path, Path]) -> None:
    first, second = projects
    anna = people.start("", caller("anna"), "anna")
    ines = people.start(anna.ticket, caller("ines"), "ines")  # a ticket of a project that is not hers
    assert [s.required_api.path for s in (anna, ines)] == [first, second]
    assert people.known_to(ines) == [second]
    assert people.go_to(ines, "a", "studio").required_api.path == second
    with pytest.raises(InputError, match="you have not been given it"):
        people.open(ines.id, first)
    with pytest.raises(InputError, match="given"):
        people.create(ines.id, first.parent / "c", "c")
    assert not (first.parent / "c").exists()


def test_a_viewer_is_refused_in_one_clear_line(people: Sessions) -> None:
    vera = people.start("", caller("vera"), "vera")
    assert people.get(vera.ticket, caller("vera"), Role.VIEWER) is vera
    with pytest.raises(InputError, match="you may look, and change nothing: your role here is viewer"):
        people.get(vera.ticket, caller("vera"))
    ines = people.start("", caller("ines"), "ines")
    assert people.get(ines.ticket, caller("ines")) is ines
    with pytest.raises(InputError, match="only an admin may do this"):
        people.get(ines.ticket, caller("ines"), Role.ADMIN)
    with pytest.raises(InputError, match="another browser or login"):
        people.get(ines.ticket, caller("vera"), Role.VIEWER)


def test_a_change_of_the_file_holds_from_the_next_request_on(
    people: Sessions, file: Path, projects: tuple[Path, Path]
) -> None:
    ines = people.start("", caller("ines"), "ines")
    accounts = read_accounts(file)
    write_accounts(file, accounts | {"ines": accounts["ines"].model_copy(update={"projects": ()})})
    with pytest.raises(InputError, match="you have not been given it"):
        people.get(ines.ticket, caller("ines"))
    write_accounts(file, {"anna": accounts["anna"]})
    with pytest.raises(InputError, match="not among the users"):
        people.get(ines.ticket, caller("ines"))
    file.write_text("broken")  # a slip changes nothing
    assert team.account("anna").role is Role.ADMIN


def test_pictures_of_other_projects_and_uploads_are_refused(people: Sessions, projects: tuple[Path, Path]) -> None:
    first, second = projects
    people.projects.open(first)
    people.projects.open(second)
    rights = Rights(team, people.projects.file_folders)
    for form in ("/gradio_api/file={}", "/gradio_api/file/{}", "/gradio_api/file={}/../b/../a/files/x.png"):
        asked = form.format(first / "files" / "x.png")
        assert "you have not been given it" in str(rights.refused("ines", "GET", asked))
        assert rights.refused("anna", "GET", asked) is None
    assert rights.refused("ines", "GET", f"/gradio_api/file={second / 'files' / 'x.png'}") is None
    assert "viewer" in str(rights.refused("vera", "POST", "/gradio_api/upload"))
    assert rights.refused("ines", "POST", "/gradio_api/upload") is None
    assert Rights(Team(), people.projects.file_folders).refused("", "POST", "/gradio_api/upload") is None


def test_a_proxys_header_counts_from_the_proxy_alone() -> None:
    header = UserHeader("X-Remote-User", ("10.0.0.5", "fd00::/8")).checked()
    assert header.user_of({"x-remote-user": "anna"}, "10.0.0.5") == "anna"
    assert header.user_of({"x-remote-user": "anna"}, "fd00::7") == "anna"
    for address in ("10.0.0.6", "", "testclient"):
        assert header.user_of({"x-remote-user": "anna"}, address) == ""
    assert header.user_of({"x-remote-user": "an na"}, "10.0.0.5") == header.user_of({}, "10.0.0.5") == ""
    assert UserHeader().user_of({"x-remote-user": "anna"}, "127.0.0.1") == ""
    for wrong in (UserHeader("a b"), UserHeader("X-User", ("nowhere",))):
        with pytest.raises(InputError, match="expected"):
            Access(user_header=wrong, unknown=Role.VIEWER)
    with pytest.raises(InputError, match="--unknown-role"):
        Access(user_header=UserHeader("X-User"))


def test_users_that_the_file_does_not_name_have_one_role() -> None:
    strangers = Team()
    strangers.begin(None, Role.VIEWER)
    assert strangers.account("who").role is Role.VIEWER
    with pytest.raises(InputError, match="not among the users"):
        strangers.account("")


def test_a_login_is_known_by_gradios_cookie() -> None:
    assert login_name({"t": "anna"}, "a=b; access-token-unsecure-x=t") == "anna"
    assert login_name({"t": "anna"}, "token=t") == login_name({}, "access-token-x=t") == ""
