"""What one tab of the app remembers is no other tab's."""

from __future__ import annotations

from typing import cast

from app.session import Session
from app.tab_memory import RegionDraft
from app.tabs.concepts.mask_drawing import current_draft
from core.api import Workbench


def test_proposed_regions_are_no_photos_to_draw_masks_on() -> None:
    session = Session("one", api=cast(Workbench, object()))
    session.memory.regions.drafts_on, session.memory.regions.drafts = "photo", [RegionDraft(1, "0", 0.5)]
    assert current_draft(session) is None
    session.memory.regions.drafts = []
    assert current_draft(session) is None
