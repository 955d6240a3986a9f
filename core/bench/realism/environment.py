"""What stands beside a table so that it can be judged later: date, machine, versions, commit."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import core

REPO_ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ("torch", "numpy", "opencv-python-headless", "diffusers", "scikit-learn")


def environment(device: str = "auto") -> dict[str, Any]:
    """``{"date", "version", "commit", "processor", "cores", "device", "threads", "python", "libraries"}``."""
    import torch

    from core.device import choose_device

    chosen = choose_device(device)
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": core.__version__,
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _commit() -> str | None:
    """The short hash of the checkout, with ``+`` where files differ from it; None outside a checkout."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=REPO_ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        for line in cpus.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
