"""The stages of one product, each kept as soon as it is finished: a stopped table goes on where it was."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.api import GenerationBatch, Workbench
from core.bench.paper.product_split import labels_of, split_product
from core.bench.paper.protocol import PaperBudget, PaperProtocol
from core.bench.realism.rows import open_project
from core.errors import Cancelled, InputError
from core.evaluation.classification import evaluate_classification
from core.evaluation.detectors.api import TrainContext
from core.evaluation.generation import evaluate_generation
from core.evaluation.generation.pairs import GeneratedPair
from core.evaluation.localization import evaluate_localization
from core.evaluation.photo_sets import Shot, read_photo_set
from core.evaluation.results import EvalResult
from core.images import atomic_write
from core.jobs.auto_review import ReviewRules
from core.jobs.learn import LearnRequest

Facts = dict[str, Any]


@dataclass(frozen=True)
class ProductRun:
    """A product on its way through the stages. ``backbone`` is the model to learn on."""

    product: Path
    out: Path
    protocol: PaperProtocol
    budget: PaperBudget
    backbone: str
    device: str
    report: Callable[[str], None]
    cancelled: Callable[[], bool]

    def run(self, stage: str) -> Facts:
        """What ``stage`` found, from its file where it was finished before."""
        path = self.out / f"{stage}.json"
        if path.is_file():
            return dict(json.loads(path.read_text()))
        began = time.monotonic()
        stages: dict[str, Callable[[], Facts]] = {
            "split": self._split, "learn": self._learn, "generate": self._generate, "score": self._score,
            "localize": self._localize, "classify": self._classify,
        }  # fmt: skip
        found = stages[stage]()
        found["seconds"] = round(time.monotonic() - began, 1)
        atomic_write(path, json.dumps(found, indent=1).encode())
        self.report(f"{self.product.name}: {stage} in {found['seconds']:.0f} s")
        return found

    @property
    def labels(self) -> list[str]:
        """The product's labels."""
        return labels_of(self.product)

    def _split(self) -> Facts:
        learn, test = split_product(self.product, self.out)
        return {
            side.name: {x: len(list((side / "test" / x).glob("*"))) for x in self.labels} for side in (learn, test)
        }

    def _project(self) -> Workbench:
        return open_project(self.out / "project", self.out / "learn")

    def _learn(self) -> Facts:
        groups = [",".join(self.labels)] if self.protocol.together else self.labels
        params = {"preset": "paper", "backbone": self.backbone, "steps": self.budget.steps}
        with self._project() as bench:
            made = {
                group: bench.concepts.learn(
                    LearnRequest(engine=self.protocol.engine, label=group, params=params), cancelled=self.cancelled
                ).id
                for group in groups
            }
        return {"concepts": {label: id for group, id in made.items() for label in group.split(",")}}

    def _generate(self) -> Facts:
        concepts, keep = self.run("learn")["concepts"], self.budget.keep
        ids: dict[str, list[str]] = {}
        with self._project() as bench:
            for seed, label in enumerate(self.labels):
                batch = GenerationBatch(
                    engine=self.protocol.engine, label=label, count=self.budget.pairs, seed=seed, workers=1,
                    params={"concept": concepts[label], "draw_as": "paper", **self.budget.drawing},
                )  # fmt: skip
                rules = ReviewRules(keep_best=keep) if keep else None
                made = bench.studio.generate(batch, rules=rules, spend=bool(keep), cancelled=self.cancelled)
                if made["cancelled"]:
                    raise Cancelled(f"{self.product.name}: stopped while drawing {label}")
                rows = (bench.project.sample_row(id) for id in made["sample_ids"])
                ids[label] = [row.id for row in rows if not keep or row.verdict == "kept"]
        return {"samples": ids}

    def pairs(self) -> list[GeneratedPair]:
        """What was generated, and kept where the paper filters."""
        found: list[GeneratedPair] = []
        with self._project() as bench:
            photos = {row.id: row.path for row in bench.project.normals()}
            for label, ids in self.run("generate")["samples"].items():
                for row in map(bench.project.sample_row, ids):
                    masks = row.instance_paths or (row.mask_path,)
                    before = photos.get(row.normal_id)
                    found.append(GeneratedPair(f"{label}/{row.id}", row.image_path, label, masks, before=before))
        return found

    def _shots(self, side: str) -> list[Shot]:
        if side == "learn":
            return read_photo_set(self.out / "learn", "train", anomalies="all")
        return read_photo_set(self.out / "test", "test")

    def _score(self) -> Facts:
        """IS, IC-LPIPS with the learned third as centres, KID."""
        learned = self._shots("learn")
        result = evaluate_generation(
            self.pairs(), [s for s in learned if not s.good], normals=[s.image for s in learned if s.good],
            device=self.device, cancelled=self.cancelled,
        )  # fmt: skip
        return result_facts(result)

    def _localize(self) -> Facts:
        good = [shot for shot in self._shots("learn") if shot.good]
        result = evaluate_localization(
            [*good, *self.pairs()], self._shots("test"), seeds=(0,), ctx=self._ctx(), **self.budget.detector
        )
        return result_facts(result)

    def _classify(self) -> Facts:
        if len(self.labels) < 2:
            return {"metrics": {}, "best_on_test": {}, "notes": ["one label: nothing to tell apart"]}
        try:
            result = evaluate_classification(
                self.pairs(), self._shots("test"), seeds=(0,), ctx=self._ctx(), **self.budget.classifier
            )
        except InputError as error:
            return {"metrics": {}, "best_on_test": {}, "notes": [str(error)]}
        return result_facts(result)

    def _ctx(self) -> TrainContext:
        return TrainContext(
            device=self.device, cancelled=self.cancelled, checkpoint=self.out / "trainings", keep=False
        )


def result_facts(result: EvalResult) -> Facts:
    """What a stage keeps of an evaluation."""
    return {
        "metrics": dict(result.metrics), "best_on_test": dict(result.best_on_test), "notes": list(result.notes),
    }  # fmt: skip
