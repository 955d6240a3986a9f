"""Engines that draw with a diffusion model do so with a toy one here: the contract does not hang on weights."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.diffusion.toy import write_toy


@pytest.fixture(scope="session", autouse=True)
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from core.diffusion.backbone import forget_backbones

    before = os.environ.get("FLAWSMITH_BACKBONE")
    os.environ["FLAWSMITH_BACKBONE"] = str(write_toy(tmp_path_factory.mktemp("models") / "toy"))
    yield
    forget_backbones()
    os.environ.pop("FLAWSMITH_BACKBONE") if before is None else os.environ.__setitem__("FLAWSMITH_BACKBONE", before)
