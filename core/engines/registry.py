"""Finds the engines: every subclass of Engine in core/engines and core/methods. No other place imports a method."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from core.engines.api import Engine, LearningEngine
from core.errors import InputError
from core.lookup import named

_FOLDERS = ("core.engines", "core.methods")


@cache
def engines() -> dict[str, Engine]:
    """Every engine by name, in alphabetical order of the files."""
    found: dict[str, Engine] = {}
    names = [f"{f}.{m.name}" for f in _FOLDERS for m in pkgutil.iter_modules(importlib.import_module(f).__path__)]
    for module in map(importlib.import_module, sorted(names, key=lambda name: name.rsplit(".", 1)[1])):
        for value in vars(module).values():
            if not isinstance(value, type) or not issubclass(value, Engine) or value in (Engine, LearningEngine):
                continue
            if value.__module__.startswith(module.__name__):
                if value.name in found:
                    raise RuntimeError(f"two engines are called {value.name!r}: {value}, {type(found[value.name])}")
                found[value.name] = value()
    return found


def engine(name: str) -> Engine:
    """The engine called ``name``; NotFound names those there are."""
    return named(engines(), name, "engine")


def learning_engines() -> dict[str, LearningEngine]:
    """Every engine that learns, by name."""
    return {name: e for name, e in engines().items() if isinstance(e, LearningEngine)}


def learning_engine(name: str) -> LearningEngine:
    """The engine called ``name``, if it learns; NotFound or InputError names those that do."""
    found = engine(name)
    if not isinstance(found, LearningEngine):
        raise InputError(f"engine {name!r} does not learn; those that do: {', '.join(learning_engines()) or 'none'}")
    return found
