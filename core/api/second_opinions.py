"""Several people judge the same samples: what each said, what counts by it, and how far they agree."""

from __future__ import annotations

from collections.abc import Iterable

from core.quality.agreement import AgreementFigure, agreement_figures
from core.store import Project
from core.store.standing import Opinion

__all__ = ["AgreementFigure", "Opinion", "SecondOpinions"]


class SecondOpinions:
    """The desk for review by two, behind Review and ``launch.py review --agreement``."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def asked(self) -> bool:
        """Whether a sample is kept or rejected only once two people agree."""
        return self._project.asks_two_people()

    def ask(self, two: bool) -> int:
        """Ask two people for each verdict from now on, or one; return how many samples' verdicts that changes."""
        return self._project.ask_two_people(two)

    def of_samples(self, sample_ids: Iterable[str]) -> dict[str, tuple[Opinion, ...]]:
        """What people said of samples by id, the earliest first; samples of which nobody did are left out."""
        return self._project.opinions(sample_ids)

    def agreement(self) -> list[AgreementFigure]:
        """How far each two people agree, by label; of the samples that both of them judged."""
        by_label = self._project.opinions_by_label()
        verdicts = {
            label: [{one.person or "hand": one.verdict.value for one in said} for said in samples]
            for label, samples in by_label.items()
        }
        return agreement_figures(verdicts)
