"""The page's JavaScript is served as modules, at addresses that change with it."""

from __future__ import annotations

import posixpath
import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app import modules

START = "app/canvas/js/start.js"


@pytest.mark.parametrize("root_path", ["", "/behind/a/proxy"])
def test_a_module_is_served_to_be_kept(root_path: str) -> None:
    client = TestClient(FastAPI(routes=modules.routes()), root_path=root_path)
    answer = client.get(f"/{modules.base()}/{START}")
    assert answer.status_code == 200 and answer.text.startswith("//")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("name", ["app/page.py", "app/../launch.py", "../../etc/passwd", "app/canvas/js/no.js", ""])
def test_nothing_else_is_served(name: str) -> None:
    client = TestClient(FastAPI(routes=modules.routes()))
    assert client.get(f"/{modules.base()}/{name}").status_code == 404


def test_the_address_changes_with_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    before = modules.base()
    monkeypatch.setattr(modules, "modules", lambda: {START: b"export {};"})
    modules.base.cache_clear()
    assert modules.base() != before
    modules.base.cache_clear()


def test_imports_of_modules_are_modules() -> None:
    names = modules.modules()
    for name, text in names.items():
        for path in re.findall(r'^import .* from "(.+)";$', text.decode(), re.M):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
            assert path.startswith((".", "..")) and target in names, f"{name} imports {path}"


def test_a_component_names_its_events() -> None:
    assert '"judged"' in modules.on_load("app/review_grid/js/start.js", "judged")
    with pytest.raises(KeyError, match="no module app/nowhere.js"):
        modules.on_load("app/nowhere.js")
