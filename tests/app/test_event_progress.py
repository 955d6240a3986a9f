"""Which components keep the status of events: Gradio's page looks for each of them at every step of any event."""

from __future__ import annotations

from app.page import build_page

MOST = 25
"""Components with a status: those whose progress is shown, and a few that stand for all others."""


def test_few_components_keep_the_status_of_events() -> None:
    events = [event for event in build_page().config["dependencies"] if event["backend_fn"]]
    keeping = {id for event in events for id in event["show_progress_on"] or event["outputs"]}
    assert len(events) > 100 and len(keeping) <= MOST
