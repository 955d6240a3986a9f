"""``launch.py bench hostile``: everything that strangers, other pages, a full disk or a dying machine may do to it.

Each input is tried as the app would meet it, and has to end well or in one clear line within ten seconds. Nothing may
be written outside the folder that was named, and nothing that was accepted may be lost.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.api import Workbench
from core.bench.hostile import attempts
from core.bench.hostile.archive_attacks import archive_attempts, bank_attempts
from core.bench.hostile.attempts import Attempt, tally
from core.bench.hostile.calls import call_attempts
from core.bench.hostile.folder_attacks import asbench_attempts, map_attempts
from core.bench.hostile.json_attacks import loop_attempts, rules_attempts, shard_attempts
from core.bench.hostile.kills import kill_commands
from core.bench.hostile.large import opening_times
from core.bench.hostile.limits import limit_row
from core.bench.hostile.server_kills import kill_server
from core.bench.hostile.soak import soak
from core.bench.served_app import ServedApp
from core.errors import InputError, NotFound

COUNT = 750
"""Inputs of each kind, if nothing else is said."""
SHARES = {
    "pictures": 1.0, "recipes": 1.0, "databases": 1.0, "concepts": 1.0, "archives": 0.5, "banks": 0.4, "rules": 2.0,
    "loops": 0.6, "shards": 0.4, "maps": 0.1, "asbench": 0.08, "calls": 1.0, "kills": 0.24, "server": 0.08,
    "disk": 0.04, "memory": 0.06, "clock": 0.04, "large": 0.02, "soak": 1.0,
}  # fmt: skip
"""Kind of attack → how much of the count is tried, of ``large`` how often; ``soak`` has minutes instead."""
ROWS = tuple(SHARES)
HANDED_OVER: Mapping[str, Callable[[np.random.Generator, int, Path, Path], Iterator[Attempt]]] = {
    "archives": archive_attempts, "banks": bank_attempts, "rules": rules_attempts, "loops": loop_attempts,
    "shards": shard_attempts, "maps": map_attempts, "asbench": asbench_attempts,
}  # fmt: skip
"""Kinds of what people hand to each other: attempts by generator, count, a project and a folder to work in."""
MINUTES = 30.0


@dataclass(frozen=True)
class HostileRun:
    """What a row is run with. ``concept`` is the folder of a learned one; if it is None, one is learned."""

    rng: np.random.Generator
    count: int
    project: Path
    place: Path
    concept: Path | None
    minutes: float
    browsers: int
    say: Callable[[str], None]


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

    ``rows`` are some of ROWS; ``params`` takes ``seed``, the time if left out, and ``minutes`` and ``browsers`` of the
    soak; ``data`` is the folder of a learned concept. NotFound for an unknown kind.
    """
    if strange := set(rows) - set(ROWS):
        raise NotFound(f"{sorted(strange)[0]!r}: there are {', '.join(ROWS)}")
    given = dict(params or {})
    seed = int(given.pop("seed", time.time()))
    minutes = float(given.pop("minutes", 1.0 if quick else MINUTES))
    browsers = int(given.pop("browsers", 1))
    if given:
        raise InputError(f"bench hostile: --param {next(iter(given))} is not known; there are seed, minutes, browsers")
    result: dict[str, Any] = {"seed": seed}
    with tempfile.TemporaryDirectory(prefix="flawsmith-hostile-") as parent:
        place = Path(parent) / "inside"
        place.mkdir()
        project = attempts.small_project(place / "made")
        for kind in rows or ROWS:
            many = max(2, round(SHARES[kind] * (count or (40 if quick else COUNT))))
            progress(f"{kind}: {minutes:g} minutes" if kind == "soak" else f"{kind}: {many}")
            run = HostileRun(np.random.default_rng(seed), many, project, place, data, minutes, browsers, progress)
            result[kind] = _row(kind, run)
            progress(json.dumps({kind: result[kind]}))  # a run that is stopped has told what it did
        result["outside"] = [path.name for path in Path(parent).iterdir() if path != place]
    result["peak_mb"] = round(_peak_bytes() / 2**20)
    return result


def _row(kind: str, run: HostileRun) -> dict[str, object]:
    if kind == "kills":
        return kill_commands(run.rng, run.count, run.place, say=run.say).as_dict()
    if kind == "server":
        return kill_server(run.rng, run.count, run.place, run.say).as_dict()
    if kind in ("disk", "memory", "clock"):
        return limit_row(kind, run.rng, run.count, run.place, run.say)
    if kind == "large":
        return opening_times(run.place, repeats=run.count)
    if kind == "soak":
        return soak(run.minutes, run.place, browsers=run.browsers)
    with _attempted(kind, run) as tried:
        return tally(tried).as_dict()


@contextmanager
def _attempted(kind: str, run: HostileRun) -> Iterator[Iterator[Attempt]]:
    if kind == "pictures":
        yield attempts.picture_attempts(run.rng, run.count)
    elif kind == "recipes":
        with Workbench.open(run.project) as bench:
            yield attempts.recipe_attempts(run.rng, run.count, bench)
    elif kind in HANDED_OVER:
        yield HANDED_OVER[kind](run.rng, run.count, run.project, run.place)
    elif kind == "concepts":
        concept = run.concept or attempts.small_concept(run.place / "concept")
        yield attempts.concept_attempts(run.rng, run.count, concept, run.place)
    elif kind == "calls":
        with ServedApp(run.place / "home", run.project, "--root", str(run.place)) as app:
            yield call_attempts(run.rng, run.count, app, run.project)
    else:
        yield attempts.database_attempts(run.rng, run.count, run.project, run.place)


def _peak_bytes() -> int:
    """The most memory this process, or one that it started and that ended, took, as far as the system says."""
    own = psutil.Process()
    info = own.memory_info()
    return int(getattr(info, "peak_wset", 0) or max(info.rss, _high_water()))


def _high_water() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    of = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in of)
