"""The docs say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from app.cli.main import app as cli
from core.engines.registry import engines

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_settings_page_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("settings_doc", ROOT / "tools" / "settings_doc.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.text(), "run: python tools/settings_doc.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)|src=\"([^\"]+)\"", page.read_text())
    missing = [a or b for a, b in links if not (a or b).startswith("http") and not (page.parent / (a or b)).exists()]
    assert not missing


def test_every_command_and_engine_is_in_the_docs() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for command in cli.registered_commands:
        assert f"launch.py {command.name}" in text, f"{command.name} is not documented"
    for name in engines():
        assert f"`{name}`" in text


def test_every_setting_explains_itself() -> None:
    for engine in engines().values():
        for name, field in engine.Params.model_fields.items():
            assert field.title and field.description, f"{engine.name}.{name} has no title or description"
