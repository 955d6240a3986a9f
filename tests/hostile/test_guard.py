"""What reaches the app: its own page and programs, not other pages, whatever name they make lead here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.server.callers import COOKIE
from app.server.guard import Guard
from app.server.limits import Limits
from app.server.origins import OwnNames
from app.server.rights import Rights
from app.server.team import Team
from app.server.uploads import Uploads

NO_LOGIN = Rights(Team(), lambda: ())

OWN = "http://127.0.0.1:7860"
JSON = {"content-type": "application/json"}


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    kept = Uploads(tmp_path)
    yield kept
    kept.close()


@pytest.fixture
def ask(uploads: Uploads) -> Callable[..., TestClient]:
    """``ask(host, more, base)``: a client of a server that was started so."""

    def start(host: str = "127.0.0.1", more: tuple[str, ...] = (), base: str = OWN, **limits: int) -> TestClient:
        async def answer(request: Request) -> Response:
            await request.body()
            response = PlainTextResponse("answered", headers={"access-control-allow-origin": "*"})
            response.set_cookie("access-token-x", "secret", httponly=True, samesite="none")
            return response

        guard = Middleware(Guard, names=OwnNames.of(host, more), limits=Limits(uploads, **limits), rights=NO_LOGIN)
        routes = [Route("/{path:path}", answer, methods=["GET", "POST"])]
        return TestClient(Starlette(routes=routes, middleware=[guard]), base_url=base)

    return start


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860", "localhost."])
def test_the_machine_itself_is_answered(ask: Callable[..., TestClient], host: str) -> None:
    assert ask().get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "a:b:c", "127.0.0.1@evil"]
)
def test_another_name_is_refused(ask: Callable[..., TestClient], host: str) -> None:
    answer = ask().get("/", headers={"host": host})
    assert (answer.status_code, "--allow-host" in answer.text) == (403, True)


def test_names_that_the_command_line_says_are_answered(ask: Callable[..., TestClient]) -> None:
    assert ask(more=("Inspect.example.com",)).get("/", headers={"host": "inspect.example.com:443"}).status_code == 200
    assert ask("192.168.1.5").get("/", headers={"host": "192.168.1.5:7860"}).status_code == 200
    assert ask("0.0.0.0").get("/", headers={"host": "10.0.0.7:7860"}).status_code == 200
    assert ask("0.0.0.0").get("/", headers={"host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7860.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    ],
    ids=str,
)
def test_another_page_changes_nothing(ask: Callable[..., TestClient], headers: dict[str, str]) -> None:
    answer = ask().post("/gradio_api/component_server", json={}, headers=headers)
    assert answer.status_code == 403


def test_another_page_reads_nothing_but_may_link_here(ask: Callable[..., TestClient]) -> None:
    client = ask()
    foreign = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert client.get("/gradio_api/file=/x.png", headers=foreign).status_code == 403
    assert client.get("/config", headers={"origin": "http://evil.example"}).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=link).status_code == 200
    assert client.get("/logout", headers=link).status_code == 403


def test_the_page_and_programs_are_answered(ask: Callable[..., TestClient]) -> None:
    client = ask()
    page = {"origin": OWN, "sec-fetch-site": "same-origin"}
    assert client.post("/gradio_api/queue/join", json={}, headers=page).status_code == 200
    assert client.post("/gradio_api/queue/join", json={}).status_code == 200


def test_a_proxy_may_have_another_name(ask: Callable[..., TestClient]) -> None:
    headers = {"origin": "https://inspect.example.com", "sec-fetch-site": "same-origin"}
    assert ask(more=("inspect.example.com",)).post("/x", json={}, headers=headers).status_code == 200
    assert ask().post("/x", json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_changes_anything(ask: Callable[..., TestClient], kind: str) -> None:
    client = ask()
    assert client.post("/gradio_api/component_server", content="{}", headers={"content-type": kind}).status_code == 403
    assert client.post("/gradio_api/component_server", content="{}", headers=JSON).status_code == 200


def test_answers_say_that_they_are_this_pages_own(ask: Callable[..., TestClient]) -> None:
    answer = ask().get("/")
    assert "access-control-allow-origin" not in answer.headers
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("SameSite=Lax" in cookie and "HttpOnly" in cookie for cookie in cookies)


def test_a_browser_is_given_one_cookie(ask: Callable[..., TestClient]) -> None:
    client = ask()
    client.get("/")
    known = client.cookies[COOKIE]
    assert len(known) == 43
    assert COOKIE not in client.get("/").headers.get("set-cookie", "")
    assert COOKIE in ask().get("/", headers={"cookie": f"{COOKIE}=short"}).headers["set-cookie"]


def test_what_gradio_fetches_for_others_is_shut(ask: Callable[..., TestClient]) -> None:
    assert ask().get("/gradio_api/file=https://example.com/x").status_code == 403
    assert ask().get("/gradio_api/proxy=https://example.com/x").status_code == 403


def test_too_large_is_said_before_it_is_read(ask: Callable[..., TestClient]) -> None:
    client = ask(body=1000, upload=5000)
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/gradio_api/upload", content=b"x" * 5001, headers=form).status_code == 413
    assert client.post("/gradio_api/upload", content=b"x" * 4999, headers=form).status_code == 200
    assert client.post("/x", content=b"x" * 1001, headers=JSON).status_code == 413


def test_a_body_without_a_length_ends_at_the_limit(ask: Callable[..., TestClient]) -> None:
    client = ask(body=1000)
    client.cookies.set(COOKIE, "x" * 43)
    answer = TestClient(client.app, base_url=OWN, raise_server_exceptions=False).post(
        "/x", content=(b"y" * 500 for _ in range(9)), headers=JSON
    )
    assert answer.status_code in (413, 500)
    assert answer.text != "answered"


def test_uploads_have_a_quota(ask: Callable[..., TestClient], uploads: Uploads) -> None:
    client = ask(per_browser=900, in_all=2000)
    client.cookies.set(COOKIE, "x" * 43)
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/gradio_api/upload", content=b"x" * 600, headers=form).status_code == 200
    answer = client.post("/gradio_api/upload", content=b"x" * 600, headers=form)
    assert (answer.status_code, "in this hour" in answer.text) == (413, True)
    client.cookies.set(COOKIE, "y" * 43)
    (uploads.folder / "part.png").write_bytes(b"x" * 1500)
    answer = client.post("/gradio_api/upload", content=b"x" * 600, headers=form)
    assert (answer.status_code, "try again when others are imported" in answer.text) == (413, True)
    uploads.done_with([uploads.folder / "part.png"])
    assert client.post("/gradio_api/upload", content=b"x" * 600, headers=form).status_code == 200
