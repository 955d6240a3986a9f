"""Commands that are killed at any moment: nothing accepted is lost, and nothing half done is listed.

The server is killed in ``server_kills.py``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from core.api import SampleFilter, Workbench
from core.api.project_archive import open_archive, pack_project
from core.bench.hostile.drawn_folders import drawn_defects, drawn_photos
from core.errors import FlawsmithError
from core.images import read_image, read_mask
from core.training.checkpoints import list_concepts, load_concept, unread_concepts
from core.types import ReviewStatus

LAUNCH = Path(__file__).resolve().parents[3] / "launch.py"
EVERYTHING = 100_000
ENDS_WITHIN_S = 120.0
LONGEST_S = 60.0
"""No command is left alone for longer. How long each is grows with every kill, until one ends before it is killed."""
LEARNS_S = 25.0
"""How long a learning is taken to be at first: it only begins after libraries and the model are loaded."""
SHORT = ("--steps", "12", "--seed", "SEED", "--param", "backbone=mini")
"""A learning of seconds, anew in each round."""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "new": ("new", "PROJECT", "--normal", "PHOTOS"),
    "import": ("import", "PROJECT", "PHOTOS"),
    "anomalies": ("import", "PROJECT", "--anomalies", "DEFECTS"),
    "regions": ("regions", "PROJECT", "--auto"),
    "learn": ("learn", "PROJECT", "--engine", "anomaly_diffusion", "--label", "dent", *SHORT),
    "components": ("learn", "PROJECT", "--engine", "comgen", *SHORT),
    "generate": ("generate", "PROJECT", "--engine", "perlin", "--count", "40", "--seed", "SEED"),
    "review": ("review", "PROJECT", "--auto"),
    "export": ("export", "PROJECT", "OUT", "--format", "mvtec-ad", "--all", "--overwrite"),
    "merge": ("merge", "PROJECT", "SHARD"),
    "pack": ("pack", "PROJECT", "PACKED", "--overwrite"),
    "open": ("open", "PACKED", "OPENED"),
}
"""Command lines by name; PROJECT, PHOTOS (a folder of new photos), DEFECTS (some anomalies), OUT, PACKED (a project as
one file), OPENED (a folder that is not there yet), SHARD (of a batch) and SEED are this round's."""
SHARD = ("generate", "PROJECT", "--engine", "perlin", "--label", "dent", "--count", "20", "--shard", "1/1", "--out")


@dataclass
class KillTally:
    """``kills`` by command; ``ended_first``: how many commands were done before their moment came.

    ``lost``: what was there before a kill and was not after it, or was listed and not whole, a line each.
    ``acknowledged``: how many verdicts the server had answered before it was killed.
    """

    kills: Counter[str] = field(default_factory=Counter)
    ended_first: int = 0
    lost: list[str] = field(default_factory=list)
    acknowledged: int = 0

    def as_dict(self) -> dict[str, object]:
        """As JSON."""
        told = {"kills": self.kills.total(), "of": dict(self.kills), "ended_first": self.ended_first}
        return {**told, "lost": self.lost, "acknowledged": self.acknowledged}


@dataclass(frozen=True)
class ProjectState:
    """What a project held; ``kept`` are samples."""

    photos: frozenset[str] = frozenset()
    samples: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    examples: frozenset[str] = frozenset()
    concepts: frozenset[str] = frozenset()


def kill_commands(
    rng: np.random.Generator,
    count: int,
    place: Path,
    commands: Mapping[str, tuple[str, ...]] = COMMANDS,
    say: Callable[[str], None] = lambda line: None,
) -> KillTally:
    """Start ``count`` commands on a project in ``place``, in turn, and kill each, or ask it to end, after a while.

    ``say`` is told each of them, so that a run that is stopped has said what it did.
    """
    tally, project, out = KillTally(), place / "killed", place / "killed-export"
    longest = {name: LEARNS_S if argv[0] == "learn" else 4.0 for name, argv in commands.items()}
    before = ProjectState()
    for number in range(count):
        name = list(commands)[number % len(commands)]
        photos = drawn_photos(place / f"photos-{number}", seed=int(rng.integers(2**31)))
        target = place / f"new-{number}" if name == "new" else project
        defects = drawn_defects(place / f"defects-{number}", seed=number)
        packed, opened = place / "killed.flawsmith", place / f"opened-{number}"
        words: dict[str, object] = {"PROJECT": target, "PHOTOS": photos, "DEFECTS": defects, "OUT": out}
        words |= {"PACKED": packed, "OPENED": opened, "SHARD": place / "killed-shard", "SEED": number}
        if name != "new" and not (project / "project.db").is_file():
            _run(["new", str(project), "--normal", str(photos), "--anomalies", str(defects)]).wait(ENDS_WITHIN_S)
            before = state_of(project)
        _prepare(name, words)
        argv = [str(words.get(word, word)) for word in commands[name]]
        how = signal.SIGKILL if rng.random() < 0.7 else signal.SIGTERM
        ended = _kill_after(argv, float(rng.random()) * longest[name], how)
        longest[name] = min(1.2 * ended or 1.2 * longest[name], LONGEST_S)
        tally.kills[name] += not ended
        tally.ended_first += bool(ended)
        faults = faults_after(target, before if name != "new" else ProjectState(), out)
        faults += archive_faults(packed, opened)
        tally.lost += [f"{name} {number} ({how.name}): {fault}" for fault in faults]
        say(f"{name} {number}: {'ended first' if ended else how.name}, {len(faults)} lost")
        before = state_of(project) if name != "new" and not faults else before
        for folder in (photos, defects, opened):
            shutil.rmtree(folder, ignore_errors=True)
    return tally


def _prepare(name: str, words: Mapping[str, object]) -> None:
    """Make what the command takes and is not there yet: a shard of a batch, or the project as one file."""
    if name == "merge" and not Path(str(words["SHARD"])).exists():
        _run([str(words.get(word, word)) for word in (*SHARD, "SHARD")]).wait(ENDS_WITHIN_S)
    if name == "open" and not Path(str(words["PACKED"])).exists():
        pack_project(Path(str(words["PROJECT"])), Path(str(words["PACKED"])))


def state_of(project: Path) -> ProjectState:
    """What the project in this folder holds."""
    with Workbench.open(project) as bench:
        rows = bench.review.page(SampleFilter(), 0, EVERYTHING)
        return ProjectState(
            frozenset(p.id for p in bench.photos.page()),
            frozenset(r.id for r in rows),
            frozenset(r.id for r in rows if r.verdict == ReviewStatus.KEPT),
            frozenset(e.id for e in bench.photos.examples()),
            frozenset(c.id for c in bench.concepts.learned()),
        )


def faults_after(project: Path, before: ProjectState, out: Path) -> list[str]:
    """What a kill has spoilt: ``before`` gone, rows without whole files, an export half written; empty if nothing."""
    if not (project / "project.db").exists():
        return [] if not before.photos else ["the project is gone"]
    with closing(sqlite3.connect(project / "project.db")) as db:
        told = db.execute("PRAGMA integrity_check").fetchone()
    faults = [] if told == ("ok",) else [f"integrity_check: {told}"]
    try:
        now = state_of(project)
        for name in (field.name for field in fields(ProjectState)):
            if gone := getattr(before, name) - getattr(now, name):
                faults.append(f"{len(gone)} {name} are gone")
        with Workbench.open(project) as bench:
            faults += _unwhole_files(bench) + _unwhole_concepts(bench)
    except FlawsmithError as error:
        faults.append(str(error))
    return faults + _unwhole_export(out)


def _unwhole_files(bench: Workbench) -> list[str]:
    faults = []
    pictures = [*(photo.path for photo in bench.photos.page()), *(real.path for real in bench.photos.examples())]
    for path in pictures:
        faults += _not_what_it_says(path)
    for row in bench.review.page(SampleFilter(), 0, EVERYTHING):
        faults += _not_what_it_says(row.image_path) + _not_what_it_says(row.mask_path)
        if not faults and read_image(row.image_path).shape[:2] != read_mask(row.mask_path).shape:
            faults.append(f"sample {row.id}: image and mask differ in size")
    return faults


def _not_what_it_says(path: Path) -> list[str]:
    """A stored file is named by its content."""
    try:
        whole = hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
    except OSError as error:
        return [f"{path.name}: {error.strerror}"]
    return [] if whole else [f"{path.name}: not whole"]


def _unwhole_concepts(bench: Workbench) -> list[str]:
    faults = list(unread_concepts(bench.concepts.folder))
    for concept in list_concepts(bench.concepts.folder):
        try:
            load_concept(bench.concepts.folder / concept.id)
        except FlawsmithError as error:
            faults.append(str(error))
    return faults


def _unwhole_export(out: Path) -> list[str]:
    images = {p.stem for p in out.rglob("test/*/*.png") if p.parent.name != "good"}
    masks = {p.stem.removesuffix("_mask") for p in out.rglob("ground_truth/*/*.png")}
    return [] if images == masks else [f"export: {len(images)} images and {len(masks)} masks"]


def archive_faults(packed: Path, opened: Path) -> list[str]:
    """What is wrong with a project in one file, and with the folder that it was opened as, where they are there."""
    faults = faults_after(opened, ProjectState(), opened / "none") if opened.exists() else []
    if packed.exists():
        with tempfile.TemporaryDirectory() as folder:
            try:
                open_archive(packed, Path(folder) / "seen")
            except FlawsmithError as error:
                faults.append(str(error))
    return faults


def _run(argv: list[str]) -> subprocess.Popen[bytes]:
    command, env = [sys.executable, str(LAUNCH), *argv], os.environ | {"FLAWSMITH_VENV": "none"}
    null = subprocess.DEVNULL
    return subprocess.Popen(command, env=env, start_new_session=True, stdout=null, stderr=null)


def _kill_after(argv: list[str], delay_s: float, how: signal.Signals) -> float:
    """Run a command for ``delay_s`` seconds and kill it with its children; seconds it took if it was first, else 0."""
    began = time.monotonic()
    running = _run(argv)
    try:
        running.wait(delay_s)
        return time.monotonic() - began
    except subprocess.TimeoutExpired:
        pass
    if how is signal.SIGKILL:
        os.killpg(running.pid, how)
    else:
        running.send_signal(how)
    try:
        running.wait(ENDS_WITHIN_S)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    return 0.0
