"""What can be done with the open project as a whole: name, copy, bin; where it lies, and its size."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import gradio as gr

from app.components.fields import required_text
from app.components.progress_bar import ProgressBar
from app.open_projects import is_busy
from app.page_context import PageContext, on
from app.server.roots import roots
from app.session import Session, file_url, sessions
from core.api.project_archive import start_packing
from core.api.projects import bin_project, duplicate_project, free_path, project_bytes, rename_project
from core.errors import InputError

TO_BIN = "Move to the bin"
SURE = "Really move it?"


class ProjectCare:
    """The fold-out under the choice of projects. ``parts`` is what ``show`` updates."""

    def __init__(self, shell: PageContext) -> None:
        with gr.Accordion("This project", open=False, visible=False, elem_id="fs-project-care") as self.box:
            self.where = gr.HTML(elem_id="fs-project-where", padding=False)
            with gr.Row(elem_classes="fs-inline"):
                self.name = gr.Textbox(label="Name of the project", max_lines=1, scale=3, min_width=120,
                                       elem_id="fs-project-name")  # fmt: skip
                self.rename = gr.Button("Rename", size="sm", scale=1, min_width=70, elem_id="fs-project-rename")
            with gr.Row(elem_classes="fs-tight", equal_height=True):
                self.copy = gr.Button("Duplicate", size="sm", min_width=80, elem_id="fs-project-copy")
                self.pack = gr.Button("Pack as one file", size="sm", min_width=120, elem_id="fs-project-pack")
                self.throw = gr.Button(TO_BIN, size="sm", min_width=110, elem_id="fs-project-bin")
            self.bar = ProgressBar(shell, "pack_id")
            self.packed = gr.HTML(elem_id="fs-project-packed", padding=False)
        self.parts = [self.box, self.where, self.name, self.throw, self.packed]

    def show(self, session: Session) -> list[Any]:
        """Updates for ``parts``."""
        if session.api is None:
            return [gr.update(visible=False), "", "", gr.skip(), ""]
        where = f"<p class='fs-hint fs-path'>{html.escape(str(session.api.path))}</p>"
        calm = gr.update(value=TO_BIN, variant="secondary")
        return [gr.update(visible=True), where, session.api.project.name, calm, ""]

    @staticmethod
    def measured(session: Session) -> str:
        """Where the project lies and how large it is, HTML; counting takes a moment where there are many files."""
        path = session.required_api.path
        return f"<p class='fs-hint fs-path'>{html.escape(str(path))}<br>{project_bytes(path) / 1e6:,.1f} MB</p>"

    def wire(self, shell: PageContext, show: Any, shown: list[Any]) -> None:
        """What the buttons do; ``show(session)`` gives updates for ``shown``, which hold ``parts``."""

        def rename(session: Session, name: str) -> list[Any]:
            called = required_text("Name of the project", name, "bearing cap, line 3")
            rename_project(session.required_api.project, called)
            return list(show(session))

        def duplicate(session: Session) -> str:
            source = session.required_api.path
            copy = duplicate_project(source, roots.checked(free_path(source)))
            opened = sessions.open(session.id, copy)
            rename_project(opened.required_api.project, copy.name)
            gr.Info(f"This is the copy now, in {copy}.", title="Duplicated")
            return str(copy)

        def throw(session: Session, said: str) -> list[Any]:
            path = session.required_api.path
            if said != SURE:
                return [gr.skip(), gr.update(value=SURE, variant="stop")]
            roots.checked(path.parent)
            if is_busy(session.api):
                raise InputError("something is still running in this project: wait for it, or stop it above")
            sessions.close_project(path)
            put = bin_project(path)
            gr.Info(f"It lies in {put}; move that folder back to have it again.", title="In the bin")
            return ["-", gr.update(value=TO_BIN, variant="secondary")]

        on(self.box.expand, self.measured, shell, outputs=[self.where], role="viewer")
        for press in (self.rename.click, self.name.submit):
            on(press, rename, shell, [self.name], shown)
        on(self.copy.click, duplicate, shell, outputs=[shell.project_opened], trigger_mode="once")

        def pack(session: Session) -> list[Any]:
            session.pack_id = start_packing(session.required_api.project, session.required_api.jobs)
            return ["", *self.bar.refresh(session)]

        on(self.pack.click, pack, shell, outputs=[self.packed, *self.bar.parts], trigger_mode="once")
        packed = self.bar.on_end(shell, _packed_link, outputs=[self.packed])
        packed.success(None, js="() => document.querySelector('#fs-project-packed a')?.click()")
        on(self.throw.click, throw, shell, [self.throw], [shell.project_opened, self.throw], role="admin")


def _packed_link(session: Session) -> str:
    """A link to the packed project, HTML; the page presses it at once. "" where packing was stopped or failed."""
    path = session.required_api.jobs.result(session.pack_id).get("path")
    if not path:
        return ""
    file = Path(path)
    name, size = html.escape(file.name), f"{file.stat().st_size / 1e6:,.1f} MB"
    link = f"<a href='{html.escape(file_url(file))}' download='{name}'>{name}</a>"
    return f"<p class='fs-hint'>{link}, {size}. Drop it into Import on another machine to open it there.</p>"
