"""Which engine helps which label: a few pairs of each, tried on held-out anomalies of the learning part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.device import derive_seed, numpy_rng
from core.engines.api import Context, Engine, LearningEngine
from core.engines.registry import engine, engines
from core.errors import FlawsmithError, InputError
from core.evaluation.detectors.api import TrainContext
from core.evaluation.photo_sets import Shot
from core.jobs.auto_review import ReviewRules, reject_reason
from core.jobs.generation import generate_outcomes, make_each
from core.jobs.pair_sources import learned_example_ids, recipe_sources
from core.jobs.product_data import ProductData
from core.jobs.requests import GenerationBatch, plan_batch
from core.loop.loop_photos import good_shots, real_shots
from core.loop.loop_split import check_sources
from core.loop.loop_state import EngineTrial, LoopSpec, LoopSplit
from core.loop.loop_training import empty_table, label_aurocs, score_set, train_once, with_seed
from core.progress import unwatched
from core.store import Project
from core.types import Sample

FOLDS = 2
TRIAL_PAIRS = 8
"""Pairs of each label and engine that are tried."""
_HELD_GOOD = 0.25
"""Share of the learning part's good photos that judge a trial, and teach nothing in it."""


@dataclass(frozen=True)
class TrialFold:
    """One cut of the learning part: ids that teach and ids that judge."""

    teach_good: tuple[str, ...]
    judge_good: tuple[str, ...]
    teach_real: tuple[str, ...]
    judge_real: tuple[str, ...]


@dataclass(frozen=True)
class TrialPair:
    """A pair of a trial with the ids it was made of."""

    shot: Shot
    normal_id: str
    example_ids: tuple[str, ...]


def trial_folds(project: Project, split: LoopSplit, seed: int) -> list[TrialFold]:
    """FOLDS cuts: every label's anomalies in turn; the same good photos judge each. A label with a single anomaly
    teaches always."""
    order = numpy_rng(seed, "trial", "good").permutation(len(split.learn_good))
    held = {split.learn_good[i] for i in order[: max(1, round(_HELD_GOOD * len(order)))]}
    by_label: dict[str, list[str]] = defaultdict(list)
    for id in split.learn_real:
        by_label[project.example_row(id).label].append(id)
    side: dict[str, int] = {}
    for label, ids in sorted(by_label.items()):
        for place, i in enumerate(numpy_rng(seed, "trial", label).permutation(len(ids))):
            side[ids[i]] = place % FOLDS if len(ids) > 1 else -1
    return [
        TrialFold(
            tuple(i for i in split.learn_good if i not in held),
            tuple(i for i in split.learn_good if i in held),
            tuple(i for i in split.learn_real if side[i] != fold),
            tuple(i for i in split.learn_real if side[i] == fold),
        )
        for fold in range(FOLDS)
    ]


def candidate_engines(spec: LoopSpec) -> list[Engine]:
    """The engines to choose from: those that were named, else all that draw without a model. NotFound for a name
    that is none.

    What an engine has learned in the project it has learned from anomalies that judge its trial; so its pairs are left
    out of that, and it has to be named.
    """
    if spec.engines:
        return [engine(name) for name in spec.engines]
    return [e for e in engines().values() if e.available() is None and _is_quick(e)]


def try_engine(
    material: ProductData, spec: LoopSpec, split: LoopSplit, chosen: Engine, labels: Sequence[str], ctx: TrainContext,
    baseline: Mapping[str, float],
) -> EngineTrial:  # fmt: skip
    """The gains of pairs by ``chosen`` over ``baseline``; why not, where it makes none."""
    pairs: list[TrialPair] = []
    reasons: list[str] = []
    kinds = {row.label: row.kind for row in material.project.examples(part="learn")}
    labels = [label for label in labels if "combined" in (kinds[label], chosen.kind) or kinds[label] == chosen.kind]
    if not labels:
        return EngineTrial(chosen.name, {}, f"it makes {chosen.kind} anomalies, and no label is of those")
    for label in labels:
        try:
            pairs += trial_pairs(material, spec, split, chosen.name, label, ctx)
        except FlawsmithError as error:
            ctx.check()
            reasons.append(str(error))
    made = {pair.shot.label for pair in pairs}
    if not made:
        return EngineTrial(chosen.name, {}, reasons[0] if reasons else "none of its pairs passed the filter")
    reached = fold_aurocs(material, spec, split, pairs, ctx)
    gains = {label: value - baseline[label] for label, value in reached.items() if label in baseline}
    overall = float(np.mean(list(gains.values()))) if gains else 0.0
    # A label without a held-out anomaly goes by what the engine's pairs do for the others.
    return EngineTrial(chosen.name, {label: gains.get(label, overall) for label in labels if label in made})


def fold_aurocs(
    material: ProductData, spec: LoopSpec, split: LoopSplit, pairs: Sequence[TrialPair], ctx: TrainContext
) -> dict[str, float]:
    """By label the image AUROC of held-out anomalies of the learning part, mean of the folds."""
    project, found = material.project, defaultdict(list)
    for fold in trial_folds(project, split, spec.seed):
        allowed = [
            pair.shot
            for pair in pairs
            if pair.normal_id in fold.teach_good and not set(pair.example_ids) & set(fold.judge_real)
        ]
        judges = [*good_shots(project, fold.judge_good), *real_shots(project, fold.judge_real)]
        teaches = [*good_shots(project, fold.teach_good), *real_shots(project, fold.teach_real), *allowed]
        if all(shot.good for shot in judges) or all(shot.good for shot in teaches):
            continue
        fitted = train_once(spec, teaches, spec.seed, ctx)
        table = with_seed(empty_table(judges), spec.seed, score_set(spec, fitted, judges, ctx))
        for label, value in label_aurocs(table).items():
            found[label].append(value)
    return {label: float(np.mean(values)) for label, values in sorted(found.items())}


def trial_pairs(
    material: ProductData, spec: LoopSpec, split: LoopSplit, engine_name: str, label: str, ctx: TrainContext
) -> list[TrialPair]:
    """Pairs that pass the filter, made on good photos that teach in every fold; nothing is stored."""
    fold = trial_folds(material.project, split, spec.seed)[0]
    batch = GenerationBatch(
        engine=engine_name, label=label, count=TRIAL_PAIRS, seed=derive_seed(spec.seed, "trial", label) % 2**31,
        normal_ids=fold.teach_good, workers=1,
    )  # fmt: skip
    plan = plan_batch(material, batch)
    drawing = Context(
        cancelled=ctx.cancelled, concepts=material.concepts, normals=material, regions_of=material.regions
    )
    rules, learned = ReviewRules(), learned_example_ids(material.concepts)
    found: list[TrialPair] = []
    outcomes = generate_outcomes(plan, range(batch.count), drawing, lambda asked: make_each(plan, asked, drawing))
    for number, made in enumerate(outcomes):
        if isinstance(made, Sample) and reject_reason(made.scores, rules) is None:
            shot = Shot(f"{label}/{engine_name}{number}", made.image, label, made.instances or (made.mask,))
            # Also the anomaly that only lent its outline or place does not judge what was made so.
            sources = {id.partition("#")[0] for id in made.recipe.example_ids} | recipe_sources(made.recipe, learned)
            check_sources(sources, split, f"{engine_name} draws from")
            found.append(TrialPair(shot, made.recipe.normal_id, tuple(sorted(sources))))
    return found


def run_trials(
    material: ProductData,
    spec: LoopSpec,
    split: LoopSplit,
    labels: Sequence[str],
    known: Sequence[EngineTrial],
    baseline: Mapping[str, float],
    ctx: TrainContext,
    found: Callable[[Mapping[str, float], Sequence[EngineTrial]], None],
) -> None:
    """Try every candidate that is not ``known`` yet; ``found`` is told after each, with the baseline."""
    asked = candidate_engines(spec)
    if not asked:
        raise InputError("loop: no engine can run here; name some with --engines")
    if not baseline:
        found(baseline := fold_aurocs(material, spec, split, (), ctx), known)
    done = {trial.engine for trial in known}
    for place, one in enumerate(asked):
        if one.name in done:
            continue
        ctx.progress(place, len(asked), None, f"trying {one.title}")
        known = [*known, try_engine(material, spec, split, one, labels, replace(ctx, progress=unwatched), baseline)]
        found(baseline, known)


def _is_quick(chosen: Engine) -> bool:
    """Whether it draws without a model."""
    return not isinstance(chosen, LearningEngine) and "backbone" not in chosen.Params.model_fields
