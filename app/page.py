"""The page: header, tabs, and the server around them."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from urllib.parse import unquote

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr  # noqa: E402  Gradio reads the variable above when it is imported
from starlette.requests import Request  # noqa: E402

from app import modules, theme  # noqa: E402
from app.components.notices import errors_as_notices  # noqa: E402
from app.components.pulse import Pulse  # noqa: E402
from app.language.catalogue import ENGLISH, current_catalogue, use_language  # noqa: E402
from app.language.page_text import translate_page  # noqa: E402
from app.open_projects import known_projects  # noqa: E402
from app.page_context import KEEP_TICKET_JS, PRIVATE_EVENT, SESSION_JS, PageContext, caller_in, header_html  # noqa: E402
from app.server.access import Access, checked_port, free_port, middleware  # noqa: E402
from app.server.limits import MAX_UPLOAD  # noqa: E402
from app.server.logins import Logins  # noqa: E402
from app.server.proxy_user import user_header  # noqa: E402
from app.server.rights import Rights  # noqa: E402
from app.server.roots import roots  # noqa: E402
from app.server.team import team  # noqa: E402
from app.server.uploads import Uploads  # noqa: E402
from app.session import sessions  # noqa: E402
from app.tabs import concepts, evaluate, export, models, product, regions, review, studio  # noqa: E402
from core.api.demo import demo_project  # noqa: E402
from core.api.recent import add_recent_project  # noqa: E402
from core.errors import FlawsmithError  # noqa: E402

CACHE_CLEANUP_S = (3600, 24 * 3600)
"""Every hour, delete uploads older than a day: (frequency, age) in seconds."""


TABS = {
    "product": product, "regions": regions, "concepts": concepts, "studio": studio, "review": review,
    "export": export, "evaluate": evaluate, "models": models,
}  # fmt: skip
"""The tabs in their order, by the name that the address has for them."""


def build_page() -> gr.Blocks:
    """The whole page, in the language in use."""
    with gr.Blocks(title="Flawsmith", fill_width=True, delete_cache=CACHE_CLEANUP_S) as page:
        ticket = gr.Textbox(visible="hidden", elem_id="fs-ticket")
        place = gr.Textbox(visible="hidden", elem_id="fs-address")
        front = gr.Textbox(visible="hidden", elem_id="fs-front-tab")
        opened = gr.State("")
        with gr.Row(elem_classes="fs-head", equal_height=True):
            gr.HTML(_wordmark(), elem_classes="fs-word")
            project = gr.HTML(elem_classes="fs-project", elem_id="fs-project")
            gr.HTML("<div id='fs-tray' role='status' aria-label='What runs'></div>", elem_classes="fs-tray-box")
            pulse = Pulse(elem_classes="fs-pulse")
            tour = gr.Button("?", size="sm", scale=0, min_width=40, elem_id="fs-tour")
            dark = gr.Button("◐", size="sm", scale=0, min_width=40, elem_id="fs-dark")
        with gr.Tabs(elem_classes="fs-tabs", elem_id="fs-tabs") as tabs:
            shell = PageContext(ticket, opened, tabs, project, pulse, front)
            for tab in TABS.values():
                tab.build(shell)
        dark.click(None, js="() => window.flawsmithDark()", api_visibility="private")
        tour.click(None, js="() => window.flawsmithTour()", api_visibility="private")
        ticket.change(None, ticket, js=KEEP_TICKET_JS, api_visibility="private")
        page.load(_on_page_load, [ticket, place], [ticket, opened, project, tabs], js=SESSION_JS, **PRIVATE_EVENT)
    if current_catalogue().language != ENGLISH:
        translate_page(page)
    return page


def serve(
    project: Path | None,
    access: Access,
    port: int | None = None,
    browser: bool = True,
    demo: bool = True,
    language: str = ENGLISH,
) -> None:
    """Build the page and serve it until the process is told to stop."""
    use_language(language)
    team.begin(access.auth, access.unknown)
    asks_proxy = _begin_user_header(access)
    logins = Logins(team.passwords) if access.auth and not asks_proxy else None
    port = checked_port(access.host, port) if port else free_port(access.host)
    roots.folders = access.allowed_folders()
    if project is not None:
        roots.add(project)
        sessions.projects.initial = sessions.projects.open(project).path
        add_recent_project(sessions.projects.initial)
    elif demo and not known_projects():
        sessions.projects.initial = _demo_project()
    uploads = sessions.uploads = Uploads()
    os.environ["GRADIO_TEMP_DIR"] = str(uploads.folder)
    rights = Rights(team, sessions.projects.file_folders)
    page = build_page()
    page.queue(default_concurrency_limit=4)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ending = sessions.end_idle_regularly()
    try:
        page.launch(
            server_name=access.host,
            server_port=port,
            auth=logins.check if logins else None,
            auth_dependency=_proxy_user if asks_proxy else None,
            auth_message="After three wrong passwords, each further try has to wait longer." if logins else None,
            inbrowser=browser,
            theme=theme.theme(),
            css_paths=theme.style_sheets(),
            head=theme.head(),
            app_kwargs={"routes": modules.routes(), "middleware": middleware(access, uploads, rights)},
            favicon_path=theme.ASSETS / "icons" / "flawsmith.svg",
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            share=False,
            pwa=True,
            ssr_mode=False,
            max_file_size=MAX_UPLOAD,
            show_error=True,
            quiet=True,
            prevent_thread_lock=True,
        )
        print(f"Flawsmith is at {page.local_url}  (Ctrl-C ends it)", flush=True)
        page.block_thread()
    finally:
        ending.set()
        sessions.close()
        uploads.close()


def _begin_user_header(access: Access) -> bool:
    """Whether a proxy says who it is."""
    user_header.name, user_header.addresses = access.user_header.name, access.user_header.addresses
    if user_header.name:
        os.environ["FORWARDED_ALLOW_IPS"] = ""  # else uvicorn puts the browser's address in the place of the proxy's
    return bool(user_header.name)


def _proxy_user(request: Request) -> str | None:
    """Who sends a request, as the proxy says; None, which Gradio refuses, where it says nothing."""
    address = request.client.host if request.client else ""
    return user_header.user_of(request.headers, address) or None


def _demo_project() -> Path | None:
    try:
        return demo_project()
    except FlawsmithError as error:  # the app is of use without it
        logging.getLogger(__name__).warning("the demo cannot be opened: %s", error)
        return None


@errors_as_notices
def _on_page_load(ticket: str, place: str, request: gr.Request) -> list[object]:
    session = sessions.start(ticket, caller_in(request), request.username or "")
    session = sessions.go_to(session, *place_of(place))
    opened = str(session.api.path) if session.api else "-"
    # The first tab is in front anyway; choosing it again would undo a person's quick click on another.
    front = gr.skip() if session.tab == "product" else gr.Tabs(selected=session.tab)
    return [session.ticket, opened, header_html(session), front]


def place_of(address: str | None) -> tuple[str, str]:
    """The project's folder and the tab that an address names, as assets/js/address.js writes it; "" for none."""
    found = re.fullmatch(r"#/([^/]*)/([a-z]+)", address or "")
    return (unquote(found[1]), found[2]) if found and found[2] in TABS else ("", "")


def _wordmark() -> str:
    icon = (theme.ASSETS / "icons" / "flawsmith.svg").read_text()
    return f"{icon}<span>Flawsmith</span>"
