"""A new project for each test."""

from __future__ import annotations

import pytest

from core.store import Project


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as made:
        yield made
