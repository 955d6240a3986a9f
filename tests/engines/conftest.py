"""Engines that draw with a diffusion model do so with a toy one here: the contract does not hang on weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.diffusion.toy import write_toy


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="module", autouse=True)
def toy_model(toy_folder: Path) -> Iterator[None]:
    """For the modules of this folder alone: what runs next in the same process wants the shipped model."""
    from core.diffusion.loading import forget_backbones

    before = os.environ.get("FLAWSMITH_BACKBONE")
    os.environ["FLAWSMITH_BACKBONE"] = str(toy_folder)
    yield
    forget_backbones()
    os.environ.pop("FLAWSMITH_BACKBONE") if before is None else os.environ.__setitem__("FLAWSMITH_BACKBONE", before)
