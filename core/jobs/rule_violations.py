"""Samples that break the product's rules on purpose: each planned on a photo's regions, made, and stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.device import derive_seed, numpy_rng
from core.engines.api import Context
from core.errors import Cancelled, InputError
from core.jobs.generation import make_samples, store_sample
from core.jobs.product_data import ProductData
from core.jobs.requests import RequestBuilder
from core.progress import Progress, unwatched
from core.rules import MeasuredPart, Rule, RuleSet, measure_regions
from core.rules.violations import ENGINE, Violation, plan_violation, violation_label, violation_names
from core.store import Project
from core.stored import JsonObject
from core.types import Region, Sample, base_name

ATTEMPTS = 6
"""Photos tried for one sample before it is given up."""
SETTING = "rule_labels"
"""The project's setting that says which rule a label breaks: ``{label: {"rule", "violation", "saturation"}}``."""
BROKEN_SCORE = "rules_broken"
"""The score of a sample that says how many rules it breaks."""
LEAST_SEEN = 0.3
"""Share of the part's area that has to change visibly; less is no violation that anyone sees."""


@dataclass(frozen=True)
class ViolationBatch:
    """What to make: ``per_rule`` samples for each of ``rules`` (ids), shared between the ways to break it."""

    rules: tuple[str, ...]
    per_rule: int = 20
    seed: int = 0


@dataclass(frozen=True)
class ViolationRow:
    """A line of the coverage table: how many samples of one violation of one rule were ``made``, and not, and why."""

    rule: str
    violation: str
    label: str
    made: int
    given_up: int
    reason: str = ""


@dataclass
class _Outcome:
    total: int
    done: int = 0
    ids: list[str] = field(default_factory=list)
    rows: list[ViolationRow] = field(default_factory=list)


def generate_violations(
    material: ProductData,
    rules: RuleSet,
    batch: ViolationBatch,
    *,
    job_id: str | None = None,
    progress: Progress = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make and store a batch; returns ``samples``, ``given_up``, ``sample_ids``, ``rows`` and ``cancelled``.

    Same rules, regions and seed, same samples. InputError where a rule is not known or no photo has regions.
    """
    chosen = [rules.rule(id) for id in batch.rules]
    photos = _usable_photos(material)
    ways = [(rule, name, count) for rule in chosen for name, count in _shares(rule, batch.per_rule)]
    ctx = Context(cancelled=cancelled, concepts=material.concepts, normals=material, regions_of=material.regions)
    out, stopped = _Outcome(sum(count for _, _, count in ways)), False
    try:
        for rule, name, count in ways:
            made = _samples(material, rules, rule, name, count, photos, batch.seed, ctx)
            _store(material, out, rule, name, made, job_id, progress)
    except Cancelled:
        stopped = True
    given_up = sum(row.given_up for row in out.rows)
    said = f"{len(out.ids)} samples of {len(out.rows)} violations" + (f", {given_up} given up" if given_up else "")
    return {
        "samples": len(out.ids), "given_up": given_up, "sample_ids": out.ids, "rows": out.rows, "cancelled": stopped,
        "message": said,
    }  # fmt: skip


def _store(
    material: ProductData,
    out: _Outcome,
    rule: Rule,
    name: str,
    made: Iterator[tuple[Sample, Violation] | str],
    job_id: str | None,
    progress: Progress,
) -> None:
    """Store the samples of one violation and add its row."""
    reasons: Counter[str] = Counter()
    kept = 0
    for outcome in made:
        out.done += 1
        if isinstance(outcome, str):
            reasons[outcome] += 1
            progress(out.done, out.total)
            continue
        sample, violation = outcome
        out.ids.append(store_sample(material.project, sample, job_id).id)
        _note_label(material, violation)
        kept += 1
        progress(out.done, out.total, sample.image)
    why = reasons.most_common(1)[0][0] if reasons else ""
    out.rows.append(ViolationRow(rule.id, name, violation_label(rule, name), kept, sum(reasons.values()), why))


def rule_labels(project: Project) -> Mapping[str, JsonObject]:
    """Which rule each label of the project's violations breaks, how, and what share of its mask is to be found."""
    found: Mapping[str, JsonObject] = project.get_setting(SETTING, {})
    return found


def make_violation(material: ProductData, violation: Violation, normal_id: str, seed: int, ctx: Context) -> Sample:
    """The sample of a planned violation; InputError where the engine cannot make it, or nobody would see it."""
    builder = RequestBuilder.of(material, ENGINE, violation.label, violation.params)
    request = builder.request(material.normal(normal_id), seed)
    sample = next(make_samples(builder.engine, request, ctx))
    changed, least = np.count_nonzero(sample.mask), _least_area(request.regions, violation)
    if changed < LEAST_SEEN * least:
        raise InputError(f"rules: {violation.name} of {violation.rule} would hardly be seen")
    return sample.scored({**sample.scores, BROKEN_SCORE: float(len(violation.breaks))})


def _samples(
    material: ProductData,
    rules: RuleSet,
    rule: Rule,
    name: str,
    count: int,
    photos: Sequence[str],
    seed: int,
    ctx: Context,
) -> Iterator[tuple[Sample, Violation] | str]:
    """``count`` samples of one violation, or why there is none, each on another photo as long as there are some."""
    label = violation_label(rule, name)
    order = numpy_rng(seed, "violations", label).permutation(len(photos))
    for index in range(count):
        reason = "no edit of these photos breaks this rule and no other"
        for attempt in range(ATTEMPTS):
            ctx.check()
            photo = photos[order[(index + attempt * count) % len(photos)]]
            own = derive_seed(seed, label, index, attempt)
            violation = plan_violation(rules, rule, name, _measured(material, photo), numpy_rng(own, "violation"))
            if violation is None:
                continue
            try:
                yield make_violation(material, violation, photo, own, ctx), violation
                break
            except InputError as error:
                reason = str(error)
        else:
            yield reason


def _shares(rule: Rule, per_rule: int) -> Iterator[tuple[str, int]]:
    names = violation_names(rule)
    for place, name in enumerate(names):
        count = per_rule // len(names) + (place < per_rule % len(names))
        if count:
            yield name, count


def _usable_photos(material: ProductData) -> list[str]:
    ids = list(dict.fromkeys(row.normal_id for row in material.project.region_rows(None)))
    if not ids:
        raise InputError("rules: no photo has named regions; name the parts in Regions first")
    return ids


def _measured(material: ProductData, normal_id: str) -> list[MeasuredPart]:
    return measure_regions(material.normal(normal_id).pixels, material.regions(normal_id))


def _least_area(regions: Sequence[Region], violation: Violation) -> float:
    own = [np.count_nonzero(r.mask) for r in regions if base_name(r.name) == violation.params["region"]]
    return float(min(own))


def _note_label(material: ProductData, violation: Violation) -> None:
    known = dict(rule_labels(material.project))
    entry = {"rule": violation.rule, "violation": violation.name, "saturation": violation.saturation}
    if known.get(violation.label) != entry:
        material.project.set_setting(SETTING, {**known, violation.label: entry})
