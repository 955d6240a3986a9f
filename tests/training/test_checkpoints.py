"""Concepts on disk: whole or not at all, newest first, tied to their backbone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from core.diffusion.loading import forget_backbones, load_backbone
from core.diffusion.tokens import Placeholder, with_placeholders
from core.errors import InputError, NotFound, StoreError, Unavailable
from core.training import checkpoints
from core.training.checkpoints import Concept
from core.training.concept_config import ConceptConfig
from tests.diffusion.toy import write_toy


def concept(id: str = "crack-1", **given: Any) -> Concept:
    made = {"engine": "anomaly_diffusion", "label": "crack", "title": "Crack", "backbone": "toy", "fingerprint": "f"}
    return Concept(id, **{**made, "created": "2026-01-01T00:00:00.000+00:00", **given})


TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3.0)}


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved = concept(config=ConceptConfig(labels=("crack",), extra={"k": 8}), notes=("one", "two"))
    path = checkpoints.save_concept(tmp_path / "concepts", saved, TENSORS, {"preview": b"\x89PNG"})
    back, tensors = checkpoints.load_concept(path)
    assert back == saved and (path / "preview.png").read_bytes() == b"\x89PNG"
    assert tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)


def test_they_are_listed_newest_first_by_engine_and_label(tmp_path: Path) -> None:
    for i, given in enumerate(
        ({}, {"label": "dent"}, {"engine": "gaa"}, {"label": "", "config": ConceptConfig(labels=("crack",))})
    ):
        checkpoints.save_concept(tmp_path, concept(f"c{i}", created=f"2026-01-0{i + 1}", **given), TENSORS)
    assert [c.id for c in checkpoints.list_concepts(tmp_path)] == ["c3", "c2", "c1", "c0"]
    assert [c.id for c in checkpoints.list_concepts(tmp_path, "anomaly_diffusion", "crack")] == ["c3", "c0"]
    assert checkpoints.newest_concept(tmp_path, "anomaly_diffusion", "dent").id == "c1"
    assert checkpoints.find_concept(tmp_path, "gaa", "c2").id == "c2"
    with pytest.raises(NotFound, match="'c2' is not in this project .there are: c3, c1, c0"):
        checkpoints.find_concept(tmp_path, "anomaly_diffusion", "c2")
    with pytest.raises(NotFound, match="learn PROJECT --engine gaa --label hole") as caught:
        checkpoints.newest_concept(tmp_path, "gaa", "hole")
    assert "learned: crack" in str(caught.value) and "\n" not in str(caught.value)
    assert checkpoints.list_concepts(None) == checkpoints.list_concepts(tmp_path / "none") == []


def test_a_concept_is_renamed_and_deleted(tmp_path: Path) -> None:
    checkpoints.save_concept(tmp_path, concept(), TENSORS)
    assert checkpoints.rename_concept(tmp_path, "crack-1", " fine   cracks ").title == "fine cracks"
    assert checkpoints.list_concepts(tmp_path)[0].title == "fine cracks"
    checkpoints.delete_concept(tmp_path, "crack-1")
    assert checkpoints.list_concepts(tmp_path) == [] and not any(tmp_path.iterdir())
    with pytest.raises(NotFound, match="crack-1"):
        checkpoints.delete_concept(tmp_path, "crack-1")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "concepts"
    checkpoints.save_concept(folder, concept(), TENSORS)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError) as caught:
            checkpoints.save_concept(folder, replace(concept(), title="new"), TENSORS)
        assert "\n" not in str(caught.value)
    assert [p.name for p in folder.iterdir()] == ["crack-1"]
    assert checkpoints.load_concept(folder / "crack-1")[0].title == "Crack"


def test_broken_and_missing_files_say_so_in_one_line(tmp_path: Path) -> None:
    path = checkpoints.save_concept(tmp_path, concept(), TENSORS)
    (path / checkpoints.WEIGHTS).write_bytes((path / checkpoints.WEIGHTS).read_bytes()[:20])
    with pytest.raises(Unavailable, match="learn it again"):
        checkpoints.load_concept(path)
    (path / checkpoints.MANIFEST).write_text("{")
    checkpoints.save_concept(tmp_path, concept("whole"), TENSORS)
    assert [c.id for c in checkpoints.list_concepts(tmp_path)] == ["whole"]
    with pytest.raises(Unavailable, match="cannot be read"):
        checkpoints.find_concept(tmp_path, "anomaly_diffusion", "crack-1")
    with pytest.raises(NotFound, match="learn"):
        checkpoints.load_concept(tmp_path / "nothing")
    with pytest.raises(InputError, match="concept id"):
        concept("../up")
    with pytest.raises(NotFound):
        checkpoints.find_concept(tmp_path / "whole", "anomaly_diffusion", "../whole")


def test_a_card_is_read_once_until_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        checkpoints.save_concept(tmp_path, concept(f"c{i}", created=f"2026-01-0{i + 1}"), TENSORS)
    reads: list[str] = []
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        reads.append(path.parent.name)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    for _ in range(20):  # as an engine asks for every sample
        assert checkpoints.find_concept(tmp_path, "anomaly_diffusion", label="crack").id == "c2"
    assert sorted(reads) == ["c0", "c1", "c2"]
    checkpoints.rename_concept(tmp_path, "c1", "fine cracks")
    assert [c.title for c in checkpoints.list_concepts(tmp_path)] == ["Crack", "fine cracks", "Crack"]
    assert sorted(reads) == ["c0", "c1", "c1", "c2"]


def test_ids_follow_from_their_parts() -> None:
    assert (
        checkpoints.new_concept_id("crack", "a", b"b")
        == checkpoints.new_concept_id("crack", "a", "b")
        != checkpoints.new_concept_id("crack", "ab")
    )
    assert checkpoints.new_concept_id("").startswith("all-")


@pytest.mark.thorough
def test_a_concept_fits_its_own_backbone_alone(tmp_path: Path) -> None:
    write_toy(tmp_path / "toy")
    write_toy(tmp_path / "twin")
    write_toy(tmp_path / "other", seed=1)
    toy, half = (load_backbone(str(tmp_path / "toy"), "cpu", dtype) for dtype in ("float32", "float16"))
    twin, other = (load_backbone(str(tmp_path / name), "cpu") for name in ("twin", "other"))
    learned = concept(fingerprint=checkpoints.fingerprint(toy))
    for same in (half, twin):
        checkpoints.check_backbone(learned, same)
    with with_placeholders(toy, [Placeholder("<x>", torch.zeros(2, 16))]) as known:
        checkpoints.check_backbone(learned, known)
    with pytest.raises(Unavailable, match="learned on the model 'toy'") as caught:
        checkpoints.check_backbone(learned, other)
    assert "'other'" in str(caught.value) and "\n" not in str(caught.value)
    forget_backbones()


def test_listing_needs_no_torch() -> None:
    code = "import sys, core.training.checkpoints; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
