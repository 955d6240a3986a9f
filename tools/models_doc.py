"""Write the table of model families in docs/models.md from the cases of the tests that run them.

    python tools/models_doc.py

A test compares the page with what this would write, so a family that no test runs cannot be said to work.
"""

from __future__ import annotations

import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOUSE))

from core.diffusion.editor.families import EDITOR_FAMILIES, EditorFamily, EditorPipeline  # noqa: E402
from tests.diffusion.editor_toys import WRITERS  # noqa: E402
from tests.diffusion.test_adapters import LORAS  # noqa: E402
from tests.methods.test_model_families import WRITERS as LEARNED_ON  # noqa: E402

TARGET = HOUSE / "docs" / "models.md"
BEGIN, END = "<!-- families -->", "<!-- /families -->"
HEAD = ("family", "inside the mask", "by an instruction", "reference picture", "negative prompt", "LoRA",
        "`anomaly_diffusion`, `gaa`, `comgen`", "`dual_ano_diff`, `graft`")  # fmt: skip
OWN = ("Stable Diffusion 1.5 and 2", "works", "refused", "refused", "works", "works", "works", "works")
"""Models that our own sampling draws with: tests/diffusion/test_inpaint.py, test_adapters.py, tests/engines."""


def text() -> str:
    """The whole page, Markdown, with the table anew."""
    before, rest = TARGET.read_text().split(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]


def table() -> str:
    """One row a family."""
    rows = [HEAD, ("---",) * len(HEAD), OWN, *map(_row, EDITOR_FAMILIES)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(family: EditorFamily) -> tuple[str, ...]:
    assert family.name in WRITERS, f"{family.name}: no test writes and draws with it"
    assert family.learned == (family.name in LEARNED_ON), f"{family.name}: does a test learn and draw on it?"
    ways: list[EditorPipeline] = [one for one in (family.masked, family.instruction) if one is not None]
    return (
        family.title,
        _cell(family.masked is not None),
        _cell(family.instruction is not None),
        _cell(any(one.reference for one in ways)),
        _cell(any(one.negative for one in ways)),
        "works" if family.name in LORAS else "not tested",
        _cell(family.learned),
        _cell(family.learned and family.unet),
    )


def _cell(works: bool) -> str:
    return "works" if works else "refused"


if __name__ == "__main__":
    TARGET.write_text(text())
