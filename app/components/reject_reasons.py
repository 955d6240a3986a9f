"""Why samples were rejected, as a table."""

from __future__ import annotations

import html
from collections.abc import Mapping


def reject_reasons_html(reasons: Mapping[str, int]) -> str:
    """HTML of {reason: how many}, in its order; "" if there are none."""
    if not reasons:
        return ""
    rows = "".join(f"<tr><th>{html.escape(why)}</th><td>{many:,}</td></tr>" for why, many in reasons.items())
    head = "<thead><tr><th>rejected because</th><th>samples</th></tr></thead>"
    return f"<table class='fs-table fs-narrow'>{head}<tbody>{rows}</tbody></table>"
