"""An import looked at before it is done: what becomes of what a person says; nothing is looked at twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.api import Workbench
from core.errors import InputError, NotFound
from core.importers.corrections import Corrections
from core.jobs import import_draft
from core.jobs.import_draft import MAX_ROWS, ImportDraft
from core.jobs.import_images import plan_import
from tests.importers.drawn import MASK, bad, coded, good, mask, write

FILES = (
    {f"OK/{n}.png": good(n) for n in range(3)}
    | {f"NG/{n}.png": bad(n) for n in range(2)}
    | {"NG/masks/0.png": mask(), "other/a.png": good(7), "notes.txt": b"ours"}
)


@pytest.fixture
def draft(tmp_path: Path):
    made = ImportDraft(plan_import(write(tmp_path / "in", FILES)))
    made.apply(Corrections())
    yield made
    made.close()


def counts(draft: ImportDraft) -> dict[str, dict[str, int]]:
    return {row.path: dict(row.counts) for row in draft.folders()}


def test_folders_and_labels_are_told(draft: ImportDraft) -> None:
    assert counts(draft) == {
        ".": {"left out": 1},
        "NG": {"anomaly": 1, "unmasked": 1},
        "NG/masks": {"mask": 1},
        "OK": {"good": 3},
        "other": {"unmasked": 1},
    }
    assert [row.can_change for row in draft.folders()] == [False, True, True, True, True]
    label, other = draft.labels()
    assert (label.label, label.name, label.masked, label.unmasked) == ("ng", "ng", 1, 1)
    assert (other.label, other.masked, other.unmasked) == ("other", 0, 1), "a folder beside OK is none of good parts"
    assert draft.thumbnail("NG/0.png")[:3] == b"\xff\xd8\xff"
    with pytest.raises(NotFound):
        draft.thumbnail("NG/nothing.png")


def test_what_a_person_says_counts_at_once_and_can_be_taken_back(draft: ImportDraft) -> None:
    said = draft.said.read_as("other", "anomaly", "stain").renaming("ng", "scratch")
    draft.apply(said)
    assert counts(draft)["other"] == {"unmasked": 1} and draft.said == said
    assert {row.path: row.reading for row in draft.folders()}["other"] == "anomaly"
    assert {row.label: row.name for row in draft.labels()} == {"ng": "scratch", "stain": "stain"}
    assert dict(draft.report.as_dict()["unmasked"]) == {"scratch": 1, "stain": 1}
    with pytest.raises(InputError, match="label"):
        said.renaming("ng", "../x")
    with pytest.raises(InputError, match="no such file"):
        draft.apply(said.read_as("nowhere", "good"))
    assert draft.said == said
    draft.apply(Corrections())
    assert counts(draft)["other"] == {"unmasked": 1} and draft.said.renaming("ng", "ng") == Corrections()


def test_nothing_is_looked_at_twice(draft: ImportDraft, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    before = import_draft.see
    monkeypatch.setattr(import_draft, "see", lambda item: (looked.append(item.entry.name), before(item))[1])
    draft.apply(draft.said.read_as("other", "ignore"))
    draft.apply(Corrections())
    assert looked == []
    draft.apply(draft.said.read_as("NG/masks", "ignore"))
    draft.apply(draft.said.read_as("NG", "good"))
    assert looked == ["NG/1.png"]


def test_many_folders_are_shown_by_those_above(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {f"line{n % 3}/day{n}/OK/{n}.png": good(n % 2) for n in range(MAX_ROWS + 2)})
    draft = ImportDraft(plan_import(source))
    draft.apply(Corrections())
    assert {row.path for row in draft.folders()} == {"line0", "line1", "line2"}
    assert sum(sum(row.counts.values()) for row in draft.folders()) == MAX_ROWS + 2


def test_a_draft_is_looked_at_corrected_and_imported_in_the_background(tmp_path: Path) -> None:
    source = write(tmp_path / "in", FILES | {"OK/flat.png": coded(np.where(MASK, 90, 160).astype(np.uint8))})
    with Workbench.create(tmp_path / "project") as bench:
        drafts = bench.photos.drafts
        draft_id, job = drafts.start(source)
        assert bench.jobs.wait(job, 60).status == "done"
        draft = drafts.get(draft_id)
        assert draft is not None and bench.photos.count() == 0
        (odd,) = draft.report.odd
        shown = drafts.thumbnail(draft_id, odd.path)
        assert shown is not None and shown.is_relative_to(bench.path / "cache")
        said = draft.said.read_as(odd.path, "good").read_as("other", "ignore")
        assert bench.jobs.wait(drafts.start_change(draft_id, said), 60).status == "done"
        job = drafts.start_import(draft_id)
        assert bench.jobs.wait(job, 60).status == "done"
        told = bench.jobs.result(job)
        assert (told["normals"], told["examples"], told["look_at"]) == (4, {"ng": 1}, [])
        assert drafts.get(draft_id) is None and not shown.exists()
        with pytest.raises(NotFound, match="give its source again"):
            drafts.start_import(draft_id)
