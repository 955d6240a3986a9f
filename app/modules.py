"""The page's JavaScript: ES modules, served as they are, at an address that changes with their content.

A module is imported from ``PATH/NAME``, NAME being its file below the house (``app/canvas/js/start.js``), so that
relative imports work in the browser as they do in ``node --test``. What is at such an address never changes: browsers
keep it. Addresses are relative to the page's base, as Gradio's own are, and so hold behind a proxy with a root path.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

HOUSE = Path(__file__).resolve().parents[1]
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@cache
def modules() -> dict[str, bytes]:
    """Every module by its name."""
    files = sorted([*(HOUSE / "app").rglob("*.js"), *(HOUSE / "assets" / "js").rglob("*.js")])
    return {path.relative_to(HOUSE).as_posix(): path.read_bytes() for path in files}


@cache
def base() -> str:
    """Where the modules are, without a leading slash: relative to the page's base."""
    digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + text for name, text in modules().items()))
    return f"flawsmith/{digest.hexdigest()[:16]}"


def routes() -> list[Route]:
    """What the server answers; give it as ``app_kwargs={"routes": routes()}``."""
    return [Route(f"/{base()}/{{name:path}}", _module)]


async def _module(request: Request) -> Response:
    text = modules().get(request.path_params["name"])
    if text is None:
        return Response("no such module", 404)
    return Response(text, media_type="text/javascript", headers=FOREVER)


def on_load(name: str, *events: str) -> str:
    """``js_on_load`` of a component that calls ``start`` of the module with what Gradio offers.

    ``events`` are those that the module triggers: Gradio knows an event by its name in quotes.
    """
    named = ", ".join(f'"{event}"' for event in events)
    return (
        f'import(new URL("{_address(name)}", document.baseURI))\n'
        "  .then((module) => module.start({ element, trigger, props, server, upload, watch }))\n"
        '  .catch((error) => { element.append("This part of the page did not load. Reload it."); throw error; });\n'
        f"// Events: {named}"
    )


def head(*names: str) -> str:
    """HTML for the page's head: runs the named modules, and lets the browser fetch all others early."""
    scripts = [f'<script type="module" src="{_address(name)}"></script>' for name in names]
    early = [f'<link rel="modulepreload" href="{_address(name)}">' for name in modules() if name not in names]
    return "".join([*early, *scripts])


def _address(name: str) -> str:
    if name not in modules():
        raise KeyError(f"no module {name}")
    return f"{base()}/{name}"
