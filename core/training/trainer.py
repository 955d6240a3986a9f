"""One trainer for whatever is learned: it resumes, stops, shows previews, saves memory and keeps the concept.

What differs between methods (the parameters, the samples, the loss, the previews) comes as a LearningTask, whose
``learn`` hands one TrainingStage after the other to the run it is given.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic

import torch
from pydantic import BaseModel
from torch import Tensor

from core.diffusion.backbone import Backbone
from core.errors import Cancelled, StoreError
from core.training import checkpoints
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig
from core.training.loop import S, Trainable, TrainingPlan, TrainingResult, steps_done, train
from core.training.working_copy import gradient_checkpointing, working_copy
from core.types import Image

STAGE = "learn"
"""The usual name of a stage, and the one by whose steps a stopped run is told of."""


@dataclass(frozen=True)
class TrainingStage(Generic[S]):
    """One stretch of training, with a checkpoint of its own called ``name``.

    ``samples(number)`` are those of a round; a round lasts ``fresh`` steps (0: all steps are one). ``validation`` is
    asked where the plan validates. ``preview`` gives a picture on the way; ``curve`` is what the loss is called.
    """

    trainable: Trainable[S]
    samples: Callable[[int], S]
    plan: TrainingPlan
    validation: Callable[[], S] | None = None
    fresh: int = 0
    preview: Callable[[], Image] | None = None
    name: str = STAGE
    curve: str = "loss"


@dataclass
class TrainingRun:
    """A run under way: the model that may be changed, where its checkpoints are, and how far it is.

    ``done`` counts the planned steps of the stages that are over, of ``total``.
    """

    backbone: Backbone
    folder: Path
    callbacks: TrainingCallbacks
    total: int
    done: int = 0

    def fit(self, stage: TrainingStage[S]) -> TrainingResult:
        """Train one stage, from where its checkpoint left off. Cancelled within a step."""
        checkpoint = self.folder / f"{stage.name}.pt"
        steps = stage.plan.steps
        length = stage.fresh or steps
        rounds = -(-steps // length)
        result: TrainingResult | None = None
        for number in range(min(steps_done(checkpoint) // length, max(0, rounds - 1)), rounds):
            samples = stage.samples(number)
            result = train(
                stage.trainable,
                samples,
                replace(stage.plan, steps=min(steps, (number + 1) * length)),
                validation=stage.validation() if stage.validation and stage.plan.validate_every else None,
                checkpoint=checkpoint,
                progress=lambda done, _, loss: self._step(stage, done, loss),
                cancelled=self.callbacks.cancelled,
            )
            if result.stopped_early:
                break
        assert result is not None, "a plan has at least one step"
        self.done += steps
        return result

    def report(self, done: int, preview: Image | None = None) -> None:
        """Say that ``done`` steps of what is under way are over."""
        self.callbacks.progress(self.done + done, self.total, preview)

    def _step(self, stage: TrainingStage[S], done: int, loss: float) -> None:
        steps, wanted = stage.plan.steps, self.callbacks.previews
        due = wanted and done < steps and done % max(1, steps // wanted) == 0
        picture = None
        if due and stage.preview is not None:
            with torch.no_grad():
                picture = stage.preview()
        self.callbacks.curve(stage.curve, done, loss)
        self.report(done, picture)


@dataclass(frozen=True)
class LearnedConcept:
    """What a run gives: tensors by name, what to note of it (plain JSON values), PNGs by name, and notes to read."""

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LearningTask:
    """What is to be learned, and how.

    ``label`` and ``title`` are the concept's, ``id_prefix`` is what its id begins with. ``inputs`` are the bytes that,
    beside engine, model and ``settings``, tell this run from another; ``steps`` are those of all that ``learn`` does.
    ``save_memory`` says whether a model's backward pass is to be computed again rather than kept.
    """

    engine: str
    label: str
    title: str
    id_prefix: str
    settings: BaseModel
    inputs: Iterable[bytes]
    steps: int
    learn: Callable[[TrainingRun], LearnedConcept]
    save_memory: Callable[[Backbone], bool] = lambda backbone: False


@dataclass(frozen=True)
class Trainer:
    """Learns concepts on ``backbone`` (float32 or bfloat16) and keeps them under ``folder``."""

    backbone: Backbone
    folder: Path
    callbacks: TrainingCallbacks = field(default_factory=TrainingCallbacks)

    def learn(self, task: LearningTask) -> Concept:
        """Do ``task`` and save its concept.

        Stopped or fallen, a run goes on from where it was when the same is asked for again. Cancelled within a step;
        StoreError where the folder cannot be written.
        """
        began, identity = time.monotonic(), checkpoints.fingerprint(self.backbone)
        folder = self.folder / ".learning" / _run_key(task, identity)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{folder}: cannot be written ({error.strerror}); check the folder and free space"
            ) from error
        try:
            with (
                working_copy(self.backbone, self.callbacks.cancelled) as model,
                gradient_checkpointing(model, task.save_memory(model)),
            ):
                learned = task.learn(TrainingRun(model, folder, self.callbacks, task.steps))
        except Cancelled as stop:
            done = steps_done(folder / f"{STAGE}.pt")
            raise Cancelled(f"stopped after {done} steps; learn again with the same settings to go on") from stop
        concept = self._concept(task, identity, learned, round(time.monotonic() - began, 1))
        checkpoints.save_concept(self.folder, concept, learned.tensors, learned.pictures)
        shutil.rmtree(folder, ignore_errors=True)
        return concept

    def _concept(self, task: LearningTask, identity: str, learned: LearnedConcept, seconds: float) -> Concept:
        digest = checkpoints.digest_of(learned.tensors)
        settings = task.settings.model_dump(mode="json")
        return Concept(
            checkpoints.new_concept_id(task.id_prefix, task.engine, identity, digest),
            task.engine,
            task.label,
            task.title,
            self.backbone.name,
            identity,
            checkpoints.utc_now(),
            ConceptConfig.read({**learned.config, "settings": settings, "seconds": seconds}),
            learned.notes,
        )


def _run_key(task: LearningTask, identity: str) -> str:
    """Names a run: the same inputs and settings (but for the number of steps) go on where they were."""
    settings = task.settings.model_dump(mode="json", exclude={"steps"})
    digest = hashlib.sha256(json.dumps([task.engine, identity, settings], sort_keys=True).encode())
    for part in task.inputs:
        digest.update(part)
    return digest.hexdigest()[:16]
