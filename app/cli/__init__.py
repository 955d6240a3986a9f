"""The command line: one file per group of commands, all on core.workbench."""

from app.cli.main import run

__all__ = ["run"]
