"""Trains a classifier on generated pairs, and says how often it names a real anomaly rightly.

The protocol of the papers on generated anomalies: anomalies only, no good photos; ResNet-34 with ImageNet weights and
a new last layer, 256x256, no normalisation, no augmentation. They print the best accuracy on the test set; here the
metrics are those of the last epoch, with the best beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from core.device import choose_device
from core.errors import InputError
from core.evaluation.detectors.api import DetectorParams, TrainContext
from core.evaluation.localization import without_labels
from core.evaluation.panels import confusion_picture
from core.evaluation.photo_sets import Shot, check_disjoint
from core.evaluation.results import EvalResult, Picture
from core.evaluation.seeds import CurveRecorder, averaged_over_seeds, fingerprint, run_seeds

if TYPE_CHECKING:
    from torch import nn

    from core.evaluation.training.classifier import ClassifierInputs

NETWORK_TITLES = {
    "resnet34": "ResNet-34",
    "resnet18": "ResNet-18",
    "features": "linear layer on frozen EfficientNet-Lite0 features",
}
_CURVE_POINTS = 200
_CONFUSION = "Confusion matrix: photos of the row's label that were given the column's label"


class ClassifierParams(DetectorParams):
    """Form and bounds of the classifier. The defaults are those of the ``cpu`` preset."""

    PRESETS = {
        "cpu": {},
        "paper": {"network": "resnet34", "side": 256, "batch": 8, "lr": 1e-4, "epochs": 30, "passes": 5},
    }

    network: Literal["resnet34", "resnet18", "features"] = Field(
        "features",
        title="Network",
        description="The papers' ResNet-34, a smaller one, or a linear layer on frozen ImageNet features.",
    )
    weights: Literal["auto", "none"] = Field(
        "auto",
        title="Weights",
        description="auto starts a ResNet from its ImageNet weights if they are installed; none does not.",
    )
    side: int = Field(
        256, ge=32, le=1024, title="Working size", description="Side in pixels to which a ResNet's photos are resized."
    )
    batch: int = Field(16, ge=2, le=256, title="Batch", description="Published: 8.")
    lr: float = Field(3e-3, gt=0, le=1, title="Learning rate", description="Learning rate of Adam; published: 0.0001.")
    epochs: int = Field(
        30,
        ge=1,
        le=10_000,
        title="Epochs",
        description="The learning rate falls to a fifth after 80 % and again after 90 %.",
    )
    passes: int = Field(
        1,
        ge=1,
        le=100,
        title="Passes per epoch",
        description="Passes over the training set in one epoch; published: 5.",
    )
    most: int = Field(
        500, ge=1, le=1_000_000, title="Maximum photos per label", description="A larger label is sampled at random."
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", title="Precision", description="auto uses 16 bits where the device supports them."
    )


def evaluate_classification(
    train: Sequence[Shot],
    test: Sequence[Shot],
    *,
    preset: str = "cpu",
    params: Mapping[str, object] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    without: Sequence[str] = (),
    ctx: TrainContext | None = None,
    source: Mapping[str, object] | None = None,
) -> EvalResult:
    """Train once per seed on the anomalies of ``train``, name those of ``test``, and sum up.

    Metrics: ``accuracy`` over all photos, ``accuracy_mean`` over labels; per label ``accuracy``; the result's config
    holds the ``confusion`` counts of all seeds, {true: {said: photos}}, and which ``weights`` the network began with.
    Other arguments and errors as in evaluate_localization; InputError also where the sets' labels do not match or
    there is one label only.
    """
    ctx = ctx or TrainContext()
    chosen = ClassifierParams.preset(preset, params)
    train = [s for s in without_labels(train, without, "training set") if not s.good]
    test = [s for s in without_labels(test, without, "test set") if not s.good]
    labels, notes = _labels(train, test, without)
    check_disjoint(train, test)
    sets = _ClassifierSets(train, test, labels, chosen, ctx)
    own = {
        "preset": preset,
        "params": chosen.model_dump(mode="json"),
        "weights": sets.weights,
        "without": sorted(without),
        "device": str(choose_device(ctx.device)),
    }
    key = fingerprint(own, train, test)
    notes = (*notes, sets.note)
    results = run_seeds(seeds, ctx, f"classification-{key}", lambda each: _train_and_test(sets, each, notes))
    confusion: dict[str, dict[str, int]] = {
        true: {said: sum(r.config["confusion"][true][said] for r in results) for said in labels} for true in labels
    }
    config = {
        **(source or {}),
        **own,
        "seeds": list(seeds),
        "train_photos": _counts(train),
        "test_photos": _counts(test),
    }
    title = f"Classification: {NETWORK_TITLES[chosen.network]}, {preset} preset"
    return averaged_over_seeds(results, seeds, title, {**config, "confusion": confusion})


def _labels(
    train: Sequence[Shot], test: Sequence[Shot], without: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    learned, asked = sorted({s.label for s in train}), sorted({s.label for s in test})
    if strange := sorted(set(asked) - set(learned)):
        raise InputError(
            f"the labels don't match: {', '.join(strange)} is to be tested but not learned (learned are: "
            f"{', '.join(learned) or 'none'}); give the labels the same names, or leave {strange[0]} out"
        )
    if len(learned) < 2 or not asked:
        raise InputError(
            f"classification: expected anomalies of at least two labels, got {', '.join(learned) or 'none'}; "
            "one class alone cannot be told apart"
        )
    notes = []
    if without:
        notes.append(f"Left out of both sets: {', '.join(sorted(without))}.")
    if unasked := sorted(set(learned) - set(asked)):
        notes.append(f"Learned but not in the test set: {', '.join(unasked)}.")
    return tuple(learned), tuple(notes)


class _ClassifierSets:
    """Both sets as the network takes them, and what it begins with."""

    def __init__(
        self,
        train: Sequence[Shot],
        test: Sequence[Shot],
        labels: tuple[str, ...],
        params: ClassifierParams,
        ctx: TrainContext,
    ) -> None:
        import torch

        from core.evaluation.training import classifier

        self.labels, self.params = labels, params
        train = [train[i] for i in classifier.capped([labels.index(s.label) for s in train], params.most, 0)]
        self.train, self.test = self._inputs(train, ctx), self._inputs(test, ctx)
        self.train_labels = torch.tensor([labels.index(s.label) for s in train])
        self.test_labels = np.array([labels.index(s.label) for s in test])
        self.file = None
        if params.network == "features":
            self.weights = "imagenet, frozen"
            self.note = f"Classifier: a {NETWORK_TITLES['features']} (ImageNet), a stand-in for the papers' ResNet-34."
            return
        if params.weights == "auto":
            self.file = classifier.weights_file(params.network)
        self.weights = "imagenet" if self.file else "from scratch"
        name = NETWORK_TITLES[params.network]
        self.note = f"Classifier: {name}, started from its ImageNet weights."
        if not self.file:
            self.note = f"Classifier: {name}, trained from scratch; the papers start from ImageNet weights"
            self.note += f" ({classifier.FILES[params.network]} in the folder of models, or in torch's)."

    def _inputs(self, shots: Sequence[Shot], ctx: TrainContext) -> ClassifierInputs:
        from core.evaluation.training import classifier

        def images() -> Any:
            for done, shot in enumerate(shots):
                ctx.check()
                ctx.progress(0, 1, message=f"reading photo {done + 1} of {len(shots)}")
                yield shot.read()

        if self.params.network == "features":
            return classifier.feature_inputs(images())
        return classifier.photo_inputs(images(), self.params.side)


@dataclass
class _BestEpoch:
    accuracy: float = -1.0
    values: Mapping[str, float] | None = None


def _new_network(sets: _ClassifierSets, seed: int) -> nn.Module:
    import torch

    from core.evaluation.training import classifier

    if sets.params.network == "features":
        return classifier.linear(sets.train, len(sets.labels), seed)
    network = classifier.resnet(sets.params.network, len(sets.labels), sets.file, seed)
    return network.to(memory_format=torch.channels_last)


def _train_and_test(sets: _ClassifierSets, ctx: TrainContext, notes: tuple[str, ...]) -> EvalResult:
    import torch

    from core.evaluation.training import classifier
    from core.evaluation.training.precision import step_for

    params, recorder, best = sets.params, CurveRecorder(ctx.curve), _BestEpoch()
    step = step_for(choose_device(ctx.device), params.precision)
    network = _new_network(sets, ctx.seed).to(step.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=params.lr, foreach=False)
    milestones = [round(params.epochs * share) for share in (0.8, 0.9)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.2)
    per_epoch = classifier.batches_per_epoch(len(sets.train_labels), params.batch, params.passes)
    every = max(1, per_epoch * params.epochs // _CURVE_POINTS)
    for number in range(1, params.epochs + 1):
        before = (number - 1) * per_epoch

        def each(done: int, loss: float, before: int = before, number: int = number) -> None:
            ctx.check()
            ctx.progress(before + done, per_epoch * params.epochs, message=f"epoch {number} of {params.epochs}")
            if (before + done) % every == 0:
                recorder("loss", (before + done) / per_epoch, loss)

        classifier.train_epoch(
            network, optimizer, step, sets.train, sets.train_labels,
            batch=params.batch, passes=params.passes, rng_key=(ctx.seed, number), each=each,
        )  # fmt: skip
        schedule.step()
        values, per_label, counts = _measure(sets, classifier.predictions(network, step, sets.test))
        recorder("accuracy", number, values["accuracy"])
        if values["accuracy"] > best.accuracy:
            best.accuracy, best.values = values["accuracy"], {**values, "epoch": float(number)}
    return EvalResult(
        kind="classification",
        title=NETWORK_TITLES[params.network],
        config={"seed": ctx.seed, "confusion": _named(counts, sets.labels)},
        metrics=values,
        per_label=per_label,
        best_on_test=best.values or {},
        curves=recorder.curves(),
        notes=notes,
        pictures=(Picture("confusion", _CONFUSION, confusion_picture(counts, sets.labels)),),
    )


def _measure(
    sets: _ClassifierSets, said: np.ndarray
) -> tuple[dict[str, float], dict[str, dict[str, float]], np.ndarray]:
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(sets.test_labels, said, labels=range(len(sets.labels)))
    per_label = {
        label: {"accuracy": float(counts[i, i] / counts[i].sum())}
        for i, label in enumerate(sets.labels)
        if counts[i].sum()
    }
    mean = float(np.mean([v["accuracy"] for v in per_label.values()]))
    return {"accuracy": float(np.trace(counts) / counts.sum()), "accuracy_mean": mean}, per_label, counts


def _named(counts: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, int]]:
    return {true: {said: int(counts[i, j]) for j, said in enumerate(labels)} for i, true in enumerate(labels)}


def _counts(shots: Sequence[Shot]) -> dict[str, int]:
    labels = [shot.label for shot in shots]
    return {label: labels.count(label) for label in sorted(set(labels))}
