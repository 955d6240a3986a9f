"""ComGEN's stages on a product of MVTec LOCO: it learns from good photos and is tested on all of the test set."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.api import Workbench
from core.bench.paper.product_split import split_normals
from core.bench.paper.stages import Facts, ProductRun
from core.errors import InputError
from core.evaluation.generation import evaluate_generation
from core.evaluation.localization import evaluate_localization
from core.evaluation.photo_sets import Shot
from core.evaluation.results import EvalResult
from core.types import GOOD

KINDS = {"logical_anomalies": "logical", "structural_anomalies": "structural"}
"""LOCO's folders, which are the labels of what is generated, and how the paper's table calls them."""
EDITS = {"logical_anomalies": ("remove", "repeat", "swap"), "structural_anomalies": ("none",)}
"""Prompt modifications make logical anomalies, low-density sampling alone makes structural ones."""
SHARED_SETTINGS = ("epochs", "samples", "test_every")
"""Of CSDA's training, what another detector in its place has too."""


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
        with self._project() as bench:
            made, curves = self._learn_concept(bench, "")
        return {"concepts": dict.fromkeys(self.labels, made), "curves": {"": curves}}

    def _draw(self, bench: Workbench, label: str, seed: int, concept: str) -> list[str]:
        """The label's edits in equal shares, each with a seed of its own."""
        edits = EDITS[label] if self.variant.edited else ("none",)
        ids: list[str] = []
        for number, edit in enumerate(edits):
            count = -(-(self.budget.pairs - len(ids)) // (len(edits) - number))
            if count > 0:  # fewer pictures than edits
                ids += self._batch(bench, label, count, number, concept, {"edit": edit})
        return ids

    def _score(self) -> Facts:
        """IS and IC-LPIPS of each kind, with the test set's anomalies as centres: none are learned from."""
        real = [shot for shot in self.shots("test") if not shot.good]
        found: dict[str, float] = {}
        missing: list[str] = []
        results: list[EvalResult] = []
        for folder, kind in KINDS.items():
            pairs = [pair for pair in self.pairs() if pair.label == folder]
            if not pairs:
                missing.append(f"no pair of {kind} anomalies was made")
                continue
            centres = [shot for shot in real if shot.name.startswith(f"{folder}/")]
            # By folder, since the product's defects config names its labels otherwise.
            alike = [replace(shot, label=folder) for shot in centres]
            result = evaluate_generation(
                pairs, alike, device=self.device, progress=self._clock(f"score {kind}"), cancelled=self.cancelled
            )
            found |= {f"{name}_{kind}": value for name, value in result.metrics.items()}
            results.append(result)
        facts = self.kept(results) if results else {"notes": []}
        return {**facts, "metrics": found, "best_on_test": {}, "notes": missing + facts["notes"]}

    def shots(self, side: str) -> list[Shot]:
        """The photos of the split's ``side``; of what is learned from all are good."""
        if side != "learn":
            return super().shots(side)
        photos = sorted((self.out / "learn" / "train" / GOOD).glob("*"))
        return [Shot(f"{GOOD}/{photo.stem}", photo, GOOD) for photo in photos]

    def _localize(self) -> Facts:
        """LOCO's means of logical and structural anomalies, by CSDA or what a row has in its place."""
        detector, training = self.variant.detector or "csda", dict(self.budget.detector)
        settings = training.pop("params", {})
        if detector != "csda":
            settings = {name: value for name, value in settings.items() if name in SHARED_SETTINGS}
        result = evaluate_localization(
            [*self.shots("learn"), *self.pairs()], self.shots("test"), detector=detector, seeds=(0,), side=None,
            ctx=self._ctx("localize"), params=settings, **training,
        )  # fmt: skip
        facts = self.kept([result])
        for name in ("spro", "image_auroc"):
            facts["metrics"][name] = facts["metrics"].get(f"{name}_mean", facts["metrics"][name])
        return {**facts, "best_on_test": {}}

    def _classify(self) -> Facts:
        return {"metrics": {}, "best_on_test": {}, "notes": ["the paper classifies nothing"]}
