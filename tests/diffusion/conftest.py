"""What the tests of the diffusion core share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def plate() -> np.ndarray:
    """An uneven, coloured plate, uint8 (64, 64, 3)."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    grain = np.random.default_rng(3).normal(0, 6, (64, 64, 3))
    return np.clip(np.dstack([90 + x, 120 + 0.5 * y, 100 + 0.3 * x]) + grain, 0, 255).astype(np.uint8)
