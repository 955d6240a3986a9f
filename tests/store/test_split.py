"""The split of real anomalies: what is learned from is never tested, whatever becomes of its mask and label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import InputError, StoreError
from core.images import mask_png_bytes, png_bytes
from core.store import Project, SplitRule


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "p") as project:
        for number in range(1, 13):
            add(project, number, "crack")
        yield project


def add(project: Project, number: int, label: str, side: int = 4) -> str:
    mask = np.zeros((8, 8), np.bool_)
    mask[:side, :side] = True
    image = png_bytes(np.full((8, 8, 3), number, np.uint8))
    return project.add_example(image, "png", label, "structural", [mask_png_bytes(mask)], f"{number}.png", 8, 8).id


def learned(project: Project) -> list[str]:
    return [row.name for row in project.examples(part="learn")]


def test_by_id_the_lowest_are_learned_from_and_by_seed_others(project: Project) -> None:
    project.set_split(SplitRule.parse("1/3"))
    assert learned(project) == ["1.png", "2.png", "3.png", "4.png"], "numbers count as numbers"
    assert len(project.examples(part="test")) == 8
    project.set_split(SplitRule.parse("1/3", seed=1))
    drawn = learned(project)
    assert len(drawn) == 4 and drawn != ["1.png", "2.png", "3.png", "4.png"]
    project.set_split(SplitRule.parse("1/3", seed=1))
    assert learned(project) == drawn, "the same seed draws the same"
    project.set_split(None)
    assert len(learned(project)) == len(project.examples(part="test")) == 12


def test_a_photo_stays_in_its_part_when_mask_or_label_change_and_after_reopening(project: Project) -> None:
    project.set_split(SplitRule.parse("1/2"))
    redrawn = add(project, 9, "crack", side=6)
    assert project.example_row(redrawn).part == "test"
    relabelled = add(project, 2, "dent")
    assert project.example_row(relabelled).part == "learn"
    project.close()
    with Project.open(project.path) as again:
        assert again.example_row(redrawn).part == "test" and str(again.example_split().rule).startswith("1/2")
        again.move_example(redrawn, "learn")
        assert {row.part for row in again.examples() if row.name == "9.png"} == {"learn"}, "all masks of a photo"


def test_what_comes_in_later_is_split_alike_and_nothing_changes_sides(project: Project) -> None:
    project.set_split(SplitRule.parse("1/3"))
    before = learned(project)
    fresh = [add(project, number, "crack") for number in range(20, 26)]
    assert project.extend_split(fresh) == 4
    assert learned(project) == [*before, "20.png", "21.png"], "a third of eighteen"
    single = add(project, 40, "dent")
    assert project.extend_split([single]) == 0, "of a label with one, it teaches"
    assert project.example_row(single).part == "learn"


@pytest.mark.parametrize("share", ["0", "1", "3/2", "a third", "1/0", "nan"])
def test_a_share_that_is_none_is_one_clear_line(share: str) -> None:
    with pytest.raises(InputError, match="between 0 and 1, for example 1/3"):
        SplitRule.parse(share)


def test_without_anomalies_there_is_nothing_to_split(tmp_path: Path) -> None:
    with Project.create(tmp_path / "empty") as project:
        with pytest.raises(InputError, match="no real anomalies"):
            project.set_split(SplitRule.parse("1/3"))


@pytest.mark.parametrize("kept", [{"share": "7"}, {"test": []}, "1/3", {"share": "1/3", "seed": "x"}])
def test_a_damaged_split_is_one_clear_line_and_can_be_set_again(project: Project, kept: object) -> None:
    project.set_setting("example_split", kept)
    with pytest.raises(StoreError, match="set it again"):
        project.examples()
    project.set_split(SplitRule.parse("1/3"))
    assert len(learned(project)) == 4
