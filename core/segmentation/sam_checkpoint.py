"""Checkpoints of any network read safely, and what an encoder gives."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Unavailable

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SamEmbedding:
    """What the encoder gave: tensor (1, 256, 64, 64) on the CPU, for a photo of ``shape`` (H, W)."""

    features: torch.Tensor
    shape: tuple[int, int]
    input_shape: tuple[int, int]

    @property
    def nbytes(self) -> int:
        return int(self.features.element_size() * self.features.nelement())


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
