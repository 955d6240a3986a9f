"""Seeds and devices. Torch is imported only by the functions that hand out torch things."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def numpy_rng(seed: int, *keys: int | str) -> np.random.Generator:
    """A numpy generator for ``seed`` and a path of keys, independent for each path.

    Adding a key never disturbs the draws of another path, so sample 7 of a batch is the same
    whether the batch holds 10 or 1,000.
    """
    return np.random.default_rng(derive_seed(seed, *keys))


def derive_seed(seed: int, *keys: int | str) -> int:
    """A 63-bit seed for ``seed`` and a path of keys; the same on every machine."""
    digest = hashlib.sha256("/".join([str(seed), *map(str, keys)]).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def choose_device(wanted: str = "auto") -> torch.device:
    """``wanted`` ("auto", "cpu", "cuda", "cuda:1", "mps") as a torch device; auto takes the best there is."""
    import torch

    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def torch_generator(seed: int) -> torch.Generator:
    """A CPU generator: noise is drawn on the CPU and moved, so a seed means the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)
