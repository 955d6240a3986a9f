"""The drawn trees are what they are called, and a measurement accounts for every photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bench import run_bench
from core.bench.import_trees import LAYOUTS, draw_tree
from core.errors import NotFound
from core.jobs.import_images import plan_import

READ_AS = {"mixed": "photos", "folders": "photos", "images-and-masks": "photos", "voc-defects": "voc"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_drawn_tree_is_recognised_whole(tmp_path: Path, layout: str) -> None:
    files = draw_tree(tmp_path, layout, 130)
    plan = plan_import(tmp_path)
    assert plan.layout == READ_AS.get(layout, layout) and len(plan.classes) == files
    assert set(plan.labels) == {"mixed": {"scratch", "from_the_lab"}, "images-and-masks": {"defect"}}.get(
        layout, {"scratch"}
    )
    assert not plan.odd and all("not an image" in problem.reason for problem in plan.problems)


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(NotFound, match="mvtec-ad"):
        run_bench("import", rows=["mvtec"])


@pytest.mark.thorough
def test_an_import_is_stopped_and_gone_on_with(tmp_path: Path) -> None:
    (row,) = run_bench("import", rows=["mixed"], count=150)["rows"]
    assert row["stopped_after"] > 0 and row["resumed"] > 0 and row["steps"] > 2
    photos = row["plan"]["good"] + row["plan"]["anomaly"]
    assert row["stopped_after"] + row["resumed"] == photos
