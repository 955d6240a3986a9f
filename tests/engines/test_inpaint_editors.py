"""The inpaint engine on models that diffusers' own pipelines draw with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.cli import run
from core.api.studio.engine_cards import idle_settings
from core.diffusion.editor import editing
from core.diffusion.editor.editing import EditSettings, EditTask
from core.engines.api import Context
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engine
from core.errors import Cancelled, InputError, Unavailable
from core.types import AnomalyExample, NormalImage, Request, Sample
from tests.diffusion.editor_toys import write_editor

PARAMS = {"steps": 2, "side": 64}


@pytest.fixture(scope="module")
def klein(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_editor("flux2-klein", tmp_path_factory.mktemp("models") / "klein")


@pytest.fixture(scope="module")
def plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_editor("qwen-image-edit-plus", tmp_path_factory.mktemp("models") / "plus")


def photo() -> np.ndarray:
    y, x = np.mgrid[:96, :120].astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 3, (96, 120, 3))
    stripes = 25 * np.sin(x / 5)[..., None] + 20 * np.cos(y / 9)[..., None]
    return np.clip(np.array((130, 120, 100)) + stripes + grain, 0, 255).astype(np.uint8)


def request(model: Path, seed: int = 1, examples: tuple[AnomalyExample, ...] = (), **params: object) -> Request:
    pixels = photo()
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[30:60, 40:80] = True
    return Request(
        normal=NormalImage("n", "part.png", pixels), seed=seed, label="deep_scratch", mask=mask, examples=examples,
        params={**PARAMS, "backbone": str(model), **params},
    )  # fmt: skip


def real() -> AnomalyExample:
    mask = np.zeros((96, 120), np.bool_)
    mask[40:50, 20:70] = True
    return AnomalyExample("e", "deep_scratch", np.where(mask[..., None], 10, photo()).astype(np.uint8), (mask,))


def make(asked: Request, **given: object) -> Sample:
    return next(engine("inpaint").generate(asked, Context(device="cpu", **given)))  # type: ignore[arg-type]


def test_it_draws_inside_the_mask_alone(klein: Path) -> None:
    asked = request(klein)
    assert asked.mask is not None
    seen: list[tuple[int, int]] = []
    sample = make(asked, progress=lambda done, of, preview: seen.append((done, of)))
    assert not (sample.mask & ~asked.mask).any() and seen == [(1, 2), (2, 2)]
    assert np.array_equal(sample.image[~asked.mask], asked.normal.pixels[~asked.mask])
    again = make(request(klein, **sample.recipe.params))
    assert again.image.tobytes() == sample.image.tobytes()
    assert make(request(klein, seed=2)).image.tobytes() != sample.image.tobytes()


def test_the_recipe_tells_what_the_model_chose(klein: Path) -> None:
    params = make(request(klein, steps=0)).recipe.params
    assert (params["steps"], params["guidance"], params["strength"]) == (4, 1.0, 1.0)


def test_a_real_anomaly_may_be_shown_to_it(klein: Path) -> None:
    inpaint = engine("inpaint")
    plain, shown = make(request(klein)), make(request(klein, examples=(real(),), reference="example"))
    assert not np.array_equal(plain.image, shown.image) and shown.recipe.example_ids == ("e",)
    assert inpaint.copies_examples({"reference": "example"}) and not inpaint.copies_examples({})
    assert inpaint.requires(inpaint.Params(reference="example")) == {"mask", "examples"}
    with pytest.raises(InputError, match="no real anomaly labelled 'deep_scratch'"):
        make(request(klein, reference="example"))


def test_what_a_family_does_not_take_is_refused_by_name(klein: Path, plus: Path, toy_folder: Path) -> None:
    for model, setting, words in (
        (klein, {"negative": "rust"}, r"negative: FLUX\.2 klein takes no negative prompt"),
        (klein, {"sampler": "dpmpp_2m"}, r"sampler: FLUX\.2 klein has a sampler of its own"),
        (plus, {"strength": 0.5}, "strength: Qwen-Image-Edit Plus draws anew"),
        (plus, {"drawing": "mask"}, "drawing: plus is Qwen-Image-Edit Plus, which edits by instruction alone"),
        (toy_folder, {"reference": "example"}, "reference: models like Stable Diffusion 1.5"),
        (klein, {"side": 100}, "expected a multiple of 16"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            make(request(model, **setting))
        assert "\n" not in str(caught.value)
    assert set(idle_settings("inpaint", {"backbone": str(klein)})) == {"sampler", "eta", "negative"}
    assert set(idle_settings("inpaint", {"backbone": str(toy_folder)})) == {"reference", "drawing"}


def edited(task: EditTask) -> np.ndarray:
    """The window as an editor gives it back: a dark bar more, all a little brighter, as sharp as before."""
    out = task.window.astype(np.float32) + 6
    out[26:34, 16:44] -= 70
    return np.clip(out + np.random.default_rng(1).normal(0, 1, out.shape), 0, 255).astype(np.uint8)


def test_what_an_instruction_changed_becomes_the_mask(plus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def fake(editor: object, task: EditTask, settings: EditSettings, *more: object) -> np.ndarray:
        told.append(task.prompt)
        return edited(task)

    monkeypatch.setattr(editing, "edit", fake)
    asked = request(plus)
    sample = make(asked)
    assert told == ["add this defect to the part: deep scratch"]
    pixels = asked.normal.pixels
    assert np.array_equal(sample.image[~sample.mask], pixels[~sample.mask])
    truth = np.abs(sample.image.astype(int) - pixels).max(2) > 30
    assert (sample.mask & truth).sum() / (sample.mask | truth).sum() > 0.75 and truth.sum() > 200
    # Inside the mask the bar is as dark as it was drawn, without the light that the editor added everywhere.
    core = np.median((sample.image.astype(int) - pixels)[truth])
    assert -75 < core < -62


def test_an_instruction_without_effect_says_so(plus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "edit", lambda editor, task, *more: task.window)
    with pytest.raises(NoVisibleChange, match="changed nothing"):
        make(request(plus))


def test_a_stop_before_and_within(klein: Path) -> None:
    steps: list[int] = []
    with pytest.raises(Cancelled):
        make(
            request(klein, steps=6), progress=lambda done, of, p: steps.append(done), cancelled=lambda: len(steps) > 1
        )
    assert steps == [1, 2]


def test_models_that_were_put_there_are_listed(
    klein: Path, toy_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLAWSMITH_MODELS", str(tmp_path))
    shutil.copytree(klein, tmp_path / "klein-4b")
    shutil.copytree(toy_folder, tmp_path / "ours")
    broken = shutil.copytree(klein, tmp_path / "broken")
    weights = next((broken / "vae").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-10])
    assert run(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])["models"]}
    assert rows["klein-4b"]["title"] == "FLUX.2 klein (klein-4b)" and rows["klein-4b"]["state"] == "present"
    assert rows["klein-4b"]["purpose"].endswith("by an instruction, also like a reference picture, in 4 steps.")
    assert rows["ours"]["title"] == "Stable Diffusion (ours)"
    assert rows["broken"]["state"] == "incomplete" and "vae/" in rows["broken"]["problems"][0]
    assert make(request(Path("klein-4b"))).recipe.params["backbone"] == "klein-4b"
    with pytest.raises(Unavailable, match="it is cut off"):
        make(request(Path("broken")))
