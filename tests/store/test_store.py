"""The project folder: what goes in comes out, once, in order, as frozen rows."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from core.errors import InputError, MaskError, NotFound, StoreError
from core.store import Project, SampleFilter, SampleRow
from core.types import ReviewStatus


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "p", "Hex bolts") as made:
        yield made


def add_normal(project: Project, n: int = 0):
    return project.add_normal(b"photo %d" % n, "png", f"{n}.png", 640, 480, True, ["16-bit scaled"])


def add_sample(project: Project, n: int = 0, **more) -> SampleRow:
    given = {
        "normal_id": add_normal(project).id,
        "label": "crack",
        "kind": "structural",
        "engine": "perlin",
        "seed": n,
        "recipe_json": f'{{"seed":{n}}}',
    }
    return project.add_sample(b"image %d" % n, b"mask %d" % n, **(given | more))


def test_a_project_remembers_its_name_and_settings(tmp_path):
    with Project.create(tmp_path / "deep" / "p", "Hex bolts") as project:
        project.set_setting("segmenter", {"name": "classic", "side": 384})
        project.set_setting("nothing", None)
    with Project.open(tmp_path / "deep" / "p") as project:
        assert project.name == "Hex bolts"
        assert project.get_setting("segmenter") == {"name": "classic", "side": 384}
        assert project.get_setting("nothing", "default") is None
        assert project.get_setting("unknown", "default") == "default"
        assert project.cache_dir.is_dir()
    with Project.create(tmp_path / "unnamed") as project:
        assert project.name == "unnamed"


def test_the_same_bytes_twice_are_one_photo_in_order_of_arrival(project):
    first, second = add_normal(project, 1), add_normal(project, 0)
    again = project.add_normal(b"photo 1", "png", "copy of 1.png", 640, 480, True)
    assert again == first
    assert [r.id for r in project.normals()] == [first.id, second.id]
    assert project.normals(offset=1, limit=5) == [second]
    assert project.count_normals() == 2
    assert first.id == hashlib.sha256(b"photo 1").hexdigest()[:16]
    assert first.path.read_bytes() == b"photo 1"
    assert first.path.parent.name == first.id[:2] and first.path.suffix == ".png"
    assert (first.name, first.width, first.height, first.grey, first.notes) == (
        "1.png",
        640,
        480,
        True,
        ("16-bit scaled",),
    )
    with pytest.raises(FrozenInstanceError):
        first.name = "other"  # type: ignore[misc]


def test_sizes_of_photos_are_counted(project):
    assert project.normal_sizes() == {}
    add_normal(project, 0), add_normal(project, 1)
    project.add_normal(b"colour", "png", "c.png", 640, 480, False)
    project.add_normal(b"large", "png", "l.png", 800, 480, False)
    assert project.normal_sizes() == {(640, 480): (3, 2), (800, 480): (1, 0)}


def test_a_file_is_found_by_name_and_by_hash_and_never_outside_the_project(project, tmp_path):
    row = add_normal(project)
    assert project.file_path(str(row.path.relative_to(project.path))) == row.path
    assert project.file_path(row.id) == row.path
    (tmp_path / "secret").write_bytes(b"x")
    for outside in ("../secret", str(tmp_path / "secret"), "files/../../secret", "project.db", "0" * 64):
        with pytest.raises(NotFound):
            project.file_path(outside)


def test_examples_keep_one_mask_per_defect(project):
    row = project.add_example(b"bad", ".PNG", "crack", "structural", [b"m1", b"m2"], "bad.png", 64, 48)
    assert [p.read_bytes() for p in row.mask_paths] == [b"m1", b"m2"]
    assert project.add_example(b"bad", "png", "crack", "logical", [b"m1", b"m2"], "b", 64, 48).id == row.id
    assert project.example_row(row.id).kind == "logical"
    other = project.add_example(b"bad", "png", "dent", "structural", [b"m1"], "bad.png", 64, 48)
    assert [r.id for r in project.examples()] == [row.id, other.id]
    assert [r.id for r in project.examples("dent")] == [other.id]
    assert project.remove_examples([row.id, "unknown"]) == 1
    assert project.examples() == [other]


def test_regions_are_replaced_renamed_and_counted(project):
    a, b = add_normal(project, 0).id, add_normal(project, 1).id
    project.set_region(a, "nut", b"old")
    nut = project.set_region(a, " nut ", b"new", "propagated", 0.4)
    project.set_region(a, "bolt", b"x")
    project.set_region(b, "nut", b"y")
    assert project.regions(a)[1] == nut and nut.mask_path.read_bytes() == b"new"
    assert (nut.source, nut.confidence) == ("propagated", 0.4)
    assert project.region_names() == {"bolt": 1, "nut": 2}
    assert [(r.normal_id, r.name) for r in project.region_rows()] == [(a, "bolt"), (a, "nut"), (b, "nut")]
    assert [r.name for r in project.region_rows([b])] == ["nut"]
    project.rename_region(a, "nut", "washer")
    with pytest.raises(InputError, match="already"):
        project.rename_region(a, "bolt", "washer")
    with pytest.raises(NotFound, match="it has: bolt, washer"):
        project.rename_region(a, "nut", "x")
    assert project.delete_region(a, "washer") and not project.delete_region(a, "washer")
    assert project.remove_normals([b]) == 1
    assert project.region_names() == {"bolt": 1}


def test_a_sample_comes_back_as_it_went_in(project):
    row = add_sample(
        project,
        3,
        kind="logical",
        scores={"seam_contrast": 0.25, "change_outside": 0},
        attention_png=b"soft",
        instance_pngs=[b"i1", b"i2"],
        component_pngs={"nut": b"n", "left bolt": b"b"},
        unrefined_png=b"coarse",
        picture_pngs={"part": b"alone"},
        descriptor=b"\0\1",
        job_id="j1",
    )
    assert project.sample_row(row.id) == row == project.samples()[0]
    assert row.image_path.read_bytes() == b"image 3" and row.mask_path.read_bytes() == b"mask 3"
    assert row.attention_path is not None and row.attention_path.read_bytes() == b"soft"
    assert [p.read_bytes() for p in row.instance_paths] == [b"i1", b"i2"]
    assert {n: p.read_bytes() for n, p in row.component_paths.items()} == {"nut": b"n", "left bolt": b"b"}
    assert row.unrefined_path is not None and row.unrefined_path.read_bytes() == b"coarse"
    assert {n: p.read_bytes() for n, p in row.picture_paths.items()} == {"part": b"alone"}
    assert project.sweep(older_than_s=-1) == 0
    bare = add_sample(project, 4)
    assert (bare.component_paths, bare.unrefined_path, bare.picture_paths) == ({}, None, {})
    assert (row.label, row.kind, row.engine, row.seed, row.recipe_json) == (
        "crack",
        "logical",
        "perlin",
        3,
        '{"seed":3}',
    )
    assert (row.verdict, row.reason, row.descriptor, row.job_id) == (ReviewStatus.NEW, "", b"\0\1", "j1")
    assert row.scores == {"seam_contrast": 0.25, "change_outside": 0.0}


def test_the_same_sample_again_keeps_its_verdict(project):
    row = add_sample(project)
    project.set_review_status([row.id], ReviewStatus.KEPT)
    again = add_sample(project)
    assert again.id == row.id and again.verdict is ReviewStatus.KEPT
    assert project.count_samples() == 1


def test_scores_are_merged_and_sorted_by(project):
    rows = [add_sample(project, n, scores={"a": n}) for n in range(4)]
    project.update_scores(rows[0].id, {"a": 9, "b": 1})
    project.update_scores(rows[1].id, {})
    assert project.sample_row(rows[0].id).scores == {"a": 9.0, "b": 1.0}
    best = project.samples(SampleFilter(order_by="a", descending=True))
    assert [r.seed for r in best] == [0, 3, 2, 1]
    assert project.score_names() == ["a", "b"]


def test_deleting_takes_scores_and_rows_but_not_shared_files_at_once(project):
    rows = [add_sample(project, n, scores={"a": n}) for n in range(3)]
    assert project.delete_samples([rows[1].id, "unknown"]) == 1
    assert [r.seed for r in project.samples(SampleFilter(order_by="a"))] == [0, 2]
    assert project.count_samples(SampleFilter(min_score={"a": 0})) == 2
    with pytest.raises(NotFound):
        project.sample_row(rows[1].id)
    assert project.sweep(older_than_s=-1) == 2
    assert not rows[1].image_path.exists() and rows[2].image_path.exists()


def test_removing_a_photo_takes_its_samples(project):
    other = add_normal(project, 5)
    add_sample(project, 1, scores={"a": 1})
    kept = add_sample(project, 2, normal_id=other.id)
    assert project.remove_normals([add_normal(project).id]) == 1
    assert [r.id for r in project.samples()] == [kept.id]
    assert project.label_counts() == {"crack": {"new": 1, "kept": 0, "rejected": 0}}


def test_a_batch_is_kept_whole_or_not_at_all(project):
    with pytest.raises(ZeroDivisionError), project.transaction():
        add_sample(project, 1)
        assert project.count_samples() == 1  # its own thread sees it
        raise ZeroDivisionError
    assert project.count_samples() == 0 and project.count_normals() == 0
    with project.transaction():
        add_sample(project, 1)
        add_sample(project, 2)
    assert project.count_samples() == 2


def test_threads_lose_nothing(project):
    errors: list[BaseException] = []

    def work(lane: int) -> None:
        try:
            for n in range(12):
                row = add_sample(project, lane * 100 + n, scores={"lane": lane})
                project.set_review_status([row.id], "kept")
                assert project.sample_row(row.id).verdict == "kept"
                project.samples(SampleFilter(order_by="lane"), limit=5)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert project.label_counts() == {"crack": {"new": 0, "kept": 72, "rejected": 0}}


def test_readers_do_not_wait_for_a_writer(project):
    add_sample(project)
    seen: list[int] = []
    with project.transaction():
        add_sample(project, 1)
        reader = threading.Thread(target=lambda: seen.append(project.count_samples()))
        reader.start()
        reader.join(20)
    assert seen == [1]


def test_jobs_go_on_record(project):
    job = project.add_job("generate", "200 cracks", '{"count":200}')
    assert (job.status, job.done, job.total, job.args_json) == ("queued", 0, 0, '{"count":200}')
    job = project.update_job(job.id, status="running", done=3, total=200, message="3 of 200")
    assert (job.status, job.done, job.total, job.message) == ("running", 3, 200, "3 of 200")
    other = project.add_job("export", "x")
    project.update_job(other.id, status="done")
    assert project.jobs(active_only=True) == [job]
    assert [j.id for j in project.jobs()] == [job.id, other.id]


def test_opening_sweeps_old_leftovers_only(project):
    row = add_normal(project)
    folder = row.path.parent
    old = [folder / ("0" * 64 + ".png"), folder / ".tmp-old", project.path / ".tmp-old.db"]
    young = [folder / ("1" * 64 + ".png"), folder / ".tmp-young", project.path / ".tmp-young.db"]
    for path in [*old, *young]:
        path.write_bytes(b"x")
    for path in [*old, row.path]:
        os.utime(path, (time.time() - 7200,) * 2)
    project.close()
    Project.open(project.path).close()
    assert [p.exists() for p in old] == [False] * 3
    assert [p.exists() for p in young] == [True] * 3
    assert row.path.exists()


def test_a_row_is_never_added_without_its_file(project, monkeypatch):
    """Another process may sweep an old orphan between the moment it is found on disk and its row."""
    add_normal(project)
    orphan = project._files.put(b"photo 7", "png")
    real = project._files.put

    def put_then_swept(data, ext):
        stored = real(data, ext)
        (project.path / orphan.file).unlink()
        return stored

    monkeypatch.setattr(project._files, "put", put_then_swept)
    assert add_normal(project, 7).path.read_bytes() == b"photo 7"


def test_closing_twice_is_fine_and_a_closed_project_says_so(project):
    project.close()
    project.close()
    with pytest.raises(StoreError, match="closed; open it again"):
        project.normals()
    with pytest.raises(StoreError, match="closed; open it again"):
        project.set_setting("a", 1)


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda p: p.normal_row("x"), NotFound, "photo 'x'"),
        (lambda p: p.example_row("x"), NotFound, "example 'x'"),
        (lambda p: p.sample_row("x"), NotFound, "sample 'x'"),
        (lambda p: p.job_row("x"), NotFound, "job 'x'"),
        (lambda p: p.update_job("x", done=1), NotFound, "job 'x'"),
        (lambda p: p.update_job(p.add_job("a", "b").id, status="dozing"), InputError, "queued, running"),
        (lambda p: p.set_region("x", "nut", b"m"), NotFound, "photo 'x'"),
        (lambda p: p.set_region(add_normal(p).id, " ", b"m"), InputError, "for example 'washer'"),
        (lambda p: p.set_region(add_normal(p).id, "nut", b"m", "auto", 1.5), InputError, "from 0 to 1, got 1.5"),
        (lambda p: p.add_normal(b"x", "../png", "x", 1, 1, True), InputError, "for example 'png'"),
        (lambda p: p.add_example(b"x", "png", "Crack!", "structural", [b"m"], "x", 1, 1), InputError, "a-z"),
        (
            lambda p: p.add_example(b"x", "png", "crack", "broken", [b"m"], "x", 1, 1),
            InputError,
            "structural, logical",
        ),
        (lambda p: p.add_example(b"x", "png", "crack", "structural", [], "x", 1, 1), MaskError, "at least one mask"),
        (lambda p: add_sample(p, normal_id="x"), NotFound, "photo 'x'"),
        (lambda p: add_sample(p, label="good"), InputError, "not 'good'"),
        (lambda p: add_sample(p, kind="odd"), InputError, "structural, logical"),
        (lambda p: add_sample(p, seed=2**63), InputError, "expected 0 to"),
        (lambda p: add_sample(p, scores={"a": float("nan")}), InputError, "finite number, got nan"),
        (lambda p: p.update_scores("x", {"a": 1}), NotFound, "sample 'x'"),
        (lambda p: p.set_review_status(["x"], "kept"), NotFound, "sample 'x'"),
        (lambda p: p.set_review_status([], "fine"), InputError, "new, kept, rejected"),
    ],
)
def test_bad_input_is_one_clear_line_and_changes_nothing(project: Project, act, error, says):
    add_normal(project)
    with pytest.raises(error, match=says) as caught:
        act(project)
    assert "\n" not in str(caught.value)
    assert project.count_normals() == 1 and project.count_samples() == 0
    assert project.examples() == [] and project.region_rows() == []


def test_paths_are_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Project.create(Path("p")) as project:
        row = add_normal(project)
        monkeypatch.chdir("/")
        assert row.path.is_absolute() and row.path.exists()
        assert project.path == tmp_path / "p"
