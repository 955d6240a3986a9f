"""From what a person asks for to the requests that an engine gets: which photo, mask and real anomaly, by one builder.

Studio, *Place* and bulk all ask RequestBuilder, so that the same photo, mask, engine, settings and seed give the same
bytes. In bulk the seeds are derived from (batch seed, index, attempt): sample 7 of 10 is sample 7 of 1,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.device import derive_seed, numpy_rng
from core.engines.api import DrawingPreset, Engine, Need, read_params
from core.engines.drawing_presets import resolve_preset
from core.engines.registry import engine
from core.errors import InputError, Unavailable
from core.jobs.product_data import ProductData
from core.masks.placement.context_match import choose_fitting_example
from core.masks.placement.planner import AnchorExample, plan_masks
from core.placement_rules import Placement
from core.store import Project
from core.types import AnomalyExample, Mask, NormalImage, Request, check_new_label
from core.validation import read_settings

RETRY_PHOTO_STEP = 7919
"""Places on in the order of photos that another attempt goes; a prime, so that it is another photo."""


class GenerationBatch(BaseModel):
    """What to make in bulk. ``batch_size`` is how many are drawn together by an engine that can; 0: what suits the
    machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    label: str
    count: int = Field(20, ge=1, le=1_000_000)
    seed: int = Field(0, ge=0)
    params: dict[str, Any] = {}
    placement: dict[str, Any] = {}
    normal_ids: tuple[str, ...] = ()
    workers: int = Field(2, ge=1, le=256)
    batch_size: int = Field(0, ge=0, le=256)


@dataclass(frozen=True)
class PlacedMask:
    """A mask that placement rules laid on a photo, and the real anomaly whose outline it has; None where none has."""

    mask: Mask
    placement: Placement
    example_id: str | None = None


@dataclass(frozen=True)
class RequestBuilder:
    """An engine with its settings on one product. ``placement`` is settled; ``donor_ids`` are photos that an engine
    may borrow from; ``examples`` are the label's real anomalies; ``preset`` is what it draws as."""

    material: ProductData
    engine: Engine
    label: str
    params: Mapping[str, Any]
    placement: Placement
    donor_ids: tuple[str, ...]
    examples: tuple[AnomalyExample, ...]
    preset: DrawingPreset = DrawingPreset()

    @classmethod
    def of(
        cls,
        material: ProductData,
        engine_name: str,
        label: str,
        params: Mapping[str, object],
        placement: Mapping[str, object] | None = None,
        donor_ids: Sequence[str] = (),
    ) -> RequestBuilder:
        """The builder of checked settings; InputError, NotFound or Unavailable, in one line, where they cannot be.

        Without ``donor_ids`` every photo of a good part may lend pixels.
        """
        chosen = engine(engine_name)
        if reason := chosen.available():
            raise Unavailable(f"engine {engine_name}: {reason}")
        check_new_label(label)
        params, preset = resolve_preset(chosen, params, label, material.concepts)
        read_params(chosen, params)
        asked = {**preset.placement, **(placement or {})}
        rules = read_settings(Placement, asked, "placement")
        examples = anomalies_for(material, chosen, label, params)
        if rules.source == "examples" and not examples:
            raise InputError(f"placement from examples: there is no real anomaly labelled {label!r}; import some")
        if rules.source == "learned" and rules.position == "auto" and material.learned_with_place(label):
            rules = rules.model_copy(update={"position": "examples"})
        rules = rules.resolved(bool(examples))
        if idle := rules.without_effect(placement or {}, bool(examples)):
            raise InputError(idle)
        donors = tuple(donor_ids) or tuple(row.id for row in material.project.normals())
        return cls(material, chosen, label, params, rules, donors, examples, preset)

    def needs(self) -> frozenset[Need]:
        """What a request must bring with these settings."""
        return self.engine.requires(read_params(self.engine, self.params))

    def place(self, normal: NormalImage, seed: int) -> PlacedMask:
        """A mask where the rules allow, like the real anomaly that goes with it. Errors as plan_masks."""
        example, models, anchor = self._placed_like(normal, seed)
        terrain = self.material.placement_map(normal.id, self.material.regions(normal.id))
        parts = plan_masks(
            self.placement, self.label, terrain, numpy_rng(seed, "mask"), example_masks=models, lead=anchor
        )
        mask = np.asarray(np.logical_or.reduce(parts), np.bool_)
        return PlacedMask(mask, self.placement, example.id if example is not None else None)

    def request(self, normal: NormalImage, seed: int, mask: Mask | PlacedMask | None = None) -> Request:
        """The request of one sample: in a mask that was placed, that a person drew, or in none."""
        placed = mask if isinstance(mask, PlacedMask) else None
        if placed is not None:
            example = None if placed.example_id is None else self.material.example(placed.example_id)
        elif mask is None:
            example = self._placed_like(normal, seed)[0]
        else:
            example = self._for_drawn(normal, mask, seed)
        donor_id = self.donor_ids[int(numpy_rng(seed, "donor").integers(len(self.donor_ids)))]
        return Request(
            normal=normal,
            label=self.label,
            params=self.params,
            seed=seed,
            mask=placed.mask if placed is not None else mask if not isinstance(mask, PlacedMask) else None,
            regions=self.material.regions(normal.id),
            examples=() if example is None else (example, *self._further(example, seed)),
            donor=self.material.normal(donor_id) if donor_id != normal.id else None,
            object_mask=self.material.object_mask(normal.id),
            placement=placed.placement if placed is not None else None,
        )

    def _matching(self, seed: int) -> tuple[tuple[AnomalyExample, ...], bool]:
        """The real anomalies that go with what is drawn, and whether the engine said so."""
        found = self.engine.matching_examples(self.params, self.label, seed, self.examples, self.material.concepts)
        return (self.examples, False) if found is None else (tuple(found), True)

    def _at_random(self, seed: int) -> AnomalyExample | None:
        found, _ = self._matching(seed)
        return found[int(numpy_rng(seed, "example").integers(len(found)))] if found else None

    def _further(self, first: AnomalyExample, seed: int) -> tuple[AnomalyExample, ...]:
        """Real anomalies that a sample is drawn like beside its first one."""
        count = self.engine.examples_per_sample(self.params) - 1
        if count < 1:
            return ()
        others = [example for example in self._matching(seed)[0] if example.id != first.id]
        return tuple(others[i] for i in numpy_rng(seed, "further").permutation(len(others))[:count])

    def _for_drawn(self, normal: NormalImage, mask: Mask | PlacedMask, seed: int) -> AnomalyExample | None:
        """The real anomaly for a mask that a person drew: the engine's choice, else one by chance."""
        assert not isinstance(mask, PlacedMask)  # that one has its own
        found, _ = self._matching(seed)
        return self.engine.best_example(self.params, found, normal.pixels, mask) or self._at_random(seed)

    def _placed_like(
        self, normal: NormalImage, seed: int
    ) -> tuple[AnomalyExample | None, list[Mask], AnchorExample | None]:
        """The real anomaly that goes with a seed, the masks that its own shall be like, and the one it must be like.

        An engine that draws what it has learned says which examples go with that. Its mask is like the very example it
        gets, so that look and outline belong together; and so is every mask that lies as an example does.
        """
        found, by_engine = self._matching(seed)
        example, match = self._at_random(seed), None
        if self.placement.source == "learned":
            return example, self.material.learned_masks(self.label), None
        if example is None:
            return None, [], None
        if self.placement.position == "surroundings":
            example, match = choose_fitting_example(found, normal.pixels, numpy_rng(seed, "example"))
        anchored = by_engine or self.placement.follows_example
        anchor = AnchorExample(example.mask, match, not self.engine.keeps_direction(example)) if anchored else None
        return example, [e.mask for e in found], anchor


def anomalies_for(
    material: ProductData, engine: Engine, label: str, params: Mapping[str, object]
) -> tuple[AnomalyExample, ...]:
    """The anomalies of a label that an engine draws like: the project's real ones, or those of the bank.

    InputError where it needs an entry of the bank and there is none.
    """
    if engine.example_source_for(params) == "project":
        return material.examples(label)
    found = material.bank_examples(label)
    if not found and "examples" in engine.needs:
        raise InputError(
            f"{engine.title}: the bank has no defect labelled {label!r}; add real anomalies or kept samples to it in "
            "Concepts, or with `launch.py bank add PROJECT`"
        )
    return found


@dataclass(frozen=True)
class BatchPlan:
    """A batch that was found feasible, with what all its samples share.

    ``left_out`` photos of those asked for lack the regions that it needs.
    """

    batch: GenerationBatch
    builder: RequestBuilder
    normal_ids: tuple[str, ...]
    left_out: int = 0

    @property
    def product_data(self) -> ProductData:
        """The product that it is made on."""
        return self.builder.material

    @property
    def engine(self) -> Engine:
        """What makes it."""
        return self.builder.engine

    @property
    def notes(self) -> list[str]:
        """What a person should know of the photos, in sentences."""
        if not self.left_out:
            return []
        wanted = " and ".join(self.builder.placement.regions) or "named regions"
        photos = "photo without" if self.left_out == 1 else "photos without"
        return [f"{self.left_out:,} {photos} {wanted} left out"]


def plan_batch(material: ProductData, batch: GenerationBatch) -> BatchPlan:
    """The batch's plan, if it can run at all; InputError, NotFound or Unavailable, in one line, if not."""
    project = material.project
    ids = tuple(project.normal_row(i).id for i in batch.normal_ids) or tuple(r.id for r in project.normals())
    builder = RequestBuilder.of(material, batch.engine, batch.label, batch.params, batch.placement, ids)
    if not ids:
        raise InputError("the project has no photos of good parts; import a folder of them first")
    if "regions" in builder.needs() and not project.region_names():
        raise InputError(
            f"engine {batch.engine}: needs named regions and this project has none; "
            "run `launch.py regions PROJECT --auto` or click them in the Regions tab"
        )
    usable = _with_regions(project, ids, builder)
    return BatchPlan(batch, builder, usable, len(ids) - len(usable))


def _with_regions(project: Project, ids: tuple[str, ...], builder: RequestBuilder) -> tuple[str, ...]:
    """The photos with the regions that the engine or the placement needs; all of them where neither needs any."""
    needs, rules = builder.needs(), builder.placement
    wanted = set(rules.regions) if "mask" in needs else set()
    whole = "mask" in needs and (rules.anomaly_type == "logical" or rules.source == "regions")
    if not wanted and not whole and "regions" not in needs:
        return ids
    names: dict[str, set[str]] = {i: set() for i in ids}
    for row in project.region_rows(ids):
        names[row.normal_id].add(row.name)
    found = tuple(i for i in ids if names[i] and wanted <= names[i])
    if not found:
        what = " and ".join(sorted(wanted)) or "a named region"
        raise InputError(f"no photo has {what}; name it on one in the Regions tab and carry it over to the others")
    return found


def build_request(plan: BatchPlan, index: int, attempt: int = 0) -> Request:
    """The ``index``-th request of a batch: every photo once before any comes again, in a seeded order."""
    ids, builder = plan.normal_ids, plan.builder
    lap, position = divmod(index + attempt * RETRY_PHOTO_STEP, len(ids))
    order = numpy_rng(plan.batch.seed, "photos", lap).permutation(len(ids))
    normal = builder.material.normal(ids[order[position]])
    seed = derive_seed(plan.batch.seed, index, attempt)
    placed = builder.place(normal, seed) if "mask" in builder.engine.needs else None
    return builder.request(normal, seed, placed)
