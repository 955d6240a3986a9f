"""Engines that draw with a diffusion model do so with a toy one here: the contract does not hang on weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def toy_model(toy_folder: Path) -> Iterator[None]:
    """For the modules of this folder alone: what runs next in the same process wants the shipped model."""
    from core.diffusion.loading import forget_backbones

    before = os.environ.get("FLAWSMITH_BACKBONE")
    os.environ["FLAWSMITH_BACKBONE"] = str(toy_folder)
    yield
    forget_backbones()
    os.environ.pop("FLAWSMITH_BACKBONE") if before is None else os.environ.__setitem__("FLAWSMITH_BACKBONE", before)
