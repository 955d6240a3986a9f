#!/usr/bin/env python3
"""The one command of Flawsmith: sets the environment up on first run, then opens the app or runs a command.

Standard library only, because on first run nothing else is there. ``python3 launch.py --help`` lists the
commands; ``python3 launch.py`` alone opens the app.

Environment variables: FLAWSMITH_VENV puts the environment elsewhere than ``.venv`` beside this file;
FLAWSMITH_VENV=none uses the running interpreter as it is (containers, conda).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
OLDEST = (3, 11)


def main(argv: list[str]) -> int:
    """Run ``argv`` (without the program's name) inside the project's environment."""
    if sys.version_info < OLDEST:
        return _fail(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}")
    place = os.environ.get("FLAWSMITH_VENV", str(HERE / ".venv"))
    if place != "none":
        venv = Path(place).expanduser().absolute()
        if not set_up(venv, "requirements-dev.txt" if argv[:1] == ["test"] else "requirements.txt"):
            return 1
        python = _python_of(venv)
        if Path(sys.prefix).resolve() != venv.resolve():
            return _hand_over(python, argv)
    sys.path.insert(0, str(HERE))
    from app.cli import run

    return run(argv)


def set_up(venv: Path, requirements: str) -> bool:
    """Make ``venv`` hold ``requirements``; a stamp file makes later calls instant. False if it failed."""
    stamp = venv / f".ready-{Path(requirements).stem}"
    wanted = _fingerprint(requirements)
    if stamp.is_file() and stamp.read_text() == wanted and _python_of(venv).exists():
        return True
    began = time.monotonic()
    _say(f"setting up {venv} from {requirements} (torch is large: a few minutes, about 7 GB)")
    uv = shutil.which("uv")
    steps = []
    quiet = ["-q"] if _python_of(venv).exists() else []
    if not quiet:
        steps.append(
            [uv, "venv", "--python", sys.executable, str(venv)] if uv else [sys.executable, "-m", "venv", str(venv)]
        )
    install = (
        [uv, "pip", "install", "--python", str(_python_of(venv))]
        if uv
        else [str(_python_of(venv)), "-m", "pip", "install"]
    )
    steps.append([*install, *quiet, "-r", str(HERE / requirements)])
    for step in steps:
        if subprocess.run(step, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
            _fail(
                f"set-up stopped at: {' '.join(step)}\n"
                "Check the lines above (network, disk space, Python headers) and run the same command again; "
                "what was installed is kept."
            )
            return False
    stamp.write_text(wanted)
    if requirements == "requirements-dev.txt":
        (venv / ".ready-requirements").write_text(_fingerprint("requirements.txt"))
    _say(f"ready after {time.monotonic() - began:.0f} s")
    return True


def _fingerprint(requirements: str) -> str:
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name in sorted({"requirements.txt", requirements}):
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
