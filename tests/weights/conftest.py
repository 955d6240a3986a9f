"""A model's folder, and a machine on which nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.weights.folder import write_folder


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it only."""
    return write_folder(tmp_path_factory.mktemp("toy") / "toy")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model anywhere: what is fetched goes to ``models`` in this folder, ``shipped`` has what is shipped."""
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FLAWSMITH_BACKBONE", raising=False)
    for room in ("core.diffusion.model_sources.SHIPPED", "core.diffusion.model_folders.SHIPPED"):
        monkeypatch.setattr(room, tmp_path / "shipped")
    return tmp_path
