"""The defect bank as the Concepts tab and ``launch.py bank`` see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.api.concepts.examples import defect_thumbnail_bytes
from core.bank import BANK_PREFIX, Bank, BankEntry, EntryFacts, ImportedEntries, bank_folder, opened_bank
from core.engines.registry import engines
from core.errors import InputError, MaskError, NotFound
from core.images import cached_file, isolated, read_image, read_mask
from core.jobs.pair_sources import example_ids_behind
from core.jobs.product_data import ProductData
from core.masks.change_mask import change_mask
from core.progress import Progress, unwatched
from core.store import SampleFilter, SampleRow
from core.training.instances import split_by_instance
from core.types import AnomalyExample, Image, Recipe, ReviewStatus, check_new_label

__all__ = ["AddedEntries", "BankApi", "BankCard", "EntryFacts", "ImportedEntries", "SharedBank"]

_SCORES = ("ars", "seam_contrast")


@dataclass(frozen=True)
class BankCard:
    """An entry as it is listed."""

    id: str
    facts: EntryFacts

    def as_dict(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"id": self.id, **asdict(self.facts)}


@dataclass(frozen=True)
class AddedEntries:
    """How many new entries came into the bank, how many were there already, and what could not be added."""

    added: int = 0
    known: int = 0
    problems: tuple[str, ...] = ()

    def in_words(self) -> str:
        """One sentence for a person."""
        known = f", {self.known:,} there already" if self.known else ""
        lost = f", {len(self.problems):,} not ({self.problems[0]})" if self.problems else ""
        return f"{self.added:,} added to the bank{known}{lost}"


class SharedBank:
    """The bank of this machine, without a project: what there is, out as one file and in again."""

    @property
    def folder(self) -> Path:
        """Where it lies; FLAWSMITH_BANK moves it."""
        return bank_folder()

    def cards(self, label: str | None = None) -> list[BankCard]:
        """The entries, by label, the most believable first."""
        cards = [BankCard(id, facts) for id, facts in self._bank().facts(label).items()]
        return sorted(cards, key=lambda c: (c.facts.label, -c.facts.scores.get("ars", -1.0), c.facts.name, c.id))

    def problems(self) -> list[str]:
        """One line for each entry that cannot be read."""
        return self._bank().problems()

    def remove(self, ids: Sequence[str]) -> None:
        """Take entries out; NotFound, before any is gone. Samples made with them stay."""
        self._bank().remove([id.removeprefix(BANK_PREFIX) for id in ids])

    def export(self, path: Path, label: str | None = None) -> int:
        """Write the bank, perhaps one label of it, as one zip; how many entries."""
        return self._bank().export_to(path, label)

    def import_file(self, path: Path) -> ImportedEntries:
        """Take in the entries of such a zip."""
        return self._bank().import_from(path)

    def add_pair(self, before: Path, after: Path, label: str, licence: str = "") -> AddedEntries:
        """What changed from one photo to the other as an entry; MaskError where they do not show one part."""
        check_new_label(label)
        first, second = (isolated.read_photo(path).pixels for path in (before, after))
        mask = change_mask(first, second).mask
        facts = EntryFacts(label, "structural", "pair", after.name, mask.shape, (0, 0), licence)
        new = self._bank().add(BankEntry.cut_from(second, mask, facts))
        return AddedEntries(int(new), int(not new))

    @staticmethod
    def _bank() -> Bank:
        return opened_bank(bank_folder())


class BankApi(SharedBank):
    """The same beside an open project, whose anomalies can be added."""

    def __init__(self, material: ProductData) -> None:
        self._product_data = material
        self._project = material.project

    def thumbnail(self, card: BankCard) -> Path:
        """A small picture of an entry, the mask outlined; kept in the project's cache."""

        def draw() -> bytes:
            entry = self._bank().entry(card.id)
            return defect_thumbnail_bytes(entry.pixels, entry.mask)

        return cached_file(self._project.cache_dir / "thumbs" / f"bank-{card.id}.jpg", draw)

    def card(self, id: str) -> BankCard:
        """The entry with this id; NotFound."""
        for card in self.cards():
            if card.id == id:
                return card
        raise NotFound(f"bank: there is no entry {id[:40]!r} any more; look at the bank again")

    @property
    def stamping_engine(self) -> str:
        """The engine that draws from the bank."""
        return next(name for name, one in engines().items() if one.example_source == "bank")

    def packed(self) -> Path:
        """The whole bank as one zip, in the project's cache."""
        path = self._project.cache_dir / "bank.zip"
        self.export(path)
        return path

    def add_real(self, label: str | None = None, licence: str = "", progress: Progress = unwatched) -> AddedEntries:
        """The project's real anomalies, perhaps of one label, each defect an entry; those that its split keeps for the
        test are left out."""
        rows = self._project.examples(label, "learn")
        if not rows:
            whose = f" labelled {label!r}" if label else ""
            raise InputError(f"the project has no real anomaly{whose} to add; import some, or add kept samples")
        entries = [(row, one) for row in rows for one in split_by_instance([self._product_data.example(row.id)])]
        result = _Adder(self._bank())
        for index, (row, one) in enumerate(entries):
            facts = EntryFacts(
                one.label, one.kind, "anomaly", row.name, one.mask.shape, (0, 0), licence, sources=(row.id,)
            )
            result.add_cut(one, facts)
            progress(index + 1, len(entries))
        return result.total()

    def add_samples(
        self, ids: Sequence[str] = (), label: str | None = None, licence: str = "", progress: Progress = unwatched
    ) -> AddedEntries:
        """The samples with these ids, or all that were kept. Those that are stamped from the bank are left out."""
        rows = [self._project.sample_row(id) for id in ids] or self._project.samples(
            SampleFilter(label=label, verdict=ReviewStatus.KEPT)
        )
        if not rows:
            raise InputError("there is no kept sample to add; keep some in Review first")
        result = _Adder(self._bank())
        for index, row in enumerate(rows):
            self._add_sample(row, licence, result)
            progress(index + 1, len(rows))
        return result.total()

    def _add_sample(self, row: SampleRow, licence: str, result: _Adder) -> None:
        known = engines().get(row.engine)
        if known is not None and known.example_source == "bank":
            result.problems.append(f"sample {row.number} is itself made from the bank")
            return
        if known is not None and known.kind == "logical":
            result.problems.append(f"sample {row.number} is a logical anomaly, which belongs to its place")
            return
        image, mask = read_image(row.image_path), read_mask(row.mask_path)
        photo = self._product_data.normal(row.normal_id).pixels
        facts = EntryFacts(
            label=row.label,
            kind=row.kind,
            source="sample",
            name=f"{Recipe.from_json(row.recipe_json).engine} {row.number}",
            frame=mask.shape,
            place=(0, 0),
            licence=licence,
            scores={name: row.scores[name] for name in _SCORES if name in row.scores},
            normal_id=row.normal_id,
            sources=tuple(sorted(example_ids_behind([row], self._project.path / "concepts"))),
        )
        example = AnomalyExample(row.id, row.label, image, (mask,), row.kind)
        result.add_cut(example, facts, photo if photo.shape == image.shape else None)


class _Adder:
    """Adds one after the other and counts."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._counts: Counter[bool] = Counter()
        self.problems: list[str] = []

    def add_cut(self, example: AnomalyExample, facts: EntryFacts, before: Image | None = None) -> None:
        """The anomaly cut from its photo; one that cannot be cut is named."""
        try:
            self._counts[self._bank.add(BankEntry.cut_from(example.pixels, example.mask, facts, before))] += 1
        except MaskError as error:
            self.problems.append(str(error))

    def total(self) -> AddedEntries:
        """What came of all; InputError where nothing could be added."""
        if not self._counts and self.problems:
            raise InputError(f"nothing was added to the bank: {self.problems[0]}")
        return AddedEntries(self._counts[True], self._counts[False], tuple(self.problems))
