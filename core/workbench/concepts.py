"""Learning anomalies, and what has been learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.concepts import shelf
from core.concepts.shelf import Concept
from core.engines.base import learners
from core.evaluate.result import Curve
from core.jobs import learn as work
from core.jobs.learn import Order
from core.jobs.material import Material
from core.jobs.runner import JobControl, Runner
from core.workbench.evaluating import LiveCurves

_WATCHED = 8


class Concepts:
    """The desk behind ``launch.py learn`` and the Concepts tab."""

    def __init__(self, material: Material, jobs: Runner) -> None:
        self._material = material
        self._jobs = jobs
        self._live: dict[str, LiveCurves] = {}

    @property
    def folder(self) -> Path:
        """Where concepts lie, one folder each; it need not be there yet."""
        return self._material.concepts

    def engines(self) -> dict[str, str | None]:
        """The engines that learn, with None or the reason why one cannot here."""
        return {name: e.available() for name, e in learners().items()}

    def page(self, engine: str | None = None, label: str | None = None) -> list[Concept]:
        """What was learned, newest first."""
        return shelf.list_concepts(self.folder, engine, label)

    def picture(self, id: str, name: str = "preview") -> Path | None:
        """A picture of a concept, or None if it has none of that name."""
        path = self.folder / id / f"{name}.png"
        return path if path.is_file() else None

    def rename(self, id: str, title: str) -> Concept:
        """Give a concept another title."""
        return shelf.rename_concept(self.folder, id, title)

    def delete(self, id: str) -> None:
        """Remove a concept; samples made with it stay, but cannot be made again."""
        shelf.delete_concept(self.folder, id)

    def check(self, order: Order) -> None:
        """An error in one line if the order cannot be carried out."""
        work.prepare(self._material, order)

    def learn(
        self,
        order: Order,
        *,
        progress: Callable[..., None] = lambda *news, **more: None,
        curve: Callable[[str, float, float], None] = lambda name, x, y: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Concept:
        """Learn, here and now. Stopped, the same order goes on where it was."""
        plan = work.prepare(self._material, order)
        return work.learn(self._material, plan, progress=progress, curve=curve, cancelled=cancelled)

    def start(self, order: Order) -> str:
        """``learn`` in the background; the job's result is ``{"concept": id, "message"}``. InputError at once."""
        self.check(order)
        curves = LiveCurves("step")

        def run(control: JobControl) -> dict[str, Any]:
            made = self.learn(order, progress=control.progress, curve=curves.add, cancelled=control.cancelled)
            return {"concept": made.id, "message": f"learned {made.title}"}

        title = f"Learn {order.label or 'all labels'} · {order.engine}"
        job_id = self._jobs.submit("learn", title, run, args_json=order.model_dump_json())
        self._live[job_id] = curves
        for old in list(self._live)[:-_WATCHED]:
            del self._live[old]
        return job_id

    def live(self, job_id: str) -> dict[str, Curve]:
        """The loss curves of a job of this process so far, by name."""
        return self._live[job_id].now() if job_id in self._live else {}
