"""What is asked for by name is there, or the error says what is."""

from __future__ import annotations

import pytest

from core.errors import ExportError, NotFound
from core.lookup import named


def test_it_is_found_or_the_others_are_told() -> None:
    assert named({"a": 1, "b": 2}, "b", "engine") == 2
    with pytest.raises(NotFound, match="^engine 'c': there are a, b$"):
        named({"a": 1, "b": 2}, "c", "engine")
    with pytest.raises(ExportError, match="format"):
        named({"a": 1}, "c", "format", ExportError)
