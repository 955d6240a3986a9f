"""A person's word against what was recognised, on the command line and in the plan."""

from __future__ import annotations

import json

import pytest

from app.cli import run
from core.errors import InputError
from core.importers.corrections import Corrections
from tests.importers.drawn import MASK, bad, coded, good, mask, photo, write

FILES = {f"a/{n}.png": good(n) for n in range(3)} | {f"b/{n}.png": bad(n) for n in range(2)} | {"c/0.png": mask()}


def test_folders_are_read_as_a_person_says(imported, areas) -> None:
    report = imported(FILES, "b=anomaly:scratch", "c=mask")
    assert len(report.normals) == 3 and report.as_dict()["unmasked"] == {"scratch": 1}
    assert areas() == {"0.png": int(MASK.sum())}


def test_ignored_files_are_left_out_with_that_reason(imported) -> None:
    report = imported(FILES, "b=ignore", "c=ignore")
    assert len(report.normals) == 3 and {p.reason for p in report.problems} == {"ignored, as asked"}


def test_the_nearest_path_counts(imported) -> None:
    report = imported(FILES, ".=ignore", "a=good", "a/2.png=ignore")
    assert report.normals == ("a/0.png", "a/1.png")


def test_a_photo_of_a_defect_may_be_called_good(imported) -> None:
    report = imported({"OK/0.png": good(), "NG/1.png": bad(1), "NG/1_mask.png": mask()}, "NG/1.png=good")
    assert sorted(report.normals) == ["NG/1.png", "OK/0.png"] and report.examples == ()


def test_a_mask_over_most_of_the_photo_is_asked_about_and_turned_round_on_demand(imported, project, areas) -> None:
    files = {"OK/0.png": good(), "NG/1.png": bad(1), "NG/1_mask.png": coded((~MASK * 255).astype("uint8"))}
    report = imported(files)
    assert report.examples == () and "is it inverted" in report.odd[0].reason
    imported(files, "NG/1.png=inverted")
    assert areas() == {"1.png": int(MASK.sum())}


def test_as_it_is_when_a_person_says_that_it_is_an_anomaly(imported, areas) -> None:
    files = {"OK/0.png": good(), "NG/1.png": bad(1), "NG/1_mask.png": coded((~MASK * 255).astype("uint8"))}
    imported(files, "NG/1.png=anomaly:whole")
    assert areas() == {"1.png": MASK.size - int(MASK.sum())}


def test_labels_are_renamed_and_merged_on_the_way_in(imported) -> None:
    files = {"OK/0.png": good()}
    for n, label in enumerate(("ko", "nok")):
        files |= {f"NG/{label}x/{n}.png": bad(n), f"NG/{label}x/{n}_mask.png": mask()}
    report = imported(files, renamed=("kox=scratch", "nokx=scratch"))
    assert report.as_dict()["examples"] == {"scratch": 2}
    with pytest.raises(InputError, match="there are: kox, nokx"):
        imported(files, renamed=("dent=scratch",))


@pytest.mark.parametrize("text", ["NG", "NG=bad", "=good", "NG=good:label", "NG=anomaly:Ä"])
def test_a_correction_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InputError, match="--as|label"):
        Corrections.parse([text])


def test_a_path_that_is_not_there_is_named(imported) -> None:
    with pytest.raises(InputError, match="--as D: there is no such file or folder"):
        imported(FILES, "D=good")


def test_flat_and_odd_pictures_are_set_aside_until_a_person_decides(imported, project) -> None:
    files = {f"{n}.png": good(n) for n in range(12)} | {"x.png": mask(), "y.png": coded(255 - photo(3) // 2)}
    report = imported(files)
    assert {p.path: p.reason.split(";")[0] for p in report.odd} == {
        "x.png": "it has but a few flat values, as a mask has",
        "y.png": "it is unlike all other good photos",
    }
    assert len(imported(files, "x.png=good", "y.png=good").normals) == 2 and project.count_normals() == 14


def test_dry_run_shows_and_writes_nothing(tmp_path, capsys) -> None:
    source = write(tmp_path / "in", FILES)
    argv = [
        "new",
        str(tmp_path / "p"),
        "--normal",
        str(source),
        "--as",
        "b=anomaly:dent",
        "--as",
        "c=mask",
        "--dry-run",
    ]
    assert run([*argv, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dry_run"] and (told["normals"], told["examples"], told["masks"]) == (3, {"dent": 1}, 1)
    assert run(argv) == 0
    assert "1 real dent, 1 more without a mask" in capsys.readouterr().out
    assert not (tmp_path / "p").exists()


def test_labels_are_renamed_and_merged_in_a_project_and_later_imports_follow(tmp_path, capsys) -> None:
    files = {"OK/0.png": good()}
    for n, label in enumerate(("rip", "cut")):
        files |= {f"NG/{label}/{n}.png": bad(n), f"NG/{label}/{n}_mask.png": mask()}
    source, path = write(tmp_path / "in", files), str(tmp_path / "p")

    def told(*argv: str) -> dict:
        assert run([*argv, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert told("new", path, "--normal", str(source))["examples"] == {"cut": 1, "rip": 1}
    assert told("labels", path, "rename", "rip", "tear")["labels"] == {"tear": 1, "cut": 1}
    assert run(["labels", path, "rename", "cut", "tear"]) == 2
    assert told("labels", path, "merge", "cut", "tear")["labels"] == {"tear": 2}
    again = told("import", path, str(source))
    assert again["examples"] == {"tear": 2} and again["accepted"] == 0 and len(again["duplicates"]) == 3
