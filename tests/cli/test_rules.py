"""``launch.py rules``: learned from a project's regions, written, read back, and asked about a photo."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from app.cli import run
from core.api import GenerationBatch, Workbench
from core.types import Image
from tests.rules.drawn_parts import drawn_photo


def write(path: Path, image: Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


def call(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> dict:
    assert run([*map(str, argv), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    made = [drawn_photo(seed) for seed in range(8)]
    for i, (image, _) in enumerate(made):
        write(folder / "good" / f"{i}.png", image)
    with Workbench.create(folder / "p") as bench:
        bench.photos.import_images(folder / "good")
        # The classic segmenter answers at once, and these shapes are plain.
        bench.regions.choose_segmenter("classic")
        by_name = {row.name: row.id for row in bench.photos.page()}
        for i, (_, masks) in enumerate(made):
            for name, mask in masks.items():
                bench.regions.save(by_name[f"{i}.png"], name, mask)
    return folder / "p"


def test_rules_are_learned_written_and_read_back(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = call(capsys, "rules", project, "--learn", "--out", tmp_path / "rules.json")
    words = {rule["id"]: rule["words"] for rule in learned["rules"]}
    assert words["count:bar"] == "bar: exactly 1" and words["place:disc"] == "disc: left"
    assert words["colour:disc"] == "disc: red" and "turned to" in words["orientation:bar"]
    raw = json.loads((tmp_path / "rules.json").read_text())
    raw["rules"] = [rule for rule in raw["rules"] if rule["kind"] == "count"]
    (tmp_path / "fewer.json").write_text(json.dumps(raw))
    assert {rule["kind"] for rule in call(capsys, "rules", project, "--from", tmp_path / "fewer.json")["rules"]} == {
        "count"
    }
    assert len(call(capsys, "rules", project, "--from", tmp_path / "rules.json")["rules"]) == len(words)


def test_a_photo_without_its_bar_breaks_the_count(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workbench.open(project) as bench:
        bench.rules.learn()
    good = write(tmp_path / "good.png", drawn_photo(50)[0])
    bad = write(tmp_path / "bad.png", drawn_photo(51, "bar")[0])
    result = call(capsys, "rules", project, "--check", good, "--check", bad)
    assert [[one["rule"] for one in check["broken"]] for check in result["checks"]] == [[], ["count:bar"]]
    left, _, right, _ = result["checks"][1]["broken"][0]["missing"][0]
    assert 0.4 < left < right < 0.6


@pytest.mark.parametrize(
    ("given", "said"),
    [(["--check", "nothing.png"], "nothing.png"), (["--learn", "--from", "x.json"], "give one of them")],
)
def test_bad_input_is_one_line(project: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str) -> None:
    assert run(["rules", str(project), *given]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and said in error and "\n" not in error


def test_violations_are_made_rule_by_rule_and_named_in_the_dataset(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Workbench.open(project) as bench:
        bench.rules.learn(find=False)
    made = call(capsys, "generate", project, "--rules", "count:bar,place:disc", "--per-rule", "4")
    labels = ["count_bar_fewer", "count_bar_more", "place_disc_elsewhere", "place_disc_swapped"]
    assert [(row["label"], row["made"], row["given_up"]) for row in made["rows"]] == [(name, 2, 0) for name in labels]
    with Workbench.open(project) as bench:
        rows = {row.label: row.made for row in bench.rules.coverage() if row.made}
        assert rows == dict.fromkeys(labels, 2)
        sample = next(r for r in bench.studio.samples_of(job_of(bench)) if r.label == "count_bar_fewer")
        bar = next(r.mask for r in bench.regions.with_masks(sample.normal_id) if r.name == "bar")
        changed = cv2.imread(str(sample.mask_path), cv2.IMREAD_GRAYSCALE) > 0
        assert changed[bar].mean() > 0.9
    out = tmp_path / "loco"
    call(capsys, "export", project, "--format", "mvtec-loco", out, "--option", "pixel_codes=true")
    config = json.loads(next(out.rglob("defects_config.json")).read_text())
    assert {e["defect_name"]: e["saturation_threshold"] for e in config} == {
        "count_bar_fewer": 1.0, "count_bar_more": 1.0, "place_disc_elsewhere": 0.5, "place_disc_swapped": 0.5
    }  # fmt: skip


def test_a_sample_that_breaks_nothing_is_known_by_its_score(project: Path) -> None:
    with Workbench.open(project) as bench:
        bench.rules.learn()
        made = bench.rules.generate(["count:bar"], per_rule=1, seed=9)
        broken = bench.review.row(made["sample_ids"][0])
        nudge = {"op": "move", "region": "disc", "dx": 3, "dy": 0}
        batch = GenerationBatch(engine="layout", label="nudged", count=1, params=nudge)
        harmless = bench.studio.generate(batch)["sample_ids"][0]
        assert broken.scores["rules_broken"] == 1 and "rules_broken" not in bench.review.row(harmless).scores
        assert [one.rule.id for one in bench.rules.check_sample(broken.id).broken] == ["count:bar"]
        assert bench.rules.check_sample(harmless).broken == ()
        assert bench.review.row(harmless).scores["rules_broken"] == 0


def job_of(bench: Workbench) -> str:
    return next(row.job_id for row in bench.project.samples() if row.job_id)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give --engine, or --rules"),
        (["--rules", "count:moon"], "moon"),
        (["--rules", "all", "--label", "x"], "--rules"),
    ],
)
def test_what_cannot_be_broken_is_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    with Workbench.open(project) as bench:
        bench.rules.learn(find=False)
    assert run(["generate", str(project), *given]) == 2
    assert said in capsys.readouterr().err
