"""What a model is told beside the noisy picture and its time: the prompt, as tokens and as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.errors import InputError


@dataclass(frozen=True, eq=False)
class Conditioning:
    """N prompts as a model reads them.

    ``states`` float32 (N, L, D) are those of the prompts' tokens, ``pooled`` float32 (N, P) the prompts as a whole
    where the model reads that too, and ``extras`` (N, ...) what else it is told, by the name the model knows it
    under, such as ``time_ids``. ``surroundings`` float32 (N, 1 + C, h, w), for inpainting models only, are the mask,
    1 where to draw, and the latents of the picture with that place grey; None says that all is to be drawn.
    InputError unless all are of N rows.
    """

    states: Tensor
    pooled: Tensor | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    surroundings: Tensor | None = None

    def __post_init__(self) -> None:
        if self.states.ndim != 3:
            raise InputError(f"conditioning: expected token states (N, L, D), got {tuple(self.states.shape)}")
        lengths = {name: len(value) for name, value in self._tensors().items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"conditioning: expected as many rows of each part, got {lengths}")

    def __len__(self) -> int:
        """How many prompts there are."""
        return len(self.states)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Conditioning:
        """The same on ``device``, and in ``dtype`` where one is given."""
        return self._with({name: value.to(device, dtype) for name, value in self._tensors().items()})

    def rows(self, index: Tensor | Sequence[int]) -> Conditioning:
        """The prompts at ``index`` (n,), in that order; a prompt may come again."""
        at = torch.as_tensor(index, dtype=torch.int64)
        return self._with({name: value[at.to(value.device)] for name, value in self._tensors().items()})

    def expanded(self, count: int) -> Conditioning:
        """One prompt for ``count`` rows, or as many as there are; InputError for any other number."""
        if len(self) not in (1, count):
            raise InputError(f"conditioning: expected 1 or {count} prompts for {count} latents, got {len(self)}")
        return self._with({name: value.expand(count, *value.shape[1:]) for name, value in self._tensors().items()})

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """All prompts of ``parts`` one after the other, on the first one's device."""
        if len({tuple(sorted(part._tensors())) for part in parts}) != 1:
            raise InputError("conditioning: expected parts of one model, with the same pooled states and extras")
        first = parts[0]
        given = [part._tensors() for part in parts]
        return first._with(
            {name: torch.cat([one[name].to(value) for one in given]) for name, value in first._tensors().items()}
        )

    def _tensors(self) -> dict[str, Tensor]:
        parts = {"states": self.states, "pooled": self.pooled, "surroundings": self.surroundings}
        parts |= {f"extras.{name}": value for name, value in self.extras.items()}
        return {name: value for name, value in parts.items() if value is not None}

    def _with(self, tensors: Mapping[str, Tensor]) -> Conditioning:
        extras = {name: tensors[f"extras.{name}"] for name in self.extras}
        return Conditioning(tensors["states"], tensors.get("pooled"), extras, tensors.get("surroundings"))
