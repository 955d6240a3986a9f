"""The canvas' shortcuts: each key once, and none that the Studio judges previews by."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from app.canvas.markup import CLICKS, EDITS, FLIPS, TOOLS, VIEWS

ROOT = Path(__file__).resolve().parents[2]


def test_no_key_means_two_things() -> None:
    keys = [key.lower() for b in (*TOOLS, *EDITS, *CLICKS, *FLIPS, *VIEWS) for key in b.keys.split()]
    more = re.findall(r"^    ([a-z]): \(", (ROOT / "app/canvas/js/shortcuts.js").read_text(), re.M)
    assert {"k", "o", "q"} <= set(more)
    assert [key for key, count in Counter([*keys, *more]).items() if count > 1] == []
    judging = re.search(r"const KEYS = \{(.*?)\}", (ROOT / "assets/js/studio.js").read_text())
    assert judging and not set(re.findall(r"(\w): ", judging[1])) & {*keys, *more}, "A, X and U judge previews"
