"""Models: what is here, what is half there, what to do without a network."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Page, expect

from core.api.models import ModelsApi
from tests.app.conftest import Server, open_tab

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_diffusion_models_are_told_verified_and_never_half_there(page: Page, server: Server) -> None:
    rows = {row.name: row for row in ModelsApi(None, None).status()}
    title = rows["sd15"].title
    folder = server.home / "models" / "stable-diffusion-v1-5"
    (folder / "unet").mkdir(parents=True)
    try:
        open_tab(page, "Models")
        row = page.locator("#fs-weights tr", has_text=title)
        expect(row).to_have_attribute("data-state", "incomplete")
        expect(row).to_contain_text("CreativeML Open RAIL-M")
        expect(row).to_contain_text("model_index.json is missing")
        expect(page.locator("#fs-weights .fs-chip")).to_have_count(1 if rows["mini"].state == "present" else 0)
        page.locator("#fs-wanted input").click()
        page.locator("li[role=option]", has_text=title).click()
        page.locator("#fs-verify").click()
        expect(page.locator("#fs-weights-said")).to_contain_text("is not whole: model_index.json is missing")
        page.get_by_text("No internet on this machine?").click()
        expect(page.locator("#fs-weights-said .fs-offline")).to_contain_text(f"to {folder}")
        # The server of the tests may not go online, which is how a machine without internet answers.
        page.locator("#fs-fetch").click()
        notice = page.locator(".toast-body", has_text="HF_HUB_OFFLINE")
        expect(notice).to_contain_text(f"copy the folder {folder.name}")
        expect(page.locator(".fs-bar-text[data-status=failed]:visible")).to_contain_text(title)
        assert [p.name for p in folder.iterdir()] == ["unet"]
    finally:
        shutil.rmtree(folder)
