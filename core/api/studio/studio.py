"""Making anomalies: one at a time with a preview, or in bulk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.api.studio.attention_evidence import NearestGoodPartIndex, nearest_good_part_applies
from core.api.studio.engine_cards import EngineCard, engine_cards
from core.api.studio.part_settings import PartSettings
from core.api.studio.photo_context import PhotoContext
from core.api.studio.prompt_editor import prompt_editing
from core.engines.api import Context, LearningEngine, read_params
from core.engines.drawing_presets import preset_name
from core.engines.registry import engine
from core.errors import InputError
from core.images import read_png_text
from core.jobs import best_of, generation
from core.jobs.auto_review import ReviewRules
from core.jobs.cluster.nodes import WorkerCluster
from core.jobs.product_data import ProductData
from core.jobs.recorded_job import recorded_job
from core.jobs.requests import GenerationBatch, PlacedMask, RequestBuilder, plan_batch
from core.jobs.runner import JobControl, JobRunner
from core.jobs.worker_processes import worker_places
from core.progress import Progress, unwatched
from core.store import SampleFilter, SampleRow
from core.training.checkpoints import list_concepts
from core.types import Image, Mask, Recipe, Request, Sample

__all__ = ["StudioApi", "TryRequest"]


@dataclass(frozen=True)
class TryRequest:
    """One photo's worth of anomalies to try in the Studio. A mask that rules placed says so, and is placed for all."""

    engine: str
    label: str
    normal_id: str
    params: Mapping[str, Any]
    mask: Mask | PlacedMask | None = None
    seed: int = 0
    variants: int = 4


class StudioApi:
    """The desk behind the Studio tab and ``launch.py generate``."""

    def __init__(self, material: ProductData, jobs: JobRunner) -> None:
        self._product_data = material
        self._project = material.project
        self._jobs = jobs
        self.prompt_editor = prompt_editing(material)
        self.parts = PartSettings(material)
        self.context = PhotoContext(material.project)
        self.nearest_good_parts = NearestGoodPartIndex(material)

    def engines(self) -> dict[str, EngineCard]:
        """All engines, those that cannot run here, or that have learned nothing in this project, with the reason."""
        return engine_cards(self._product_data.concepts)

    def learned_labels(self, engine: str) -> list[str]:
        """Labels that the engine has learned in this project, of the newest concept first; none for one that learns no
        labels."""
        return list(
            dict.fromkeys(name for c in list_concepts(self._product_data.concepts, engine) for name in c.labels)
        )

    def draws_as(self, engine_name: str, label: str, params: Mapping[str, object] | None = None) -> str:
        """The drawing preset that the concept of ``params``, else the newest of a label, was learned for; "" for
        engines without presets."""
        chosen = engine(engine_name)
        if not chosen.drawing_presets():
            return ""
        return preset_name(chosen, params or {}, label, self._product_data.concepts)

    def labels(self) -> list[str]:
        """Labels in use: of samples and of real anomalies."""
        return sorted({*self._project.label_counts(), *(e.label for e in self._project.examples())})

    def check(self, order: TryRequest) -> RequestBuilder:
        """What makes the order's requests; an error in one line if the order cannot be carried out."""
        builder = RequestBuilder.of(self._product_data, order.engine, order.label, order.params)
        needs, title = builder.needs(), builder.engine.title
        if "mask" in needs and (order.mask is None or not _pixels(order.mask).any()):
            raise InputError(f"{title} needs a mask: click a region, draw one, or press Place")
        if "regions" in needs and not self._project.regions(order.normal_id):
            or_learn = ", or learn its components in Concepts" if isinstance(builder.engine, LearningEngine) else ""
            raise InputError(f"{title} needs named regions on this photo: click and name them in Regions{or_learn}")
        return builder

    def build_request(self, order: TryRequest, variant: int = 0) -> Request:
        """What the engine gets for one variant; its seed is the order's plus ``variant``."""
        return self.check(order).request(self._product_data.normal(order.normal_id), order.seed + variant, order.mask)

    def try_out(self, order: TryRequest, control: JobControl | None = None) -> list[SampleRow]:
        """Make the order's variants and store them as new samples, one by one."""
        builder, normal = self.check(order), self._product_data.normal(order.normal_id)
        cancelled = control.cancelled if control else lambda: False
        told = _TryOutProgress(control, order.variants)
        ctx = Context(
            cancelled=cancelled, concepts=self._product_data.concepts, normals=self._product_data, progress=told.step,
            regions_of=self._product_data.regions,
        )  # fmt: skip
        rows: list[SampleRow] = []
        problem: InputError | None = None
        for variant in range(order.variants):
            ctx.check()
            try:
                request = builder.request(normal, order.seed + variant, order.mask)
                sample = next(generation.make_samples(builder.engine, request, ctx))
            except InputError as error:
                problem = error
                continue
            rows.append(generation.store_sample(self._project, sample, control.job_id if control else None))
            told.variant_done(sample.image)
        if not rows and problem:
            raise problem
        for row in rows:
            if nearest_good_part_applies(row):
                told.message("comparing with the other good parts")
                self.nearest_good_parts.find(row, cancelled)
        return rows

    def start_try_out(self, order: TryRequest) -> str:
        """``try_out`` in the background; the job's samples carry its id."""
        self.check(order)
        run = lambda control: {"sample_ids": [r.id for r in self.try_out(order, control)]}  # noqa: E731
        return self._jobs.submit("try", f"{order.engine} · {order.label}", run, lane="studio")

    def start_remake(self, sample_id: str, changes: Mapping[str, object]) -> str:
        """The sample once more in the background, from its recipe, with ``changes`` of its engine's settings."""
        recipe = self.recipe(sample_id)
        read_params(engine(recipe.engine), {**recipe.params, **changes})
        run = lambda control: {"sample_ids": [self.remake_with(sample_id, changes, control).id]}  # noqa: E731
        return self._jobs.submit("try", f"{recipe.engine} · {recipe.label}", run, lane="studio")

    def remake_with(
        self, sample_id: str, changes: Mapping[str, object], control: JobControl | None = None
    ) -> SampleRow:
        """The sample made once more, with ``changes`` of its engine's settings, as a sample of its own."""
        recipe = self.recipe(sample_id)
        told = _TryOutProgress(control, 1)
        cancelled = control.cancelled if control else lambda: False
        ctx = Context(
            cancelled=cancelled, concepts=self._product_data.concepts, normals=self._product_data, progress=told.step,
            regions_of=self._product_data.regions,
        )  # fmt: skip
        sample = generation.remake(self._product_data, replace(recipe, params={**recipe.params, **changes}), ctx)
        row = generation.store_sample(self._project, sample, control.job_id if control else None)
        told.variant_done(sample.image)
        if nearest_good_part_applies(row):
            self.nearest_good_parts.find(row, cancelled)
        return row

    def generate(
        self,
        batch: GenerationBatch,
        *,
        rules: ReviewRules | None = None,
        spend: bool = False,
        devices: str = "",
        ray: str = "",
        job_id: str | None = None,
        progress: Progress = unwatched,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Any]:
        """A batch that waits for review, see generate; or with ``rules.keep_best`` the best of it.

        See core.jobs.best_of for ``rules``, ``spend`` and what it returns then. ``devices`` makes it in processes of
        their own, see core.jobs.worker_processes.worker_places, and ``ray`` on the nodes of a Ray cluster, see
        core.jobs.cluster.ray_cluster.
        """
        if job_id is None:
            title = f"{batch.engine} · {batch.label}"
            with recorded_job(self._project, "generate", title, batch.model_dump_json()) as job:
                job.result = self.generate(
                    batch,
                    rules=rules,
                    spend=spend,
                    devices=devices,
                    ray=ray,
                    job_id=job.id,
                    progress=progress,
                    cancelled=cancelled,
                )
            return job.result
        if rules is None:
            with _cluster(ray, batch) as cluster:
                return {"kept": 0} | generation.generate(
                    self._product_data,
                    batch,
                    places=worker_places(devices) if devices else (),
                    cluster=cluster,
                    job_id=job_id,
                    progress=progress,
                    cancelled=cancelled,
                )
        if devices or ray:
            name = "devices" if devices else "ray"
            raise InputError(f"{name}: the best are chosen in one process; leave out {name}, or keep the best later")
        return best_of.generate_best_of(
            self._product_data, batch, rules, spend=spend, job_id=job_id, progress=progress, cancelled=cancelled
        )

    def start_batch(self, batch: GenerationBatch, rules: ReviewRules | None = None, spend: bool = False) -> str:
        """``generate`` in the background; errors of the order itself are raised here."""
        plan_batch(self._product_data, batch)
        if rules is not None:
            best_of.check_best_of(batch, rules)

        def run(control: JobControl) -> dict[str, Any]:
            return self.generate(
                batch,
                rules=rules,
                spend=spend,
                job_id=control.job_id,
                progress=control.progress,
                cancelled=control.cancelled,
            )

        best = f"the best {rules.keep_best} of at most " if rules is not None else ""
        title = f"{best}{batch.count} × {batch.engine} · {batch.label}"
        return self._jobs.submit("generate", title, run, args_json=batch.model_dump_json())

    def samples_of(self, job_id: str) -> list[SampleRow]:
        """The samples a job has made so far, oldest first."""
        return self._project.samples(SampleFilter(job_id=job_id))

    def latest_samples(self, job_id: str, most: int) -> list[SampleRow]:
        """The newest samples of a job, newest first."""
        return self._project.samples(SampleFilter(job_id=job_id, descending=True), 0, most)

    def remake(self, recipe: Recipe) -> Sample:
        """The sample of a recipe, again, not stored."""
        return generation.remake(self._product_data, recipe)

    def recipe(self, sample_id: str) -> Recipe:
        """How a sample was made."""
        return Recipe.from_json(self._project.sample_row(sample_id).recipe_json)

    @staticmethod
    def recipe_from_png(path: Path) -> Recipe:
        """The recipe inside a PNG that Flawsmith wrote; InputError if there is none."""
        text = read_png_text(path).get("flawsmith")
        if text is None:
            raise InputError(f"{path.name}: no recipe inside; use a PNG that Flawsmith generated or exported")
        return Recipe.from_json(text)


def _cluster(address: str, batch: GenerationBatch) -> AbstractContextManager[WorkerCluster | None]:
    """The Ray cluster at ``address``; nothing where that is empty."""
    if not address:
        return nullcontext()
    from core.jobs.cluster.ray_cluster import RayCluster

    return RayCluster(address, "GPU" if engine(batch.engine).draws_with_model else "CPU")


class _TryOutProgress:
    """A try's steps as one count: those of an engine that tells its own, else one for each variant."""

    def __init__(self, control: JobControl | None, variants: int) -> None:
        self._control, self._variants = control, variants
        self._done_variants, self._steps_per_variant = 0, 1

    def step(self, done: int, total: int, preview: Image | None = None) -> None:
        """As Context.progress."""
        self._steps_per_variant = max(total, 1)
        self._report(self._done_variants * self._steps_per_variant + done, preview)

    def variant_done(self, image: Image) -> None:
        """One more variant is stored."""
        self._done_variants += 1
        self._report(self._done_variants * self._steps_per_variant, image)

    def message(self, message: str) -> None:
        """What goes on after the last step."""
        self._report(self._done_variants * self._steps_per_variant, None, message)

    def _report(self, done: int, preview: Image | None, message: str = "") -> None:
        if self._control is not None:
            self._control.progress(done, self._variants * self._steps_per_variant, preview, message)


def _pixels(mask: Mask | PlacedMask) -> Mask:
    return mask.mask if isinstance(mask, PlacedMask) else mask
