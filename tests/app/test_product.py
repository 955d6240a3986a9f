"""Product: make a project, import by path, by file, by zip and by folder; every bad file is listed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from core.api import Workbench
from tests.app.conftest import Server, open_tab, reload
from tests.app.hands import Hands, set_value

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def header(page: Page, text: str) -> None:
    expect(page.locator("#fs-project")).to_contain_text(text)


def photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(60, 200, (40, 60, 3), np.uint8)
    return bytes(cv2.imencode(".png", pixels)[1])


def make_project(page: Page, name: str) -> None:
    page.locator("#fs-new-name textarea, #fs-new-name input").fill(name)
    page.locator("#fs-new").click()
    header(page, name)
    header(page, "0 photos")


def choose_share(page: Page, share: str) -> None:
    page.locator("#fs-split input").click()
    page.locator("li[role=option]", has_text=share).click()


def test_import_by_path_lists_every_bad_file(page: Page, server: Server, photo_folder: Path, tmp_path: Path) -> None:
    open_tab(page, "Product")
    make_project(page, "cap, line 3")
    expect(page.locator(".fs-empty:visible")).to_contain_text("Start with photos of good parts")
    for source in photo_folder.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "cut.png").write_bytes(photo(1)[:200])
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "<b>tricky.jpg").write_bytes(b"no jpeg")
    page.locator("#fs-path textarea, #fs-path input").fill(str(tmp_path))
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    header(page, "6 photos")
    report = page.locator("#fs-import-report")
    expect(report).to_contain_text("left out")
    for name in ("cut.png", "<b>tricky.jpg"):
        expect(report).to_contain_text(name)
    expect(page.locator("#fs-album [data-id]")).to_have_count(6)
    assert (server.home / "projects" / "cap_line_3" / "project.db").is_file()

    reload(page)
    expect(report).to_contain_text("cut.png")
    expect(page.locator("#fs-album [data-id]")).to_have_count(6)

    page.wait_for_timeout(1600)  # until then the page is still opening
    page.locator("#fs-album [data-id]").nth(2).click()
    expect(page.locator("#fs-picked")).to_contain_text("128 × 96")
    page.locator("#fs-remove").click()
    expect(page.locator("#fs-remove")).to_have_text(re.compile("with its samples"))
    header(page, "6 photos")
    page.locator("#fs-remove").click()
    header(page, "5 photos")


def test_import_by_upload_zip_and_folder(page: Page) -> None:
    open_tab(page, "Product")
    make_project(page, "uploads")
    files = page.locator("#fs-drop input[type=file]")
    files.set_input_files([{"name": f"{i}.png", "mimeType": "image/png", "buffer": photo(i)} for i in range(2)])
    page.locator("#fs-drop [aria-label='1.png']").wait_for()
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    header(page, "2 photos")

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("good/a.png", photo(10))
        archive.writestr("../escaped.png", photo(11))
    files.set_input_files([{"name": "parts.zip", "mimeType": "application/zip", "buffer": packed.getvalue()}])
    page.locator("#fs-drop [aria-label='parts.zip']").wait_for()
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    header(page, "3 photos")
    expect(page.locator("#fs-import-report")).to_contain_text("escaped.png")

    drop_folder(page, "part", {"a/x.png": photo(20), "b/deep/x.png": photo(21)})
    page.locator("#fs-drop [aria-label='part.zip']").wait_for()
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    header(page, "5 photos")


def drop_folder(page: Page, name: str, files: dict[str, bytes]) -> None:
    """Drop a folder on the import field: its entries are what a browser hands out for one."""
    page.evaluate(
        """([name, files]) => {
          const entry = (label, node) => node instanceof Uint8Array
            ? { name: label, isFile: true, isDirectory: false, file: (done) => done(new File([node], label)) }
            : { name: label, isFile: false, isDirectory: true, createReader: () => {
                let batches = [Object.entries(node).map(([k, v]) => entry(k, v)), []];
                return { readEntries: (done) => done(batches.shift() || []) };
              } };
          const tree = {};
          for (const [path, bytes] of Object.entries(files)) {
            const parts = path.split("/"), last = parts.pop();
            let at = tree;
            for (const part of parts) at = at[part] ??= {};
            at[last] = Uint8Array.from(bytes);
          }
          const event = new Event("drop", { bubbles: true, cancelable: true });
          event.dataTransfer = { items: [{ webkitGetAsEntry: () => entry(name, tree) }] };
          document.querySelector("#fs-drop button").dispatchEvent(event);
        }""",
        [name, {path: list(data) for path, data in files.items()}],
    )


def test_real_anomalies_and_the_way_to_the_studio(
    new_page: Callable[..., Page], new_project: Callable[..., Path], tmp_path: Path
) -> None:
    project = new_project("both")
    folder = tmp_path / "real" / "hole"
    folder.mkdir(parents=True)
    mask = np.zeros((96, 128), np.uint8)
    mask[40:50, 60:70] = 255
    for i in range(3):
        pixels = np.random.default_rng(i).integers(60, 200, (96, 128, 3), np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), pixels)
        cv2.imwrite(str(folder / f"{i}_mask.png"), mask)
    page = new_page(project)
    page.locator("#fs-anomalies textarea, #fs-anomalies input").fill(str(tmp_path / "real"))
    page.locator("#fs-take").click()
    page.locator("#fs-imp-go").click()
    real = page.locator("#fs-album-kind").get_by_label("Real anomalies (3)")
    real.check(force=True)
    expect(page.locator("#fs-album [data-id]")).to_have_count(3)
    expect(page.locator(".fs-album .fs-chip")).to_have_text("hole 3")

    # A part of them is kept for the test; single ones are moved.
    choose_share(page, "the first third of each label")
    expect(page.locator(".fs-album .fs-chip")).to_have_text("hole 1 + 2 to test")
    page.locator("#fs-album [data-id]").nth(2).click()
    expect(page.locator("#fs-picked")).to_contain_text("kept for the test")
    page.locator("#fs-split-move").click()
    expect(page.locator(".fs-album .fs-chip")).to_have_text("hole 2 + 1 to test")
    expect(page.locator("#fs-split-move")).to_have_text("Keep for the test")
    choose_share(page, "all of them")
    expect(page.locator(".fs-album .fs-chip")).to_have_text("hole 3")
    expect(page.locator("#fs-split-move")).to_be_hidden()

    page.locator("#fs-album [data-id]").nth(0).click()
    page.locator("#fs-remove").click()
    expect(page.locator("#fs-remove")).to_have_text("Remove this anomaly?")
    page.locator("#fs-remove").click()
    expect(page.locator("#fs-album [data-id]")).to_have_count(2)

    # A real anomaly opens on the canvas, large; its label is changed there, and its mask may be.
    page.locator("#fs-album [data-id]").nth(1).click()
    page.locator("#fs-open-real").click()
    hands = Hands(page, "concepts")
    hands.until("M.ready && M.count() === 100")
    set_value(page, "#fs-cx-draw-label", "pit")
    page.locator("#fs-cx-save").click()
    expect(page.locator("#fs-cx-tiles h4")).to_have_text(["hole 1", "pit 1"])
    open_tab(page, "Product")
    expect(page.locator(".fs-album .fs-chip")).to_have_text(["hole 1", "pit 1"])

    page.locator("#fs-album-kind").get_by_label("Good parts (6)").check(force=True)
    expect(page.locator("#fs-album [data-id]")).to_have_count(6)
    page.locator("#fs-album [data-id]").nth(4).click()
    with Workbench.open(project) as bench:
        name = bench.photos.page()[4].name
    expect(page.locator("#fs-picked")).to_contain_text(name)
    page.locator("#fs-to-studio").click()
    expect(page.get_by_role("tab", name="Studio", exact=True)).to_have_attribute("aria-selected", "true")


@pytest.fixture
def defects_project(new_project: Callable[..., Path], part_photos: list[np.ndarray]) -> Path:
    """Six good photos and four real anomalies of two labels."""
    path = new_project("album")
    with Workbench.open(path) as bench:
        for number, label in enumerate(("hole", "pit", "hole", "hole")):
            mask = np.zeros((96, 128), np.uint8)
            mask[20 + number : 30, 60:70] = 255
            data = bytes(cv2.imencode(".png", part_photos[number][..., ::-1] ^ np.uint8(1))[1])
            png = bytes(cv2.imencode(".png", mask)[1])
            bench.project.add_example(data, ".png", label, "structural", [png], f"{number}.png", 128, 96)
    return path


def test_the_album_is_searched_sorted_labelled_and_seen_large(
    new_page: Callable[..., Page], defects_project: Path
) -> None:
    page = new_page(defects_project)
    tiles = page.locator("#fs-album [data-id]")
    expect(tiles).to_have_count(6)
    page.locator("#fs-album-search :is(input, textarea)").press_sequentially("plate 4")
    expect(tiles).to_have_count(1)
    page.locator("#fs-album-search :is(input, textarea)").fill("")
    expect(tiles).to_have_count(6)
    page.locator("#fs-album-order input").click()
    page.locator("li[role=option]", has_text="newest first").click()
    expect(tiles.first).to_have_attribute("data-name", re.compile("plate 5"))

    # By keyboard: two chosen, one seen large, the next one, its close-up, back to the tile that was shown last.
    page.locator("#fs-album-kind").get_by_label("Real anomalies (4)").check(force=True)
    expect(tiles).to_have_count(4)
    tiles.first.click()
    page.keyboard.press("Enter")
    large = page.locator("dialog.fs-large")
    expect(large.locator("header b")).to_have_text("3.png")
    page.keyboard.press("ArrowRight")
    expect(large.locator("header b")).to_have_text("2.png")
    page.keyboard.press("z")
    expect(large.locator("svg")).not_to_have_attribute("viewBox", "0 0 128 96")
    page.keyboard.press("Escape")
    expect(large).to_be_hidden()
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator("#fs-picked")).to_contain_text("2 chosen")

    set_value(page, "#fs-picked-label", "dent")
    page.locator("#fs-picked-give").click()
    expect(page.locator(".fs-album .fs-chip")).to_have_text(["dent 2", "hole 2"])
    page.keyboard.press("Escape")
    tiles.first.click()
    page.keyboard.press("ControlOrMeta+a")
    expect(page.locator("#fs-picked")).to_contain_text("4 chosen")
    page.keyboard.press("Delete")
    expect(page.locator("#fs-remove")).to_have_text("Remove these 4 anomalies?")
    page.locator("#fs-remove").click()
    expect(page.locator("#fs-album-kind")).to_be_hidden()
    expect(tiles).to_have_count(6)
