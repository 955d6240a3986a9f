"""What is stored as JSON: its format number, how an older one becomes a newer one, and keys that nobody here knows.

Each kind of stored object has one StoredFormat beside its type::

    FORMAT = StoredFormat("recipe", 2, {1: _notes_apart})
    raw = FORMAT.parse(text, "recipe")          # the object as today's format has it
    recipe = read_record(Recipe, raw, "recipe") # unknown keys lie in recipe.extra
    text = json.dumps(FORMAT.stamped(plain_record(recipe)))

A key that is only added needs no new number: who does not know it keeps it in ``extra`` and writes it back. One that
is renamed, removed or read otherwise does: raise ``newest`` by one and add the migration from the number before. A
migration names the keys as they were then, and never a type of today.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.errors import InputError, NewerFormat

T = TypeVar("T")
JsonObject = dict[str, Any]
"""A JSON object as json.loads gives it."""
EXTRA = "extra"
"""The field of a stored type that holds the keys it does not know."""
MOST_NESTED = 100
"""Levels of lists and objects in one another; what comes after a read walks through them level by level."""
_SHOWN = 3
"""Wrong values named in one message."""


@dataclass(frozen=True)
class StoredFormat:
    """The newest format of a ``kind`` of stored object, and the ``migrations`` from each older one to the next.

    An object without a number is of format 1, as version 0.1.0 wrote them.
    """

    kind: str
    newest: int = 1
    migrations: Mapping[int, Callable[[JsonObject], JsonObject]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.migrations) != set(range(1, self.newest)):
            raise ValueError(f"{self.kind}: expected a migration from each format below {self.newest}")

    def parse(self, text: str | bytes, where: str) -> JsonObject:
        """The object in ``text``, brought up to the newest format; errors as ``upgraded``. ``where`` begins them."""
        try:
            return self.upgraded(json.loads(text), where)
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{where}: expected the JSON of a {self.kind}, got {text[:60]!r}") from error

    def upgraded(self, raw: object, where: str) -> JsonObject:
        """``raw`` as the newest format has it, without its number.

        NewerFormat if it is of a newer one; InputError if it is no such object.
        """
        if _deeper_than(raw, MOST_NESTED):
            raise InputError(f"{where}: expected a {self.kind}, got lists and objects over {MOST_NESTED} levels deep")
        if not isinstance(raw, dict):
            raise InputError(f"{where}: expected the JSON of a {self.kind}, got {str(raw)[:60]!r}")
        number = raw.get("format", 1)
        if type(number) is not int or number < 1:
            raise InputError(f"{where}: expected a format from 1 to {self.newest}, got {str(number)[:20]!r}")
        if number > self.newest:
            raise NewerFormat(
                f"{where}: this {self.kind} was written by a newer Flawsmith (format {number}, this one reads up to "
                f"{self.newest}); update Flawsmith to use it, it was left as it is"
            )
        found: JsonObject = {name: value for name, value in raw.items() if name != "format"}
        for step in range(number, self.newest):
            try:
                found = self.migrations[step](found)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise InputError(f"{where}: expected a {self.kind} of format {step}, got a damaged one") from error
        return found

    def stamped(self, plain: Mapping[str, object]) -> JsonObject:
        """``plain`` with the newest format's number."""
        return {**plain, "format": self.newest}


def read_record(cls: type[T], raw: object, where: str) -> T:
    """``raw`` as a frozen dataclass, each value checked by its annotation; keys it does not know go to its ``extra``.

    InputError, in one line, names what is missing or wrong.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f"{where}: expected a JSON object, got {str(raw)[:60]!r}")
    known = {f.name for f in fields(cls) if f.name != EXTRA}  # type: ignore[arg-type]
    given = {name: value for name, value in raw.items() if name in known}
    given[EXTRA] = {name: value for name, value in raw.items() if name not in known}
    try:
        record: T = _adapter(cls).validate_python(given)  # type: ignore[arg-type]
        return record
    except ValidationError as error:
        wrong = [_said(e["loc"], e["type"], e["msg"]) for e in error.errors(include_url=False, include_context=False)]
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise InputError(f"{where}: {'; '.join(wrong[:_SHOWN])}{more}") from error


def plain_record(record: Any) -> JsonObject:
    """Inverse of read_record for a dataclass of plain values: its fields, and beside them what ``extra`` holds."""
    known = asdict(record)
    return {**known.pop(EXTRA, {}), **known}


def _deeper_than(value: object, levels: int) -> bool:
    inner: Collection[object] = ()
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
    return bool(inner) and (levels == 0 or any(_deeper_than(one, levels - 1) for one in inner))


def _said(loc: tuple[int | str, ...], kind: str, message: str) -> str:
    name = ".".join(map(str, loc))
    return f"{name!r} is missing" if kind == "missing" else f"{name!r}: {message}"


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
