"""The loop from start to end: the same result however often it is killed, no leaks, rounds kept and taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.main import run
from core.api import Workbench
from core.api.loops import LoopCard, LoopSpec, parse_budget
from core.errors import Cancelled, InputError, NewerFormat
from core.images import png_bytes, read_mask
from core.jobs.sample_scoring import SampleScorer
from core.loop import loop_training, run_loop
from core.loop.gate import GateVerdict
from core.loop.loop_state import STAGES, LoopState, load_state, save_state
from core.store import SampleFilter
from core.types import ReviewStatus
from tests.loop.toy_loop import CONTRACT, Darkness, toy_dent, toy_project

SPEC = LoopSpec(CONTRACT, "darkness", rounds=2, pairs=10, seeds=2, auto=True, engines=("perlin", "cut_paste"))


class Killed(BaseException):
    """What a kill looks like from within."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy detector, and a filter that learns nothing."""
    monkeypatch.setattr(loop_training, "detector", lambda name: Darkness())
    monkeypatch.setattr("core.jobs.best_of.sample_scorer", lambda *_: SampleScorer())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with toy_project(tmp_path / "toy") as found:
        yield found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workbench, LoopCard]]:
    """A project and its loop, come to its end."""
    with pytest.MonkeyPatch.context() as patched, toy_project(tmp_path_factory.mktemp("loop") / "toy") as bench:
        patched.setattr(loop_training, "detector", lambda name: Darkness())
        patched.setattr("core.jobs.best_of.sample_scorer", lambda *_: SampleScorer())
        yield bench, bench.loops.run(SPEC, bench.path / "here")


def untimed(state: LoopState) -> LoopState:
    return replace(state, seconds=0.0)


@pytest.mark.thorough
def test_a_loop_killed_before_and_after_every_save_ends_as_one_that_was_not(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bench.loops.run(SPEC, tmp_path / "whole" / "loop")
    assert whole.state.ended and whole.state.rounds[0].training is not None
    lost: list[LoopState] = []

    def save_and_die(folder: Path, state: LoopState) -> None:
        if untimed(state) in lost:
            save_state(folder, state)
        else:  # killed before it was written: all since the last save is done again
            lost.append(untimed(state))
        raise Killed

    monkeypatch.setattr(run_loop, "save_state", save_and_die)
    with toy_project(tmp_path / "again") as other:
        folder, kills = tmp_path / "pieces" / "loop", 0
        while kills < 200:
            try:
                other.loops.run(SPEC, folder)
                break
            except Killed:
                kills += 1
        assert untimed(load_state(folder)) == untimed(whole.state)
        pairs = [other.project.sample_row(id) for one in whole.state.rounds for id in one.kept]
    assert {row.verdict for row in pairs} == {bench.project.sample_row(row.id).verdict for row in pairs}, (
        "what lies in the project is the same too"
    )
    assert {state.stage for state in lost} == set(STAGES) - {"split"}, "each stage was begun anew"
    assert kills >= 2 * len(lost)


def test_a_test_photo_among_the_good_ones_stops_the_loop(bench: Workbench, tmp_path: Path) -> None:
    test = next(row for row in bench.project.examples(part="test"))
    bench.project.add_normal(test.path.read_bytes(), "png", "stray.png", test.width, test.height, False, ())
    with pytest.raises(InputError, match=r"leak: 1 real anomalies that are kept for the test lie among the photos"):
        bench.loops.run(SPEC, tmp_path / "loop")


def test_a_copy_of_a_test_photo_among_the_good_ones_stops_it_too(bench: Workbench, tmp_path: Path) -> None:
    image, _ = toy_dent(5, 40)
    lit = (image.astype(float) * 0.9 + 12).clip(0, 255).astype("uint8")
    bench.project.add_normal(png_bytes(lit), "png", "lit.png", *lit.shape[1::-1], False, ())
    with pytest.raises(InputError, match="leak: 1 real anomalies"):
        bench.loops.run(SPEC, tmp_path / "loop")


def test_parts_of_the_split_share_nothing_and_pairs_lie_on_what_teaches(
    finished: tuple[Workbench, LoopCard],
) -> None:
    bench, state = finished[0], finished[1].state
    parts = state.split
    assert parts is not None
    sets = [set(ids) for ids in (parts.learn_good, parts.validation_good, parts.test_good, parts.learn_real,
                                 parts.validation_real, parts.test_real)]  # fmt: skip
    assert sum(map(len, sets)) == len(set().union(*sets)) == 20 + 12 and all(sets)
    assert sets[3] == {row.id for row in bench.project.examples(part="learn")}
    pairs = [bench.project.sample_row(id) for one in state.rounds for id in one.kept]
    assert pairs and {row.normal_id for row in pairs} <= sets[0]


def test_a_project_without_a_split_and_a_detector_of_good_photos_are_refused(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.photos.set_split("none")
    with pytest.raises(InputError, match="set one: --split 1/3"):
        bench.loops.run(SPEC, tmp_path / "loop")
    monkeypatch.setattr(Darkness, "needs_pairs", False)
    with pytest.raises(InputError, match="pairs cannot help it"):
        bench.loops.run(SPEC, tmp_path / "loop")


@pytest.mark.thorough
def test_without_auto_a_person_looks_and_what_they_reject_does_not_teach(bench: Workbench, tmp_path: Path) -> None:
    asking = replace(SPEC, auto=False, rounds=1)
    card = bench.loops.run(asking, tmp_path / "loop")
    assert card.waits_for and card.state.stage == "review" and not card.state.ended
    rows = bench.project.samples(SampleFilter(job_id=card.waits_for, verdict=ReviewStatus.KEPT))
    assert len(rows) > 1
    bench.project.set_review_status([rows[0].id], ReviewStatus.REJECTED)
    after = bench.loops.run(asking, tmp_path / "loop").state
    assert after.ended and set(after.rounds[0].kept) == {row.id for row in rows[1:]}


@pytest.mark.thorough
def test_a_round_that_does_not_help_is_taken_back_with_its_reason(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no = GateVerdict("image_recall", {"0": 0.0, "1": 0.0}, 1.0, False, "image_recall gained nothing")
    monkeypatch.setattr("core.loop.stages.paired_gate", lambda *_: no)
    state = bench.loops.run(replace(SPEC, rounds=3, pairs=30), tmp_path / "loop").state
    assert state.ended.startswith("no gain: the last 2 rounds") and state.best == state.baseline
    first, second = state.rounds
    row = bench.project.sample_row(first.kept[0])
    assert row.verdict == ReviewStatus.REJECTED and row.reason == "taken back by the loop: image_recall gained nothing"
    assert first.plan[0].engine != second.plan[0].engine, "what was tried in vain is not tried again"


def test_a_state_of_other_settings_is_refused_and_of_a_newer_format_left_alone(
    bench: Workbench, tmp_path: Path
) -> None:
    folder = tmp_path / "loop"
    save_state(folder, LoopState(SPEC))
    with pytest.raises(InputError, match="holds a loop of other settings"):
        bench.loops.run(replace(SPEC, pairs=13), folder)
    newer = json.loads((folder / "loop.json").read_text()) | {"format": 99}
    (folder / "loop.json").write_text(json.dumps(newer))
    with pytest.raises(NewerFormat):
        bench.loops.run(SPEC, folder)
    assert json.loads((folder / "loop.json").read_text()) == newer


def test_stop_is_heard_and_what_was_finished_is_kept(bench: Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "loop"
    with pytest.raises(Cancelled):
        bench.loops.run(SPEC, folder, cancelled=(folder / "loop.json").exists)
    assert load_state(folder).stage == "baseline" and load_state(folder).split is not None


def test_the_page_shows_what_was_missed_made_and_decided(finished: tuple[Workbench, LoopCard]) -> None:
    page = finished[1].report.read_text()
    for part in ("What is missed", "Misses by their looks", "Plan", "Pairs", "Gate", "photos that guided nothing"):
        assert part in page
    assert str(finished[0].path) not in page


@pytest.mark.thorough
def test_the_command_goes_from_contract_to_end(tmp_path: Path, capfd: Any) -> None:
    with toy_project(tmp_path / "toy"):
        pass
    argv = ["loop", str(tmp_path / "toy"), "--contract", CONTRACT, "--rounds", "1", "--budget", "pairs=8",
            "--seeds", "2", "--engines", "perlin", "--auto", "--json"]  # fmt: skip
    assert run(argv) == 0
    told = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert told["ended"] and told["contract"] == CONTRACT and told["reached"]["baseline"]
    assert Path(told["report"]).is_file()
    assert run([*argv[:3], "image_recall>=0.9", *argv[4:]]) == 2
    assert "false_rejects" in capfd.readouterr().err


def test_budgets_are_read() -> None:
    assert parse_budget(["pairs=20,minutes=1.5"]) == {"pairs": 20, "minutes": 1.5}
    for wrong in ("pairs", "hours=2", "pairs=-1"):
        with pytest.raises(InputError, match="pairs=NUMBER or minutes=NUMBER"):
            parse_budget([wrong])


@pytest.mark.thorough
def test_a_miss_leads_to_a_good_photo_with_its_outline(bench: Workbench, tmp_path: Path) -> None:
    card = bench.loops.run(replace(SPEC, auto=False, engines=("perlin",)))
    (found,) = bench.loops.loops()
    assert found.waits_for == card.waits_for and found.said == "Round 1: waiting for a look at the pairs."
    miss = bench.loops.misses(found)[0]
    assert miss.label == "dent" and miss.picture.is_file() and 0 < miss.missed <= 1
    place = bench.loops.place_like(miss.example_id)
    row = bench.project.example_row(miss.example_id)
    assert place.normal_id in {n.id for n in bench.project.normals()} and place.label == "dent"
    assert (place.mask == read_mask(row.mask_paths[0])).mean() > 0.98 and place.engine == "perlin"
