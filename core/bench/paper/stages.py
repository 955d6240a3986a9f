"""The stages of one product, each kept as soon as it is finished: a stopped table goes on where it was."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, Workbench
from core.api.evaluation.runner import LiveCurves
from core.bench.paper.ablations import WHOLE, AblationVariant
from core.bench.paper.product_split import labels_of, split_product
from core.bench.paper.protocol import PaperBudget, PaperProtocol
from core.bench.paper.stage_clock import StageClock, said_duration
from core.bench.realism.rows import open_project
from core.errors import Cancelled, InputError
from core.evaluation.classification import evaluate_classification
from core.evaluation.detectors.api import TrainContext
from core.evaluation.generation import evaluate_generation
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.localization import evaluate_localization
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.results import EvalResult, save_result
from core.images import atomic_write
from core.jobs.auto_review import ReviewRules
from core.jobs.learn import LearnRequest

Facts = dict[str, Any]


@dataclass(frozen=True)
class ProductRun:
    """A product on its way through the stages. ``backbone`` is the model to learn on.

    ``row`` names a row of an ablation table, made as ``variant`` says; "" is the paper's whole way.
    """

    product: Path
    out: Path
    protocol: PaperProtocol
    budget: PaperBudget
    backbone: str
    device: str
    report: Callable[[str], None]
    cancelled: Callable[[], bool]
    row: str = ""
    variant: AblationVariant = WHOLE

    def run(self, stage: str) -> Facts:
        """What ``stage`` found, from its file where it was finished before."""
        path = self.path(stage)
        if path.is_file():
            return dict(json.loads(path.read_text()))
        began = time.monotonic()
        stages: dict[str, Callable[[], Facts]] = {
            "split": self._split, "learn": self._learn, "generate": self._generate, "score": self._score,
            "localize": self._localize, "classify": self._classify,
        }  # fmt: skip
        self.report(f"{self._called(stage)} begins")
        found = stages[stage]()
        found["seconds"] = round(time.monotonic() - began, 1)
        _write(path, found)
        self.report(f"{self._called(stage)} took {said_duration(found['seconds'])}")
        return found

    def path(self, stage: str) -> Path:
        """The file of what ``stage`` found; rows that learn alike share what was learned."""
        if stage == "learn":
            return self.out / f"learn{self.variant.learning_name}.json"
        return (self.out if stage == "split" else self.folder) / f"{stage}.json"

    @property
    def folder(self) -> Path:
        """Where the row's own stages lie."""
        return self.out / "rows" / re.sub(r"[^a-z0-9]+", "-", self.row.lower()) if self.row else self.out

    @property
    def labels(self) -> list[str]:
        """The product's labels."""
        return labels_of(self.product)

    @property
    def keep(self) -> int:
        """Pairs of a label that the paper's filter keeps; 0: all."""
        return self.budget.keep if self.variant.filtered else 0

    def _called(self, stage: str) -> str:
        return ", ".join(filter(None, (self.product.name, self.row, stage)))

    def _clock(self, stage: str) -> StageClock:
        return StageClock(self._called(stage), self.report)

    def _split(self) -> Facts:
        learn, test = split_product(self.product, self.out)
        return {
            side.name: {x: len(list((side / "test" / x).glob("*"))) for x in self.labels} for side in (learn, test)
        }

    def _project(self) -> Workbench:
        return open_project(self.out / "project", self.out / "learn")

    def _learn(self) -> Facts:
        groups = [",".join(self.labels)] if self.protocol.together else self.labels
        made: dict[str, str] = {}
        curves: dict[str, Any] = {}
        with self._project() as bench:
            for group in groups:
                made[group], curves[group] = self._learn_concept(bench, group)
        return {"concepts": {label: id for group, id in made.items() for label in group.split(",")}, "curves": curves}

    def _learn_concept(self, bench: Workbench, label: str) -> tuple[str, Facts]:
        """The id of the concept, and the points of its curves by name."""
        live = LiveCurves("step")
        params = {"preset": "paper", "backbone": self.backbone, "steps": self.budget.steps, **self.variant.learning}
        order = LearnRequest(engine=self.protocol.engine, label=label, params=params)
        made = bench.concepts.learn(
            order, progress=self._clock("learn"), curve=live.add, cancelled=self.cancelled
        )  # fmt: skip
        return made.id, {name: [list(curve.x), list(curve.y)] for name, curve in live.snapshot().items()}

    def _generate(self) -> Facts:
        """Label by label; those that were finished before a stop are not drawn again."""
        concepts: Mapping[str, str] = self.run("learn")["concepts"]
        unfinished = self.path("generate").with_suffix(".part.json")
        ids: dict[str, list[str]] = json.loads(unfinished.read_text()) if unfinished.is_file() else {}
        with self._project() as bench:
            for seed, label in enumerate(self.labels):
                if label not in ids:
                    ids[label] = self._draw(bench, label, seed, concepts[label])
                    _write(unfinished, ids)
        unfinished.unlink()
        return {"samples": ids}

    def _draw(self, bench: Workbench, label: str, seed: int, concept: str) -> list[str]:
        """Ids of the label's samples, those that are kept where the paper filters."""
        keep = self.keep
        made = self._batch(bench, label, self.budget.pairs, seed, concept, {}, keep)
        rows = (bench.project.sample_row(id) for id in made)
        return [row.id for row in rows if not keep or row.verdict == "kept"]

    def _batch(
        self, bench: Workbench, label: str, count: int, seed: int, concept: str, more: Mapping[str, Any], keep: int = 0
    ) -> list[str]:
        params = {"concept": concept, "draw_as": "paper", **more, **self.budget.drawing, **self.variant.drawing}
        batch = GenerationBatch(
            engine=self.protocol.engine, label=label, count=count, seed=seed, workers=1, params=params,
            placement=dict(self.variant.placement),
        )  # fmt: skip
        rules = ReviewRules(keep_best=keep) if keep else None
        made = bench.studio.generate(
            batch, rules=rules, spend=bool(keep), progress=self._clock(f"generate {label}"), cancelled=self.cancelled
        )
        if made["cancelled"]:
            raise Cancelled(f"{self.product.name}: stopped while drawing {label}")
        return list(made["sample_ids"])

    def pairs(self) -> list[GeneratedPair]:
        """What was generated, and kept where the paper filters."""
        found: list[GeneratedPair] = []
        with self._project() as bench:
            photos = {row.id: row.path for row in bench.project.normals()}
            for label, ids in self.run("generate")["samples"].items():
                for row in map(bench.project.sample_row, ids):
                    masks = row.instance_paths or (row.mask_path,)
                    before, soft = photos.get(row.normal_id), row.attention_path
                    name = f"{label}/{row.id}"
                    found.append(GeneratedPair(name, row.image_path, label, masks, soft=soft, before=before))
        return found

    def shots(self, side: str) -> list[Shot]:
        """The photos of the split's ``side``, learn or test."""
        if side == "learn":
            return read_photo_set(self.out / "learn", "train", anomalies="all")
        return read_photo_set(self.out / "test", "test")

    def _score(self) -> Facts:
        """IS, IC-LPIPS with the learned third as centres, KID."""
        learned = self.shots("learn")
        result = evaluate_generation(
            self.pairs(), [s for s in learned if not s.good], normals=[s.image for s in learned if s.good],
            device=self.device, progress=self._clock("score"), cancelled=self.cancelled,
        )  # fmt: skip
        return self.kept([result])

    def _localize(self) -> Facts:
        good = [shot for shot in self.shots("learn") if shot.good]
        result = evaluate_localization(
            [*good, *self.pairs()], self.shots("test"), seeds=(0,), ctx=self._ctx("localize"), **self.budget.detector
        )
        return self.kept([result])

    def _classify(self) -> Facts:
        if len(self.labels) < 2:
            return {"metrics": {}, "best_on_test": {}, "notes": ["one label: nothing to tell apart"]}
        try:
            result = evaluate_classification(
                self.pairs(), self.shots("test"), seeds=(0,), ctx=self._ctx("classify"), **self.budget.classifier
            )
        except InputError as error:
            return {"metrics": {}, "best_on_test": {}, "notes": [str(error)]}
        return self.kept([result])

    def _ctx(self, stage: str) -> TrainContext:
        return TrainContext(
            device=self.device, cancelled=self.cancelled, checkpoint=self.out / "trainings", keep=False,
            progress=self._clock(stage),
        )  # fmt: skip

    def kept(self, results: Sequence[EvalResult]) -> Facts:
        """The numbers of the stage's first result and the notes of all, which are kept with their pictures."""
        first, folder = results[0], self.folder / "results"
        return {
            "metrics": dict(first.metrics), "best_on_test": dict(first.best_on_test),
            "notes": list(dict.fromkeys(note for result in results for note in result.notes)),
            "results": [str(save_result(folder, result).relative_to(self.out)) for result in results],
        }  # fmt: skip


def _write(path: Path, facts: Facts) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(facts, indent=1).encode())
