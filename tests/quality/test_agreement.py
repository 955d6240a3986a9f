"""Cohen's κ against values worked out by hand."""

from __future__ import annotations

import pytest

from core.quality.agreement import agreement_figures, cohens_kappa


def verdicts(*counts: tuple[str, str, int]) -> tuple[list[str], list[str]]:
    pairs = [(one, other) for one, other, count in counts for _ in range(count)]
    return [one for one, _ in pairs], [other for _, other in pairs]


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        ((("kept", "kept", 20), ("kept", "rejected", 5), ("rejected", "kept", 10), ("rejected", "rejected", 15)), 0.4),
        ((("kept", "kept", 9), ("kept", "rejected", 3), ("rejected", "kept", 5), ("rejected", "rejected", 3)), 3 / 23),
        ((("kept", "kept", 3), ("rejected", "rejected", 4)), 1.0),
        ((("kept", "rejected", 4), ("rejected", "kept", 4)), -1.0),
        ((("kept", "kept", 9), ("kept", "rejected", 1)), 0.0),  # one always keeps: nine tenths are chance
    ],
)  # fmt: skip
def test_kappa_is_what_is_known(counts: tuple[tuple[str, str, int], ...], kappa: float) -> None:
    assert cohens_kappa(*verdicts(*counts)) == pytest.approx(kappa)


def test_kappa_is_not_defined_where_both_always_say_the_same() -> None:
    assert cohens_kappa(*verdicts(("kept", "kept", 5))) is None
    assert cohens_kappa([], []) is None


def test_figures_are_of_the_samples_that_two_people_have_in_common() -> None:
    said = {
        "dent": [{"ada": "kept", "ben": "kept"}, {"ada": "rejected", "ben": "rejected"}, {"ada": "kept"}],
        "crack": [{"ada": "kept", "ben": "rejected", "cem": "kept"}],
    }
    found = {(f.label, f.people): (f.samples, f.same, f.kappa) for f in agreement_figures(said)}
    assert found == {
        ("crack", ("ada", "ben")): (1, 0, 0.0),
        ("crack", ("ada", "cem")): (1, 1, None),
        ("crack", ("ben", "cem")): (1, 0, 0.0),
        ("dent", ("ada", "ben")): (2, 2, 1.0),
        ("", ("ada", "ben")): (3, 2, pytest.approx(0.4)),
        ("", ("ada", "cem")): (1, 1, None),
        ("", ("ben", "cem")): (1, 0, 0.0),
    }
    assert agreement_figures({}) == []
