"""Errors a person can mend become notices; everything else stays a bug with a traceback."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from core.errors import FlawsmithError

P = ParamSpec("P")
R = TypeVar("R")


def errors_as_notices(handler: Callable[P, R]) -> Callable[P, R]:
    """Show a FlawsmithError as a notice and leave every component as it is."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def generator(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except FlawsmithError as error:
                raise _notice(error) from error

        return generator

    @functools.wraps(handler)
    def plain(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except FlawsmithError as error:
            raise _notice(error) from error

    return plain


def _notice(error: FlawsmithError) -> gr.Error:
    return gr.Error(str(error), duration=12, title="Not done", print_exception=False)
