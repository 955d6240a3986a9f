"""Rules of the product: learned from its regions, kept with the project, and what a photo makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError
from core.given_files import MAX_TEXT, read_given
from core.images import atomic_write, isolated, read_image, read_mask
from core.jobs.product_data import ProductData
from core.jobs.recorded_job import recorded_job
from core.jobs.rule_violations import BROKEN_SCORE, ViolationBatch, generate_violations
from core.jobs.runner import JobControl, JobRunner
from core.progress import Progress, Steps, saying, unwatched
from core.rules import MeasuredPart, Rule, RuleBreak, RuleOutcome, RuleSet, learn_rules, measure_regions
from core.rules.rule_set import read_rule
from core.rules.violations import violation_label, violation_names
from core.segmentation import Segmenter
from core.stored import JsonObject
from core.types import Image, Region, ReviewStatus, base_name

__all__ = ["CoverageRow", "MeasuredPart", "PhotoCheck", "Rule", "RuleBreak", "RuleOutcome", "RuleSet", "RulesApi"]

SETTING = "rules"
"""The project's setting that holds its rules, as in a rules file."""
MOST_PHOTOS = 200
"""Photos with regions that rules are read from; more change little."""


@dataclass(frozen=True)
class PhotoCheck:
    """What a photo makes of the rules. ``found`` says that its components were looked for, not named by a person."""

    name: str
    found: bool
    parts: tuple[MeasuredPart, ...]
    outcomes: tuple[RuleOutcome, ...]

    @property
    def broken(self) -> tuple[RuleOutcome, ...]:
        """The outcomes of the rules that the photo breaks."""
        return tuple(outcome for outcome in self.outcomes if outcome.breaks)


@dataclass(frozen=True)
class CoverageRow:
    """One way to break one rule: its ``label``, how many samples were ``made`` and how many of them ``kept``."""

    rule: str
    words: str
    violation: str
    label: str
    made: int
    kept: int


class RulesApi:
    """The desk behind the *Rules* panel and ``launch.py rules``."""

    def __init__(self, material: ProductData, jobs: JobRunner, segmenter: Callable[[], Segmenter]) -> None:
        self._product_data = material
        self._project = material.project
        self._jobs = jobs
        self._segmenter = segmenter

    def current(self) -> RuleSet:
        """The project's rules, none before any were learned; InputError for a damaged setting."""
        kept = self._project.get_setting(SETTING)
        return RuleSet() if kept is None else RuleSet.of_plain(kept, "the project's rules")

    def save(self, rules: RuleSet) -> RuleSet:
        """Keep ``rules`` as the project's."""
        self._project.set_setting(SETTING, rules.plain())
        return rules

    def learn(
        self, *, find: bool = True, progress: Steps = unwatched, cancelled: Callable[[], bool] = lambda: False
    ) -> RuleSet:
        """Read rules from the regions of the good photos; what a person confirmed or added stays.

        With ``find`` it is also seen how well components are found again on a few of the photos, which a check of
        other photos needs; it takes some seconds a photo. InputError where too few photos have regions.
        """
        chosen = self._photo_ids()
        photos = []
        for done, id in enumerate(chosen):
            if cancelled():
                raise Cancelled("stopped; the rules are as they were")
            photos.append(measure_regions(self._product_data.normal(id).pixels, self._product_data.regions(id)))
            progress(done + 1, len(chosen))
        rules = self.current().renewed(learn_rules(photos))
        return self.save(self._with_finding(rules, chosen, cancelled) if find else rules)

    def start_learn(self) -> str:
        """``learn`` in the background, without looking how well parts are found again: the first check does that."""

        def work(control: JobControl) -> dict[str, Any]:
            progress = saying(control.progress, "Reading rules")
            rules = self.learn(find=False, progress=progress, cancelled=control.cancelled)
            return {"rules": len(rules.rules)}

        return self._jobs.submit("rules", "Read rules", work)

    def components(self) -> tuple[str, ...]:
        """What the project's regions are called, without numbers of instances."""
        return tuple(dict.fromkeys(base_name(name) for name in self._project.region_names()))

    def check_regions(self, normal_id: str) -> PhotoCheck:
        """A photo of the project by its named regions."""
        photo = self._product_data.normal(normal_id)
        parts = measure_regions(photo.pixels, self._product_data.regions(normal_id))
        return PhotoCheck(photo.name, False, tuple(parts), self._rules_to_check().check(parts))

    def check_file(self, path: Path, cancelled: Callable[[], bool] = lambda: False) -> PhotoCheck:
        """Any photo of the product: its components are found first. ImageError, InputError."""
        return self.check_files([path], cancelled=cancelled)[0]

    def check_files(
        self, paths: list[Path], *, progress: Steps = unwatched, cancelled: Callable[[], bool] = lambda: False
    ) -> list[PhotoCheck]:
        """``check_file`` for several photos; known parts are looked at once."""
        from core.rules.part_finder import build_finder

        rules, stop = self._rules_to_check(), lambda: _raise_if(cancelled)
        photos = [isolated.read_photo(path, scales=self._project.depth_scales()).pixels for path in paths]
        finder, limits = build_finder(self._annotated(self._photo_ids()), rules, self._segmenter(), stop)
        if rules.finding is None:
            rules = self.save(rules.with_finding(limits))
        checks = []
        for path, photo in zip(paths, photos, strict=True):
            parts = finder.find(photo, stop)
            checks.append(PhotoCheck(path.name, True, tuple(parts), rules.check(parts, found=True)))
            progress(len(checks), len(paths))
        return checks

    def check_sample(self, sample_id: str, cancelled: Callable[[], bool] = lambda: False) -> PhotoCheck:
        """A generated sample: regions that its mask leaves alone are as they were, other parts are looked for.

        How many rules it breaks is kept as its score ``rules_broken``. NotFound.
        """
        from core.rules.part_finder import build_finder

        rules, row, stop = self._rules_to_check(), self._project.sample_row(sample_id), lambda: _raise_if(cancelled)
        finder, limits = build_finder(self._annotated(self._photo_ids()), rules, self._segmenter(), stop)
        if rules.finding is None:
            rules = self.save(rules.with_finding(limits))
        mask = read_mask(row.mask_path)
        untouched = [r for r in self._product_data.regions(row.normal_id) if not (r.mask & mask).any()]
        parts = finder.find(read_image(row.image_path), stop, untouched)
        check = PhotoCheck(row.id, True, tuple(parts), rules.check(parts, found=True))
        self._project.update_scores(row.id, {BROKEN_SCORE: float(len(check.broken))})
        return check

    def confirm(self, id: str, confirmed: bool = True) -> RuleSet:
        """A person says that a rule is right, or takes that back; NotFound."""
        return self.save(self.current().confirmed(id, confirmed))

    def remove(self, id: str) -> RuleSet:
        """Take a rule away; NotFound. Learning again proposes it again."""
        return self.save(self.current().without(id))

    def put(self, raw: JsonObject) -> RuleSet:
        """Add a rule that a person wrote, or change one of the same id; InputError says what is wrong with it."""
        return self.save(self.current().with_rule(read_rule({**raw, "status": "confirmed", "source": "person"})))

    def write_file(self, path: Path) -> None:
        """Write the rules as JSON, whole or not at all; StoreError where they cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, self.current().to_json().encode())

    def read_file(self, path: Path) -> RuleSet:
        """Take the rules of a file in place of the project's; InputError, NewerFormat."""
        return self.save(RuleSet.from_json(read_given(path, MAX_TEXT), path.name))

    def _photo_ids(self) -> list[str]:
        """The photos with named regions, at most MOST_PHOTOS."""
        return list(dict.fromkeys(row.normal_id for row in self._project.region_rows(None)))[:MOST_PHOTOS]

    def _annotated(self, ids: Sequence[str]) -> list[tuple[Image, tuple[Region, ...]]]:
        """A few of these photos with their regions: those that a finder takes."""
        from core.rules.part_finder import CALIBRATION_PHOTOS, EXEMPLARS

        step = max(1, len(ids) // (EXEMPLARS + CALIBRATION_PHOTOS))
        chosen = ids[::step][: EXEMPLARS + CALIBRATION_PHOTOS]
        return [(self._product_data.normal(id).pixels, self._product_data.regions(id)) for id in chosen]

    def generate(
        self,
        ids: Sequence[str] = (),
        per_rule: int = 20,
        seed: int = 0,
        *,
        job_id: str | None = None,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """Make samples that break each of these rules, or all, and no other; see core.jobs.rule_violations."""
        rules = self._rules_to_check()
        batch = ViolationBatch(tuple(ids) or tuple(rule.id for rule in rules.rules), per_rule, seed)
        if job_id is not None:
            return generate_violations(
                self._product_data, rules, batch, job_id=job_id, progress=progress, cancelled=cancelled
            )
        title = f"{per_rule} × {len(batch.rules)} rules"
        with recorded_job(self._project, "generate", title, json.dumps(asdict(batch))) as job:
            job.result = generate_violations(
                self._product_data, rules, batch, job_id=job.id, progress=progress, cancelled=cancelled
            )
        return job.result

    def start_generate(self, ids: Sequence[str] = (), per_rule: int = 20, seed: int = 0) -> str:
        """``generate`` in the background; errors of the order itself are raised here."""
        rules = self._rules_to_check()
        chosen = [rules.rule(id).id for id in ids]

        def work(control: JobControl) -> dict[str, Any]:
            made = self.generate(
                chosen, per_rule, seed, job_id=control.job_id, progress=control.progress, cancelled=control.cancelled
            )
            return {name: made[name] for name in ("samples", "given_up", "sample_ids", "message")}

        return self._jobs.submit("generate", f"{per_rule} × {len(chosen) or len(rules.rules)} rules", work)

    def coverage(self) -> list[CoverageRow]:
        """For each rule and each way to break it, how many samples there are and how many were kept."""
        counts = self._project.label_counts()
        rows = []
        for rule in self.current().rules:
            for name in violation_names(rule):
                label = violation_label(rule, name)
                of = counts.get(label, {})
                rows.append(
                    CoverageRow(
                        rule.id, rule.words(), name, label, sum(of.values()), of.get(ReviewStatus.KEPT.value, 0)
                    )
                )
        return rows

    def _rules_to_check(self) -> RuleSet:
        rules = self.current()
        if not rules.rules:
            raise InputError("rules: the project has none yet; learn them with `launch.py rules PROJECT --learn`")
        return rules

    def _with_finding(self, rules: RuleSet, ids: list[str], cancelled: Callable[[], bool]) -> RuleSet:
        from core.rules.part_finder import build_finder

        fresh = rules.with_finding(None)
        _, limits = build_finder(self._annotated(ids), fresh, self._segmenter(), lambda: _raise_if(cancelled))
        return fresh.with_finding(limits)


def _raise_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise Cancelled("stopped; the rules are as they were")
