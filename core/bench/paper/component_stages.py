"""ComGEN's stages on a product of MVTec LOCO: it learns from good photos and is tested on all of the test set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.api import GenerationBatch
from core.bench.paper.product_split import split_normals
from core.bench.paper.stages import Facts, ProductRun, result_facts
from core.errors import Cancelled, InputError
from core.evaluation.generation import evaluate_generation
from core.evaluation.localization import evaluate_localization
from core.evaluation.photo_sets import Shot
from core.jobs.learn import LearnRequest
from core.types import GOOD

KINDS = {"logical_anomalies": "logical", "structural_anomalies": "structural"}
"""LOCO's folders, which are the labels of what is generated, and how the paper's table calls them."""
EDITS = {"logical_anomalies": ("remove", "repeat", "swap"), "structural_anomalies": ("none",)}
"""Prompt modifications make logical anomalies, low-density sampling alone makes structural ones."""


@dataclass(frozen=True)
class ComponentRun(ProductRun):
    """ComGEN's way: a third of the good photos, 1,000 pictures a product in equal shares, its detector CSDA."""

    def _split(self) -> Facts:
        if set(self.labels) != set(KINDS):
            raise InputError(
                f"{self.product}: expected MVTec LOCO's layout, test/logical_anomalies and test/structural_anomalies; "
                f"it has {', '.join(self.labels)}"
            )
        learn, test = split_normals(self.product, self.out)
        return {"learn": len(list((learn / "train" / "good").glob("*"))),
                "test": {x: len(list((test / "test" / x).glob("*"))) for x in self.labels}}  # fmt: skip

    def _learn(self) -> Facts:
        params = {"preset": "paper", "backbone": self.backbone, "steps": self.budget.steps}
        order = LearnRequest(engine=self.protocol.engine, params=params)
        with self._project() as bench:
            made = bench.concepts.learn(order, cancelled=self.cancelled).id
        return {"concepts": dict.fromkeys(self.labels, made)}

    def _generate(self) -> Facts:
        ids: dict[str, list[str]] = {}
        concepts: Mapping[str, str] = self.run("learn")["concepts"]
        with self._project() as bench:
            for label in self.labels:
                ids[label] = []
                for seed, edit in enumerate(EDITS[label]):
                    count = -(-(self.budget.pairs - len(ids[label])) // (len(EDITS[label]) - seed))
                    params = {"concept": concepts[label], "draw_as": "paper", "edit": edit, **self.budget.drawing}
                    batch = GenerationBatch(
                        engine=self.protocol.engine, label=label, count=count, seed=seed, params=params, workers=1
                    )
                    made = bench.studio.generate(batch, cancelled=self.cancelled)
                    if made["cancelled"]:
                        raise Cancelled(f"{self.product.name}: stopped while drawing {label}")
                    ids[label] += made["sample_ids"]
        return {"samples": ids}

    def _score(self) -> Facts:
        """IS and IC-LPIPS of each kind, with the test set's anomalies as centres: none are learned from."""
        real = [shot for shot in self._shots("test") if not shot.good]
        found: dict[str, float] = {}
        notes: list[str] = []
        for folder, kind in KINDS.items():
            pairs = [pair for pair in self.pairs() if pair.label == folder]
            if not pairs:
                notes.append(f"no pair of {kind} anomalies was made")
                continue
            centres = [shot for shot in real if shot.name.startswith(f"{folder}/")]
            # By folder, since the product's defects config names its labels otherwise.
            alike = [replace(shot, label=folder) for shot in centres]
            result = evaluate_generation(pairs, alike, device=self.device, cancelled=self.cancelled)
            found |= {f"{name}_{kind}": value for name, value in result.metrics.items()}
            notes += result.notes
        return {"metrics": found, "best_on_test": {}, "notes": list(dict.fromkeys(notes))}

    def _good(self) -> list[Shot]:
        photos = sorted((self.out / "learn" / "train" / GOOD).glob("*"))
        return [Shot(f"{GOOD}/{photo.stem}", photo, GOOD) for photo in photos]

    def _localize(self) -> Facts:
        """LOCO's means of logical and structural anomalies, by CSDA."""
        result = evaluate_localization(
            [*self._good(), *self.pairs()], self._shots("test"), detector="csda", seeds=(0,), side=None,
            ctx=self._ctx(), **self.budget.detector,
        )  # fmt: skip
        facts = result_facts(result)
        for name in ("spro", "image_auroc"):
            facts["metrics"][name] = facts["metrics"].get(f"{name}_mean", facts["metrics"][name])
        return {**facts, "best_on_test": {}}

    def _classify(self) -> Facts:
        return {"metrics": {}, "best_on_test": {}, "notes": ["the paper classifies nothing"]}
