"""Errors a person can mend become notices; everything else stays a bug with a traceback."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from core.errors import FlawsmithError

F = TypeVar("F", bound=Callable[..., Any])


def errors_as_notices(handler: F) -> F:
    """Show a FlawsmithError as a notice and leave every component as it is."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generator(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except FlawsmithError as error:
                raise _notice(error) from error

        return generator  # type: ignore[return-value]

    @functools.wraps(handler)
    def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except FlawsmithError as error:
            raise _notice(error) from error

    return plain  # type: ignore[return-value]


def _notice(error: FlawsmithError) -> gr.Error:
    return gr.Error(str(error), duration=12, title="Not done", print_exception=False)
