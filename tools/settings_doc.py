"""Write docs/settings.md from the models that also make the forms and check the command line.

    python tools/settings_doc.py

A test compares the file with what this would write, so the docs cannot fall behind the code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOUSE))

from pydantic import BaseModel  # noqa: E402

from core.engines.api import LearningEngine  # noqa: E402
from core.engines.registry import engines  # noqa: E402
from core.evaluation.classification import ClassifierParams  # noqa: E402
from core.evaluation.detectors import DetectorParams, detectors  # noqa: E402
from core.exporters import ExportOptions  # noqa: E402
from core.jobs.auto_review import ReviewRules  # noqa: E402
from core.masks.perturbation import MaskEnhancement  # noqa: E402
from core.placement_rules import Placement  # noqa: E402

TARGET = HOUSE / "docs" / "settings.md"


def text() -> str:
    """The whole page, Markdown."""
    parts = [
        "# Settings",
        "Everything that can be set, with its default and bounds. In the app these are the controls; on the command "
        "line they are `name=value` pairs. This page is written by `tools/settings_doc.py`.",
    ]
    for engine in engines().values():
        paper = f" ({engine.paper})" if engine.paper else ""
        parts += [f"## Engine `{engine.name}`: {engine.title}{paper}", engine.summary]
        parts += ["`generate --param NAME=VALUE`", table(engine.Params)]
        if isinstance(engine, LearningEngine):
            parts += [f"`learn --engine {engine.name} --param NAME=VALUE`", table(engine.Learning)]
    parts += ["## Placement of masks", "`generate --place NAME=VALUE`", table(Placement)]
    parts += [
        "## How outlines vary",
        "The Vary outline button of the Studio (GAA, eqs. 5 and 6).",
        table(MaskEnhancement),
    ]
    parts += [
        "## Rules of the automatic review",
        "`review --auto --rule NAME=VALUE`, `generate --keep-best N --rule NAME=VALUE`",
    ]
    parts += [table(ReviewRules)]
    parts += ["## Export", "`export --option NAME=VALUE`", table(ExportOptions)]
    for found in detectors().values():
        parts += [f"## Detector `{found.name}`: {found.title}", f"{found.summary} {_presets(found.Params)}"]
        parts += [f"`evaluate localization --detector {found.name} --param NAME=VALUE`", table(found.Params)]
    parts += ["## Classifier", _presets(ClassifierParams), "`evaluate classification --param NAME=VALUE`"]
    parts += [table(ClassifierParams)]
    return "\n\n".join(parts) + "\n"


def _presets(params: type[DetectorParams]) -> str:
    """What each preset changes."""
    changes = {name: ", ".join(f"{k} {v}" for k, v in values.items()) for name, values in params.PRESETS.items()}
    return " ".join(f"Preset `{name}`: {text or 'the defaults below'}." for name, text in changes.items())


def table(model: type[BaseModel]) -> str:
    """One row per field."""
    rows = ["| name | default | allowed | what it does |", "|---|---|---|---|"]
    for name, schema in model.model_json_schema()["properties"].items():
        words = (schema.get("description") or schema.get("title") or "").replace("|", "\\|")
        rows.append(f"| `{name}` | {_code(schema.get('default'))} | {_allowed(schema)} | {words} |")
    return "\n".join(rows)


def _code(value: Any) -> str:
    return "" if value in (None, [], {}, "") else f"`{value}`"


def _allowed(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or next((o["enum"] for o in schema.get("anyOf", []) if "enum" in o), None)
    if choices:
        return ", ".join(f"`{c}`" for c in choices)
    numbers = next((o for o in [schema, *schema.get("anyOf", [])] if "minimum" in o or "maximum" in o), {})
    low, high = numbers.get("minimum"), numbers.get("maximum")
    if low is not None or high is not None:
        return f"{'' if low is None else low} .. {'' if high is None else high}".strip()
    return {"boolean": "true, false", "array": "list"}.get(str(schema.get("type")), "")


if __name__ == "__main__":
    TARGET.write_text(text())
