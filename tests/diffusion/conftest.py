"""One toy model for all tests of the room, written and loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from core.diffusion.backbone import Backbone
from core.diffusion.loading import forget_backbones, load_backbone
from tests.diffusion.toy import write_toy


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("models") / "toy")


@pytest.fixture(scope="session")
def toy(toy_folder: Path) -> Iterator[Backbone]:
    yield load_backbone(str(toy_folder), "cpu")
    forget_backbones()


@pytest.fixture(scope="session")
def plate() -> np.ndarray:
    """An uneven, coloured plate, uint8 (64, 64, 3)."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    grain = np.random.default_rng(3).normal(0, 6, (64, 64, 3))
    return np.clip(np.dstack([90 + x, 120 + 0.5 * y, 100 + 0.3 * x]) + grain, 0, 255).astype(np.uint8)
