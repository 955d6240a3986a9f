"""What became of each file of an import, for people and for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.images.depth import DepthScales
from core.importers.plan import ImportPlan
from core.importers.source_entry import Problem


@dataclass(frozen=True)
class Odd(Problem):
    """A photo that is set aside until a person has looked at it."""


@dataclass(frozen=True)
class IntakeReport:
    """What became of each file, by its path in the source.

    ``problems`` are files left out, defects without a mask among them; ``odd`` are photos to look at, which are not
    used before a person decides.
    """

    layout: str
    normals: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    """(label, path) of each real anomaly."""
    duplicates: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    odd: tuple[Problem, ...] = ()
    unmasked: tuple[tuple[str, str], ...] = ()
    """(label, path) of each defect without a mask."""
    masks: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    depth: DepthScales = field(default_factory=dict)

    @classmethod
    def of(cls, plan: ImportPlan, failed: Sequence[Problem], scales: DepthScales) -> IntakeReport:
        """The report of a plan in which all went well but for ``failed``."""
        broken = {problem.path for problem in failed if not isinstance(problem, Odd)}
        classes = plan.classes
        shown = [
            f"{dtype} photos: one scale to 8-bit for all, from {scale.low:.6g}..{scale.high:.6g} ({scale.why})"
            for dtype, scale in scales.items()
        ]
        return cls(
            plan.layout,
            tuple(g.entry.path for g in plan.normals if g.entry.name not in broken),
            tuple((a.label, a.entry.path) for a in plan.anomalies if a.entry.name not in broken),
            (),
            (*plan.problems, *(u.problem for u in plan.unmasked), *(p for p in failed if not isinstance(p, Odd))),
            (*plan.notes, *shown),
            (*plan.odd, *(p for p in failed if isinstance(p, Odd))),
            tuple((u.label, u.entry.name) for u in plan.unmasked),
            tuple(name for name, kind in classes.items() if kind == "mask"),
            tuple(name for name, kind in classes.items() if kind == "annotation"),
            scales,
        )

    @property
    def message(self) -> str:
        """One line for a person."""
        good = _count(len(self.normals), "photo") + " of good parts"
        bad = _count(len(self.examples), "real anomal", "y", "ies")
        line = f"imported {good}" if not self.examples else f"imported {bad}"
        if self.examples and self.normals:
            line = f"imported {good} and {bad}"
        if self.duplicates:
            line += f"; {_count(len(self.duplicates), 'file')} already there"
        if self.odd:
            line += f"; {_count(len(self.odd), 'photo')} to look at"
        if self.problems:
            line += f"; {_count(len(self.problems), 'file')} left out"
        return line

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; counts of what was taken, paths of what was not."""
        return {
            "layout": self.layout,
            "accepted": len(self.normals) + len(self.examples),
            "normals": len(self.normals),
            "examples": dict(Counter(label for label, _ in self.examples)),
            "unmasked": dict(Counter(label for label, _ in self.unmasked)),
            "duplicates": list(self.duplicates),
            "problems": [{"path": p.path, "reason": p.reason} for p in self.problems],
            "look_at": [{"path": p.path, "reason": p.reason} for p in self.odd],
            "masks": len(self.masks),
            "annotations": list(self.annotations),
            "depth": {k: {"low": s.low, "high": s.high, "why": s.why} for k, s in self.depth.items()},
            "notes": list(self.notes),
            "message": self.message,
        }

    def table(self) -> list[str]:
        """Lines for a person: what there is, by class, with reasons that many files share said once."""
        rows = [f"layout: {self.layout}", f"{len(self.normals)} photos of good parts"]
        labels = Counter(label for label, _ in self.examples)
        bare = Counter(label for label, _ in self.unmasked)
        for label in sorted(labels | bare):
            more = f", {bare[label]} more without a mask" if bare[label] else ""
            rows.append(f"{labels[label]} real {label}{more}")
        rows.append(f"{len(self.masks)} mask files, {len(self.annotations)} annotation files")
        return rows + self.left_out()

    def left_out(self) -> list[str]:
        """Lines for a person on what is not used, each reason once."""
        return _grouped("look at", self.odd) + _grouped("left out", self.problems)


def _grouped(what: str, problems: Sequence[Problem]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for problem in problems:
        by_reason.setdefault(problem.reason, []).append(problem.path)
    return [
        f"{what}: {paths[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''}: {reason}"
        for reason, paths in by_reason.items()
    ]


def _count(number: int, word: str, one: str = "", many: str = "s") -> str:
    return f"{number} {word}{one if number == 1 else many}"
