"""What the default run may hold: quick tests, and one browser test for the main path of each tab."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parent
APP = TESTS.parent / "app"
MAIN_PATHS = "app/test_main_paths.py"
LATER = {"slow", "thorough", "interop"}
"""What bears one of these marks is not in the default run."""


def marks(*nodes: ast.expr) -> dict[str, list[object]]:
    """Names of the marks among decorators, or in the value of ``pytestmark``, with their constant arguments."""
    found: dict[str, list[object]] = {}
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark":
            found.setdefault(node.attr, [])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found.setdefault(node.func.attr, []).extend(a.value for a in node.args if isinstance(a, ast.Constant))
    return found


@cache
def default_tests() -> list[tuple[str, str, dict[str, list[object]]]]:
    """Each test of the default run: its file, its name, and its marks."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        shared = [node.value for node in tree.body if isinstance(node, ast.Assign) and _is_pytestmark(node)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = marks(*shared, *node.decorator_list)
                if not LATER & own.keys():
                    found.append((path.relative_to(TESTS).as_posix(), node.name, own))
    return found


def _is_pytestmark(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets)


def test_what_asks_for_a_long_timeout_is_in_a_tier() -> None:
    late = [f"{file}::{name}" for file, name, own in default_tests() if "timeout" in own]
    assert not late, f"mark them thorough or slow, or make them quick enough for the timeout of all: {late}"


def test_a_browser_test_is_a_main_path_or_thorough() -> None:
    others = [f"{file}::{name}" for file, name, own in default_tests() if "browser" in own and file != MAIN_PATHS]
    assert not others, f"mark them thorough; those of every run are in tests/{MAIN_PATHS}: {others}"


def test_every_run_walks_the_main_path_of_each_tab() -> None:
    tabs = {t for path in (APP / "tabs").rglob("*.py") for t in re.findall(r'gr\.Tab\("(\w+)", id=', path.read_text())}
    walked = {tab for file, _, own in default_tests() if file == MAIN_PATHS for tab in own["browser"]}
    assert tabs and walked == tabs
