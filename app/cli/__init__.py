"""The command line: one file per group of commands, all on core.api."""

from app.cli.main import run

__all__ = ["run"]
