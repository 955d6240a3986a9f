"""The bank's folder: the same defect once, whole or not at all, out as one file and in again."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.bank import Bank, BankEntry, EntryFacts, opened_bank
from core.errors import InputError, MaskError, NewerFormat, NotFound
from tests.engines.test_contract import SHAPE, disc, part_photo


def entry(row: int = 75, label: str = "pit", radius: int = 9, name: str = "a.png") -> BankEntry:
    photo, mask = part_photo(seed=5), disc(SHAPE, row, 140, radius)
    photo[mask] = photo[mask] // 3
    return BankEntry.cut_from(photo, mask, EntryFacts(label, "structural", "anomaly", name, SHAPE, (0, 0)))


def test_an_entry_comes_back_as_it_was_with_its_place_on_the_photo(tmp_path: Path) -> None:
    bank, one = Bank(tmp_path), entry()
    assert bank.add(one)
    again = Bank(tmp_path).entry(one.id)
    assert np.array_equal(again.pixels, one.pixels) and np.array_equal(again.mask, one.mask)
    assert np.abs(again.alpha - one.alpha).max() <= 0.5 / 255 + 1e-6 and again.facts == one.facts
    example = again.as_example()
    assert np.array_equal(example.mask, disc(SHAPE, 75, 140, 9)) and example.id == f"bank:{one.id}"
    assert example.alpha is not None and example.alpha[75, 140] == 255 and not example.alpha[~example.mask].any()


def test_the_alpha_is_soft_at_a_faint_edge_and_full_at_a_clear_one() -> None:
    photo = np.full((80, 80, 3), 120, np.uint8)
    ramp = np.clip((15 - np.hypot(*np.mgrid[-40:40, -40:40])) / 8, 0, 1)
    faint = np.clip(photo - 90 * ramp[..., None], 0, 255).astype(np.uint8)
    hard = np.where(ramp[..., None] > 0, np.uint8(30), photo).astype(np.uint8)
    facts = EntryFacts("pit", "structural", "sample", "x", (80, 80), (0, 0))
    soft, crisp = (BankEntry.cut_from(shown, ramp > 0, facts, before=photo) for shown in (faint, hard))
    assert soft.alpha[soft.mask].mean() < crisp.alpha[crisp.mask].mean() - 0.05
    assert crisp.alpha[crisp.mask].min() > 0.9


def test_the_same_defect_is_kept_once(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    assert bank.add(entry()) and not bank.add(entry(name="copy.png"))
    assert not bank.add(entry(radius=9, row=76))  # a pixel further down, a person calls it the same
    assert bank.add(entry(row=40)) and bank.add(entry(label="hole"))
    assert len(bank.ids()) == 3 and set(bank.facts("pit")) < set(bank.ids())


def test_what_others_add_and_remove_is_seen_and_facts_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = opened_bank(tmp_path), Bank(tmp_path)
    assert opened_bank(tmp_path) is here and here.facts() == {}
    one, other = entry(), entry(40)
    there.add(one)
    assert set(here.facts()) == {one.id}
    there.add(other)
    there.remove([one.id])
    assert set(here.facts()) == {other.id} and here.entry(other.id).facts == other.facts
    # The same defect may come back with another licence.
    there.remove([other.id])
    there.add(replace(other, facts=replace(other.facts, licence="ours")))
    assert here.facts()[other.id].licence == "ours"
    read: list[str] = []
    monkeypatch.setattr(Bank, "_read_facts", lambda bank, id: read.append(id))
    # Long after the last change the folder's date tells that nothing came in.
    os.utime(tmp_path / "entries", ns=(0, 0))
    assert set(here.facts()) == {other.id} and not read


def test_one_file_carries_a_bank_to_another_machine(tmp_path: Path) -> None:
    here, there = Bank(tmp_path / "here"), Bank(tmp_path / "there")
    for one in (entry(), entry(40), entry(label="hole")):
        here.add(one)
    assert here.export_to(tmp_path / "bank.zip") == 3
    found = there.import_from(tmp_path / "bank.zip")
    assert sorted(found.added) == here.ids() == there.ids() and not found.problems
    assert there.import_from(tmp_path / "bank.zip").known == 3
    with pytest.raises(InputError, match="no entry labelled 'burn'"):
        here.export_to(tmp_path / "other.zip", "burn")


def test_a_file_that_is_no_bank_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("../../entry.json", "{}")
    for name in ("text.zip", "other.zip"):
        with pytest.raises(InputError, match=r"bank export"):
            Bank(tmp_path / "bank").import_from(tmp_path / name)


def test_a_damaged_entry_is_named_and_the_others_stay_of_use(tmp_path: Path) -> None:
    bank = Bank(tmp_path)
    good, bad = entry(), entry(40)
    bank.add(good)
    bank.add(bad)
    (bank.path(bad.id) / "entry.json").write_text("{")
    bank = Bank(tmp_path)
    assert list(bank.facts()) == [good.id] and bad.id in bank.problems()[0]
    bank.remove([bad.id])
    assert bank.ids() == [good.id]
    with pytest.raises(NotFound, match="bank list"):
        bank.remove([bad.id])


def test_unknown_keys_are_kept_and_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    bank, one = Bank(tmp_path), entry()
    bank.add(one)
    path = bank.path(one.id) / "entry.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "camera": "B"}))
    assert Bank(tmp_path).facts()[one.id].extra == {"camera": "B"}
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 9}))
    with pytest.raises(NewerFormat, match="update Flawsmith"):
        Bank(tmp_path).entry(one.id)


def test_a_mask_of_nothing_or_of_everything_is_no_defect() -> None:
    facts = EntryFacts("pit", "structural", "anomaly", "a.png", SHAPE, (0, 0))
    for mask in (np.zeros(SHAPE, np.bool_), np.ones(SHAPE, np.bool_)):
        with pytest.raises(MaskError, match="draw the defect alone"):
            BankEntry.cut_from(part_photo(), mask, facts)
