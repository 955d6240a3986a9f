"""The learned engines, and graft, on models of other families than Stable Diffusion 1.5: they learn and they draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.engines.api import Context
from core.engines.finalize import NoVisibleChange
from core.engines.registry import engine, learning_engine
from core.errors import Unavailable
from core.methods.dual_ano_diff.learning_settings import DualLearningParams
from core.methods.gaa.engine import GaaLearningParams
from core.quality import scores
from core.training.learning_settings import AnomalyLearningParams
from core.types import NormalImage, Request, Sample
from tests.diffusion.editor_toys import write_sd_inpainting, write_sdxl_inpainting, write_z_image
from tests.diffusion.toy import write_sdxl
from tests.methods.anomaly_diffusion.test_engine import disc, hole, plate
from tests.methods.comgen import test_engine as of_comgen

WRITERS: dict[str, Callable[[Path], Path]] = {
    "sdxl": write_sdxl,
    "sdxl-inpainting": write_sdxl_inpainting,
    "sd-inpainting": write_sd_inpainting,
    "z-image": write_z_image,
}
"""By the name of a test; tools/models_doc.py says of these families that the learned engines work on them."""
ONE_SEQUENCE = ("z-image",)
"""Those that read picture and prompt together."""
LEARNING: dict[str, Any] = {
    "anomaly_diffusion": AnomalyLearningParams(steps=2),
    "gaa": GaaLearningParams(steps=2),
    "dual_ano_diff": DualLearningParams(steps=2, rank=4, text_adapter="on"),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.thorough if "inpainting" in name else ()) for name in WRITERS],
)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from core.diffusion.loading import forget_backbones

    path = WRITERS[request.param](tmp_path_factory.mktemp("models") / request.param)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FLAWSMITH_BACKBONE", str(path))
        yield request.param
    forget_backbones()


def drawn(name: str, asked: Request, folder: Path) -> Sample:
    """The first of a few seeds that gives something, as a batch would take it."""
    for seed in range(6):
        try:
            return next(iter(engine(name).generate(replace(asked, seed=seed), Context("cpu", folder))))
        except NoVisibleChange:
            continue
    raise AssertionError("six seeds in a row left nothing")


@pytest.mark.parametrize("name", LEARNING)
def test_they_learn_and_draw(family: str, name: str, tmp_path: Path) -> None:
    normals = [NormalImage("n", "n.png", plate(9))]
    if family in ONE_SEQUENCE and name == "dual_ano_diff":
        with pytest.raises(Unavailable, match="DualAnoDiff changes the attention of the picture alone"):
            learning_engine(name).learn([hole(0)], normals, "hole", LEARNING[name], Context("cpu", tmp_path))
        return
    concept = learning_engine(name).learn(
        [hole(0), hole(1)], normals, "hole", LEARNING[name], Context("cpu", tmp_path)
    )
    assert concept.backbone == family
    mask = disc(40, 50, 12)
    asked = Request(NormalImage("p", "p.png", plate(5)), "hole", {"steps": 3}, 1, mask=mask, examples=(hole(0),))
    sample = drawn(name, asked, tmp_path)
    assert scores(asked.normal.pixels, sample)["change_outside"] == 0
    assert sample.mask.any() and not (sample.mask & ~mask).any()


def test_components_are_edited(family: str, tmp_path: Path) -> None:
    sample = drawn("comgen", of_comgen.request("auto"), tmp_path)
    assert sample.mask.any() and not np.array_equal(sample.image, of_comgen.photo())


def test_a_reference_is_grafted(family: str, tmp_path: Path) -> None:
    mask = disc(40, 50, 12)
    asked = Request(NormalImage("p", "p.png", plate(5)), "hole", {"steps": 4}, 1, mask=mask, examples=(hole(0),))
    if family in ONE_SEQUENCE:
        with pytest.raises(Unavailable, match="graft changes the attention of the picture alone"):
            drawn("graft", asked, tmp_path)
        return
    sample = drawn("graft", asked, tmp_path)
    assert sample.mask.any() and not (sample.mask & ~mask).any()
