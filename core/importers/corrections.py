"""What a person says against a plan: this folder is good, these are masks, ignore that; labels renamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from core.errors import InputError
from core.images.depth import DepthScale, DepthScales
from core.importers.mask_pairing import is_orphan, pair_masks, split_masks
from core.importers.plan import Anomaly, GoodPhoto, ImportPlan, Unmasked, with_the_rest
from core.importers.source_entry import Problem, SourceEntry
from core.types import check_new_label

Reading = Literal["good", "anomaly", "mask", "ignore", "inverted"]
READINGS: tuple[Reading, ...] = get_args(Reading)
IGNORED = "ignored, as asked"


@dataclass(frozen=True)
class Correction:
    """Files at or below ``path`` are to be read as ``reading``; ``label`` is that of anomalies, "" for their own."""

    path: str
    reading: Reading
    label: str = ""

    def covers(self, name: str) -> bool:
        """Whether a file of this name is meant."""
        own, mine = name.casefold(), self.path.strip("/").casefold()
        return mine in ("", ".") or own == mine or own.startswith(f"{mine}/")


@dataclass(frozen=True)
class Corrections:
    """All that a person said; ``renamed`` are labels, old to new, ``scales`` those of photos of more than 8 bits."""

    readings: tuple[Correction, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    scales: DepthScales = field(default_factory=dict)

    @classmethod
    def parse(cls, readings: Iterable[str], renamed: Iterable[str] = (), scales: Iterable[str] = ()) -> Corrections:
        """From ``folder=good`` or ``folder=anomaly:LABEL``, ``A=B`` and ``uint16=0..4095``; InputError otherwise."""
        pairs = [text.partition("=") for text in renamed]
        for old, _, new in pairs:
            if not old or not new:
                raise InputError(f"--rename-label {old!r}: write it as old=new, for example --rename-label ko=scratch")
        names = {old: check_new_label(new) for old, _, new in pairs}
        return cls(tuple(map(_parsed, readings)), names, dict(map(parsed_scale, scales)))

    def read_as(self, path: str, reading: Reading, label: str = "") -> Corrections:
        """With ``path`` read so, whatever was said of it before; InputError for a label that no format can hold."""
        others = tuple(said for said in self.readings if said.path != path)
        said = Correction(path, reading, check_new_label(label) if label else "")
        return replace(self, readings=(*others, said))

    def renaming(self, label: str, name: str) -> Corrections:
        """With another name for a label; its own name, or none, takes that back. InputError as in ``read_as``."""
        others = {old: new for old, new in self.renamed.items() if old != label}
        renamed = others if name in ("", label) else {**others, label: check_new_label(name)}
        return replace(self, renamed=renamed)

    def scaled(self, dtype: str, ends: str) -> Corrections:
        """With ``LOW..HIGH`` as the scale of photos of a number type; "" takes it back. InputError as in ``parse``."""
        others = {name: scale for name, scale in self.scales.items() if name != dtype}
        given = dict([parsed_scale(f"{dtype}={ends}")]) if ends.strip() else {}
        return replace(self, scales={**others, **given})


def parsed_scale(text: str) -> tuple[str, DepthScale]:
    """Number type and scale of ``uint16=0..4095``; InputError says how to write it."""
    dtype, _, ends = text.partition("=")
    low, _, high = ends.partition("..")
    try:
        scale = DepthScale(float(low), float(high), "as a person said")
        right = math.isfinite(scale.low) and math.isfinite(scale.high) and scale.low < scale.high
    except ValueError:
        right = False
    if not right or not dtype.strip():
        raise InputError(
            f"scale {text!r}: write it as TYPE=LOW..HIGH, the values that become black and white, for example "
            "uint16=0..4095"
        )
    return dtype.strip(), scale


def _parsed(text: str) -> Correction:
    path, _, said = text.rpartition("=")
    word, _, label = said.partition(":")
    reading = next((r for r in READINGS if r == word), None)
    if reading is None or not path or (label and reading != "anomaly"):
        raise InputError(
            f"--as {text!r}: write it as FOLDER=good, =anomaly:LABEL, =mask, =inverted or =ignore, "
            "for example --as NG=anomaly:scratch"
        )
    return Correction(path, reading, check_new_label(label) if label else "")


def corrected(plan: ImportPlan, said: Corrections) -> ImportPlan:
    """``plan`` as a person wants it. InputError if a path that was named is not in the source."""
    chosen: dict[str, Correction] = {}
    for correction in sorted(said.readings, key=lambda c: len(c.path)):
        covered = [e.name for e in plan.entries if correction.covers(e.name)]
        if not covered:
            raise InputError(f"--as {correction.path}: there is no such file or folder in the source; see --dry-run")
        chosen |= dict.fromkeys(covered, correction)
    if chosen:
        plan = _reread(_inverted(plan, chosen), {n: c for n, c in chosen.items() if c.reading != "inverted"})
    return _renamed(plan, said.renamed)


def _inverted(plan: ImportPlan, chosen: Mapping[str, Correction]) -> ImportPlan:
    def meant(item: Anomaly) -> bool:
        names = [item.entry.name, *(m.name for m in item.mask_files)]
        return any(name in chosen and chosen[name].reading == "inverted" for name in names)

    turned = [replace(a, inverted=True, confirmed=True) if meant(a) else a for a in plan.anomalies]
    return replace(plan, anomalies=tuple(turned))


def _reread(plan: ImportPlan, chosen: Mapping[str, Correction]) -> ImportPlan:
    """Take the chosen files out of their classes and put them where they belong, masks paired anew."""
    by_reading: dict[str, list[SourceEntry]] = {reading: [] for reading in READINGS}
    for entry in plan.entries:
        if entry.name in chosen:
            by_reading[chosen[entry.name].reading].append(entry)
    before = {a.entry.name: a for a in plan.anomalies}
    loose = [m for a in plan.anomalies if a.entry.name in chosen for m in a.mask_files if m.name not in chosen]
    rest = _without(plan, chosen)
    pictures = [e for e in by_reading["anomaly"] if e.is_image]
    masks = [m for m in by_reading["mask"] if m.is_image] + loose + _orphans(plan, chosen)
    photos, own_masks = _apart(pictures, before)
    unmasked = [u.entry for u in rest.unmasked]
    pairing = pair_masks(photos + unmasked, own_masks + masks, anywhere=True)
    if by_reading["mask"]:  # what no defect claims may be the mask of a photo that seemed good
        others = pair_masks(_undecided(rest), [mask for mask, _ in pairing.orphans], anywhere=True)
        pairing.masks.update(others.masks)
        pairing.orphans = others.orphans
    rest, bare = _take_masked(rest, unmasked + _undecided(rest), pairing.masks)
    found = [_as_said(photo, chosen[photo.name], before.get(photo.name), pairing.masks) for photo in photos]
    good = [GoodPhoto(e, None, True) for e in by_reading["good"] if e.is_image]
    made = replace(
        rest,
        normals=(*rest.normals, *good),
        anomalies=(*rest.anomalies, *bare, *(a for a in found if a.masks)),
        unmasked=(*rest.unmasked, *(Unmasked(a.entry, a.label) for a in found if not a.masks)),
    )
    orphans = [Problem(m.name, reason) for m, reason in pairing.orphans if m.name not in made.classes]
    lone = {orphan.path for orphan in orphans}
    spare = tuple(m for m in loose if m.name not in made.classes and m.name not in lone)
    ignored = [Problem(e.name, IGNORED) for e in by_reading["ignore"]]
    left = replace(made, problems=(*made.problems, *ignored, *orphans), good_masks=made.good_masks + spare)
    return with_the_rest(left, plan.entries)


def _as_said(
    photo: SourceEntry, said: Correction, old: Anomaly | None, masks: Mapping[str, list[SourceEntry]]
) -> Anomaly:
    """An anomaly as a person called it; what an annotation draws on it stays."""
    label = said.label or (old.label if old else "defect")
    drawn = tuple(m for m in old.masks if not isinstance(m, SourceEntry)) if old else ()
    kind = old.kind if old else "structural"
    return Anomaly(photo, label, kind, (*drawn, *masks.get(photo.name, ())), confirmed=True)


def _take_masked(
    plan: ImportPlan, photos: Sequence[SourceEntry], masks: Mapping[str, list[SourceEntry]]
) -> tuple[ImportPlan, list[Anomaly]]:
    """Photos that a mask was found for which they did not have before, and the plan without them."""
    labels = {u.entry.name: u.label for u in plan.unmasked}
    mine = [photo for photo in photos if masks.get(photo.name)]
    found = [
        Anomaly(p, labels.get(p.name, "defect"), "structural", tuple(masks[p.name]), p.name not in labels)
        for p in mine
    ]
    return _without(plan, {photo.name: None for photo in mine}), found


def _apart(
    pictures: Sequence[SourceEntry], before: Mapping[str, Anomaly]
) -> tuple[list[SourceEntry], list[SourceEntry]]:
    """Photos and masks among files that a person called anomalies; masks of the plan stay masks."""
    known = {m.name for a in before.values() for m in a.mask_files}
    photos, masks = split_masks([p for p in pictures if p.name not in known])
    return photos, masks + [p for p in pictures if p.name in known]


def _orphans(plan: ImportPlan, chosen: Mapping[str, Correction]) -> list[SourceEntry]:
    lone = {p.path for p in plan.problems if is_orphan(p.reason) and p.path not in chosen}
    return [e for e in plan.entries if e.name in lone]


def _undecided(plan: ImportPlan) -> list[SourceEntry]:
    """Photos that nobody called good: those taken for good ones, and odd ones."""
    odd = {p.path for p in plan.odd}
    return [g.entry for g in plan.normals if not g.confirmed] + [
        e for e in plan.entries if e.name in odd and e.is_image
    ]


def _without(plan: ImportPlan, names: Mapping[str, object]) -> ImportPlan:
    keeps: Callable[[str], bool] = lambda name: name not in names  # noqa: E731
    trimmed = [
        replace(a, masks=tuple(m for m in a.masks if not (isinstance(m, SourceEntry) and m.name in names)))
        for a in plan.anomalies
        if keeps(a.entry.name)
    ]
    lone = {p.path for p in plan.problems if is_orphan(p.reason)}
    return replace(
        plan,
        normals=tuple(g for g in plan.normals if keeps(g.entry.name)),
        anomalies=tuple(a for a in trimmed if a.masks),
        unmasked=tuple(u for u in plan.unmasked if keeps(u.entry.name))
        + tuple(Unmasked(a.entry, a.label) for a in trimmed if not a.masks),
        annotations=tuple(e for e in plan.annotations if keeps(e.name)),
        good_masks=tuple(e for e in plan.good_masks if keeps(e.name)),
        problems=tuple(p for p in plan.problems if keeps(p.path) and p.path not in lone),
        odd=tuple(p for p in plan.odd if keeps(p.path)),
    )


def _renamed(plan: ImportPlan, names: Mapping[str, str]) -> ImportPlan:
    missing = sorted(set(names) - set(plan.labels))
    if missing:
        have = ", ".join(plan.labels) or "none"
        raise InputError(f"--rename-label {missing[0]}: there is no such label in the source (there are: {have})")
    return replace(
        plan,
        anomalies=tuple(replace(a, label=names.get(a.label, a.label)) for a in plan.anomalies),
        unmasked=tuple(replace(u, label=names.get(u.label, u.label)) for u in plan.unmasked),
    )
