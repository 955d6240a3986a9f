"""The stages of a loop. Each takes the state, does one thing, and gives the state that comes after.

split → baseline → (diagnose → plan → generate → review → retrain → gate) for each round → end

A stage that is killed is done again from the last saved state; trainings, trials and batches that it had finished are
in that state, so nothing is done twice and all ends as it would have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core.evaluation.photo_sets import photo_digest
from core.jobs.pair_sources import example_ids_behind
from core.loop.contract import BoundCheck, LoopContract
from core.loop.defect_facts import facts_of_shot
from core.loop.diagnosis import diagnose
from core.loop.engine_trials import run_trials
from core.loop.gate import GateVerdict, paired_gate
from core.loop.loop_photos import good_shots, pair_shots, real_shots
from core.loop.loop_split import check_sources, split_photos
from core.loop.loop_state import (
    EngineTrial,
    LoopRound,
    LoopStage,
    LoopState,
    LoopTraining,
    MinedPhoto,
    best_training,
    split_of,
)
from core.loop.loop_training import empty_table, loop_detector
from core.loop.mining import MiningQuery, mine_photos
from core.loop.pair_making import make_pairs_like, round_job
from core.loop.planning import plan_pairs
from core.loop.retraining import (
    AS_MADE,
    BEST_DETECTOR,
    LoopWork,
    keep_detector,
    probe_mix,
    round_detector,
    train_seeds,
    training_mixes,
    untrained,
)
from core.store import SampleFilter
from core.types import RULE, ReviewStatus

MOST_TAKEN_BACK = 2
"""Rounds in a row that may be taken back before the loop ends for want of gain."""
TAKEN_BACK = "taken back by the loop"


def split(work: LoopWork, state: LoopState) -> LoopState:
    """Check the contract and the detector, and put photos into three parts."""
    loop_detector(state.spec)
    contract = LoopContract.parse(state.spec.contract)
    project = work.material.project
    found = split_photos(project, state.spec.seed, work.ctx.check)
    pairs = project.samples(SampleFilter(verdict=ReviewStatus.KEPT))
    check_sources(example_ids_behind(pairs, work.material.concepts), found, "kept pairs were made from")
    on_kept = [row.id for row in pairs if row.normal_id not in found.learn_good]
    note = (f"{len(on_kept)} kept pairs do not teach, for their photos guide or judge.",) if on_kept else ()
    found = replace(found, notes=(*found.notes, *note))
    shots = [*good_shots(project, found.validation_good), *real_shots(project, found.validation_real)]
    judges = [*good_shots(project, found.test_good), *real_shots(project, found.test_real)]
    taught = tuple(row.id for row in pairs if row.normal_id in found.learn_good)
    facts = tuple(facts_of_shot(shot) for shot in shots if not shot.good)
    empty = LoopTraining(taught, {}, empty_table(shots), empty_table(judges))
    for table in (empty.validation, empty.test):
        contract.require_labels(table)
    return replace(state, split=found, facts=facts, baseline=empty, stage="baseline")


def baseline(work: LoopWork, state: LoopState) -> LoopState:
    """Train on what there is, with every seed."""
    assert state.baseline is not None
    found = train_seeds(work, state, state.baseline, lambda now: replace(state, baseline=now), BEST_DETECTOR)
    return _opened(replace(state, baseline=found, best=found))


def diagnose_round(work: LoopWork, state: LoopState) -> LoopState:
    """Say what the best detector so far misses on the photos that guide."""
    best, parts = best_training(state), split_of(state)
    shots = real_shots(work.material.project, parts.validation_real)
    found = diagnose(best, state.facts, LoopContract.parse(state.spec.contract), shots, work.ctx.check)
    state = state.with_round(diagnosis=found)
    if not any(found.weights.values()):
        return _ended(state, "nothing is missed on the photos that guide: there is nothing to aim pairs at")
    return replace(state, stage="plan")


def plan_round(work: LoopWork, state: LoopState) -> LoopState:
    """Try the engines once, look for look-alikes, and share the round's pairs out."""
    parts, diagnosis = split_of(state), state.round.diagnosis
    assert diagnosis is not None
    project, spec = work.material.project, state.spec
    labels = sorted({project.example_row(id).label for id in parts.learn_real})
    so_far = [state]

    def found(base: Mapping[str, float], known: Sequence[EngineTrial]) -> None:
        so_far[0] = replace(so_far[0], trial_baseline=dict(base), trials=tuple(known))
        work.save(so_far[0])

    run_trials(work.material, spec, parts, labels, state.trials, state.trial_baseline, work.ctx, found)
    state = so_far[0]
    if spec.unlabelled and not state.round.mined:
        state = state.with_round(mined=_mined(work, state))
        work.save(state)
    learned = [facts_of_shot(shot) for shot in real_shots(project, parts.learn_real)]
    planned = plan_pairs(diagnosis, state.trials, learned, _quota(state), _spent(state))
    if not planned:
        return _ended(state, "no engine is left that has not been tried in vain on what is missed")
    return replace(state.with_round(plan=planned), stage="generate")


def generate_round(work: LoopWork, state: LoopState) -> LoopState:
    """Make the planned pairs, label by label."""
    for planned in state.round.plan:
        if planned.label in state.round.made:
            continue
        job_id = round_job(work.name, state.round.number)
        made = make_pairs_like(work.material, split_of(state), planned, job_id, state.spec.seed, work.ctx)
        state = state.with_round(
            made={**state.round.made, planned.label: made.ids}, notes=(*state.round.notes, *made.notes)
        )
        work.save(state)
    return replace(state, stage="review", shown=state.spec.auto)


def review_round(work: LoopWork, state: LoopState) -> LoopState:
    """Take those of the round's pairs that are kept now: a person may have looked at them."""
    project = work.material.project
    rows = project.samples(SampleFilter(job_id=round_job(work.name, state.round.number), verdict=ReviewStatus.KEPT))
    kept = tuple(sorted(row.id for row in rows))
    check_sources(example_ids_behind(rows, work.material.concepts), split_of(state), "kept pairs were made from")
    if not kept:
        return _closed(work, state, GateVerdict(_goal_name(state), {}, 1.0, False, "no pair of the round was kept"))
    return replace(state.with_round(kept=kept), stage="retrain")


def retrain(work: LoopWork, state: LoopState) -> LoopState:
    """Choose how much of the training is synthetic, by a seed that does not gate; then train with every seed."""
    best, parts = best_training(state), split_of(state)
    project = work.material.project
    pairs = (*best.pairs, *state.round.kept)
    mixes = training_mixes(real_shots(project, parts.learn_real), pair_shots(project, pairs))
    if state.round.training is None:
        for name, repeats in mixes.items() if len(mixes) > 1 else ():
            if name not in state.round.mix_goals:
                goal = probe_mix(work, state, pairs, repeats)
                state = state.with_round(mix_goals={**state.round.mix_goals, name: goal})
                work.save(state)
        goals = state.round.mix_goals
        chosen = max(mixes, key=lambda name: (goals.get(name, 0.0), name == AS_MADE))
        state = state.with_round(training=untrained(best, pairs, mixes[chosen]))
        work.save(state)
    assert state.round.training is not None
    done = train_seeds(
        work, state, state.round.training, lambda now: state.with_round(training=now), round_detector(state)
    )
    return replace(state.with_round(training=done), stage="gate")


def gate(work: LoopWork, state: LoopState) -> LoopState:
    """Keep the round if it gained more than the seeds vary; else take it back, with its reason."""
    best, new = best_training(state), state.round.training
    assert new is not None
    contract = LoopContract.parse(state.spec.contract)
    before, after = contract.check(best.validation), contract.check(new.validation)
    verdict = paired_gate(_goal_name(state), before[0].by_seed, after[0].by_seed)
    lost = [now.bound.name for was, now in zip(before[1:], after[1:], strict=True) if was.passed and not now.passed]
    if verdict.kept and lost:
        verdict = replace(
            verdict, kept=False, reason=f"{verdict.reason}, but {lost[0]} held before and no longer does"
        )
    return _closed(work, state, verdict)


STAGE_WORK: dict[LoopStage, Callable[[LoopWork, LoopState], LoopState]] = {
    "split": split,
    "baseline": baseline,
    "diagnose": diagnose_round,
    "plan": plan_round,
    "generate": generate_round,
    "review": review_round,
    "retrain": retrain,
    "gate": gate,
}


def _mined(work: LoopWork, state: LoopState) -> tuple[MinedPhoto, ...]:
    """Unlabelled photos that look like the round's misses, none of them twice in the loop."""
    parts, project, diagnosis = split_of(state), work.material.project, state.round.diagnosis
    assert diagnosis is not None
    good = good_shots(project, parts.learn_good)
    real = real_shots(project, (*parts.learn_real, *parts.validation_real, *parts.test_real))
    kept = [*good_shots(project, (*parts.validation_good, *parts.test_good)), *real]
    known = {one.digest for earlier in state.rounds for one in earlier.mined}
    known |= {photo_digest(shot).hex() for shot in (*good, *kept)}
    misses = real_shots(project, (miss.facts.name.rpartition("/")[2] for miss in diagnosis.misses))
    query = MiningQuery(misses, good, kept, known)
    return mine_photos(Path(state.spec.unlabelled), query, work.ctx.check)


def _closed(work: LoopWork, state: LoopState, verdict: GateVerdict) -> LoopState:
    """The round's end, and what comes next."""
    state = state.with_round(gate=verdict)
    if verdict.kept:
        keep_detector(work, state)
        return _opened(replace(state, best=state.round.training))
    project = work.material.project
    rows = [project.sample_row(id) for id in state.round.kept]
    # What a person kept stays kept for the export; only the loop does without it.
    own = [row.id for row in rows if row.verdict_by == RULE]
    reason = f"{TAKEN_BACK}: {verdict.reason}"
    project.review_samples([(id, ReviewStatus.REJECTED, reason) for id in own], RULE)
    return _opened(state)


def _opened(state: LoopState) -> LoopState:
    """The next round, or the end: by contract, by budget, or for want of gain."""
    spec = state.spec
    checks = LoopContract.parse(spec.contract).check(best_training(state).test)
    last = [one.gate.kept for one in state.rounds if one.gate is not None][-MOST_TAKEN_BACK:]
    if all(one.passed for one in checks):
        return _ended(state, f"the contract is met on the photos that judge ({_said(checks[0])})")
    if len(state.rounds) >= spec.rounds:
        return _ended(state, f"{spec.rounds} rounds are done; the contract is not met ({_said(checks[0])})")
    if len(last) == MOST_TAKEN_BACK and not any(last):
        return _ended(state, f"no gain: the last {MOST_TAKEN_BACK} rounds were taken back ({_said(checks[0])})")
    if spec.pairs - state.pairs_spent() <= 0:
        return _ended(state, f"the budget of {spec.pairs} pairs is spent ({_said(checks[0])})")
    if spec.minutes and state.seconds >= 60 * spec.minutes:
        return _ended(state, f"the budget of {spec.minutes:g} minutes is spent ({_said(checks[0])})")
    fresh = LoopRound(len(state.rounds) + 1)
    return replace(state, rounds=(*state.rounds, fresh), stage="diagnose", shown=False)


def _quota(state: LoopState) -> int:
    """Pairs of this round: what is left of the budget, in equal parts."""
    left = state.spec.pairs - state.pairs_spent()
    return max(1, left // max(1, state.spec.rounds - len(state.rounds) + 1))


def _spent(state: LoopState) -> set[tuple[str, str]]:
    """(label, engine) of rounds that were taken back since one was kept."""
    found: set[tuple[str, str]] = set()
    for one in state.rounds:
        if one.gate is not None:
            found = set() if one.gate.kept else found | {(p.label, p.engine) for p in one.plan}
    return found


def _ended(state: LoopState, reason: str) -> LoopState:
    return replace(state, stage="end", ended=reason)


def _goal_name(state: LoopState) -> str:
    return LoopContract.parse(state.spec.contract).goal.name


def _said(check: BoundCheck) -> str:
    return f"{check.bound.name} {check.value:.3f} ± {check.spread:.3f}, wanted {check.bound.least:g}"
