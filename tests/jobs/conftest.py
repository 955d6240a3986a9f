"""A new project for each test, and what is decoded."""

from __future__ import annotations

from collections import Counter

import pytest

from core.images.isolated import pool
from core.store import Project


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as made:
        yield made


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was decoded as a photo, by its name."""
    counted: Counter[str] = Counter()
    call = pool.call

    def counting(operation: str, data: bytes, name: str, fields: dict[str, object]):
        if operation in ("photo", "look", "look_and_photo"):
            counted[name] += 1
        return call(operation, data, name, fields)

    monkeypatch.setattr(pool, "call", counting)
    return counted
