"""What a worker sends back, in the size of PNGs."""

from __future__ import annotations

from typing import TypeAlias

from core.jobs.packed_sample import PackedSample

WorkerReply: TypeAlias = list[PackedSample | str | tuple[str, str]]
"""For each index: a sample, why there is none, or ("stored", id) of one that lies in the project."""
