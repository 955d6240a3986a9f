"""Component edits by hand: from a photo and its chips to a pair in a dataset."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from core.api import SampleFilter, Workbench
from core.api.datasets import DatasetsApi
from core.images import read_image, read_mask, read_png_text
from core.types import ReviewStatus
from tests.app.conftest import open_tab
from tests.app.hands import Hands, choose_engine
from tests.diffusion.toy import write_toy

pytestmark = [pytest.mark.browser, pytest.mark.thorough]

FIRST_MS = 150_000
"""Until the first picture is drawn: the server loads the libraries for it."""


@pytest.fixture
def project(new_project: Callable[..., Path], disc_masks: dict[str, np.ndarray]) -> Path:
    """A project whose first photo has a bolt and a nut."""
    path = new_project("tray")
    with Workbench.open(path) as bench:
        first = bench.photos.page()[0].id
        for name, mask in zip(("bolt", "nut"), disc_masks.values(), strict=True):
            bench.regions.save(first, name, mask)
    return path


def field(page: Page, title: str) -> Locator:
    label = page.locator("#fs-settings .fs-form:visible label", has=page.get_by_text(title, exact=True))
    return label.locator("input, textarea").first


def setting(page: Page, title: str, value: object) -> None:
    field(page, title).fill(str(value))
    field(page, title).press("Tab")


def test_a_component_is_struck_out_previewed_kept_and_exported(
    new_page: Callable[..., Page], project: Path, tmp_path: Path
) -> None:
    page = new_page(project)
    studio = Hands(page, "studio").open(regions=2)
    choose_engine(page, "Component edit")
    chips, sentence = page.locator("#fs-chips [data-chip]"), page.locator("#fs-chips .fs-chips-text")
    expect(chips).to_have_count(2)
    # A photo without regions says what to do.
    page.locator("#fs-studio-forth").click()
    studio.ready(0)
    expect(page.locator("#fs-chips .fs-hint")).to_contain_text("no named regions")
    expect(page.locator("#fs-chips [data-goto]")).to_have_text(["Regions", "Concepts"])
    page.locator("#fs-studio-back").click()
    expect(chips).to_have_count(2)
    page.get_by_role("button", name="Settings of the engine").click()
    setting(page, "Model", write_toy(tmp_path / "toy"))

    # By keys: one more bolt, all struck out, the last edit taken back and given again.
    bolt = page.locator("[data-chip=bolt]")
    bolt.locator("[data-press=more]").press("Enter")
    expect(bolt).to_contain_text("2 × bolt")
    page.keyboard.press("Delete")
    expect(sentence.locator("del")).to_contain_text("bolt")
    expect(page.locator("[data-undo]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(bolt).to_contain_text("2 × bolt")
    expect(page.locator(".fs-chips-edits code")).to_have_text("repeat:bolt")
    bolt.get_by_label("Strike out bolt").click()
    expect(page.locator(".fs-chips-edits code")).to_have_text("remove:bolt")
    page.get_by_label("Strike out nut").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("keep at least one")

    # The text in the settings is the same edit, both ways.
    edit = field(page, "Edit")
    expect(edit).to_have_value("remove:bolt")
    setting(page, "Edit", "swap:bolt,nut")
    expect(bolt).to_contain_text("where the nut is")
    page.locator("[data-undo]").click()
    expect(edit).to_have_value("remove:bolt")
    expect(page.locator("#fs-label input")).to_have_value("missing")

    page.locator("[data-preview]").click()
    expect(page.locator("#fs-strip [data-id]")).to_have_count(1, timeout=FIRST_MS)
    expect(page.locator("#fs-why [data-component]")).to_have_count(2)
    expect(page.locator("#fs-maps path.fs-coarse")).to_have_count(1)
    page.keyboard.press("a")
    expect(page.locator("#fs-strip [data-verdict=kept]")).to_have_count(1)

    open_tab(page, "Export")
    page.locator("#fs-formats").get_by_label(DatasetsApi.formats["mvtec-loco"].title).check(force=True)
    out = page.locator("#fs-out :is(input, textarea)")
    expect(out).not_to_have_value("")
    out.fill(str(tmp_path / "out"))
    expect(page.locator("#fs-preview")).to_contain_text("logical_anomalies")
    page.locator("#fs-export").click()
    expect(page.locator("#fs-report")).to_contain_text("Exported")

    with Workbench.open(project) as bench:
        (row,) = bench.review.page(SampleFilter(verdict=ReviewStatus.KEPT))
        assert (row.engine, row.kind, set(row.component_paths)) == ("comgen", "logical", {"bolt", "nut"})
        image, mask, photo = read_image(row.image_path), read_mask(row.mask_path), bench.photos.row(row.normal_id).path
    (written,) = (tmp_path / "out").glob("*/test/logical_anomalies/*.png")
    assert np.array_equal(read_image(written), image)
    assert json.loads(read_png_text(written)["flawsmith"])["params"]["edit"] == "remove:bolt"
    truths = [read_mask(path) for path in (tmp_path / "out").glob("*/ground_truth/logical_anomalies/*/*.png")]
    assert truths and np.array_equal(np.logical_or.reduce(truths), mask)
    assert np.array_equal(image[~mask], read_image(photo)[~mask])
