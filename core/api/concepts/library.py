"""Learning anomalies, and what has been learned."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from core.api.concepts.examples import ExampleCard, ExamplesApi
from core.api.concepts.groups import ExampleGroupsApi
from core.api.concepts.learning import (
    LearnerCard,
    LearningPreview,
    LearningProgress,
    duration,
    learner_cards,
    running_mean,
)
from core.api.concepts.learning_pace import LearningPaces
from core.api.evaluation.runner import LiveCurves
from core.api.regions import RegionsApi
from core.engines.registry import learning_engine, learning_engines
from core.errors import InputError, NotFound
from core.evaluation.results import Curve
from core.jobs import learn as work
from core.jobs.learn import LearnRequest
from core.jobs.product_data import ProductData
from core.jobs.runner import JobControl, JobRunner
from core.progress import PreviewedSteps, unwatched
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig
from core.validation import read_settings

__all__ = [
    "Concept",
    "ConceptConfig",
    "ConceptsApi",
    "LearnerCard",
    "LearnRequest",
    "LearningPreview",
    "duration",
    "learner_cards",
]

_MAX_EXAMPLES_PER_LABEL = 64
"""Examples of one label at most, as core.jobs.product_data hands them out."""
_MAX_LIVE_JOBS = 8
_JOB_KIND = "learn"


@dataclass(frozen=True)
class _LiveTraining:
    """What grows while something is learned."""

    curves: LiveCurves
    pictures: Path


class ConceptsApi:
    """The desk behind ``launch.py learn`` and the Concepts tab."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._product_data = material
        self._project = material.project
        self._jobs = jobs
        self._live: dict[str, _LiveTraining] = {}
        self._paces = LearningPaces(material.project)
        self.examples = ExamplesApi(material, RegionsApi(material, jobs))
        self.groups = ExampleGroupsApi(material, jobs)

    @property
    def folder(self) -> Path:
        """Where concepts lie, one folder each; it need not be there yet."""
        return self._product_data.concepts

    def engines(self) -> dict[str, str | None]:
        """The engines that learn, with None or the reason why one cannot here."""
        return {name: e.available() for name, e in learning_engines().items()}

    def learned(self, engine: str | None = None, label: str | None = None) -> list[Concept]:
        """What was learned, newest first."""
        return checkpoints.list_concepts(self.folder, engine, label)

    def unread(self) -> list[str]:
        """Why concepts of this project are not listed, a line each: broken, or of a newer Flawsmith."""
        return checkpoints.unread_concepts(self.folder)

    def concept(self, id: str) -> Concept:
        """One of them; NotFound."""
        return checkpoints.read_manifest(self.folder / Path(id).name)

    def picture(self, id: str, name: str = "preview") -> Path | None:
        """A picture of a concept, or None if it has none of that name."""
        path = self.folder / id / f"{name}.png"
        return path if path.is_file() else None

    def other_pictures(self, id: str) -> list[tuple[str, Path]]:
        """A concept's other pictures, such as its looks: (name, file)."""
        return [(path.stem, path) for path in sorted((self.folder / id).glob("*.png")) if path.stem != "preview"]

    def curves(self, concept: Concept) -> dict[str, Curve]:
        """How a concept's loss fell while it was learned, by name; {} where it was not noted."""
        named = {"loss": concept.config.losses, "validation": concept.config.validation}
        return {
            name: running_mean(
                Curve(tuple(p[0] for p in points), tuple(p[1] for p in points), "step", name), 1 + len(points) // 16
            )
            for name, points in named.items()
            if points
        }

    def rename(self, id: str, title: str) -> Concept:
        """Give a concept another title."""
        return checkpoints.rename_concept(self.folder, self.concept(id).id, title)

    def delete(self, id: str) -> None:
        """Remove a concept; samples made with it stay, but cannot be made again."""
        checkpoints.delete_concept(self.folder, self.concept(id).id)

    def check(self, order: LearnRequest) -> None:
        """An error in one line if the order cannot be carried out."""
        work.plan_learning(self._product_data, order)

    def preview(self, order: LearnRequest) -> LearningPreview:
        """What the order would take, without reading a photo; InputError says what is missing."""
        chosen = learning_engine(order.engine)
        params = read_settings(chosen.Learning, order.params, f"learning with {order.engine}")
        facts: dict[str, str] = {}
        notes: list[str] = []
        warnings: list[str] = []
        if chosen.learns_from == "examples":
            usable, facts["From"], notes, warnings = self._usable_examples(order)
            subjects, labels = sum(card.defects for card in usable), len({card.row.label for card in usable})
        else:
            photos = self._project.count_normals()
            if not photos:
                raise InputError("nothing to learn from: import photos of good parts in Product")
            subjects, labels = min(photos, params.max_normals), 1
            facts["From"] = _counted(subjects, "photo") + " of good parts"
        steps = params.budget(subjects, labels)
        if steps:
            facts["Steps"] = f"{steps:,} at most"
        pace = self._paces.seconds_per_step(order.engine, params)
        if steps and pace:
            facts["Takes"] = f"about {duration(pace * steps)}"
        resumes = self._resume_point(order, params)
        return LearningPreview(facts, tuple(notes), tuple(warnings), resumes, can_measure=bool(steps and not pace))

    def learn(
        self,
        order: LearnRequest,
        *,
        progress: PreviewedSteps = unwatched,
        curve: Callable[[str, float, float], None] = lambda name, x, y: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Concept:
        """Learn, here and now. Stopped, the same order goes on where it was."""
        plan = work.plan_learning(self._product_data, order)
        return work.learn(self._product_data, plan, progress=progress, curve=curve, cancelled=cancelled)

    def start(self, order: LearnRequest, only_measure: bool = False) -> str:
        """``learn`` in the background; the job's result is ``{"concept": id, "message"}``. InputError at once.

        With ``only_measure`` it stops by itself after a few steps, when their pace is known; they are not lost, since
        the same order goes on from there.
        """
        plan = work.plan_learning(self._product_data, order)
        args = self._job_args(order)
        run_of = hashlib.sha256(repr(_run_identity(json.loads(args), plan.params)).encode()).hexdigest()[:16]
        live = self._live_training(run_of, bool(self._resume_point(order, plan.params)))

        def run(control: JobControl) -> dict[str, Any]:
            watcher = LearningProgress(control, live.pictures)
            stop = lambda: control.cancelled() or (only_measure and watcher.seconds_per_step > 0)  # noqa: E731
            try:
                made = self.learn(order, progress=watcher.progress, curve=live.curves.add, cancelled=stop)
            finally:
                self._paces.note(order.engine, plan.params, watcher.seconds_per_step)
            return {"concept": made.id, "message": f"learned {made.title}"}

        chosen = learning_engine(order.engine)
        title = (
            f"{chosen.title}: {order.label or ('all labels' if chosen.learns_from == 'examples' else 'components')}"
        )
        job_id = self._jobs.submit(_JOB_KIND, title, run, args_json=args)
        self._live[job_id] = live
        for old in list(self._live)[:-_MAX_LIVE_JOBS]:
            del self._live[old]
        return job_id

    def can_keep_partial(self, job_id: str) -> bool:
        """Whether a learning that was stopped has got far enough to be kept as it is."""
        order = self.order_of(job_id)
        return (
            order is not None
            and "steps" in learning_engine(order.engine).Learning.model_fields
            and bool(self.live_curves(job_id))
        )

    def keep_partial(self, job_id: str) -> str:
        """Make a concept of what a stopped learning has learned so far, in the background; the new job's id."""
        order = self.order_of(job_id)
        if order is None:
            raise NotFound(f"job {job_id!r}: there is no such learning; press Learn to begin again")
        # A run that has done more steps than are asked for ends at once.
        return self.start(order.model_copy(update={"params": {**order.params, "steps": 1}}))

    def running(self) -> str:
        """The id of this process' newest learning that has not ended; "" if there is none."""
        active = {event.job_id for event in self._jobs.active()}
        return next((job_id for job_id in reversed(self._live) if job_id in active), "")

    def live_curves(self, job_id: str) -> dict[str, Curve]:
        """The loss curves of a job of this process so far, by name."""
        return self._live[job_id].curves.snapshot() if job_id in self._live else {}

    def smoothed_live_curves(self, job_id: str) -> dict[str, Curve]:
        """The same as running means: a single step's loss says more of its noise than of what was learned."""
        return {name: running_mean(curve) for name, curve in self.live_curves(job_id).items()}

    def live_pictures(self, job_id: str) -> list[tuple[int, Path]]:
        """What a job of this process drew while it learned: (step, picture), the earliest first."""
        if job_id not in self._live:
            return []
        return sorted((int(path.stem), path) for path in self._live[job_id].pictures.glob("*.png"))

    def _live_training(self, run: str, goes_on: bool) -> _LiveTraining:
        """Curves and pictures of a run: those there are where it goes on, else none yet."""
        pictures = self._project.cache_dir / "learning" / run
        if goes_on:
            known = (live.curves for live in reversed(self._live.values()) if live.pictures == pictures)
            return _LiveTraining(next(known, LiveCurves("step")), pictures)
        shutil.rmtree(pictures, ignore_errors=True)
        return _LiveTraining(LiveCurves("step"), pictures)

    def order_of(self, job_id: str) -> LearnRequest | None:
        """What a job was asked to learn; None if it is no learning of this project."""
        try:
            row = self._project.job_row(job_id)
        except NotFound:
            return None
        fields = {k: v for k, v in json.loads(row.args_json).items() if k in LearnRequest.model_fields}
        return LearnRequest(**fields) if row.kind == _JOB_KIND else None

    def _usable_examples(self, order: LearnRequest) -> tuple[list[ExampleCard], str, list[str], list[str]]:
        """What can be learned from, in words too, notes on what is left out, and warnings."""
        there = sorted({row.label for row in self._project.examples()})
        if not there:
            raise InputError("no real anomaly yet: add a photo of a defect, or import some in Product")
        if strange := [label for label in order.labels if label not in there]:
            raise InputError(f"there is no example of {strange[0]!r} (there are: {', '.join(there)})")
        found = [self.examples.cards(label, "learn") for label in order.labels or (None,)]
        if not any(found):
            raise InputError(f"all examples of {order.label or 'the project'} are kept for the test by its split")
        most = _MAX_EXAMPLES_PER_LABEL if order.labels else work.MAX_EXAMPLES
        cards = [card for one in found for card in one[:most]]
        notes = []
        if len(cards) < (total := sum(map(len, found))):
            notes.append(f"The first {len(cards):,} of {total:,} examples are taken.")
        usable = [card for card in cards if card.reason is None]
        if not usable:
            raise InputError(f"no example can be learned from: {cards[0].reason}")
        if tested := sum(r.part == "test" and r.label in (order.labels or there) for r in self._project.examples()):
            notes.append(f"{_counted(tested, 'example')} kept for the test.")
        if left := len(cards) - len(usable):
            notes.append(f"{_counted(left, 'example')} left out: see the marked ones.")
        defects = sum(card.defects for card in usable)
        words = _counted(len(usable), "example") + (f", {defects:,} defects" if defects > len(usable) else "")
        return usable, words, notes, _warnings(Counter(card.row.label for card in usable))

    def _resume_point(self, order: LearnRequest, params: BaseModel) -> str:
        """Where a stopped run of the same photos and settings, but for the number of steps, would go on."""
        if not any((self.folder / ".learning").glob("*/*.pt")):
            return ""
        wanted = _run_identity(json.loads(self._job_args(order)), params)
        for row in reversed(self._project.jobs()):
            if row.kind != _JOB_KIND:
                continue
            args = json.loads(row.args_json)
            if args.get("engine") != order.engine or _run_identity(args, type(params)) != wanted:
                continue
            if row.status in ("cancelled", "interrupted", "failed") and row.done:
                return f"step {row.done:,} of {row.total:,}"
            return ""
        return ""

    def _job_args(self, order: LearnRequest) -> str:
        rows = self._project.examples(part="learn")
        examples = [row.id for row in rows if not order.labels or row.label in order.labels]
        return json.dumps(order.model_dump(mode="json") | {"examples": examples})


def _warnings(counts: Mapping[str, int]) -> list[str]:
    few = [label for label, count in sorted(counts.items()) if count == 1]
    if not few:
        return []
    names = f"{len(few):,} labels" if len(few) > 3 else ", ".join(few)
    each = " each" if len(few) > 1 else ""
    return [f"Only one example{each} of {names}: all that is drawn will look like it."]


def _run_identity(args: dict[str, Any], model: BaseModel | type[BaseModel]) -> Sequence[Any]:
    """What makes two orders the same run: labels, examples, and all settings but the number of steps."""
    kind = model if isinstance(model, type) else type(model)
    try:
        settings = kind(**args.get("params", {})).model_dump(mode="json", exclude={"steps"})
    except ValueError:
        return ()
    return (args.get("engine"), args.get("label"), args.get("examples"), args.get("also", []), settings)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
