"""How far two people agree beyond chance: Cohen's κ.

kappa ↔ κ = (p_o - p_e) / (1 - p_e) (Cohen 1960). p_o is the share of samples with the same verdict. p_e is the share
that two people would have in common by chance who keep as often as these do. κ is 1 where they always agree, 0 where
they agree no more than by chance, and below 0 where they agree less than that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class AgreementFigure:
    """How two people agree on the ``samples`` of a label that both judged; ``label`` is "" for all labels together.

    ``kappa`` is -1..1, and None where both said one and the same of every sample: then chance explains it all.
    """

    label: str
    people: tuple[str, str]
    samples: int
    same: int
    kappa: float | None


def cohens_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """κ of two people's verdicts of the same samples, in the same order; None where it is not defined."""
    if not first or len({*first, *second}) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(first, second))


def agreement_figures(verdicts: Mapping[str, Sequence[Mapping[str, str]]]) -> list[AgreementFigure]:
    """The figures of each label and each two people who judged samples in common, and of all labels together last.

    ``verdicts`` holds for each label, sample by sample, what people said by their names.
    """
    found = [figure for label in sorted(verdicts) for figure in _of_samples(label, verdicts[label])]
    if len(verdicts) > 1:
        found += _of_samples("", [said for samples in verdicts.values() for said in samples])
    return found


def _of_samples(label: str, samples: Sequence[Mapping[str, str]]) -> list[AgreementFigure]:
    people = sorted({person for said in samples for person in said})
    figures = []
    for one, other in combinations(people, 2):
        pairs = [(said[one], said[other]) for said in samples if one in said and other in said]
        if pairs:
            first, second = zip(*pairs, strict=True)
            same = sum(a == b for a, b in pairs)
            figures.append(AgreementFigure(label, (one, other), len(pairs), same, cohens_kappa(first, second)))
    return figures
