"""The page around the tabs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.app.conftest import open_tab

pytestmark = pytest.mark.browser

TABS = ("Product", "Regions", "Studio", "Review", "Export", "Models")


def test_every_tab_opens_without_an_error(page: Page) -> None:
    for name in TABS:
        open_tab(page, name)


def test_header_names_the_project(new_page: Callable[..., Page], new_project: Callable[..., Path]) -> None:
    page = new_page(new_project("bearings"))
    expect(page.locator("#fs-project b")).to_have_text("bearings")
