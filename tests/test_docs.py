"""The docs say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from app.cli.main import app as cli
from core.engines.registry import engines

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("tool", ["settings_doc", "cli_doc", "models_doc"])
def test_generated_pages_are_fresh(tool: str) -> None:
    spec = importlib.util.spec_from_file_location(tool, ROOT / "tools" / f"{tool}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.text(), f"run: python tools/{tool}.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)|src=\"([^\"]+)\"", page.read_text())
    missing = [a or b for a, b in links if not (a or b).startswith("http") and not (page.parent / (a or b)).exists()]
    assert not missing


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings: small letters, no punctuation, hyphens for blanks."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]*)#([^)]+)\)", page.read_text())
    lost = [
        f"{name}#{anchor}" for name, anchor in links if anchor not in _anchors(page.parent / name if name else page)
    ]
    assert not lost


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+)", index.read_text())}
    pages = {page for page in PAGES if page.parent != ROOT and page != index}
    assert not pages - listed, "docs/index.md does not name them"


def test_every_environment_variable_is_in_the_docs() -> None:
    code = [ROOT / "launch.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "core").rglob("*.py")]
    used = {name for path in code for name in re.findall(r"FLAWSMITH_[A-Z_]+[A-Z]", path.read_text())}
    explained = set(re.findall(r"`(FLAWSMITH_[A-Z_]+)", (ROOT / "docs" / "cli.md").read_text()))
    assert used - {"FLAWSMITH_DATA"} <= explained  # which only tests and benchmarks read


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
