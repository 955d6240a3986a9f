"""Names that mean something elsewhere: labels, files of a person in an export, control characters, endless ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import run
from core.api import GenerationBatch, Workbench
from core.errors import LONGEST_LINE, ExportError, InputError
from core.importers.corrections import Corrections
from core.importers.words import safe_label


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Iterator[Workbench]:
    with Workbench.create(tmp_path_factory.mktemp("names") / "plates") as made:
        made.photos.import_images(photo_folder)
        made.studio.generate(GenerationBatch(engine="cut_paste", label="scratch", count=2, workers=1))
        yield made


@pytest.mark.parametrize("label", ["con", "nul", "com1", "train_good", "ground_truth", "good", "a/b", "x" * 65])
def test_a_label_that_no_export_takes_is_refused_when_it_is_given(bench: Workbench, label: str) -> None:
    with pytest.raises(InputError, match="label"):
        bench.studio.generate(GenerationBatch(engine="cut_paste", label=label, count=1, workers=1))
    with pytest.raises(InputError, match="label"):
        bench.photos.rename_label("scratch", label)
    with pytest.raises(InputError, match="label"):
        Corrections.parse(["NG=anomaly:" + label])
    assert bench.project.count_samples() == 2


def test_a_folder_with_a_reserved_name_gets_another_label() -> None:
    assert (safe_label("NUL"), safe_label("train good"), safe_label("scratch")) == (
        "nul_defect", "train_good_defect", "scratch",
    )  # fmt: skip


def test_files_that_a_person_put_into_an_export_are_not_deleted(bench: Workbench, tmp_path: Path) -> None:
    out = tmp_path / "set"
    bench.datasets.export("mvtec-ad", out, everything=True)
    bench.datasets.export("mvtec-ad", out, everything=True, overwrite=True)
    notes = next(out.rglob("train")) / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(ExportError, match="train/notes.txt' came into this export's folder later"):
        bench.datasets.export("mvtec-ad", out, everything=True, overwrite=True)
    assert notes.read_text() == "mine"
    notes.unlink()
    bench.datasets.export("mvtec-ad", out, everything=True, overwrite=True)


def test_what_is_printed_commands_no_terminal(
    tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good\x1b[31m.png").write_bytes((photo_folder / "plate 0.png").read_bytes())
    (folder / "bad\x1b]0;x\x07.png").write_bytes(b"no picture")
    assert run(["new", str(tmp_path / "p"), "--normal", str(folder)]) == 0
    assert run(["new", str(tmp_path / "q\x1b[2J"), "--normal", str(folder / "none\x1b[2J")]) == 2
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err and "\\x1b[31m" not in said.err
    assert "\\x1b]0;x\\x07.png" in said.out


@pytest.mark.parametrize(
    "argv",
    [
        ["generate", "P", "--engine", "cut_paste", "--count", "1000001"],
        ["generate", "P", "--engine", "cut_paste", "--count", "9" * 30],
        ["generate", "P", "--engine", "x" * 300],
        ["new", "n" * 300, "--normal", "P"],
        ["new", "new", "--normal", "n" * 300],
        ["export", "P", "n" * 300, "--format", "coco", "--all"],
        ["generate", "n" * 300, "--engine", "cut_paste"],
        ["new", "a\x00b", "--normal", "P"],
    ],
    ids=lambda argv: " ".join(argv)[:40],
)
def test_endless_values_end_in_one_line(
    bench: Workbench, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    monkeypatch.chdir(bench.path.parent)
    assert run([str(bench.path) if word == "P" else word for word in argv]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    assert not [name for name in os.listdir() if name.startswith("nn") or name == "new"]


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    line = str(InputError(f"label {'x' * 5000}\x1b[2J\n: use a-z"))
    assert line.isprintable() and line.startswith("label xxx") and line.endswith(r"\x1b[2J\n: use a-z")
    assert len(line) <= LONGEST_LINE
