"""``evaluate maps`` from files to numbers: every file form, both layouts, LOCO's defects, and bad input."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from app.cli import run
from app.cli.evaluate import app as commands
from core.device import numpy_rng
from core.errors import Cancelled, InputError, MaskError, NotFound
from core.evaluation import load_result
from core.evaluation.metrics import Saturation, map_metrics
from core.evaluation.score_map_files import read_score_map
from core.evaluation.score_map_metrics import evaluate_maps

SHAPE = (20, 26)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix in (".tiff", ".tif"):
        tifffile.imwrite(path, array)
    else:
        assert cv2.imwrite(str(path), array)


def scores_of(name: str, mask: np.ndarray | None) -> np.ndarray:
    noise = numpy_rng(0, name).integers(0, 40_000, SHAPE)
    return (noise + (0 if mask is None else 12_000 * mask)).astype(np.uint16)


def masks_of(label: str, n: int) -> list[np.ndarray]:
    masks = []
    for k in range(1 + (label == "bent" and n == 1)):
        mask = np.zeros(SHAPE, bool)
        mask[2 + n + 8 * k : 7 + n + 8 * k, 4 : 10 + n] = True
        masks.append(mask)
    return masks


@pytest.fixture
def tray(tmp_path: Path) -> dict[str, Path]:
    """A test set in MVTec's layout with 16-bit maps: good 2, bent 2 (one with two defects), cut 1."""
    base, maps = tmp_path / "tray", tmp_path / "maps"
    for label, count in (("good", 2), ("bent", 2), ("cut", 1)):
        for n in range(count):
            name = f"{label}/{n:03d}"
            write(base / "test" / f"{name}.png", numpy_rng(1, name).integers(0, 255, (*SHAPE, 3)).astype(np.uint8))
            masks = masks_of(label, n) if label != "good" else []
            union = np.logical_or.reduce(masks) if masks else None
            write(maps / f"{name}.png", scores_of(name, union))
            if union is not None:
                write(base / "ground_truth" / f"{name}_mask.png", union.astype(np.uint8) * 255)
    return {"masks": base, "maps": maps}


def expected(**more: object) -> dict[str, float]:
    names = [("good", 0), ("good", 1), ("bent", 0), ("bent", 1), ("cut", 0)]
    masks = [() if label == "good" else tuple(masks_of(label, n)) for label, n in names]
    unions = [np.logical_or.reduce(m) if m else None for m in masks]
    maps = [scores_of(f"{label}/{n:03d}", u).astype(np.float32) for (label, n), u in zip(names, unions, strict=True)]
    return dict(map_metrics(maps, masks, [label for label, _ in names], **more).overall)  # type: ignore[arg-type]


def test_numbers_are_those_of_the_arrays(tray: dict[str, Path]) -> None:
    result = evaluate_maps(tray["maps"], tray["masks"])
    assert result.metrics == pytest.approx(expected())
    assert set(result.per_label) == {"bent", "cut"}
    assert set(result.curves) == {"roc", "pr", "pro", "spro", "image_roc"}
    assert {p.name.split("-")[0] for p in result.pictures} >= {"worst"}
    shown = cv2.imdecode(np.frombuffer(result.pictures[0].png, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None and shown.std() > 5
    assert any("good photos; anomalies: bent 2, cut 1" in note for note in result.notes)


@pytest.mark.parametrize("suffix", [".tiff", ".npy", ".tif"])
@pytest.mark.parametrize("under", ["", "test", "tray/test"])
def test_every_file_form_and_place(tray: dict[str, Path], suffix: str, under: str, tmp_path: Path) -> None:
    for path in tray["maps"].rglob("*.png"):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32)
        values = values[None] if suffix == ".npy" else values
        write(tmp_path / "other" / under / path.parent.name / f"{path.stem}{suffix}", values)
    assert evaluate_maps(tmp_path / "other", tray["masks"]).metrics == pytest.approx(expected())


@pytest.mark.parametrize("beside", [True, False])
def test_a_bare_ground_truth_folder(tray: dict[str, Path], beside: bool, tmp_path: Path) -> None:
    truth = tray["masks"] / "ground_truth"
    if not beside:
        truth = truth.rename(tmp_path / "masks")
    result = evaluate_maps(tray["maps"], truth)
    assert result.metrics == pytest.approx(expected())
    assert len(result.pictures) >= 3


def to_loco(tray: dict[str, Path], value: int) -> Path:
    """The same set in LOCO's layout: one file for each defect, drawn with ``value``."""
    shutil.rmtree(tray["masks"] / "ground_truth")
    for label, kind in (("bent", "logical_anomalies"), ("cut", "structural_anomalies")):
        for root in (tray["masks"] / "test", tray["maps"]):
            (root / label).rename(root / kind)
        for path in (tray["masks"] / "test" / kind).glob("*.png"):
            for k, mask in enumerate(masks_of(label, int(path.stem))):
                file = tray["masks"] / "ground_truth" / kind / path.stem / f"{k:03d}.png"
                write(file, mask.astype(np.uint8) * value)
    return tray["masks"]


@pytest.mark.parametrize("place", ["dataset", "option", "bare"])
def test_loco_defects_saturate(tray: dict[str, Path], place: str, tmp_path: Path) -> None:
    base = to_loco(tray, 254)
    entry = {"defect_name": "any", "pixel_value": 254, "saturation_threshold": 9, "relative_saturation": False}
    config = (base if place == "dataset" else tmp_path) / "defects_config.json"
    config.write_text(json.dumps([entry]))
    masks = base / "ground_truth" if place != "bare" else (base / "ground_truth").rename(tmp_path / "bare")
    result = evaluate_maps(tray["maps"], masks, None if place == "dataset" else config)
    levels = {"bent": Saturation(9, False), "cut": Saturation(9, False)}
    wanted = expected(saturation=levels)
    assert {k: v for k, v in result.metrics.items() if not k.endswith("_mean")} == pytest.approx(wanted)
    assert set(result.per_label) == {"logical_anomalies", "structural_anomalies"}
    for key in ("spro", "image_auroc"):
        mean = np.mean([values[key] for values in result.per_label.values()])
        assert result.metrics[f"{key}_mean"] == pytest.approx(mean)
    assert not any("No defects config" in note for note in result.notes)
    assert wanted["spro"] != pytest.approx(expected()["spro"])


def test_an_empty_mask_is_left_out_and_told(tray: dict[str, Path]) -> None:
    write(tray["masks"] / "ground_truth/bent/000_mask.png", np.zeros(SHAPE, np.uint8))
    result = evaluate_maps(tray["maps"], tray["masks"])
    assert any("bent/000" in note for note in result.notes)
    assert any("bent 1" in note for note in result.notes)
    for path in (tray["masks"] / "ground_truth").rglob("*.png"):
        write(path, np.zeros(SHAPE, np.uint8))
    with pytest.raises(MaskError, match="all 3 masks are empty"):
        evaluate_maps(tray["maps"], tray["masks"])


def test_a_map_too_many_is_told(tray: dict[str, Path]) -> None:
    write(tray["maps"] / "good/099.png", scores_of("x", None))
    result = evaluate_maps(tray["maps"], tray["masks"])
    assert any("good/099" in note for note in result.notes) and result.metrics == pytest.approx(expected())


def test_progress_and_cancel(tray: dict[str, Path]) -> None:
    seen: list[tuple[int, int]] = []
    evaluate_maps(tray["maps"], tray["masks"], progress=lambda *news: seen.append(news))
    assert seen == [(i, 5) for i in range(1, 6)]
    with pytest.raises(Cancelled):
        evaluate_maps(tray["maps"], tray["masks"], cancelled=lambda: True)


def a_nan(tray: dict[str, Path]) -> None:
    values = np.zeros(SHAPE, np.float32)
    values[3, 3] = np.nan
    (tray["maps"] / "cut/000.png").unlink()
    write(tray["maps"] / "cut/000.tiff", values)


def resize(tray: dict[str, Path], name: str) -> None:
    write(tray["maps"] / name, np.zeros((10, 13), np.uint16))


def only_good(tray: dict[str, Path]) -> None:
    for label in ("bent", "cut"):
        for root in (tray["maps"], tray["masks"] / "test", tray["masks"] / "ground_truth"):
            shutil.rmtree(root / label)


def only_bad(tray: dict[str, Path]) -> None:
    shutil.rmtree(tray["maps"] / "good")
    shutil.rmtree(tray["masks"] / "test/good")


def bare_bad(tray: dict[str, Path]) -> None:
    shutil.rmtree(tray["maps"] / "good")
    shutil.rmtree(tray["masks"] / "test")


def unmasked(tray: dict[str, Path]) -> None:
    shutil.rmtree(tray["masks"] / "test")
    (tray["masks"] / "ground_truth/bent/001_mask.png").unlink()


@pytest.mark.parametrize(
    ("spoil", "error", "told"),
    [
        (lambda t: shutil.rmtree(t["maps"]), NotFound, "no such folder"),
        (lambda t: shutil.rmtree(t["masks"]), NotFound, "no such folder"),
        (lambda t: [p.unlink() for p in t["maps"].rglob("*.png")], InputError, "found no score map"),
        (lambda t: (t["maps"] / "cut/000.png").unlink(), InputError, r"1 of 5 test photos.*cut/000"),
        (lambda t: (t["maps"] / "good/001.png").unlink(), InputError, r"1 of 5 test photos.*good/001"),
        (lambda t: (t["maps"] / "cut").rename(t["maps"] / "cat"), InputError, "labels don't match: .*'cat'"),
        (lambda t: shutil.rmtree(t["masks"] / "ground_truth"), MaskError, "3 of 3 anomalies have no mask"),
        (a_nan, InputError, r"score map cut/000: 1 of 520 scores are NaN"),
        (lambda t: resize(t, "bent/001.png"), InputError, r"bent/001: 13x10 pixels, but its photo has 26x20"),
        (lambda t: resize(t, "good/001.png"), InputError, r"good/001: 13x10 pixels, but its photo has 26x20"),
        (only_good, InputError, "no anomalies"),
        (only_bad, InputError, "no good photos"),
        (bare_bad, InputError, "only anomalies"),
        (unmasked, MaskError, "score map bent/001 has no mask"),
        (lambda t: [shutil.rmtree(p) for p in t["masks"].iterdir()], MaskError, "found no masks"),
        (lambda t: write(t["maps"] / "cut/000.npy", np.zeros(SHAPE)), InputError, "two maps for cut/000"),
    ],
)
def test_bad_input_is_one_clear_line(
    tray: dict[str, Path],
    spoil: Callable[[dict[str, Path]], object],
    error: type[Exception],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(tray)
    with pytest.raises(error, match=told):
        evaluate_maps(tray["maps"], tray["masks"])
    assert run(["evaluate", "maps", "--scores", str(tray["maps"]), "--masks", str(tray["masks"])]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ") and printed.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "array", "told"),
    [
        ("a.png", np.zeros(SHAPE, np.uint8), "16-bit grey PNG, got 8-bit grey"),
        ("a.png", np.zeros((*SHAPE, 3), np.uint16), "got 16-bit colour"),
        ("a.npy", np.zeros((2, *SHAPE), np.float32), r"numbers \(H, W\)"),
        ("a.npy", np.full(SHAPE, 1e300), "infinite in 32-bit"),
        ("a.npy", np.zeros(SHAPE, complex), r"numbers \(H, W\)"),
        ("a.npy", np.array([{"a": 1}], object), "damaged or no array"),
        ("a.tiff", b"II*\0rubbish", "damaged"),
        ("a.png", b"rubbish", "damaged or no array"),
        ("a.jpg", b"rubbish", "expected .tiff, .npy or 16-bit .png"),
    ],
)
def test_a_wrong_map_file_is_told(name: str, array: np.ndarray | bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(array) if isinstance(array, bytes) else write(path, array)
    with pytest.raises(InputError, match=told) as caught:
        read_score_map(path)
    assert "\n" not in str(caught.value)


def test_a_missing_map_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        read_score_map(tmp_path / "a.npy")


def test_every_evaluate_command_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "evaluate.md").read_text()
    names = [command.name for command in commands.registered_commands]
    assert "maps" in names and not [name for name in names if f"launch.py evaluate {name}" not in text]


def test_the_command(tray: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["evaluate", "maps", "--scores", str(tray["maps"]), "--masks", str(tray["masks"])]
    more = ["--out", str(tmp_path / "kept"), "--report", str(tmp_path / "page.html"), "--pro-fpr", "0.2"]
    assert run([*argv, *more, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    wanted = expected(pro_fpr=0.2)
    assert {key: printed[key] for key in wanted} == pytest.approx(wanted)
    assert printed["config"]["pro_fpr"] == 0.2
    kept = load_result(Path(printed["saved"]))
    assert kept.metrics["pro"] == printed["pro"] and len(kept.pictures) >= 3
    page = Path(printed["report"]).read_text()
    assert "<script" not in page and "data:image/png;base64," in page

    assert run(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == list(wanted) and lines[2].split()[0] == "all"
    assert [line.split()[0] for line in lines[3:5]] == ["bent", "cut"]
    assert run([*argv, "--spro-fpr", "2"]) == 2
    assert "spro_fpr: expected a false positive rate" in capsys.readouterr().err
