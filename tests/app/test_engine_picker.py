"""Engines by what a person wants."""

from __future__ import annotations

from app.components.engine_picker import by_goal, engine_choices, headings_style
from core.api.studio.engine_cards import GOALS, engine_cards


def test_engines_stand_under_what_one_wants_the_first_choice_first() -> None:
    cards = list(engine_cards().values())
    ordered = by_goal(cards)
    goals = [card.goal for card in ordered]
    assert goals == sorted(goals, key=list(GOALS).index) and set(goals) == set(GOALS)
    names = [card.name for card in ordered]
    assert names[0] == "cut_paste" and names.index("layout") < names.index("comgen") and len(ordered) == len(cards)


def test_a_choice_names_the_paper_and_what_is_still_to_be_done() -> None:
    texts = {name: text for text, name in engine_choices(list(engine_cards().values()), frozenset({"cut_paste"}))}
    assert texts["gaa"] == "Learned look\nGAA · learn first"
    assert texts["cut_paste"] == "Cut and paste\nrecommended"


def test_each_goal_has_one_heading() -> None:
    style = headings_style("fs-engine", list(engine_cards().values()))
    assert all(style.count(f"'{heading}'") == 1 for heading in GOALS.values())
