"""Models: what is here, what is damaged, what to do without a network."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from core.workbench.weights import Weights
from tests.app.conftest import Server, open_tab

pytestmark = pytest.mark.browser


def test_states_verify_and_what_to_do_offline(page: Page, server: Server) -> None:
    rows = Weights(None, None).status()
    base = next(r for r in rows if r.name == "sam_vit_b")
    folder = server.home / "models"
    folder.mkdir(exist_ok=True)
    damaged = folder / base.path.rsplit("/", 1)[-1]
    damaged.write_bytes(b"half a download")
    try:
        open_tab(page, "Models")
        table = page.locator("#fs-weights table")
        expect(table.locator("tbody tr")).to_have_count(len(rows))
        expect(table.locator("tr[data-state=corrupt]")).to_contain_text(base.title)
        expect(page.locator("#fs-reasons")).to_contain_text("SAM base")
        expect(page.locator("#fs-segmenter")).to_contain_text("Classic")
        page.locator("#fs-wanted input").click()
        page.locator("li[role=option]", has_text=base.title).click()
        page.locator("#fs-verify").click()
        expect(page.locator("#fs-weights-said")).to_contain_text("is damaged or not complete")
        page.get_by_text("No internet on this machine?").click()
        expect(page.locator("#fs-weights-said")).to_contain_text(str(folder))
        expect(page.locator("#fs-weights-said a").first).to_be_visible()
    finally:
        damaged.unlink()
