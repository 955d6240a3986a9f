"""Below which folders of the server a person may name paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.errors import InputError


@dataclass
class Roots:
    """``folders`` are absolute and without links; none means that every path may be named."""

    folders: tuple[Path, ...] = ()

    def add(self, folder: Path) -> None:
        """Allow paths below ``folder`` too, where there is a limit at all."""
        if self.folders:
            self.folders = (*self.folders, folder.resolve())

    def allow(self, path: Path) -> bool:
        """Whether ``path`` lies at or below one of the folders, links followed."""
        return not self.folders or any(path.resolve().is_relative_to(folder) for folder in self.folders)

    def checked(self, path: Path) -> Path:
        """``path`` without ``~`` if it may be named; InputError says below what it has to be."""
        try:
            expanded = path.expanduser()
            allowed = self.allow(expanded)
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(f"{str(path)[:200]!r}: no path of this machine ({error})") from None
        if not allowed:
            raise InputError(f"{str(path)[:200]!r}: this server opens paths below {self.in_words()} only; choose one")
        return expanded

    def in_words(self) -> str:
        """The folders, for a person; "" where there is no limit."""
        return " and ".join(map(str, self.folders))


roots = Roots()
"""Those of this server."""


def checked_roots(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """The folders of ``--root``, absolute and without links; InputError for one that is not there."""
    for folder in folders:
        if not folder.expanduser().is_dir():
            raise InputError(f"--root {folder}: there is no such folder; give one of this machine")
    return tuple(folder.expanduser().resolve() for folder in folders)
