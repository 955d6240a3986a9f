"""Shares of normals and anomalies."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exporters import FORMATS, DatasetItem, export, read_dataset
from core.exporters.split import split_counts

SHARE = st.floats(0, 1, allow_nan=False)


@given(st.integers(0, 500), st.lists(SHARE, min_size=3, max_size=3).filter(lambda s: 0 < sum(s)))
def test_things_are_dealt_by_their_shares(total: int, raw: list[float]) -> None:
    shares = [s / max(1.0, sum(raw)) for s in raw]
    dealt = split_counts(total, shares)
    assert all(n >= 0 for n in dealt) and sum(dealt) == round(total * sum(shares))
    wanted = sum(s > 0 for s in shares)
    for n, share in zip(dealt, shares, strict=True):
        assert n == 0 or share > 0
        assert abs(n - total * share) <= wanted + 1
        if share > 0 and sum(dealt) >= wanted:
            assert n >= 1


@pytest.mark.parametrize("name", FORMATS)
def test_counts_of_the_report_are_those_on_disk(name: str, kit, tmp_path: Path) -> None:
    report = export(kit.items(40, 30), tmp_path / "set", name, {"seed": 1})
    back = read_dataset(tmp_path / "set")
    on_disk = Counter(f"{i.split}_good" if i.good else i.label for i in back)
    assert {k: v for k, v in report.images.items() if v} == dict(on_disk)
    by_split = Counter(i.split for i in back if i.good)
    has_val, trains = FORMATS[name].has_val, FORMATS[name].trains_on_anomalies
    assert by_split == ({"train": 28, "val": 4, "test": 8} if has_val else {"train": 32, "test": 8})
    assert Counter(i.split for i in back if not i.good) == (
        {"train": 21, "val": 3, "test": 6} if trains else {"test": 30}
    )
    assert report.to_dict()["path"] == str(tmp_path / "set")


def test_every_label_is_in_train_and_test(kit, tmp_path: Path) -> None:
    export(kit.items(10, 12), tmp_path / "set", "coco")
    found = Counter((i.label, i.split) for i in read_dataset(tmp_path / "set") if not i.good)
    assert all(found[label, split] for label in ("crack", "missing_nut", "no") for split in ("train", "test"))


def test_a_split_given_by_the_caller_is_kept(kit, tmp_path: Path) -> None:
    given_items = [replace(i, split="val" if k % 2 else "train") for k, i in enumerate(kit.items())]
    export(given_items, tmp_path / "coco", "coco")
    assert {i.name: i.split for i in read_dataset(tmp_path / "coco")} == {i.name: i.split for i in given_items}
    report = export(given_items, tmp_path / "ad", "mvtec-ad")
    assert {(i.good, i.split) for i in read_dataset(tmp_path / "ad")} == {(True, "train"), (False, "test")}
    assert any("6 anomalies meant for train or validation are in test" in w for w in report.warnings)
    assert any("no normal photo in test" in w for w in report.warnings)


def test_what_the_shares_leave_out_is_said(kit, tmp_path: Path) -> None:
    options = {"normal_train": 0.5, "normal_val": 0.0, "normal_test": 0.2}
    report = export(kit.items(20, 3), tmp_path / "set", "mvtec-ad", options)
    assert report.images["train_good"] == 10 and report.images["test_good"] == 4
    assert any("6 normals are left out" in w for w in report.warnings)


def test_the_validation_share_is_said_to_be_in_train(kit, tmp_path: Path) -> None:
    quiet = export(kit.items(), tmp_path / "a", "mvtec-ad")
    loud = export(kit.items(), tmp_path / "b", "mvtec-ad", {"normal_val": 0.1})
    assert not any("no validation set" in w for w in quiet.warnings)
    assert any("no validation set" in w for w in loud.warnings)


def test_sources_of_test_anomalies_stay_out_of_train_as_far_as_shares_allow(kit, tmp_path: Path) -> None:
    normals = [DatasetItem(f"part {i}", kit.noise(i)) for i in range(20)]
    bad = [
        DatasetItem(f"bad {i}", kit.noise(50 + i), "crack", None, (kit.ring(),), source=f"part {i % 4}")
        for i in range(8)
    ]
    report = export([*normals, *bad], tmp_path / "few", "mvtec-ad")
    back = read_dataset(tmp_path / "few")
    assert {i.source for i in back if not i.good} <= {i.name for i in back if i.split == "test"}
    assert not any("made from photos that train holds" in w for w in report.warnings)
    everywhere = [replace(i, source=f"part {k}") for k, i in enumerate(bad)]
    report = export([*normals, *everywhere], tmp_path / "many", "mvtec-ad")
    assert any("4 of 8 test anomalies were made from photos that train holds too" in w for w in report.warnings)
