"""The app as a process of its own, and what it takes of the machine: what attacks on the server talk to and kill."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from core.errors import Unavailable

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 180.0
ENDS_WITHIN_S = 60.0
_FRAME = re.compile(r'^ +File "(?P<file>[^"]+)", line \d+', re.MULTILINE)


@dataclass(frozen=True)
class ServerUse:
    """What the server and the processes that it started take at one moment."""

    memory_mb: float
    descriptors: int
    threads: int
    temporary_files: int


class ServedApp:
    """``with ServedApp(home, project) as app``: the app at ``app.port``, with all its folders below ``home``."""

    def __init__(self, home: Path, project: Path, *options: str) -> None:
        self.home, self.project = home, project
        self.port = free_port()
        self._options = options
        self._log = home / f"server-{self.port}.log"
        self._temporary = home / "temporary"

    def __enter__(self) -> Self:
        self._temporary.mkdir(parents=True, exist_ok=True)
        folders = {f"FLAWSMITH_{name.upper()}": str(self.home / name) for name in ("state", "projects", "models")}
        alone = {"FLAWSMITH_VENV": "none", "HF_HUB_OFFLINE": "1", "TMPDIR": str(self._temporary)}
        command = [sys.executable, str(ROOT / "launch.py"), "ui", str(self.project), "--port", str(self.port)]
        command += ["--no-browser", "--no-demo", *self._options]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, env=os.environ | folders | alone, stdout=log, stderr=log, start_new_session=True
            )
        self._await_answer()
        return self

    def __exit__(self, *error: object) -> None:
        self.kill(signal.SIGTERM)

    def kill(self, how: signal.Signals) -> bool:
        """End the server, with its children where it gets no say in it; whether it ended in time."""
        if self._process.poll() is None:
            if how is signal.SIGKILL:
                os.killpg(self._process.pid, how)
            else:
                self._process.send_signal(how)
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            return False
        return True

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def log(self) -> str:
        """What the server has printed."""
        return self._log.read_text("utf-8", "replace")

    def tracebacks(self) -> list[str]:
        """The tracebacks in the log that went through code of the project; not Gradio's own of what it refused."""
        return [text for text in self.log().split("Traceback (most recent call last):")[1:] if _is_ours(text)]

    def use(self) -> ServerUse:
        """What it takes now."""
        main = psutil.Process(self._process.pid)
        alive = [main, *main.children(recursive=True)]
        return ServerUse(
            round(sum(p.memory_info().rss for p in alive) / 2**20, 1),
            sum(p.num_fds() for p in alive),
            sum(p.num_threads() for p in alive),
            sum(path.is_file() for path in self._temporary.rglob("*")),
        )

    def _await_answer(self) -> None:
        until = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < until and self.is_running:
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            try:
                asked.request("GET", "/")
                if asked.getresponse().status == http.HTTPStatus.OK:
                    return
            except OSError:
                time.sleep(0.1)
            finally:
                asked.close()
        self.kill(signal.SIGKILL)
        raise Unavailable(f"the app does not start: {self.log().strip()[-300:]!r}")


def _is_ours(traceback: str) -> bool:
    body = traceback.split("\n\n", 1)[0]
    return any(match["file"].startswith((f"{ROOT}/app/", f"{ROOT}/core/")) for match in _FRAME.finditer(body))


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
