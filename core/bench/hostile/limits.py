"""Commands on a machine that has too little: a disk that fills, memory that ends, a clock that goes backwards.

The disk is a small tmpfs of its own where mounting is allowed (root on Linux). Elsewhere files of more than a few
blocks cannot be written (RLIMIT_FSIZE). Memory is limited by RLIMIT_AS. The clock is set by libfaketime, which Debian
has as a package; where it is missing, that row is left out with its reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from core.bench.hostile.attempts import Attempt, Tally, tally
from core.bench.hostile.drawn_folders import drawn_defects, drawn_photos
from core.bench.hostile.kills import COMMANDS, LAUNCH, ProjectState, archive_faults, faults_after, state_of
from core.errors import LONGEST_LINE, Unavailable

ENDS_WITHIN_S = 300.0
"""A command that takes longer hangs; some compute for a minute on a busy machine."""
LIMITED_S = 2 * ENDS_WITHIN_S
STARTS_WITHIN_S = 60.0
"""A command that has not ended by then has not started."""
DISK_MB = (1, 12)
"""Free on the small disk beside the project, from and to."""
MEMORY_MB = (60, 2500)
"""Left to a command beside what it takes to start, from and to."""
DAYS = 400
"""The clock is off by so many at most, either way."""
CHANGING = ("import", "anomalies", "regions", "generate", "review", "export", "pack", "learn")
QUICK = CHANGING[:-1]
PACKED = "packed.flawsmith"

Prepare = Callable[[], object]


def limit_row(
    kind: str, rng: np.random.Generator, count: int, place: Path, say: Callable[[str], None] = lambda line: None
) -> dict[str, object]:
    """``count`` commands under the limit ``disk``, ``memory`` or ``clock``; how is said in ``by``."""
    rows = {"disk": disk_attempts, "memory": memory_attempts, "clock": clock_attempts}
    try:
        by, attempts = rows[kind](rng, count, place)
    except Unavailable as error:
        return {**Tally().as_dict(), "left_out": str(error)}
    return {"by": by, **tally(attempts, LIMITED_S, say).as_dict()}


def disk_attempts(rng: np.random.Generator, count: int, place: Path) -> tuple[str, Iterator[Attempt]]:
    """A project on a disk that fills while a command works; then it is given space, and the command again."""
    with tempfile.TemporaryDirectory(dir=place) as probe:
        mounts = _mount(Path(probe), 1)
        if mounts:
            _unmount(Path(probe))

    def attempts() -> Iterator[Attempt]:
        made = _prepared(place / "disk-made")
        for number in range(count):
            name = CHANGING[number % len(CHANGING)]
            free = float(rng.uniform(*DISK_MB))
            full = _on_full_tmpfs if mounts else _with_small_files
            yield f"{name} {number} with {free:.1f} MB", partial(full, place, made, name, number, free)

    return ("tmpfs" if mounts else "RLIMIT_FSIZE"), attempts()


def memory_attempts(rng: np.random.Generator, count: int, place: Path) -> tuple[str, Iterator[Attempt]]:
    """Commands that may take only so much memory."""
    import resource

    def attempts() -> Iterator[Attempt]:
        made = _prepared(place / "memory-made")
        starts = _start_bytes(made)
        for number in range(count):
            name = CHANGING[number % len(CHANGING)]
            most = starts + int(np.exp(rng.uniform(*np.log(MEMORY_MB)))) * 2**20
            limit = partial(resource.setrlimit, resource.RLIMIT_AS, (most, most))
            yield f"{name} {number} with {most >> 20} MB", partial(_tried, place, made, name, number, limit)

    return "RLIMIT_AS", attempts()


def clock_attempts(rng: np.random.Generator, count: int, place: Path) -> tuple[str, Iterator[Attempt]]:
    """Commands one after the other in one project, each at a time of its own; all of them have to end well."""
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        raise Unavailable("libfaketime is not installed: apt-get install libfaketime")

    def attempts() -> Iterator[Attempt]:
        made = _prepared(place / "clock-made")
        for number in range(count):
            name = QUICK[number % len(QUICK)]
            days = int(rng.integers(-DAYS, DAYS))
            # The monotonic clock is moved too: left alone, libfaketime gives time.sleep a deadline that it refuses.
            set_clock = {"LD_PRELOAD": str(library), "FAKETIME": f"{days:+d}d"}
            yield f"{name} {number} at {days:+d} days", partial(_worked, place, made, name, number, set_clock)

    return "libfaketime", attempts()


def _prepared(folder: Path) -> Path:
    """A project with photos, anomalies and samples of both verdicts."""
    photos, defects = drawn_photos(folder / "photos", seed=11), drawn_defects(folder / "defects", seed=11)
    project = folder / "project"
    for argv in (
        ("new", str(project), "--normal", str(photos), "--anomalies", str(defects)),
        ("generate", str(project), "--engine", "perlin", "--count", "8", "--seed", "1"),
        ("review", str(project), "--auto"),
        ("generate", str(project), "--engine", "cut_paste", "--count", "4", "--seed", "2"),
    ):
        _run(list(argv))
    return project


def _argv(command: str, project: Path, place: Path, number: int) -> list[str]:
    photos = drawn_photos(place / f"photos-{number}", seed=100 + 10 * number)
    defects = drawn_defects(place / f"defects-{number}", seed=100 + number)
    out = project.parent / "out"
    words = {"PROJECT": project, "PHOTOS": photos, "DEFECTS": defects, "OUT": out, "SEED": number}
    words["PACKED"] = project.parent / PACKED
    return [str(words.get(word, word)) for word in COMMANDS[command]]


def _tried(place: Path, made: Path, command: str, number: int, limit: Prepare | None, at: Path | None = None) -> None:
    """Run a command on a copy of ``made`` under ``limit``: it has to end clearly, and the project has to be whole."""
    project = (at or place / f"limited-{number}") / "project"
    shutil.copytree(made, project)
    before = state_of(project)
    argv = _argv(command, project, place, number)
    try:
        _run(argv, limit)
        _raise_faults(project, before)
    finally:
        for beside in ("photos", "defects"):
            shutil.rmtree(place / f"{beside}-{number}")
        if at is None:
            shutil.rmtree(project.parent)


def _worked(place: Path, project: Path, command: str, number: int, environment: Mapping[str, str]) -> None:
    """Run a command on the project itself; it has to end well and lose nothing."""
    before = state_of(project)
    try:
        if code := _run(_argv(command, project, place, number), environment=environment):
            raise AssertionError(f"ended with {code}")
        _raise_faults(project, before)
    finally:
        for beside in ("photos", "defects"):
            shutil.rmtree(place / f"{beside}-{number}")


def _on_full_tmpfs(place: Path, made: Path, command: str, number: int, free_mb: float) -> None:
    disk = place / f"disk-{number}"
    disk.mkdir()
    taken = sum(p.stat().st_size for p in made.rglob("*") if p.is_file()) / 2**20
    with _small_disk(disk, taken + free_mb):
        _tried(place, made, command, number, None, at=disk)
        before = state_of(disk / "project")
        _mount(disk, 512, again=True)
        argv = _argv(command, disk / "project", place, number)
        if code := _run(argv):
            raise AssertionError(f"with free space again it ended with {code}")
        _raise_faults(disk / "project", before)


def _with_small_files(place: Path, made: Path, command: str, number: int, free_mb: float) -> None:
    import resource

    most = int(free_mb * 2**16)
    _tried(place, made, command, number, partial(resource.setrlimit, resource.RLIMIT_FSIZE, (most, most)))


def _raise_faults(project: Path, before: ProjectState) -> None:
    faults = faults_after(project, before, project.parent / "out")
    if faults := faults + archive_faults(project.parent / PACKED, project.parent / "none"):
        raise AssertionError("; ".join(faults)[:300])


def _start_bytes(project: Path) -> int:
    """Address space in bytes with which a command that does nothing much just starts, found by halving."""
    import resource

    low, high = 2**27, 2**33
    while high - low > 2**25:
        most = (low + high) // 2
        limit = partial(resource.setrlimit, resource.RLIMIT_AS, (most, most))
        low, high = (low, most) if _starts(project, limit) else (most, high)
    return high


def _starts(project: Path, limit: Prepare) -> bool:
    """Whether a command that does nothing much ends well under ``limit``."""
    try:
        # OpenBLAS tries for ever to get its first memory where there is none.
        ended = subprocess.run(
            _command(["review", str(project)]), preexec_fn=limit, capture_output=True, timeout=STARTS_WITHIN_S,
            env=_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return ended.returncode == 0


def _command(argv: list[str]) -> list[str]:
    return [sys.executable, str(LAUNCH), *argv]


def _environment() -> dict[str, str]:
    """That of a command which runs in this Python, and sets up no environment of its own."""
    return os.environ | {"FLAWSMITH_VENV": "none"}


def _run(argv: list[str], limit: Prepare | None = None, environment: Mapping[str, str] | None = None) -> int:
    """The command's exit code; AssertionError where it hangs, or ends with anything but one clear line."""
    env = _environment() | dict(environment or {})
    try:
        done = subprocess.run(
            _command(argv), env=env, preexec_fn=limit, capture_output=True, text=True, timeout=ENDS_WITHIN_S
        )
    except subprocess.TimeoutExpired:
        raise AssertionError("it hangs") from None
    last = (done.stderr.strip().splitlines() or [""])[-1]
    clear = last.startswith(("error: ", "stopped: ")) and len(last) < LONGEST_LINE + 20
    if "Traceback" in done.stderr or (done.returncode and not clear):
        raise AssertionError(f"ended with {done.returncode}: {done.stderr.strip()[-300:]!r}")
    return done.returncode


@contextmanager
def _small_disk(folder: Path, size_mb: float) -> Iterator[None]:
    if not _mount(folder, size_mb):
        raise Unavailable("mount -t tmpfs is not allowed here")
    try:
        yield
    finally:
        _unmount(folder)


def _mount(folder: Path, size_mb: float, again: bool = False) -> bool:
    options = f"{'remount,' if again else ''}size={int(size_mb * 1024)}k"
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:  # no such command
        return False


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], capture_output=True)
