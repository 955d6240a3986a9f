"""The rules of the automatic review: properties over any scores, and what each rule says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.jobs.auto_review import (
    CHANGED_OUTSIDE,
    COPY_OF_REAL,
    FAINT,
    FULL_ARS_GAIN,
    GHOST,
    LIGHT_STEP,
    LITTLE_LEFT,
    LOOKS_GOOD,
    LOOSE_MASK,
    MAX_ARS_FLOOR,
    NEAR_DUPLICATE,
    NOT_AMONG_BEST,
    NOT_FINITE,
    OFF_PART,
    REJECT_REASONS,
    SEAM,
    TEXTURE,
    FlawPlace,
    ReviewRules,
    believability,
    count_reasons,
    filter_samples,
    flaw_places,
    reason_kind,
    reject_reason,
)
from core.jobs.best_of import with_preset
from core.store import SampleRow
from core.types import ReviewStatus

GOOD = {"change_inside": 0.2, "change_outside": 0.0, "mask_covered": 1.0, "seam_contrast": 2.0}

share = st.floats(0, 1)
some_scores = st.fixed_dictionaries(
    {
        "change_inside": share, "mask_covered": share, "seam_contrast": st.floats(1, 60),
        "change_outside": st.sampled_from([0.0, 9.0]),
    },
    optional={"ars": share, "ars_floor": share, "likeness": share, "copy_limit": st.just(0.9)},
)  # fmt: skip


def row(number: int, scores: dict[str, float], place: float = 0.0) -> SampleRow:
    return SampleRow(
        f"{number:04d}", number, "n", "stain", "structural", "perlin", number, "{}", ReviewStatus.NEW, "", scores,
        Path("i"), Path("m"), None, (), np.array([place, 0.0], np.float32).tobytes(), None, 0.0,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(some_scores, share), max_size=24), st.integers(1, 8), st.floats(0, 0.4), st.randoms(),
    st.lists(share, max_size=3),
)  # fmt: skip
def test_each_row_is_kept_or_has_its_reason_in_any_order(found, most, distance, random, earlier) -> None:
    rows = [row(n, scores, place) for n, (scores, place) in enumerate(found)]
    before = [row(900 + n, GOOD, place) for n, place in enumerate(earlier)]
    rules = ReviewRules(keep_best=most, duplicates=distance)
    sifted = filter_samples(rows, rules, before)
    kept = {r.id for r in sifted.kept}
    assert len(sifted.kept) == min(most, sifted.passed) and kept | set(sifted.reasons) == {r.id for r in rows}
    assert not kept & set(sifted.reasons) and all(
        reason_kind(why) in REJECT_REASONS for why in sifted.reasons.values()
    )
    assert all(reject_reason(r.scores, rules) is None for r in sifted.kept)
    ranks = [believability(r.scores) for r in sifted.kept]
    surplus = [believability(r.scores) for r in rows if reason_kind(sifted.reasons.get(r.id, "")) == NOT_AMONG_BEST]
    assert ranks == sorted(ranks, reverse=True) and max(surplus, default=0) <= min(ranks, default=0) + 1e-12
    places = [float(np.frombuffer(r.descriptor or b"", np.float32)[0]) for r in sifted.kept]
    if distance:
        for k, place in enumerate(places):
            assert all(abs(place - other) > distance - 1e-3 for other in [*places[:k], *earlier])
    shuffled = random.sample(rows, len(rows))
    again = filter_samples(shuffled, rules, before)
    assert again.kept == sifted.kept and again.reasons == sifted.reasons


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"change_outside": 1.0}, CHANGED_OUTSIDE),
        ({"change_inside": 0.01}, FAINT),
        ({"mask_covered": 0.5}, LOOSE_MASK),
        ({"seam_contrast": 41.0}, SEAM),
        ({"ghost": 0.36}, GHOST),
        ({"light_step": 3.6}, LIGHT_STEP),
        ({"texture": 1.8}, TEXTURE),
        ({"asked_kept": 0.1}, LITTLE_LEFT),
        ({"off_part": 0.6}, OFF_PART),
        ({"seam_contrast": float("nan")}, NOT_FINITE),
        ({"ghost": 0.3, "light_step": 3.0, "texture": 1.6, "asked_kept": 0.3, "off_part": 0.4}, None),
        ({"ars": 0.30, "ars_floor": 0.27}, LOOKS_GOOD),
        ({"ars": 0.01}, LOOKS_GOOD),
        ({"ars": 0.30, "ars_floor": 0.20}, None),
        ({"ars": 0.1, "ars_floor": MAX_ARS_FLOOR}, None),
        ({"likeness": 0.9, "copy_limit": 0.9}, COPY_OF_REAL),
        ({"likeness": 0.89, "copy_limit": 0.9}, None),
        ({}, None),
    ],
)
def test_each_rule_says_what_it_measured(change: dict[str, float], kind: str | None) -> None:
    reason = reject_reason(GOOD | change, ReviewRules())
    assert (reason and reason_kind(reason)) == kind
    assert reason is None or reason.endswith(")")
    off = ReviewRules(
        max_outside=9, min_change=0, min_covered=0, max_seam=200, min_ars=0, min_asked=0, copies=True, max_ghost=9,
        max_light_step=99, max_texture=9, max_off_part=1,
    )  # fmt: skip
    assert (reject_reason(GOOD | change, off) is None) == (kind != NOT_FINITE)


def test_a_flaw_is_rejected_with_its_place() -> None:
    flawed = GOOD | {
        "ghost": 0.5,
        "ghost_x": 40.0,
        "ghost_y": 60.0,
        "texture": 1.1,
        "texture_x": 1.0,
        "texture_y": 2.0,
    }
    assert reject_reason(flawed, ReviewRules()) == f"{GHOST} (0.50, at most 0.35; worst at x 40, y 60)"
    assert flaw_places(flawed, ReviewRules()) == [FlawPlace(GHOST, 40, 60)]
    # Samples of before have no places.
    assert flaw_places(GOOD | {"ghost": 0.5}, ReviewRules()) == []


def test_where_ars_cannot_tell_it_changes_no_rank() -> None:
    plain = believability(GOOD)
    assert believability(GOOD | {"ars": 1.0, "ars_floor": 0.9}) == plain
    ranks = [believability(GOOD | {"ars": gain, "ars_floor": 0.0}) for gain in (0.0, 0.1, FULL_ARS_GAIN, 1.0)]
    assert ranks[0] == plain / 2 < ranks[1] < ranks[2] == ranks[3] == plain


def test_ranked_by_ars_alone_the_highest_is_kept_whatever_else_it_is() -> None:
    """GAA's selection (LQSF)."""
    rows = [
        row(1, GOOD | {"ars": 0.3}, 0.1),
        row(2, GOOD | {"ars": 0.9, "seam_contrast": 30.0}, 0.5),
        row(3, GOOD, 0.9),
    ]
    by_ars = with_preset(ReviewRules(keep_best=2), {"rank": "ars", "keep_best": 9, "max_seam": 200.0})
    assert by_ars.keep_best == 2 and by_ars.max_seam == 200
    assert [r.id for r in filter_samples(rows, by_ars).kept] == ["0002", "0001"]
    assert filter_samples(rows, ReviewRules(keep_best=1)).kept[0].id != "0002"


def test_one_kept_before_counts_and_reasons_are_counted_by_kind() -> None:
    rows = [
        row(1, GOOD, 0.5),
        row(2, GOOD, 0.9),
        row(3, GOOD | {"change_inside": 0.0}),
        row(4, GOOD | {"change_inside": 0.01}),
    ]
    sifted = filter_samples(rows, ReviewRules(), [row(9, GOOD, 0.52)])
    assert [r.id for r in sifted.kept] == ["0002"] and sifted.reasons["0001"] == f"{NEAR_DUPLICATE} (of 0009)"
    assert count_reasons([*sifted.reasons.values(), ""]) == {FAINT: 2, "by hand": 1, NEAR_DUPLICATE: 1}


@pytest.mark.parametrize("flaw", [{"ghost": 0.7}, {"light_step": 7.0}, {"texture": 3.4}, {"asked_kept": 0.1}])
def test_a_flaw_lowers_believability(flaw: dict[str, float]) -> None:
    assert believability(GOOD | flaw) < 0.6 * believability(GOOD)
