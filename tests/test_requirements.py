"""What is imported is required, and what is required is locked."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
IF_INSTALLED = {"anomalib", "defect_synthesis", "onnxruntime", "py7zr", "ray", "rembg", "playwright"}
"""Imported behind a check; whoever wants what they bring installs them."""


def asked(name: str) -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def locked(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", (ROOT / name).read_text(), re.M))


def imported(*folders: str) -> set[str]:
    names = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"app", "core"}


def test_what_is_imported_is_required() -> None:
    distributions, required = packages_distributions(), asked("requirements.txt")
    missing = [
        name
        for name in imported("app", "core") - IF_INSTALLED
        if not {canonicalize_name(distribution) for distribution in distributions.get(name, [])} & required.keys()
    ]
    assert not missing, f"add to requirements.txt, then run tools/lock.py: {missing}"


def test_the_locks_hold_what_is_required() -> None:
    pins = locked("requirements.lock") | locked("requirements-dev.lock")
    required = asked("requirements.txt") | asked("requirements-dev.txt")
    off = [str(r) for name, r in required.items() if name not in pins or not r.specifier.contains(pins[name])]
    assert not off, f"run tools/lock.py: {off}"


def test_the_locks_have_hashes_and_no_addresses() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text and "@" not in text
        for block in re.split(r"\n(?=[a-z])", text)[1:]:
            assert "--hash=sha256:" in block, f"{name}: {block.splitlines()[0]}"


def test_the_two_locks_share_no_package() -> None:
    assert not locked("requirements.lock").keys() & locked("requirements-dev.lock").keys()
