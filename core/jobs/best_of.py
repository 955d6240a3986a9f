"""Generation until enough good ones are kept: make a round, judge it, make another, until the quota is full.

    fill(material, Batch(engine="cut_paste", label="crack", count=500), Rules(keep_best=250))

``count`` is the budget, ``keep_best`` the quota. The samples are those that ``work.generate`` makes of the same batch,
in the same order; which of them are kept depends on the batch, the rules and the project alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from core.engines.api import Context
from core.errors import Cancelled, InputError
from core.images import read_image, read_mask
from core.jobs import generation
from core.jobs.auto_review import (
    FilteredSamples,
    ReviewRules,
    already_kept,
    count_reasons,
    filter_samples,
    reject_reason,
)
from core.jobs.product_data import ProductData
from core.jobs.requests import BatchPlan, GenerationBatch, plan_batch
from core.jobs.sample_scoring import SampleScorer, sample_scorer
from core.jobs.stored_samples import StoredSamples
from core.progress import Progress, unwatched
from core.store import SampleFilter, SampleRow
from core.types import RULE, Recipe, Request, ReviewStatus, Sample

MIN_YIELD = 0.1
"""A round is never planned for fewer good ones in ten than this, so that one bad round does not spend the budget."""

_SAME = 1e-9

EndReason = Literal["full", "spent", "stopped"]


def check_best_of(batch: GenerationBatch, rules: ReviewRules) -> int:
    """The quota; InputError, in one line, if the budget cannot fill it."""
    if rules.keep_best is None:
        raise InputError("keep the best: say how many; or leave it out, and all that is made waits for review")
    if rules.keep_best > batch.count:
        raise InputError(
            f"keep the best {rules.keep_best}: that is more than the {batch.count} to be made; "
            "make more (count) or keep fewer (keep best)"
        )
    return rules.keep_best


def generate_best_of(
    material: ProductData,
    batch: GenerationBatch,
    rules: ReviewRules,
    *,
    spend: bool = False,
    job_id: str | None = None,
    progress: Progress = unwatched,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Make at most ``batch.count`` samples and keep the best ``rules.keep_best`` of those that pass the rules.

    Stops as soon as that many pass, or with ``spend`` when the whole budget is made. Each other one is rejected with
    its reason. All verdicts are one step, given at the end, however it ends; one undo takes them back. A sample that
    a person judged meanwhile keeps that verdict, and counts if it was kept. Run again after it was stopped or killed,
    it goes on from what is stored.

    Returns what work.generate does, and ``kept``, ``rejected``, ``quota``, ``budget``, ``reasons`` {kind: count},
    ``ended`` ("full", "spent" or "stopped"), ``notes``. InputError before anything is made if the order is wrong.
    """
    quota = check_best_of(batch, rules)
    plan = plan_batch(material, batch)
    lot = _BestOfRun(plan, with_preset(rules, plan.builder.preset.rules), quota, job_id, progress)
    ctx = Context(cancelled=cancelled, concepts=material.concepts, normals=material, regions_of=material.regions)
    stopped = False
    try:
        lot.prepare_scorer(cancelled)
        while lot.attempted < batch.count and (spend or lot.filtered.passed + lot.kept_by_person < quota):
            lot.make(ctx, batch.count if spend else lot.next_round_size())
    except Cancelled:
        stopped = True
    except KeyboardInterrupt:
        lot.store_review()
        raise
    lot.store_review()
    if not lot.ids and lot.given_up:
        raise InputError(f"{batch.engine}: no sample came out; the last reason was: {lot.given_up[-1]}")
    return lot.result(stopped)


def with_preset(rules: ReviewRules, preset: Mapping[str, object]) -> ReviewRules:
    """``rules`` with what a drawing preset says of those that a person did not set."""
    return rules.model_copy(
        update={name: value for name, value in preset.items() if name not in rules.model_fields_set}
    )


@dataclass
class _BestOfRun:
    """All samples of one order, and what is known of them so far."""

    plan: BatchPlan
    rules: ReviewRules
    keep_best: int
    job_id: str | None
    progress: Progress
    scorer: SampleScorer = field(default_factory=SampleScorer)
    attempted: int = 0
    ids: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    filtered: FilteredSamples = field(default_factory=lambda: FilteredSamples((), {}, 0))
    kept_by_person: int = 0
    rejected_by_person: int = 0
    _stored: StoredSamples | None = None

    def prepare_scorer(self, cancelled: Callable[[], bool]) -> None:
        """Have a judge, and know which samples of this order are stored already."""
        count = self.plan.batch.count

        def news(done: int, total: int) -> None:
            self.progress(0, count, None, f"learning the good photos, {done} of {total} steps")

        self.scorer = sample_scorer(self.plan.product_data, self.plan.batch.label, news, cancelled)
        self._stored = StoredSamples.of(self.plan)

    def next_round_size(self) -> int:
        """How many to make next: as many as it takes for what is missing if they turn out as those before."""
        missing = self.keep_best - self.kept_by_person - self.filtered.passed
        good = (self.filtered.passed + self.kept_by_person) / self.attempted if self.attempted else 1.0
        return math.ceil(missing / max(good, MIN_YIELD))

    def make(self, ctx: Context, count: int) -> None:
        """Make ``count`` more, not beyond the budget, and sift all there are."""
        budget = self.plan.batch.count
        indices = range(self.attempted, min(self.attempted + count, budget))
        good = min(self.keep_best, self.filtered.passed + self.kept_by_person)
        self._report_progress(good, None)
        for outcome in generation.generate_outcomes(
            self.plan, indices, ctx, lambda requests: self._scored_samples(requests, ctx)
        ):
            self.attempted += 1
            preview = outcome.image if isinstance(outcome, Sample) else None
            if isinstance(outcome, str):
                self.given_up.append(outcome)
            else:
                row = self._listed(outcome)
                good += reject_reason(row.scores, self.rules) is None
            self._report_progress(min(good, self.keep_best), preview)
        self._filter()

    def store_review(self) -> None:
        """Sift all there are, and store the verdicts."""
        self._filter()
        self.plan.product_data.project.review_samples(self.filtered.review_statuses(), RULE)

    def result(self, stopped: bool) -> dict[str, Any]:
        """What ``generate_best_of`` returns."""
        kept = len(self.filtered.kept) + self.kept_by_person
        ended: EndReason = "full" if kept >= self.keep_best else "stopped" if stopped else "spent"
        reasons = count_reasons([*self.filtered.reasons.values(), *[""] * self.rejected_by_person])
        return {
            "samples": len(self.ids),
            "given_up": len(self.given_up),
            "left_out": self.plan.left_out,
            "cancelled": stopped,
            "sample_ids": self.ids,
            "kept": kept,
            "rejected": len(self.filtered.reasons) + self.rejected_by_person,
            "quota": self.keep_best,
            "budget": self.plan.batch.count,
            "reasons": reasons,
            "ended": ended,
            "notes": [*self.plan.notes, *self.scorer.notes],
            "message": self._message(kept, ended, reasons),
        }

    def _message(self, kept: int, ended: EndReason, reasons: Mapping[str, int]) -> str:
        many = f"{kept} of {self.keep_best} kept"
        lost = f", {len(self.given_up)} given up ({self.given_up[-1]})" if self.given_up else ""
        if ended != "spent":
            return f"{'stopped: ' if ended == 'stopped' else ''}{many} after {len(self.ids)} made{lost}"
        why = f"; most often rejected because: {next(iter(reasons))}" if reasons else ""
        return f"budget of {self.plan.batch.count} spent: {many}{why}{lost}"

    def _scored_samples(self, requests: Sequence[Request], ctx: Context) -> list[generation.MadeSample | InputError]:
        """The sample of each request, judged; from the store if it is there; or why there is none."""
        made = generation.make_missing(self.plan, requests, ctx, self._stored_sample)
        return [self._scored(request, one) for request, one in zip(requests, made, strict=True)]

    def _scored(
        self, request: Request, sample: generation.MadeSample | InputError
    ) -> generation.MadeSample | InputError:
        if not isinstance(sample, Sample):
            return sample
        found = self.scorer.scores(generation.compared_photo(request, sample, self.plan.product_data), sample)
        return sample.scored({**sample.scores, **found})

    def _stored_sample(self, request: Request) -> SampleRow | None:
        """The stored sample of a request, judged again if need be."""
        row = self._stored.find(request) if self._stored else None
        if row is None:
            return None
        # It may come from a batch without a quota, or from before other good photos came in.
        recipe = Recipe.from_json(row.recipe_json)
        sample = Sample(read_image(row.image_path), read_mask(row.mask_path), row.label, row.kind, recipe)
        found = self.scorer.scores(generation.compared_photo(request, sample, self.plan.product_data), sample)
        if any(abs(row.scores.get(name, math.inf) - value) > _SAME for name, value in found.items()):
            project = self.plan.product_data.project
            project.update_scores(row.id, found)
            return project.sample_row(row.id)
        return row

    def _listed(self, outcome: generation.MadeSample) -> SampleRow:
        row = generation.ensure_stored(self.plan.product_data.project, outcome, self.job_id)
        self.ids.append(row.id)
        return row

    def _filter(self) -> None:
        mine = set(self.ids)
        rows = [row for row in self._rows() if row.id in mine]
        judged = {row.id for row in rows if _reviewed_by_person(row)}
        ours = [row for row in rows if row.id not in judged]
        self.kept_by_person = sum(row.verdict == ReviewStatus.KEPT for row in rows if row.id in judged)
        self.rejected_by_person = len(judged) - self.kept_by_person
        rules = self.rules.model_copy(update={"keep_best": max(0, self.keep_best - self.kept_by_person)})
        self.filtered = filter_samples(ours, rules, already_kept(self.plan.product_data.project, ours))

    def _rows(self) -> list[SampleRow]:
        batch = self.plan.batch
        return self.plan.product_data.project.samples(SampleFilter(label=batch.label, engine=batch.engine))

    def _report_progress(self, good: int, preview: Any) -> None:
        self.progress(self.attempted, self.plan.batch.count, preview, f"made, {good} of {self.keep_best} kept")


def _reviewed_by_person(row: SampleRow) -> bool:
    """Whether a person gave the verdict."""
    return row.verdict_by is not None and row.verdict_by.kind == "person"
