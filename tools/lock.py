"""Writes requirements.lock and requirements-dev.lock: exact versions with hashes, for every system and Python >= 3.11.

    pip install uv
    python tools/lock.py                     # what requirements.txt asks for now; the other pins stay
    python tools/lock.py --upgrade           # everything anew
    python tools/lock.py --upgrade-package gradio

Further arguments go to ``uv pip compile``. Upgrade torch and torchvision together: they are a matching pair.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
APP, DEV = HERE / "requirements.lock", HERE / "requirements-dev.lock"
HEADER = "# Exact versions of {}; written by tools/lock.py, do not edit.\n"


def compile_lock(requirements: str, known: str, extra: list[str]) -> str:
    """The locked requirements of one file; versions in ``known`` are kept where they still fit."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.lock"
        out.write_text(known)
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-config", "-o", str(out), *extra]
        if subprocess.run([*command, requirements], cwd=HERE).returncode != 0:
            sys.exit("error: uv could not lock; the lines above say why (without uv: pip install uv)")
        return out.read_text()


def blocks(lock: str) -> dict[str, str]:
    """Requirement with its hashes, by the package's name."""
    found = [block.rstrip("\n") for block in re.split(r"\n(?=\S)", lock) if block[:1].isalnum()]
    return {block.split("==")[0]: block for block in found}


def main(extra: list[str]) -> None:
    before = [path.read_text() if path.is_file() else "" for path in (APP, DEV)]
    app = compile_lock("requirements.txt", before[0], extra)
    APP.write_text(HEADER.format("requirements.txt") + app)
    # Both environments run the same versions of what they share.
    own = "\n".join(blocks(before[1]).values())
    both = blocks(compile_lock("requirements-dev.txt", own, [*extra, "--constraint", APP.name]))
    only_dev = [block for name, block in both.items() if name not in blocks(app)]
    DEV.write_text(HEADER.format("requirements-dev.txt") + "\n".join(["-r requirements.lock", *only_dev]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
