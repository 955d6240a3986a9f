"""What a paper does to make its tables, and how much of it a budget buys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import InputError, NotFound

STAGES = ("split", "learn", "generate", "score", "localize", "classify")
"""In their order; each needs those before it."""

_PAPER: Mapping[str, Any] = {"preset": "paper"}


@dataclass(frozen=True)
class PaperBudget:
    """How much is made. ``steps`` 0: the preset's own; of ``pairs`` a label ``keep`` are kept by the paper's filter
    (0: all); ``drawing`` are settings beside *Draw as*; ``detector`` and ``classifier`` are preset and params."""

    name: str
    steps: int
    pairs: int
    keep: int = 0
    drawing: Mapping[str, Any] = field(default_factory=dict)
    detector: Mapping[str, Any] = field(default_factory=lambda: dict(_PAPER))
    classifier: Mapping[str, Any] = field(default_factory=lambda: dict(_PAPER))

    def as_json(self) -> dict[str, Any]:
        """What a folder of results is made with."""
        return {
            "budget": self.name, "steps": self.steps, "pairs": self.pairs, "keep": self.keep,
            "drawing": dict(self.drawing), "detector": dict(self.detector), "classifier": dict(self.classifier),
        }  # fmt: skip


@dataclass(frozen=True)
class PaperProtocol:
    """``engine`` learns all labels of a product ``together`` or each alone, in ``steps`` of ``step_s`` seconds on the
    paper's ``gpu``, and draws ``pairs`` a label in ``pair_s`` seconds each, of which ``keep`` are taken (0: all). With
    ``from_good_parts`` it learns from these alone, as ComGEN does on MVTec LOCO."""

    engine: str
    together: bool
    steps: int
    step_s: float
    pair_s: float
    gpu: str
    pairs: int = 1000
    keep: int = 0
    from_good_parts: bool = False

    def hours(self, labels: int, budget: PaperBudget) -> dict[str, float]:
        """Hours of the stages that take some, for a product of so many labels, on the paper's GPU.

        Learning and drawing by what the papers report; batches of eight of U-Net and ResNet at a guessed tenth
        of a second each.
        """
        learn = (budget.steps or self.steps) * self.step_s * (1 if self.together else labels)
        epochs, looks = (of.get("params", {}).get("epochs") for of in (budget.detector, budget.classifier))
        localize = (epochs or 200) * 500 / 8
        classify = (looks or 30) * 5 * min(500, budget.keep or budget.pairs) * labels / 8
        generate = budget.pairs * labels * self.pair_s
        seconds = {"learn": learn, "generate": generate, "localize": localize * 0.1, "classify": classify * 0.1}
        return {name: value / 3600 for name, value in seconds.items()}


PROTOCOLS: Mapping[str, PaperProtocol] = {
    # 300,000 steps in three days; 310,000 in about three; 4.5 hours a label, 15 s a pair. ComGEN reports no times:
    # 6,100 epochs of about 110 photos in batches of 16, at DualAnoDiff's pace on the same GPU.
    "anomaly_diffusion": PaperProtocol("anomaly_diffusion", True, 300_000, 0.86, 10.0, "RTX 3090, 24 GB"),
    "gaa": PaperProtocol("gaa", True, 310_000, 0.84, 10.0, "RTX 3090, 24 GB", keep=500),
    "dual_ano_diff": PaperProtocol("dual_ano_diff", False, 10_000, 1.62, 15.0, "V100, 32 GB"),
    "comgen": PaperProtocol(
        "comgen", True, 42_700, 1.62, 15.0, "V100, 32 GB (times guessed)", pairs=500, from_good_parts=True
    ),
}

_FEW_CANDIDATES = {"steps": 4, "candidates": 1, "d_max": 6}
"""So that a model that has learned nothing yet draws all pictures that it is asked for."""
QUICK = PaperBudget(
    "quick", 2, 2, drawing={"steps": 2},
    detector={"preset": "cpu", "params": {"epochs": 1, "samples": 8, "test_every": 1, "side": 64}},
    classifier={"preset": "cpu", "params": {"epochs": 1}},
)  # fmt: skip
"""Whether every stage can be made."""
_TOY = PaperBudget(
    "toy", 8, 4, drawing={"steps": 4},
    detector={"preset": "cpu", "params": {"epochs": 2, "samples": 32, "test_every": 2, "side": 64}},
    classifier={"preset": "cpu", "params": {"epochs": 5}},
)  # fmt: skip
"""The whole way on two cores with the shipped model; its numbers mean nothing."""


def protocol_of(method: str) -> PaperProtocol:
    """The paper's way; NotFound names those there are."""
    if method not in PROTOCOLS:
        raise NotFound(f"bench paper {method!r}: there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[method]


def budget_of(text: str, protocol: PaperProtocol, labels: int) -> PaperBudget:
    """``paper``, ``toy``, ``quick`` or ``hours=N`` for a product of so many labels; InputError for anything else."""
    whole = PaperBudget("paper", 0, protocol.pairs, protocol.keep)
    if text == "paper":
        return whole
    if small := {one.name: one for one in (_TOY, QUICK)}.get(text):
        drawing = {**small.drawing, **(_FEW_CANDIDATES if protocol.from_good_parts else {})}
        return replace(small, keep=min(protocol.keep, small.pairs // 2), drawing=drawing)
    name, _, value = text.partition("=")
    hours = float(value) if value.replace(".", "", 1).isdigit() else 0.0
    if name != "hours" or hours <= 0:
        raise InputError(f"--budget {text!r}: expected paper, toy or hours=N with N above 0")
    share = min(1.0, hours / sum(protocol.hours(labels, whole).values()))
    pairs = max(8, round(share * protocol.pairs))
    return PaperBudget(
        text, max(20, round(share * protocol.steps)), pairs, min(protocol.keep, pairs // 2),
        detector={"preset": "paper", "params": {"epochs": max(2, round(200 * share))}},
        classifier={"preset": "paper", "params": {"epochs": max(2, round(30 * share))}},
    )  # fmt: skip
