"""What a detector shall reach: ``image_recall>=0.99 @ false_rejects<=0.02, image_auroc>=0.97``.

A bound, then behind ``@`` what must hold with it. A bound is ``METRIC>=VALUE``, ``METRIC[LABEL]>=VALUE``, or
``false_rejects<=VALUE``, at whose threshold recalls are measured. Values are 0.99 or 99%.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass

from core.errors import InputError
from core.loop.seed_scores import AT_FALSE_REJECTS, METRICS, SeedScores

FALSE_REJECTS = "false_rejects"
EXAMPLE = "image_recall>=0.99 @ false_rejects<=0.02"
_BOUND = re.compile(
    r"(?P<metric>[a-z_0-9]+)(?:\[(?P<label>[a-z0-9_]+)\])?\s*(?P<op>>=|<=|≥|≤)\s*"
    r"(?P<value>[0-9]+(?:\.[0-9]+)?)\s*(?P<percent>%?)"
)


@dataclass(frozen=True)
class MetricBound:
    """``metric`` of all anomalies, or of one ``label``, is to be at least ``least``, 0..1."""

    metric: str
    least: float
    label: str = ""

    @property
    def name(self) -> str:
        """As it is written: the metric, and its label in brackets."""
        return f"{self.metric}[{self.label}]" if self.label else self.metric

    def __str__(self) -> str:
        return f"{self.name}>={self.least:g}"


@dataclass(frozen=True)
class BoundCheck:
    """A bound and what was measured: by seed, and the mean, which has to hold it."""

    bound: MetricBound
    by_seed: dict[str, float]

    @property
    def value(self) -> float:
        """The mean of the seeds, 0..1."""
        return statistics.fmean(self.by_seed.values())

    @property
    def spread(self) -> float:
        """Standard deviation (n - 1) between seeds; 0 for one."""
        values = list(self.by_seed.values())
        return statistics.stdev(values) if len(values) > 1 else 0.0

    @property
    def passed(self) -> bool:
        """Whether the mean holds the bound."""
        return self.value >= self.bound.least - 1e-12


@dataclass(frozen=True)
class LoopContract:
    """``goal`` with the ``others`` that must hold too; recalls are measured at ``false_rejects``, 0..1."""

    goal: MetricBound
    others: tuple[MetricBound, ...] = ()
    false_rejects: float = 0.0

    @classmethod
    def parse(cls, text: str) -> LoopContract:
        """The contract that ``text`` writes down; InputError says what is wrong with it and how to write it."""
        head, at, rest = text.partition("@")
        goal = _bound(head, text)
        if isinstance(goal, float):
            raise InputError(f"contract {text[:80]!r}: expected a metric to reach before '@', as in {EXAMPLE!r}")
        behind = [_bound(part, text) for part in rest.split(",")] if at else []
        limits = [one for one in behind if isinstance(one, float)]
        others = tuple(one for one in behind if isinstance(one, MetricBound))
        if len(limits) > 1:
            raise InputError(f"contract {text[:80]!r}: {FALSE_REJECTS} is given {len(limits)} times; leave one")
        needy = [one.metric for one in (goal, *others) if one.metric in AT_FALSE_REJECTS]
        if needy and not limits:
            raise InputError(
                f"contract {text[:80]!r}: {needy[0]} is measured at a share of good parts that may be rejected; "
                f"say which, as in {EXAMPLE!r}"
            )
        return cls(goal, others, limits[0] if limits else 0.0)

    def check(self, table: SeedScores) -> tuple[BoundCheck, ...]:
        """Every bound measured anew from the scores, the goal first."""
        return tuple(
            BoundCheck(one, table.values(one.metric, one.label, self.false_rejects))
            for one in (self.goal, *self.others)
        )

    def require_labels(self, table: SeedScores) -> None:
        """InputError for a label that no photo of ``table`` has."""
        there = table.anomaly_labels()
        if strange := [one for one in (self.goal, *self.others) if one.label and one.label not in there]:
            raise InputError(
                f"contract: {strange[0].name}: no photo that guides or judges has this label (there are: "
                f"{', '.join(there)}); import some, or leave the bound out"
            )

    def __str__(self) -> str:
        limit = [f"{FALSE_REJECTS}<={self.false_rejects:g}"] if self._measures_recall() else []
        behind = [*limit, *map(str, self.others)]
        return f"{self.goal} @ {', '.join(behind)}" if behind else str(self.goal)

    def _measures_recall(self) -> bool:
        return any(one.metric in AT_FALSE_REJECTS for one in (self.goal, *self.others)) or self.false_rejects > 0


def _bound(part: str, text: str) -> MetricBound | float:
    """One bound of a contract; a number is that of the false rejects."""
    found = _BOUND.fullmatch(part.strip())
    if found is None:
        raise InputError(
            f"contract {text[:80]!r}: expected METRIC>=VALUE, got {part.strip()[:40]!r}; write it as {EXAMPLE!r}"
        )
    value = float(found["value"]) / (100 if found["percent"] else 1)
    if not 0 <= value <= 1:
        raise InputError(f"contract {text[:80]!r}: {found['value']} lies beyond 0 to 1; write 0.99 or 99%")
    at_most, name, label = found["op"] in ("<=", "≤"), found["metric"], found["label"] or ""
    if name == FALSE_REJECTS:
        if not at_most or value >= 1 or label:
            raise InputError(f"contract {text[:80]!r}: write {FALSE_REJECTS}<=VALUE, below 1 and without a label")
        return value
    if name not in METRICS:
        raise InputError(
            f"contract {text[:80]!r}: there is no metric {name!r}; there are {', '.join(METRICS)}, and "
            f"{FALSE_REJECTS} behind the '@'"
        )
    if at_most:
        raise InputError(f"contract {text[:80]!r}: more of {name} is better; write {name}>=VALUE")
    if label and name == "worst_recall":
        raise InputError(f"contract {text[:80]!r}: worst_recall is over all labels; use image_recall[{label}]")
    return MetricBound(name, value, label)
