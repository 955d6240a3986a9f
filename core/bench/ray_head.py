"""A Ray cluster of one node on this machine, as ``ray start`` makes it, for as long as a measurement takes."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil  # type: ignore[import-untyped]

from core.bench.served_app import free_port
from core.errors import Unavailable

RAY_IS_HERE = importlib.util.find_spec("ray") is not None
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 20.0


@contextmanager
def ray_head(slots: int) -> Iterator[str]:
    """The address of a cluster with room for ``slots`` workers; Unavailable where it does not start."""
    port = free_port()
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
    command += ["--port", str(port), "--num-cpus", str(slots), "--include-dashboard", "false"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | {"RAY_ENABLE_AUTO_CONNECT": "0"})
        try:
            _await_port(process, port)
            yield f"127.0.0.1:{port}"
        finally:
            _end(process)


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise Unavailable("ray start: no cluster came up; run it by hand to see why")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it started."""
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(started, ENDS_WITHIN_S)
    for one in alive:
        one.kill()
    process.wait(ENDS_WITHIN_S)
