"""The contact sheet: as many pages as it takes, whatever the pictures' shapes and the labels' lengths."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.api import Workbench
from core.api.contact_sheet import COLUMNS, ROWS, SheetCell, contact_sheet_pdf
from core.errors import InputError


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_a_page_for_each_twenty(tmp_path: Path) -> None:
    for name, shape in (("wide", (20, 90)), ("tall", (90, 20))):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), np.full((*shape, 3), 90, np.uint8))
    cells = [
        SheetCell(tmp_path / f"{('wide', 'tall')[k % 2]}.jpg", ("scratch " * 12, "perlin, 0.52"))
        for k in range(COLUMNS * ROWS + 1)
    ]
    pdf = contact_sheet_pdf("plates", cells)
    assert pdf.startswith(b"%PDF") and pages(pdf) == 2
    assert pages(contact_sheet_pdf("plates", cells[:-1])) == 1


def test_nothing_kept_is_said(tmp_path: Path) -> None:
    with Workbench.create(tmp_path / "p", "p") as bench, pytest.raises(InputError, match="keep some samples"):
        bench.review.contact_sheet()
