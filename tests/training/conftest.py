"""Plates with dark spots to learn from, as fixtures."""

from __future__ import annotations

import pytest

from core.types import AnomalyExample, NormalImage
from tests.plates import example, plate


@pytest.fixture(scope="session")
def holes() -> list[AnomalyExample]:
    return [example(seed) for seed in range(3)]


@pytest.fixture(scope="session")
def normals() -> list[NormalImage]:
    return [NormalImage(f"n{seed}", f"{seed}.png", plate(10 + seed)) for seed in range(3)]
