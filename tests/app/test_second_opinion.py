"""Review by two: what each person is shown, and two people at work in two browsers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from app.components.agreement_panel import agreement_html
from app.review_grid import server as board
from app.server.accounts import Account, Role, write_accounts
from app.server.passwords import hashed
from app.session import Session
from core.api import Workbench
from tests.app.conftest import DESK, TOUR_SEEN, arrived, open_tab, running
from tests.store.test_verdicts import make


@pytest.fixture
def people(tmp_path: Path) -> Iterator[tuple[Session, Session, list[str]]]:
    """Ada and Ben in one project that asks for two."""
    project, ids = make(tmp_path / "p", 2)
    project.close()
    with Workbench.open(tmp_path / "p") as bench:
        bench.review.opinions.ask(True)
        yield Session("a", api=bench, login="ada"), Session("b", api=bench, login="ben"), ids


def seen(session: Session, ids: list[str]) -> list[tuple[str, list[str]]]:
    rows = board.verdicts(session, {"ids": ids})["rows"]
    return [(str(rows[id]["verdict"]), rows[id]["others"]) for id in ids]


def test_the_second_opinion_is_blind(people: tuple[Session, Session, list[str]]) -> None:
    ada, ben, ids = people
    board.judge(ada, {"ids": ids, "verdict": "rejected"})
    assert seen(ada, ids) == [("rejected", ["waits for a second opinion"])] * 2
    assert seen(ben, ids) == [("new", [])] * 2
    told = board.judge(ben, {"ids": ids[:1], "verdict": "kept"})
    assert told["rows"][ids[0]]["others"] == ["ada: rejected"]
    assert seen(ada, ids[:1]) == [("rejected", ["ben: kept"])]
    board.undo(ben, {})
    assert seen(ben, ids[:1]) == [("new", [])]
    assert seen(ada, ids) == [("rejected", ["waits for a second opinion"])] * 2


def test_new_is_what_one_has_said_nothing_of(people: tuple[Session, Session, list[str]]) -> None:
    ada, ben, ids = people
    board.judge(ada, {"ids": ids[:1], "verdict": "kept"})
    counts = [one.required_api.review.count(board.asked_filter(one)) for one in (ada, ben)]
    assert counts == [1, 2]
    board.judge(ben, {"ids": ids[:1], "verdict": "kept"})
    assert seen(Session("c", api=ada.api, login="cem"), ids[:1]) == [
        ("kept", [])
    ]  # it is settled: nobody waits for cem
    assert "ada and ben</td><td>1 of 1" in agreement_html(ada)
    ada.required_api.review.opinions.ask(False)
    assert board.asked_filter(ada).opinions == ""


@pytest.fixture
def open_as(browser: Browser, tmp_path: Path, new_project: Callable[..., Path]) -> Iterator[Callable[[str], Page]]:
    """``open_as(name)``: Review in a browser of its own, logged in as ada, ben (inspectors) or vera (a viewer)."""
    project = new_project("shared", samples=4)
    with Workbench.open(project) as bench:
        bench.review.opinions.ask(True)
    stored = hashed("right horse")
    roles = {"ada": Role.INSPECTOR, "ben": Role.INSPECTOR, "vera": Role.VIEWER}
    write_accounts(tmp_path / "users", {n: Account(password=stored, role=role) for n, role in roles.items()})
    contexts = []
    with running(tmp_path, project, "--auth", str(tmp_path / "users")) as server:

        def start(name: str) -> Page:
            context = browser.new_context(viewport=DESK)
            contexts.append(context)
            context.add_init_script(TOUR_SEEN)
            form = {"username": name, "password": "right horse"}
            assert context.request.post(f"{server.url}login", form=form).ok
            page = context.new_page()
            page.goto(server.url)
            arrived(page)
            open_tab(page, "Review")
            expect(page.locator("#fs-review .fsb-tile")).to_have_count(4)
            return page

        yield start
        for context in contexts:
            context.close()


JUDGE = """async ([ticket, id]) => {
  const config = await (await fetch("config")).json();
  const grid = config.components.find((c) => (c.props.server_fns || []).includes("judge"));
  const data = { sid: ticket, ids: [id], verdict: "kept" };
  const body = JSON.stringify({ session_hash: "x", component_id: grid.id, fn_name: "judge", data });
  const headers = { "content-type": "application/json" };
  const answer = await fetch("gradio_api/component_server", { method: "POST", headers, body });
  return await answer.json();
}"""
TICKET = "sessionStorage.getItem('flawsmith-ticket')"


@pytest.mark.browser
@pytest.mark.thorough
@pytest.mark.timeout(240)
def test_two_people_disagree_and_a_viewer_changes_nothing(open_as: Callable[[str], Page]) -> None:
    ada, ben, vera = open_as("ada"), open_as("ben"), open_as("vera")
    first = str(ada.locator(".fsb-current").get_attribute("data-id"))
    for person, key in ((ada, "a"), (ben, "x")):
        expect(person.locator(f"[data-id='{first}']")).to_have_attribute("data-verdict", "new")
        person.locator("#fs-review").focus()
        person.locator(f"[data-id='{first}']").click()
        person.keyboard.press(key)
        expect(person.locator(f"[data-id='{first}']")).not_to_have_attribute("data-verdict", "new")
    ben.locator(f"[data-id='{first}']").click()
    expect(ben.locator(".fsb-facts")).to_contain_text("ada: kept")
    ben.locator("#fs-review-verdict").get_by_label("disagreements", exact=True).check(force=True)
    expect(ben.locator("#fs-review .fsb-tile")).to_have_count(1)
    vera.locator(f"[data-id='{first}']").click()
    vera.keyboard.press("a")
    expect(vera.locator(".fsb-note")).to_contain_text("you may look, and change nothing")
    expect(vera.locator(f"[data-id='{first}']")).to_have_attribute("data-verdict", "new")
    by_hand = vera.evaluate(JUDGE, [vera.evaluate(TICKET), first])
    assert re.search("your role here is viewer", by_hand["error"])
    stolen = ben.evaluate(JUDGE, [ada.evaluate(TICKET), first])
    assert re.search("another browser or login", stolen["error"])
