#!/usr/bin/env python3
"""The one command of Flawsmith: sets the environment up on first run, then opens the app or runs a command.

Standard library only, because on first run nothing else is there. ``python3 launch.py --help`` lists the
commands; ``python3 launch.py`` alone opens the app. The environment gets the exact versions of
``requirements.lock``; ``test`` and ``check`` get those of ``requirements-dev.lock``.

Environment variables:

- FLAWSMITH_VENV puts the environment elsewhere than ``.venv`` beside this file; FLAWSMITH_VENV=none uses the
  running interpreter as it is (containers, conda).
- FLAWSMITH_TORCH_INDEX is the address of a package index to take torch from, for a CPU-only build or one for
  another CUDA. It counts when the environment is made, and the environment remembers it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST = (3, 11)
DEVELOPER_COMMANDS = ("test", "check")
TORCH = re.compile(r"(torch|torchvision|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
"""Start of a locked requirement that belongs to one build of torch: another index brings its own."""


def main(argv: list[str]) -> int:
    """Run ``argv`` (without the program's name) inside the project's environment."""
    if sys.version_info < OLDEST:
        return _fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    place = os.environ.get("FLAWSMITH_VENV", str(HERE / ".venv"))
    if place != "none":
        venv = Path(place).expanduser().absolute()
        developer = bool(argv) and argv[0] in DEVELOPER_COMMANDS
        if not set_up(venv, "requirements-dev.lock" if developer else "requirements.lock"):
            return 1
        python = _python_of(venv)
        if Path(sys.prefix).resolve() != venv.resolve():
            return _hand_over(python, argv)
    sys.path.insert(0, str(HERE))
    from app.cli import run

    return run(argv)


def set_up(venv: Path, lock: str) -> bool:
    """Make ``venv`` hold what ``lock`` pins; a stamp file makes later calls instant. False if it failed."""
    index = _torch_index(venv)
    if index is None:
        return False
    stamp, wanted = venv / f".ready-{lock}", _fingerprint(lock)
    if stamp.is_file() and stamp.read_text() == wanted and _python_of(venv).exists():
        return True
    began = time.monotonic()
    if not _make(venv, lock, index) or not _install(venv, lock, index):
        return False
    (venv / ".torch-index").write_text(index)
    stamp.write_text(wanted)
    if lock == "requirements-dev.lock":
        (venv / ".ready-requirements.lock").write_text(_fingerprint("requirements.lock"))
    _say(f"ready after {time.monotonic() - began:.0f} s")
    return True


def _torch_index(venv: Path) -> str | None:
    """Where torch comes from ("" is the default index), or None where the environment has it from elsewhere."""
    wanted = os.environ.get("FLAWSMITH_TORCH_INDEX")
    record = venv / ".torch-index"
    has = record.read_text() if record.is_file() else "" if any(venv.glob(".ready-*")) else None
    if wanted is None or has is None or wanted == has:
        return wanted or has or ""
    _fail(
        f"FLAWSMITH_TORCH_INDEX is {wanted or 'empty'}, but {venv} was made with torch from "
        f"{has or 'the default index'}; delete that folder and run the same command again, or unset the variable"
    )
    return None


def _make(venv: Path, lock: str, index: str) -> bool:
    if _python_of(venv).exists():
        _say(f"updating {venv} to {lock}")
        return True
    _say(f"setting up {venv} from {lock} (a few minutes; {_size(index)})")
    uv = shutil.which("uv")
    return _run(*([uv, "venv", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]), str(venv))


def _size(index: str) -> str:
    if sys.platform != "linux" or index.rstrip("/").endswith("/cpu"):
        return "about 2 GB"
    return "about 7 GB, most of it torch for CUDA: see FLAWSMITH_TORCH_INDEX in the README for a build without"


def _install(venv: Path, lock: str, index: str) -> bool:
    """Install the lock as it is, or all of it but torch, and then torch from its own index.

    The lock is complete, so that pip has nothing to resolve (``--no-deps``). Its hashes are those of the default
    index, so that torch from another one is pinned by version alone.
    """
    python, uv = str(_python_of(venv)), shutil.which("uv")
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    if not index:
        return _run(*pip, "--no-deps", "-r", str(HERE / lock))
    others, torch = _without_torch(lock)
    rest = venv / "without-torch.lock"
    rest.write_text(others)
    return _run(*pip, "--no-deps", "-r", str(rest)) and _run(*pip, *torch, "--index-url", index)


def _without_torch(lock: str) -> tuple[str, list[str]]:
    """The locked requirements but those of torch's build, and the pins of torch and torchvision."""
    names = ["requirements.lock"] if lock == "requirements.lock" else ["requirements.lock", lock]
    text = "\n".join((HERE / name).read_text() for name in names)
    blocks = [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("-r ")]
    pins = [block.split()[0] for block in blocks if block.startswith(("torch==", "torchvision=="))]
    return "\n".join(block for block in blocks if not TORCH.match(block)) + "\n", pins


def _run(*step: str) -> bool:
    if subprocess.run(step, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode == 0:
        return True
    _fail(
        f"set-up stopped at: {' '.join(step)}\n"
        "Check the lines above (network, disk space, Python headers) and run the same command again; "
        "what was installed is kept."
    )
    return False


def _fingerprint(lock: str) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name in sorted({"requirements.lock", lock}):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def _python_of(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _hand_over(python: Path, argv: list[str]) -> int:
    command = [str(python), str(HERE / "launch.py"), *argv]
    if os.name == "nt":
        return subprocess.run(command).returncode
    sys.stdout.flush()
    os.execv(command[0], command)


def _say(line: str) -> None:
    print(f"flawsmith: {line}", file=sys.stderr, flush=True)


def _fail(line: str) -> int:
    print(f"error: {line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
