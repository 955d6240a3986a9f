"""A sample as the files that a project or a shard holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.images import is_grey, mask_png_bytes, png_bytes, soft_png_bytes
from core.quality import descriptor
from core.store import Project, SampleRow
from core.types import Kind, Sample


@dataclass(frozen=True)
class PackedSample:
    """A sample whose pictures are PNGs: ``recipe_json`` also lies inside ``image_png``.

    ``attention_png`` and ``component_pngs`` are soft maps of 0..255. ``instance_pngs`` and ``unrefined_png`` are
    masks, ``picture_pngs`` what else was drawn. ``descriptor`` is float32 bytes to find near-duplicates by.
    """

    image_png: bytes
    mask_png: bytes
    normal_id: str
    label: str
    kind: Kind
    engine: str
    seed: int
    recipe_json: str
    descriptor: bytes
    scores: Mapping[str, float] = field(default_factory=dict)
    attention_png: bytes | None = None
    instance_pngs: tuple[bytes, ...] = ()
    component_pngs: Mapping[str, bytes] = field(default_factory=dict)
    unrefined_png: bytes | None = None
    picture_pngs: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, sample: Sample) -> PackedSample:
        """The sample with its recipe inside its PNG, its scores and its near-duplicate descriptor."""
        recipe = sample.recipe.to_json()
        return cls(
            png_bytes(sample.image, {"flawsmith": recipe}, grey=is_grey(sample.image)),
            mask_png_bytes(sample.mask),
            sample.recipe.normal_id,
            sample.label,
            sample.kind,
            sample.recipe.engine,
            sample.recipe.seed,
            recipe,
            descriptor(sample.image, sample.mask).tobytes(),
            scores=dict(sample.scores),
            attention_png=soft_png_bytes(sample.attention) if sample.attention is not None else None,
            instance_pngs=tuple(mask_png_bytes(m) for m in sample.instances),
            component_pngs={name: soft_png_bytes(soft) for name, soft in sample.components.items()},
            unrefined_png=mask_png_bytes(sample.unrefined_mask) if sample.unrefined_mask is not None else None,
            picture_pngs={name: png_bytes(picture) for name, picture in sample.pictures.items()},
        )

    @property
    def pngs(self) -> list[bytes]:
        """All its files."""
        more = [png for png in (self.attention_png, self.unrefined_png) if png is not None]
        maps = [*self.instance_pngs, *self.component_pngs.values(), *self.picture_pngs.values()]
        return [self.image_png, self.mask_png, *more, *maps]

    def store(self, project: Project, job_id: str | None = None) -> SampleRow:
        """Write it into a project; one that is there already stays as it is."""
        return project.add_sample(
            self.image_png,
            self.mask_png,
            normal_id=self.normal_id,
            label=self.label,
            kind=self.kind,
            engine=self.engine,
            seed=self.seed,
            recipe_json=self.recipe_json,
            scores=self.scores,
            attention_png=self.attention_png,
            instance_pngs=self.instance_pngs,
            component_pngs=self.component_pngs,
            unrefined_png=self.unrefined_png,
            picture_pngs=self.picture_pngs,
            descriptor=self.descriptor,
            job_id=job_id,
        )
