"""Time and memory of what a model does: CPU seconds on a CPU; on a GPU, which works on by itself, by the clock."""

from __future__ import annotations

import ctypes
import gc
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from core.diffusion.backbone import Backbone


def time_and_memory(backbone: Backbone, work: Callable[[int], object], repeats: int) -> tuple[float, float]:
    """Median seconds of ``work``, after one that warms up, and the memory at its highest, MB."""
    spent = []
    with peak_memory(backbone) as peak:
        for i in range(repeats + 1):
            began = work_seconds(backbone)
            work(i)
            spent.append(work_seconds(backbone) - began)
    return statistics.median(spent[1:]), peak()


def work_seconds(backbone: Backbone) -> float:
    """Seconds that this process worked, or of the clock once a GPU has done all it was told."""
    if backbone.device.type != "cuda":
        return time.process_time()
    import torch

    torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def peak_memory(backbone: Backbone) -> Iterator[Callable[[], float]]:
    """Tells the memory at its highest while the block ran, MB: of the whole process, on a GPU of the tensors."""
    if backbone.device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        yield lambda: torch.cuda.max_memory_allocated() / 2**20
        return
    gc.collect()
    # What was freed before must not count: the allocator keeps it until it is asked.
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    process, ended = psutil.Process(), threading.Event()
    seen = [process.memory_info().rss]

    def watch() -> None:
        while not ended.wait(0.005):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: max(seen) / 2**20
    finally:
        ended.set()
        watcher.join()
