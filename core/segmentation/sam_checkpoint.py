"""Checkpoints of any network read safely, and encoder outputs kept within a budget."""

from __future__ import annotations

import pickle
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Unavailable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Embedding:
    """What the encoder gave: tensor (1, 256, 64, 64) on the CPU, for a photo of ``shape`` (H, W)."""

    features: torch.Tensor
    shape: tuple[int, int]
    input_shape: tuple[int, int]

    @property
    def nbytes(self) -> int:
        return int(self.features.element_size() * self.features.nelement())


class EmbeddingCache:
    """Embeddings of the photos last used, dropped oldest first beyond ``budget`` bytes."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._kept: OrderedDict[str, Embedding] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Embedding | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, value: Embedding) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and self.nbytes > self._budget:
                self._kept.popitem(last=False)

    @property
    def nbytes(self) -> int:
        return sum(e.nbytes for e in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)


def load_checkpoint(model: Any, path: Path, title: str) -> Any:
    """``model`` with the state dict of ``path``, in evaluation mode.

    Read with ``weights_only``: a pickle that would run code is refused. Unavailable, in one line, when the file is
    truncated, no checkpoint, or of another model.
    """
    import torch

    if not path.is_file():
        raise Unavailable(f"{title}: there is no file {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise Unavailable(
            f"{title}: {path} is truncated or no PyTorch checkpoint of plain weights; delete it and fetch it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise Unavailable(f"{title}: {path} holds no state dict of tensors; use the published checkpoint")
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise Unavailable(
            f"{title}: {path} is of another model ({len(state)} tensors do not fit); use the published checkpoint"
        ) from error
    return model.eval()
