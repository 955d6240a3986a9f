"""Number formats of a training: which are native on a device, and how a step runs in them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from core.errors import InputError

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass
class PrecisionStep:
    """Runs optimiser steps in one precision. Losses are float32 whatever the network computes in."""

    device: torch.device
    dtype: torch.dtype

    def __post_init__(self) -> None:
        # Half floats underflow in small gradients unless the loss is scaled; bfloat16 has the range of float32.
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)

    @property
    def name(self) -> str:
        """The precision as it is written into a result."""
        return str(self.dtype).removeprefix("torch.")

    def autocast(self) -> AbstractContextManager[Any]:
        """The block in which the network is called."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def optimize(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Gradients of ``loss`` and one step along them."""
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._scaler.scale(loss))
        self._scaler.step(optimizer)
        self._scaler.update()


def step_for(device: torch.device, precision: Precision) -> PrecisionStep:
    """How to step on ``device``: "auto" takes a 16-bit format where the device computes in it, else float32."""
    if precision == "float16" and device.type == "cpu":
        raise InputError("precision float16: a CPU trains in float32 or bfloat16; choose one of them, or auto")
    dtype = _native(device) if precision == "auto" else getattr(torch, precision)
    return PrecisionStep(device, dtype)


def _native(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        has = torch.cpu.get_capabilities()
        if has.get("amx_bf16") or has.get("avx512_bf16"):
            return torch.bfloat16
    return torch.float32
