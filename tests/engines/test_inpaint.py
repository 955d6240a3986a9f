"""The inpaint engine on the toy model; the engines' contract runs over it in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.diffusion import inpainting, model_crop
from core.diffusion.model_crop import ModelCrop
from core.engines.api import Context, read_params
from core.engines.registry import engine
from core.errors import Cancelled, InputError, MaskError, Unavailable
from core.images import PhotoCrop
from core.quality import scores
from core.types import NormalImage, Recipe, Request, Sample

ROOT = Path(__file__).resolve().parents[2]
FAST = {"steps": 3, "guidance": 2.0}


@pytest.fixture(autouse=True)
def on_the_toy(toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(toy_folder))


def request_on(photo: np.ndarray, seed: int = 1, **given: object) -> Request:
    mask = np.zeros(photo.shape[:2], np.bool_)
    mask[30:60, 40:80] = True
    have = {"params": FAST, "label": "deep_scratch", "mask": mask, **given}
    return Request(normal=NormalImage("n", "part.png", photo), seed=seed, **have)  # type: ignore[arg-type]


def photo(grey: bool = False) -> np.ndarray:
    pixels = np.random.default_rng(0).normal((130, 120, 100), 8, (96, 120, 3)).clip(0, 255).astype(np.uint8)
    return np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels


def make(request: Request, **given: object) -> Sample:
    return next(engine("inpaint").generate(request, Context(device="cpu", **given)))  # type: ignore[arg-type]


def test_the_sample_is_true_and_signed() -> None:
    picture = photo()
    request = request_on(picture)
    sample = make(request)
    found = scores(picture, sample)
    assert found["change_outside"] == 0 and found["mask_covered"] > 0.95
    assert request.mask is not None and not (sample.mask & ~request.mask).any()
    recipe = Recipe.from_json(sample.recipe.to_json())
    assert recipe.engine == "inpaint" and recipe.params["steps"] == 3
    again = make(request_on(picture, params=recipe.params))
    assert again.image.tobytes() == sample.image.tobytes()
    assert make(request_on(picture, seed=2)).image.tobytes() != sample.image.tobytes()


def test_the_label_is_put_into_the_prompt() -> None:
    picture = photo()
    said = make(request_on(picture, params={**FAST, "prompt": "a deep scratch"})).image
    assert np.array_equal(make(request_on(picture, params={**FAST, "prompt": "a {label}"})).image, said)
    assert not np.array_equal(make(request_on(picture, params={**FAST, "prompt": "a bolt"})).image, said)


@pytest.mark.parametrize(
    "changed",
    [
        {"negative": "metal"},
        {"guidance": 8.0},
        {"strength": 0.5, "steps": 6},
        {"steps": 5},
        {"sampler": "dpmpp_2m"},
        {"sampler": "lcm"},
        {"sampler": "tcd"},
        {"eta": 1.0},
        {"margin": 2.0},
        {"side": 128},
        {"context": "48x40"},
        {"feather": 12.0},
        {"seam": "poisson"},
    ],
    ids=lambda c: next(iter(c)),
)
def test_every_setting_changes_the_picture(changed: dict[str, object]) -> None:
    picture = photo()
    plain, other = (make(request_on(picture, params={**FAST, **p})).image for p in ({}, changed))
    assert not np.array_equal(plain, other)


def test_the_model_sees_the_rectangle_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    cut = model_crop.crop_for_model

    def watched(*given: Any) -> ModelCrop:
        seen.append(cut(*given))
        return seen[-1]

    monkeypatch.setattr(inpainting, "crop_for_model", watched)
    picture, params = photo(), {**FAST, "context": "60x50 +8 -5"}
    request = request_on(picture, params=params)
    sample = make(request)
    assert seen[0].photo_crop == PhotoCrop(15, 38, 65, 98)
    outside = ~request.mask  # type: ignore[operator]
    assert (sample.image[outside] == picture[outside]).all(), "whatever the model sees, only the mask is drawn"
    told = engine("inpaint").context_of(read_params(engine("inpaint"), params))
    assert told is not None and told.around(request.mask) == seen[0].photo_crop  # type: ignore[arg-type]
    make(request_on(picture))
    by_share = engine("inpaint").context_of(read_params(engine("inpaint"), FAST))
    assert by_share is not None and by_share.around(request.mask) == seen[1].photo_crop  # type: ignore[arg-type]
    with pytest.raises(InputError, match="800x600"):
        make(request_on(picture, params={**FAST, "context": "wide"}))


def test_a_grey_photo_gets_a_grey_anomaly() -> None:
    image = make(request_on(photo(grey=True))).image
    assert (image == image[..., :1]).all() and not np.array_equal(image, photo(grey=True))


def test_progress_and_stop() -> None:
    news: list[tuple[int, int]] = []
    params = {**FAST, "steps": 12}
    make(request_on(photo(), params=params), progress=lambda done, of, preview: news.append((done, of)))
    assert news == [(i, 12) for i in range(1, 13)]
    news.clear()
    with pytest.raises(Cancelled):
        make(
            request_on(photo(), params=params),
            progress=lambda done, of, preview: news.append((done, of)),
            cancelled=lambda: len(news) == 3,
        )
    assert len(news) == 3


def test_what_cannot_be_done_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="inpaint"):
        make(request_on(photo(), mask=None))
    with pytest.raises(InputError, match="eta"):
        make(request_on(photo(), params={"sampler": "dpmpp_2m", "eta": 0.5}))
    with pytest.raises(InputError, match="multiple of 16"):
        make(request_on(photo(), params={**FAST, "side": 100}))
    with pytest.raises(Unavailable, match="not on this machine"):
        make(request_on(photo(), params={"backbone": "no/such"}))
    assert engine("inpaint").available() is None
    monkeypatch.setenv("FLAWSMITH_BACKBONE", str(tmp_path))
    reason = engine("inpaint").available()
    assert reason is not None and "model_index.json" in reason and "\n" not in reason


def test_saying_whether_it_is_available_loads_no_torch(toy_folder: Path) -> None:
    code = (
        "import sys; from core.engines.registry import engines; reason = engines()['inpaint'].available();"
        "sys.exit(reason or ('torch is loaded' if 'torch' in sys.modules else 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_it_keeps_the_contract_of_engines() -> None:
    command = [sys.executable, "-m", "pytest", "tests/engines/test_contract.py", "-q", "-k", "inpaint"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout[-4000:]
