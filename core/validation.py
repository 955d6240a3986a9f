"""A person's settings checked against a pydantic model: one place, one kind of message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import FlawsmithError, InputError

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(
    model: type[Settings], given: Mapping[str, Any], what: str, error: type[FlawsmithError] = InputError
) -> Settings:
    """``given`` as an instance of ``model``. ``error``, in one line that begins with ``what``, names each wrong
    value."""
    try:
        return model(**given)
    except ValidationError as problem:
        raise error(f"{what}: {one_line(problem, model)}") from problem


def one_line(problem: ValidationError, model: type[BaseModel]) -> str:
    """All that pydantic found wrong, with semicolons between; an unknown name gets the list of known ones."""
    parts = []
    for e in problem.errors():
        name, message = ".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")
        if e["type"] == "extra_forbidden":
            parts.append(f"there is no {name!r} (there are: {', '.join(model.model_fields)})")
        elif e["type"] == "value_error":
            # The project's own validators say what came themselves, and mostly which setting is meant.
            parts.append(message if not name or str(e["loc"][0]) in message else f"{name}: {message}")
        else:
            parts.append(f"{name}: {message}, got {e['input']!r}")
    return "; ".join(parts)
