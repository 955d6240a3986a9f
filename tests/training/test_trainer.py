"""The one trainer: a task's stages run, resume and stop as one; what it keeps tells how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from torch import nn

from core.diffusion.backbone import Backbone
from core.diffusion.tokens import Placeholder, initial_vectors, with_placeholders
from core.errors import Cancelled, StoreError
from core.training.callbacks import TrainingCallbacks
from core.training.checkpoints import Concept, load_concept
from core.training.loop import Trainable, TrainingPlan, prompt_conditioning
from core.training.trainer import LearnedConcept, LearningTask, Trainer, TrainingRun, TrainingStage
from core.training.training_samples import TrainingSample, encode_samples


class Settings(BaseModel):
    steps: int = 4
    lr: float = 0.05


def task(inputs: bytes = b"photos", rounds: list[int] | None = None, **given: Any) -> LearningTask:
    """One word in two stages: one step of "first", then the settings' steps, on fresh samples every two."""
    settings = Settings(**given)

    def learn(run: TrainingRun) -> LearnedConcept:
        vectors = nn.Parameter(initial_vectors(run.backbone, "damage", 2))
        with with_placeholders(run.backbone, [Placeholder("<it>", vectors)]) as known:
            picture = np.full((64, 64, 3), 90, np.uint8)

            def samples(number: int) -> Any:
                if rounds is not None:
                    rounds.append(number)
                return encode_samples(known, [TrainingSample(picture + number, "a <it>")], text_frozen=False)

            trainable = Trainable(known, {"<it>": vectors}, prompt_conditioning(known))
            run.fit(TrainingStage(trainable, samples, TrainingPlan(1, 1, settings.lr), name="first", curve="before"))
            plan = TrainingPlan(settings.steps, 1, settings.lr)
            trained = run.fit(TrainingStage(trainable, samples, plan, fresh=2, preview=lambda: picture))
        return LearnedConcept({"it": vectors.detach()}, trained.summary(), notes=("a note",))

    return LearningTask("toy", "", "it", "word", settings, [inputs], 1 + settings.steps, learn)


def stop_after(steps: int) -> TrainingCallbacks:
    done: list[int] = []
    return TrainingCallbacks(lambda i, n, p: done.append(i), cancelled=lambda: len(done) >= steps)


def weights(concept: Concept, folder: Path) -> torch.Tensor:
    return load_concept(folder / concept.id)[1]["it"]


def test_stages_count_on_as_one_and_previews_come_on_the_way(toy: Backbone, tmp_path: Path) -> None:
    seen: list[tuple[int, int, bool]] = []
    points: list[tuple[str, float]] = []
    callbacks = TrainingCallbacks(
        lambda i, n, picture: seen.append((i, n, picture is not None)),
        lambda name, x, y: points.append((name, x)),
        previews=2,
    )
    rounds: list[int] = []
    concept = Trainer(toy, tmp_path, callbacks).learn(task(rounds=rounds))
    assert seen == [(1, 5, False), (2, 5, False), (3, 5, True), (4, 5, False), (5, 5, False)]
    assert points == [("before", 1), ("loss", 1), ("loss", 2), ("loss", 3), ("loss", 4)]
    assert rounds == [0, 0, 1]
    assert concept.id.startswith("word-") and concept.notes == ("a note",)
    assert concept.config.settings == {"steps": 4, "lr": 0.05} and concept.config.steps == 4
    assert not any((tmp_path / ".learning").iterdir())


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_stopped_run_goes_on_in_its_round_to_the_same_bits(toy: Backbone, tmp_path: Path, steps: int) -> None:
    whole = Trainer(toy, tmp_path / "whole").learn(task())
    with pytest.raises(Cancelled, match=f"stopped after {steps - 1} steps; learn again"):
        Trainer(toy, tmp_path / "parts", stop_after(steps)).learn(task())
    rounds: list[int] = []
    again = Trainer(toy, tmp_path / "parts").learn(task(rounds=rounds))
    assert rounds[1:] == ([0, 1] if steps < 3 else [1])
    assert again.id == whole.id
    assert torch.equal(weights(again, tmp_path / "parts"), weights(whole, tmp_path / "whole"))


def test_more_steps_go_on_but_other_inputs_or_settings_begin_anew(toy: Backbone, tmp_path: Path) -> None:
    def stopped(one: LearningTask) -> set[str]:
        with pytest.raises(Cancelled):
            Trainer(toy, tmp_path, stop_after(2)).learn(one)
        return {p.name for p in (tmp_path / ".learning").iterdir()}

    first = stopped(task())
    with pytest.raises(Cancelled, match="after 3 steps"):
        Trainer(toy, tmp_path, stop_after(2)).learn(task(steps=6))
    assert {p.name for p in (tmp_path / ".learning").iterdir()} == first
    assert len(stopped(task(b"other photos"))) == 2
    assert len(stopped(task(lr=0.1))) == 3


def test_the_model_lent_to_others_is_not_the_one_that_is_changed(toy: Backbone, tmp_path: Path) -> None:
    models: list[Backbone] = []

    def look(run: TrainingRun) -> LearnedConcept:
        models.append(run.backbone)
        assert run.backbone.unet.is_gradient_checkpointing
        return LearnedConcept({"it": torch.zeros(1)}, {})

    one = LearningTask("toy", "", "it", "word", Settings(), [], 1, look, lambda model: True)
    Trainer(toy, tmp_path).learn(one)
    assert models[0].unet is not toy.unet and not models[0].unet.is_gradient_checkpointing


def test_a_folder_that_takes_nothing_is_said_in_one_line(toy: Backbone, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        Trainer(toy, tmp_path / "file").learn(task())
    assert "\n" not in str(caught.value)
