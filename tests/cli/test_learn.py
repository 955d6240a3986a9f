"""``learn`` from end to end on a toy model: new → learn → generate, the background job, and bad input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.cli import run
from core.api import Workbench
from core.api.concepts.library import LearnRequest
from core.errors import InputError
from core.store import SampleFilter
from tests.diffusion.toy import write_toy

ENGINE = "anomaly_diffusion"


@pytest.fixture(scope="module", autouse=True)
def toy_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    from core.diffusion.loading import forget_backbones

    path = write_toy(tmp_path_factory.mktemp("models") / "toy")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLAWSMITH_BACKBONE", str(path))
        yield path
    forget_backbones()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path, part_photos: list[np.ndarray]) -> Path:
    root = tmp_path_factory.mktemp("learn")
    for label, radius in (("hole", 5), ("pit", 3)):
        folder = root / "anomalies" / label
        folder.mkdir(parents=True)
        for number in range(2):
            mask = cv2.circle(np.zeros((96, 128), np.uint8), (40 + 20 * number, 20), radius, 255, -1)
            photo = part_photos[number].copy()
            photo[mask > 0] //= 4
            cv2.imwrite(str(folder / f"{number}.png"), photo)
            cv2.imwrite(str(folder / f"{number}_mask.png"), mask)
    path = root / "plate"
    assert run(["new", str(path), "--normal", str(photo_folder), "--anomalies", str(root / "anomalies")]) == 0
    return path


def call(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict:
    assert run([*map(str, argv), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def refused(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> str:
    assert run(list(map(str, argv))) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "\n" not in error
    return error


def test_nothing_learned_says_how_to_learn(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refused(capsys, "generate", project, "--engine", ENGINE, "--label", "hole")
    assert "launch.py learn PROJECT --engine anomaly_diffusion --label hole" in error
    with Workbench.open(project) as bench:
        assert "launch.py learn" in str(bench.studio.engines()[ENGINE].reason)


def test_learn_then_generate(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learned = call(capsys, "learn", project, "--engine", ENGINE, "--label", "hole", "--steps", "3")
    assert learned["labels"] == ["hole"] and learned["steps"] == 3 and learned["examples"] == {"hole": 2}
    assert Path(learned["path"], "concept.json").is_file() and learned["backbone"] == "toy"
    made = call(
        capsys, "generate", project, "--engine", ENGINE, "--label", "hole", "--count", "2", "--param", "steps=2",
        "--batch-size", "1",
    )  # fmt: skip
    assert made["samples"] == 2
    with Workbench.open(project) as bench:
        assert bench.studio.engines()[ENGINE].reason is None
        rows = [row for row in bench.review.page(SampleFilter()) if row.engine == ENGINE]
        assert {bench.studio.recipe(row.id).params["concept"] for row in rows} == {learned["concept"]}
        again = bench.studio.remake(bench.studio.recipe(rows[0].id))
        stored = cv2.cvtColor(cv2.imread(str(rows[0].image_path)), cv2.COLOR_BGR2RGB)
        assert np.array_equal(again.image, stored)


def test_every_label_is_learned_together_if_none_is_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("learn", project, "--engine", ENGINE, "--steps", "2", "--adapt", "--param", "adapt_steps=2")
    learned = call(capsys, *argv, "--param", "rank=2")
    assert learned["labels"] == ["hole", "pit"] and learned["examples"] == {"hole": 2, "pit": 2}


@pytest.mark.thorough
def test_learning_in_the_background_shows_its_loss(project: Path) -> None:
    with Workbench.open(project) as bench:
        job = bench.concepts.start(LearnRequest(engine=ENGINE, label="pit", params={"steps": 4}))
        event = bench.jobs.wait(job, 120)
        assert event.status == "done" and event.done == event.total == 4 and bench.concepts.live_pictures(job)
        made = bench.jobs.result(job)["concept"]
        assert bench.concepts.learned(ENGINE, "pit")[0].id == made and bench.concepts.picture(made) is not None
        loss = bench.concepts.live_curves(job)["loss"]
        assert loss.x == (1, 2, 3, 4) and loss.x_label == "step"
        assert bench.concepts.rename(made, "small pits").title == "small pits"
        bench.concepts.delete(made)
        assert made not in {c.id for c in bench.concepts.learned()}


@pytest.mark.thorough
def test_a_stopped_job_goes_on(project: Path) -> None:
    order = LearnRequest(engine=ENGINE, label="pit", params={"steps": 400, "seed": 5})
    with Workbench.open(project) as bench:
        job = bench.concepts.start(order)
        while bench.jobs.event(job).done < 2:
            bench.jobs.wait(job, 0.05)
        bench.jobs.cancel(job)
        assert bench.jobs.wait(job, 60).status == "cancelled"
        done = bench.jobs.event(job).done
        steps: list[int] = []
        shorter = LearnRequest(engine=ENGINE, label="pit", params={"steps": done + 2, "seed": 5})
        made = bench.concepts.learn(shorter, progress=lambda i, n, p: steps.append(i))
        assert made.config.steps == done + 2 and min(steps) > done - 1 and max(steps) == done + 2


def test_bad_orders_are_refused_in_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn = ("learn", project, "--engine")
    assert "no real anomaly of it to learn from (there are: hole, pit)" in refused(
        capsys, *learn, ENGINE, "--label", "scratch"
    )
    assert "does not learn" in refused(capsys, *learn, "perlin")
    assert "preset" in refused(capsys, *learn, ENGINE, "--preset", "best")
    assert "there is no 'speed'" in refused(capsys, *learn, ENGINE, "--param", "speed=3")
    assert "backbone" in refused(capsys, *learn, ENGINE, "--param", "backbone=nowhere at all")


def test_a_project_without_anomalies_says_so(tmp_path: Path, photo_folder: Path) -> None:
    assert run(["new", str(tmp_path / "p"), "--normal", str(photo_folder)]) == 0
    with Workbench.open(tmp_path / "p") as bench, pytest.raises(InputError, match="import some with their masks"):
        bench.concepts.start(LearnRequest(engine=ENGINE))


def test_one_model_is_learned_over_several_products(
    capsys: pytest.CaptureFixture[str], project: Path, tmp_path: Path, photo_folder: Path
) -> None:
    other = tmp_path / "Other plate"
    capsys.readouterr()
    anomalies = project.parent / "anomalies"
    call(capsys, "new", other, "--normal", photo_folder, "--anomalies", anomalies, "--split", "1/2")
    made = call(
        capsys, "learn", project, "--engine", ENGINE, "--label", "pit", "--also", other, "--steps", "2",
        "--param", "shapes=0",
    )  # fmt: skip
    assert made["examples"] == {"pit": 2, "other_plate_hole": 1, "other_plate_pit": 1}, "only its part to learn"
    with Workbench.open(project) as bench:
        assert bench.concepts.learned(ENGINE, "other_plate_pit")[0].id == made["concept"]
        bench.concepts.delete(made["concept"])
    assert "is not a Flawsmith project" in refused(capsys, "learn", project, "--engine", ENGINE, "--also", tmp_path)


def test_the_command_line_splits_and_says_what_is_kept_for_the_test(
    capsys: pytest.CaptureFixture[str], project: Path, tmp_path: Path, photo_folder: Path
) -> None:
    path, anomalies = tmp_path / "split", project.parent / "anomalies"
    made = call(capsys, "new", path, "--normal", photo_folder, "--anomalies", anomalies, "--split", "1/2")
    assert made["parts"] == {"hole": {"learn": 1, "test": 1}, "pit": {"learn": 1, "test": 1}}
    assert run(["learn", str(path), "--engine", ENGINE, "--label", "pit", "--steps", "1", "--split", "none"]) == 0
    assert "split:" not in capsys.readouterr().out
    assert run(["learn", str(path), "--engine", ENGINE, "--label", "pit", "--steps", "1", "--split", "1/2"]) == 0
    assert "hole 1 + 1, pit 1 + 1" in capsys.readouterr().out
    assert "expected the share to learn from" in refused(capsys, "learn", path, "--engine", ENGINE, "--split", "2")
    assert "belongs to --split" in refused(capsys, "learn", path, "--engine", ENGINE, "--split-seed", "2")
    assert "give --test" in refused(capsys, "evaluate", "classification", "--train", photo_folder)
