"""What one person sees of the verdicts of several: the others' only after giving one's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.session import Session
from core.api import SampleFilter, SampleRow
from core.api.second_opinions import Opinion
from core.types import ReviewStatus


@dataclass(frozen=True)
class SeenVerdicts:
    """The verdicts of samples as the person who is logged in as ``login`` sees them.

    Where ``two`` people are asked, one's own verdict is shown in place of the one that counts, and what others said is
    not told before one has said something: the second opinion is to be a second one.
    """

    login: str
    two: bool
    said: Mapping[str, tuple[Opinion, ...]]

    @classmethod
    def of_samples(cls, session: Session, sample_ids: Iterable[str]) -> SeenVerdicts:
        """Those of the session's person."""
        desk = session.required_api.review.opinions
        return cls(session.login, desk.asked(), desk.of_samples(sample_ids))

    def of_sample(self, row: SampleRow) -> dict[str, Any]:
        """``verdict``, ``reason`` and ``by`` of one sample, and ``others``: what others said, in words."""
        said = self.said.get(row.id, ())
        mine = next((one for one in said if one.person == self.login), None)
        seen = {"verdict": row.verdict, "reason": row.reason, "by": str(row.verdict_by or "")}
        if self.two and mine is not None:
            seen = {"verdict": mine.verdict, "reason": mine.reason, "by": "by you"}
        if self.two and mine is None:
            return {**seen, "others": []}
        others = [_in_words(one) for one in said if one.person != self.login]
        return {**seen, "others": others or (["waits for a second opinion"] if self.two and mine is not None else [])}


def asked_filter(session: Session) -> SampleFilter:
    """The session's filter; where two people are asked, new are those that the person has said nothing of."""
    chosen = session.filter
    if chosen.verdict != ReviewStatus.NEW or chosen.opinions or session.api is None:
        return chosen
    if not session.api.review.opinions.asked():
        return chosen
    return replace(chosen, opinions="needed", person=session.login)


def _in_words(one: Opinion) -> str:
    return f"{one.person or 'by hand'}: {one.verdict}{f', {one.reason}' if one.reason else ''}"
