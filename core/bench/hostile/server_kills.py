"""The server killed at any moment while two pages judge and make samples: what it answered is stored."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.api import SampleFilter, Workbench
from core.bench.hostile.attempts import small_project
from core.bench.hostile.kills import EVERYTHING, KillTally, ProjectState, faults_after, state_of
from core.bench.hostile.page_client import NoAnswer, PageClient
from core.bench.served_app import ServedApp

VERDICTS = ("kept", "rejected", "new")
LONGEST_S = 3.0
"""The server is killed within so many seconds of its first answer."""
SAMPLES = 8
"""Of each of two engines."""


@dataclass
class JudgingPage:
    """A page that gives verdicts as fast as they are answered, to samples of its own.

    ``answered`` has the last verdict of each sample that the server acknowledged; ``sent`` is what it was told last
    and had not answered: ``(id, verdict)``.
    """

    page: PageClient
    samples: tuple[str, ...]
    seed: int
    makes: bool = False
    answered: dict[str, str] = field(default_factory=dict)
    sent: tuple[str, str] | None = None
    count: int = 0

    def work(self) -> None:
        """Judge until the server is gone; a page that ``makes`` orders samples at first."""
        rng = np.random.default_rng(self.seed)
        try:
            self.page.load()
            if self.makes:
                order = self.page.event(self.page.component(elem_id="fs-generate"), "click")
                self.page.join(order, self.page.values_of(order))
            board = self.page.answering("judge")
            while True:
                id = self.samples[int(rng.integers(len(self.samples)))]
                self.sent = (id, VERDICTS[int(rng.integers(len(VERDICTS)))])
                answer = self.page.ask(board, "judge", {"ids": [id], "verdict": self.sent[1]})
                if answer.error:
                    raise NoAnswer(answer.error)
                self.answered[id], self.sent = self.sent[1], None
                self.count += 1
        except NoAnswer:
            return

    def lost(self, verdicts: dict[str, str]) -> list[str]:
        """Answered verdicts that the project does not have; one under way when the server died may be either."""
        under_way = dict([self.sent] if self.sent else [])
        return [
            f"sample {id}: answered {verdict}, has {verdicts.get(id)}"
            for id, verdict in self.answered.items()
            if verdicts.get(id) not in (verdict, under_way.get(id))
        ]


def kill_server(
    rng: np.random.Generator, count: int, place: Path, say: Callable[[str], None] = lambda line: None
) -> KillTally:
    """Serve a project ``count`` times, let two pages work in it, and end the server at a random moment."""
    tally, out = KillTally(), place / "none"
    project = small_project(place / "served", SAMPLES)
    for number in range(count):
        before = state_of(project)
        samples = sorted(before.samples)
        half = len(samples) // 2
        with ServedApp(place / f"home-{number % 2}", project) as app:
            pages = [
                JudgingPage(PageClient(app.port), tuple(samples[:half]), 2 * number),
                JudgingPage(PageClient(app.port), tuple(samples[half:]), 2 * number + 1, makes=True),
            ]
            threads = [threading.Thread(target=page.work, daemon=True) for page in pages]
            for thread in threads:
                thread.start()
            time.sleep(float(rng.random()) * LONGEST_S)
            how = signal.SIGKILL if rng.random() < 0.7 else signal.SIGTERM
            in_time = app.kill(how)
            for thread in threads:
                thread.join()
        tally.kills["ui"] += 1
        tally.acknowledged += sum(page.count for page in pages)
        faults = [] if in_time else ["it did not end"]
        faults += faults_after(project, ProjectState(before.photos, before.samples), out)
        verdicts = _verdicts(project)
        faults += [line for page in pages for line in page.lost(verdicts)]
        tally.lost += [f"ui {number} ({how.name}): {fault}" for fault in faults]
        say(f"ui {number}: {how.name}, {sum(page.count for page in pages)} verdicts answered, {len(faults)} lost")
    return tally


def _verdicts(project: Path) -> dict[str, str]:
    with Workbench.open(project) as bench:
        return {row.id: str(row.verdict) for row in bench.review.page(SampleFilter(), 0, EVERYTHING)}
