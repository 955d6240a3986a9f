"""What is installed: licences, what the one package without an author does, and, on demand, known vulnerabilities."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from tests.test_requirements import ROOT, locked

UNWANTED = re.compile(r"affero|agpl|non-?commercial|\bby-nc|research (use )?only", re.IGNORECASE)
WITHOUT_A_LICENCE = {"cuda-toolkit"}
"""NVIDIA's list of packages to go with torch, which holds no code."""
CALCULATES = {
    "copy", "cv2", "functools", "itertools", "math", "numpy", "pycocotools", "segment_anything", "torch",
    "torchvision", "typing",
}  # fmt: skip
"""What a package imports that does nothing but calculate."""
NEITHER = {"eval", "exec", "compile", "__import__", "system", "popen"}


def licence_of(name: str) -> str | None:
    """What an installed package says of its licence; None where it is not installed."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    kinds = [line for line in told.get_all("Classifier") or [] if line.startswith("License")]
    found = [told.get("License-Expression") or "", (told.get("License") or "")[:200], *kinds]
    return " | ".join(filter(None, found)) or _head_of_licence(name)


def _head_of_licence(name: str) -> str:
    """The title of the licence that a package brings as a file; the whole text may name other licences."""
    files = [file for file in metadata.files(name) or [] if file.name.upper().startswith(("LICEN", "COPYING"))]
    return " ".join(files[0].read_text("utf-8").split())[:80] if files else ""


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_no_package_is_under_agpl_or_for_non_commercial_use_only(lock: str) -> None:
    said = {name: text for name in locked(lock) if (text := licence_of(name)) is not None}
    assert len(said) > 15
    assert not {name: text for name, text in said.items() if UNWANTED.search(text)}
    assert {name for name, text in said.items() if not text} <= WITHOUT_A_LICENCE


@pytest.mark.parametrize(
    "text",
    [
        "GNU Affero General Public License v3",
        "AGPL-3.0-only",
        "CC-BY-NC-4.0",
        "Noncommercial",
        "for research use only",
    ],
)
def test_an_unwanted_licence_is_seen(text: str) -> None:
    assert UNWANTED.search(text)


def test_segment_anything_only_calculates() -> None:
    """Its registry entry names neither author nor homepage: no file of it may reach further than its use needs."""
    found = importlib.util.find_spec("segment_anything")
    if found is None or found.origin is None:
        pytest.skip("segment_anything is not installed")
    files = sorted(Path(found.origin).parent.rglob("*"))
    sources = [path for path in files if path.suffix == ".py"]
    assert {path.suffix for path in files if path.is_file()} <= {".py", ".pyc"}
    assert len(sources) == 15
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= CALCULATES, path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert str(node.module).split(".")[0] in CALCULATES, path
            elif isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                of_model = isinstance(node.func, ast.Attribute) and called == "eval" and not node.args
                assert called not in NEITHER or of_model, path


@pytest.mark.slow
def test_no_known_vulnerability_is_locked() -> None:
    """Asks PyPI, which takes a network and ``pip install pip-audit``."""
    tool = shutil.which("pip-audit")
    if tool is None:
        pytest.skip("pip-audit is not installed")
    command = [tool, "--no-deps", "--disable-pip", "--format", "json", "-r", str(ROOT / "requirements.lock")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    told = json.loads(done.stdout)["dependencies"]
    if unanswered := [package["name"] for package in told if "skip_reason" in package]:
        pytest.skip(f"PyPI did not answer about {len(unanswered)} packages, for example {unanswered[0]}")
    assert not {package["name"]: package["vulns"] for package in told if package["vulns"]}
