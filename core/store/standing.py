"""Which verdict stands where several people said something of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.types import ReviewStatus


@dataclass(frozen=True)
class Opinion:
    """What one person said of a sample: kept or rejected, when (seconds since 1970), and perhaps why.

    ``person`` is the login, "" where there is none.
    """

    person: str
    verdict: ReviewStatus
    reason: str
    created: float


@dataclass(frozen=True)
class Standing:
    """The verdict that counts, in the words of the columns that keep it: ``by`` is "person", "rule" or ""."""

    verdict: str = ReviewStatus.NEW.value
    reason: str = ""
    by: str = ""
    name: str = ""


def of_two_people(opinions: Sequence[Opinion]) -> Standing:
    """What stands where two people are asked: what at least two say, and more than say the other thing.

    Until then the sample is new. Of those who agree, all are named, and the last one's reason counts.
    """
    sides = {
        verdict: [o for o in opinions if o.verdict is verdict]
        for verdict in (ReviewStatus.KEPT, ReviewStatus.REJECTED)
    }
    kept, rejected = sides[ReviewStatus.KEPT], sides[ReviewStatus.REJECTED]
    more = kept if len(kept) > len(rejected) else rejected
    if len(more) < 2 or len(kept) == len(rejected):
        return Standing()
    last = max(more, key=lambda opinion: opinion.created)
    names = " and ".join(sorted(opinion.person or "hand" for opinion in more))
    return Standing(last.verdict.value, last.reason, "person", names)


def of_the_last(opinions: Sequence[Opinion]) -> Standing:
    """What stands where one person is enough: what was said last."""
    if not opinions:
        return Standing()
    last = max(opinions, key=lambda opinion: opinion.created)
    return Standing(last.verdict.value, last.reason, "person", last.person)
