"""What a person may ask for beside the page's events: pictures of projects, and uploads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from app.server.accounts import Role
from app.server.limits import is_upload
from app.server.team import Team
from core.errors import InputError

_FILE = re.compile(r"/file[=/](.*)", re.DOTALL)


@dataclass(frozen=True)
class Rights:
    """``folders`` gives the folders that hold files of open projects, each with its project's folder."""

    team: Team
    folders: Callable[[], Iterable[tuple[Path, Path]]]

    def refused(self, login: str, method: str, path: str) -> str | None:
        """Why a request is not answered for the person who is logged in as ``login``, in a line; None where it is.

        Without a login Gradio refuses by itself what needs one.
        """
        if not (self.team.asks and login):
            return None
        try:
            if method == "POST" and is_upload(path):
                self.team.check_role(login, Role.INSPECTOR)
            if asked := _FILE.search(path):
                self._check_file(login, Path(asked[1]))
        except (InputError, OSError, ValueError) as error:
            return str(error)
        return None

    def _check_file(self, login: str, file: Path) -> None:
        place = file.resolve()
        for folder, project in self.folders():
            if place.is_relative_to(folder):
                self.team.check_project(login, project)
