"""Which real anomalies are learned from and which are kept for the test."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from core.device import numpy_rng
from core.errors import InputError
from core.lookup import natural_sort_key

ExamplePart = Literal["", "learn", "test"]
"""Of a real anomaly: "" in a project without a split."""


@dataclass(frozen=True)
class SplitRule:
    """``share`` of each label is learned from: the first by file name, or those that ``seed`` draws."""

    share: Fraction
    seed: int | None = None

    @classmethod
    def parse(cls, share: str, seed: int | None = None) -> SplitRule:
        """``"1/3"`` or ``"0.5"``; InputError for what does not lie between 0 and 1."""
        try:
            found = Fraction(share.strip()).limit_denominator(1000)
        except (ValueError, ZeroDivisionError):
            found = Fraction(0)
        if not 0 < found < 1:
            raise InputError(
                f"split {share!r}: expected the share to learn from, between 0 and 1, for example 1/3; the rest is "
                "kept for the test"
            )
        return cls(found, seed)

    def learned(self, names: Iterable[str], label: str, known: Collection[bool] = ()) -> set[str]:
        """Those of a label's ``names`` that are learned from: at least one of a label, as the papers round down.

        ``known`` says of those that have a part already whether they are learned from.
        """
        order = sorted(set(names), key=natural_sort_key)
        if self.seed is not None:
            order = [order[i] for i in numpy_rng(self.seed, "split", label).permutation(len(order))]
        wanted = max(1, int((len(order) + len(known)) * self.share))
        return set(order[: max(0, wanted - sum(known))])

    def __str__(self) -> str:
        how = "by file name" if self.seed is None else f"drawn with seed {self.seed}"
        return f"{self.share} of each label is learned from, {how}"


@dataclass(frozen=True)
class ExampleSplit:
    """A project's split: its rule, and the photos of the test part by their file's sha256.

    A photo stays in its part when its mask is redrawn or its label renamed; what comes in otherwise than by an import
    is learned from.
    """

    rule: SplitRule
    test: frozenset[str]

    def part_of(self, digest: str) -> ExamplePart:
        """The part of the photo with this sha256."""
        return "test" if digest in self.test else "learn"

    def to_json(self) -> dict[str, Any]:
        """The split as the project keeps it."""
        return {"share": str(self.rule.share), "seed": self.rule.seed, "test": sorted(self.test)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> ExampleSplit:
        """What ``to_json`` wrote."""
        seed = kept.get("seed")
        rule = SplitRule.parse(str(kept["share"]), None if seed is None else int(seed))
        return cls(rule, frozenset(map(str, kept.get("test", ()))))
