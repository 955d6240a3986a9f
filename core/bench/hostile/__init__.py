"""``launch.py bench hostile``: files and stored data of every kind that somebody or some disk has damaged.

Each input is tried as the app would meet it, and has to end well or in one clear line within ten seconds. Nothing may
be written outside the folder that was named.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped]

from core.api import Workbench
from core.bench.hostile import attempts
from core.bench.hostile.attempts import Attempt, Tally, tally
from core.bench.hostile.kills import kill_commands
from core.errors import InputError, NotFound

ROWS = ("pictures", "recipes", "databases", "concepts", "kills")
COUNT = 750
"""Inputs of each kind; a twentieth as many kills."""


def measure(
    quick: bool = False,
    *,
    rows: Sequence[str] = (),
    count: int | None = None,
    params: Mapping[str, Any] | None = None,
    data: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """``{"seed", KIND: {"tried", "clear", "hung", "slowest_s", "unclear"}, "kills": ..., "outside", "peak_mb"}``.

    ``rows`` are some of ROWS; ``params`` takes ``seed``, the time if left out; ``data`` is the folder of a learned
    concept, without which concepts are left out. NotFound for an unknown kind.
    """
    if strange := set(rows) - set(ROWS):
        raise NotFound(f"{sorted(strange)[0]!r}: there are {', '.join(ROWS)}")
    given = dict(params or {})
    seed = int(given.pop("seed", time.time()))
    if given:
        raise InputError(f"bench hostile: --param {next(iter(given))} is not known; there is seed")
    many = count or (40 if quick else COUNT)
    result: dict[str, Any] = {"seed": seed}
    with tempfile.TemporaryDirectory(prefix="flawsmith-hostile-") as parent:
        place = Path(parent) / "inside"
        place.mkdir()
        project = attempts.small_project(place / "made")
        for kind in rows or ROWS:
            if kind == "concepts" and data is None:
                continue
            progress(f"{kind}: {many}")
            result[kind] = _row(kind, np.random.default_rng(seed), many, project, place, data)
        result["outside"] = [path.name for path in Path(parent).iterdir() if path != place]
    result["peak_mb"] = round(_peak_bytes() / 2**20)
    return result


def _row(
    kind: str, rng: np.random.Generator, count: int, project: Path, place: Path, concept: Path | None
) -> dict[str, object]:
    if kind == "kills":
        return kill_commands(rng, max(2, count // 20), place).as_dict()
    return _tallied(kind, rng, count, project, place, concept).as_dict()


def _tallied(
    kind: str, rng: np.random.Generator, count: int, project: Path, place: Path, concept: Path | None
) -> Tally:
    if kind == "pictures":
        return tally(attempts.picture_attempts(rng, count))
    if kind == "recipes":
        with Workbench.open(project) as bench:
            return tally(attempts.recipe_attempts(rng, count, bench))
    tried: Callable[..., Any] = attempts.concept_attempts if kind == "concepts" else attempts.database_attempts
    found: list[Attempt] | Any = tried(rng, count, concept or project, place)
    return tally(found)


def _peak_bytes() -> int:
    """The most memory this process and its readers took, as far as the system says."""
    own = psutil.Process()
    info = own.memory_info()
    return int(getattr(info, "peak_wset", 0) or max(info.rss, _high_water()))


def _high_water() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
