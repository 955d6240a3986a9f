"""The page around the tabs: header, light and dark, reload, two people, login."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.server.accounts import Account, write_accounts
from app.server.passwords import hashed
from core.api import Workbench
from tests.app.conftest import DESK, Server, open_tab, reload, running
from tests.app.hands import Hands

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

TABS = ("Product", "Regions", "Studio", "Review", "Export", "Models")


def test_tabs_title_manifest_and_dark(page: Page, server: Server) -> None:
    for name in TABS:
        open_tab(page, name)
    expect(page).to_have_title("plates · Flawsmith")
    manifest = page.request.get(f"{server.url}manifest.json")
    assert manifest.ok
    told = json.loads(manifest.text())
    assert told["name"] == "Flawsmith" and told["display"] == "standalone"
    for icon in told["icons"]:
        assert page.request.get(urllib.parse.urljoin(server.url, icon["src"])).ok

    body = page.locator("body")
    was_dark = "dark" in (body.get_attribute("class") or "").split()
    page.locator("#fs-dark").click()
    for _ in range(2):
        assert ("dark" in (body.get_attribute("class") or "").split()) is not was_dark
        reload(page)
        expect(page.locator("#fs-project b")).to_have_text("plates")
    expect(page.get_by_role("tab", name="Models", exact=True)).to_have_attribute("aria-selected", "true")


def test_a_tab_clicked_while_the_page_arrives_is_filled(
    new_page: Callable[..., Page], new_project: Callable[..., Path], server: Server
) -> None:
    page = new_page(new_project("early", samples=2))
    page.add_init_script("""
      const fetch = window.fetch, go = new Promise((done) => { window.letGo = done; });
      window.fetch = (...asked) => String(asked[0]).includes("queue/join")
        ? go.then(() => fetch(...asked)) : fetch(...asked);""")
    page.reloading = True  # type: ignore[attr-defined]
    page.goto(server.url + "?fresh")
    page.get_by_role("tab", name="Review", exact=True).click()
    page.evaluate("letGo()")
    expect(page.locator("#fs-project b")).to_have_text("early")
    expect(page.locator("#fs-review .fsb-tile")).to_have_count(2)


def test_two_sessions_do_not_disturb_each_other(
    new_page: Callable[..., Page], new_project: Callable[..., Path]
) -> None:
    left, right = new_page(new_project("left", samples=2)), new_page(new_project("right", samples=2))
    open_tab(left, "Review")
    expect(left.locator("#fs-review .fsb-tile")).to_have_count(2)
    left.keyboard.press("a")
    expect(left.locator("#fs-project")).to_contain_text("1 kept")
    open_tab(right, "Review")
    expect(right.locator("#fs-review .fsb-tile")).to_have_count(2)
    expect(right.locator("#fs-project")).to_contain_text("0 kept")
    for page, name in ((left, "left"), (right, "right")):
        reload(page)
        expect(page.locator("#fs-project b")).to_have_text(name)
        expect(page).to_have_title(f"{name} · Flawsmith")


TICKET = "() => sessionStorage.getItem('flawsmith-ticket')"


def test_a_page_is_told_that_its_session_has_another_project(
    new_page: Callable[..., Page], new_project: Callable[..., Path]
) -> None:
    first, second = new_project("first"), new_project("second", samples=2)
    page = new_page(second)
    twin = page.context.new_page()  # a browser that duplicates a tab copies what it stores of the session
    twin.goto(page.url)
    twin.evaluate("(ticket) => sessionStorage.setItem('flawsmith-ticket', ticket)", page.evaluate(TICKET))
    reload(twin)
    expect(twin.locator("#fs-project b")).to_have_text("second")
    assert twin.evaluate(TICKET) == page.evaluate(TICKET)
    open_tab(page, "Review")
    expect(page.locator("#fs-review .fsb-tile")).to_have_count(2)
    box = twin.locator("#fs-open input")
    box.fill(str(first))
    box.press("Enter")
    expect(twin.locator("#fs-project b")).to_have_text("first")
    page.keyboard.press("a")
    expect(page.locator(".fsb-note")).to_contain_text("another project is open in this page's session")
    with Workbench.open(second) as bench:
        assert bench.review.kept_count() == 0
    reload(page)  # its address names the project that it showed
    expect(page.locator("#fs-project b")).to_have_text("second")


def test_a_stolen_ticket_is_of_no_use(new_page: Callable[..., Page], new_project: Callable[..., Path]) -> None:
    owner = new_page(new_project("owned"))
    thief = new_page(new_project("other"), viewport=DESK)
    stolen = owner.evaluate(TICKET)
    thief.evaluate("(ticket) => sessionStorage.setItem('flawsmith-ticket', ticket)", stolen)
    reload(thief)
    expect(thief.locator("#fs-project b")).to_have_text("other")  # a session of its own, where its address leads
    assert thief.evaluate(TICKET).split(".")[0] != stolen.split(".")[0]


def test_a_folder_that_is_no_project_is_refused_in_one_line(page: Page, tmp_path: Path) -> None:
    open_tab(page, "Product")
    box = page.locator("#fs-open input")
    box.fill(str(tmp_path))
    box.press("Enter")
    notice = page.get_by_test_id("toast-body")
    expect(notice).to_contain_text("is not a Flawsmith project")
    expect(page.locator("#fs-project b")).to_have_text("plates")


def test_login_guards_the_page_and_the_files(tmp_path: Path, new_project: Callable[..., Path]) -> None:
    project = new_project("guarded")
    with Workbench.open(project) as bench:
        photo = bench.photos.page(0, 1)[0].path
    logins = tmp_path / "logins.txt"
    write_accounts(logins, {"ines": Account(password=hashed("right horse"))})
    with running(tmp_path, project, "--auth", str(logins)) as server:
        guarded = [f"{server.url}gradio_api/file={photo}", f"{server.url}config"]
        for url in guarded:
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(url, timeout=20)
            assert refused.value.code in (401, 403)
        person = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = urllib.parse.urlencode({"username": "ines", "password": "right horse"}).encode()
        assert person.open(f"{server.url}login", form, timeout=20).status == 200
        assert person.open(guarded[0], timeout=20).read() == photo.read_bytes()
        # What a person can see is the pictures, never the database.
        with pytest.raises(urllib.error.HTTPError) as hidden:
            person.open(f"{server.url}gradio_api/file={project / 'project.db'}", timeout=20)
        assert hidden.value.code in (403, 404)


def test_a_newcomer_is_offered_the_tour_once(new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="light")
    expect(page.locator("#fs-tour-line")).to_have_count(0)
    page.locator("#fs-tour").click()
    line = page.locator("#fs-tour-line")
    expect(line).to_contain_text("1 of 6 · Product")
    line.get_by_role("button", name="Next").click()
    expect(page.get_by_role("tab", name="Regions", exact=True)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(line).to_have_count(0)
    expect(page.get_by_role("tab", name="Product", exact=True)).to_have_attribute("aria-selected", "true")


def test_focus_mode_shows_the_canvas_alone(new_page: Callable[..., Page]) -> None:
    page = new_page(color_scheme="light")
    hands = Hands(page, "studio").open()
    small = page.locator("#fs-studio-canvas .fsc-stage").bounding_box()
    page.locator("#fs-studio-canvas [data-do=focus]").click()
    expect(page.locator(".fs-head")).to_be_hidden()
    large = page.locator("#fs-studio-canvas .fsc-stage").bounding_box()
    assert small and large and large["width"] > 1.5 * small["width"]
    expect(page.locator("#fs-generate")).to_be_hidden()
    page.get_by_role("button", name="Settings", exact=True).click()
    expect(page.locator("#fs-generate")).to_be_visible()
    # What is being drawn comes first: the first Esc cancels it, the next one leaves.
    hands.page.keyboard.press("p")
    hands.click(40, 40)
    hands.until("M.state.polygon.length === 1")
    page.keyboard.press("Escape")
    hands.until("M.state.polygon.length === 0")
    expect(page.locator(".fs-head")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator(".fs-head")).to_be_visible()
