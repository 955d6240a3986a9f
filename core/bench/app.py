"""The app from outside: start, memory, and click → painted mask in a real browser."""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.bench.drawn_scenes import scene
from core.bench.served_app import free_port
from core.bench.stats import p95
from core.images import png_bytes
from core.store import Project

REPO_ROOT = Path(__file__).resolve().parents[2]
MINIMAL_APP = """
import gradio as gr
with gr.Blocks() as page:
    name = gr.Textbox(); out = gr.Textbox(); gr.Button("Greet").click(lambda n: "Hello " + n, name, out)
page.launch(server_port={port}, quiet=True, ssr_mode=False)
"""
CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
BIG_PHOTO_SHAPE = (3072, 4096)
"""Rows and columns of the photo the canvas is measured on."""


def measure(quick: bool = False) -> dict[str, Any]:
    """``{"start_ratio", "start_s", "idle_rss_mb", "canvas_p95_ms", "notes"}``; None where it cannot be measured."""
    folder = Path(tempfile.mkdtemp(prefix="flawsmith-bench-"))
    try:
        _project(folder / "p")
        return {**_start(folder, 1 if quick else 3), **_canvas(folder, 6 if quick else 24)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, repeats: int) -> dict[str, Any]:
    ours, hello, memory = [], [], []
    for _ in range(repeats):
        with _served([sys.executable, "-c", MINIMAL_APP.format(port=(port := free_port()))], port, folder) as (
            spent,
            _pid,
        ):
            hello.append(spent)
        with _app(folder) as (spent, pid, _port):
            ours.append(spent)
            memory.append(_rss_mb(pid))
    ratio = statistics.median(a / b for a, b in zip(ours, hello, strict=True))
    return {
        "start_ratio": round(ratio, 2),
        "start_s": round(statistics.median(ours), 2),
        "idle_rss_mb": round(statistics.median(memory)),
    }


def _canvas(folder: Path, clicks: int) -> dict[str, Any]:
    chromium = shutil.which("chromium")
    if not chromium or not importlib.util.find_spec("playwright"):
        return {"canvas_p95_ms": None, "notes": ["canvas: needs chromium and `pip install playwright`"]}
    from core.bench.browser import click_to_paint

    with _app(folder) as (_, _pid, port):
        spent = click_to_paint(f"http://127.0.0.1:{port}", chromium, list(CHROMIUM), clicks)
    return {"canvas_p95_ms": round(p95(spent), 1), "canvas_median_ms": round(statistics.median(spent), 1), "notes": []}


def _project(path: Path) -> None:
    normal, _ = scene(BIG_PHOTO_SHAPE[0], 5, BIG_PHOTO_SHAPE[1])
    with Project.create(path) as project:
        data = png_bytes(normal.pixels, grey=True)
        project.add_normal(data, ".png", "big.png", BIG_PHOTO_SHAPE[1], BIG_PHOTO_SHAPE[0], True)


@contextmanager
def _app(folder: Path) -> Iterator[tuple[float, int, int]]:
    port = free_port()
    command = [sys.executable, "launch.py", "ui", str(folder / "p"), "--port", str(port), "--no-browser"]
    with _served(command, port, folder) as (spent, pid):
        yield spent, pid, port


@contextmanager
def _served(command: list[str], port: int, folder: Path) -> Iterator[tuple[float, int]]:
    """Start a server; yield the seconds to its first answer and its pid; end it."""
    environment = {
        **os.environ,
        "GRADIO_ANALYTICS_ENABLED": "False",
        "FLAWSMITH_STATE": str(folder),
        "FLAWSMITH_VENV": "none",
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=REPO_ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"the server ended with {process.returncode}: {' '.join(command)}")
            time.sleep(0.02)
        yield time.perf_counter() - began, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    line = next(text for text in status.read_text().splitlines() if text.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
