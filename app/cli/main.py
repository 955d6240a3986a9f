"""The list of commands, and what happens to errors.

Every command takes ``--json``: one JSON object on the last line of stdout; progress and logs go to stderr.
Bad input ends with one line ``error: ...`` on stderr and exit code 2; Ctrl-C with 130; a bug with a traceback.
"""

from __future__ import annotations

import logging
import sys

import typer

from app.cli import (
    bank,
    bulk,
    calibrate,
    checks,
    data,
    demo,
    evaluate,
    learn,
    loop,
    models,
    photos,
    projects,
    rules,
    serve,
    users,
)
from app.cli.common import printable
from app.cli.interrupts import handled_signals
from core.errors import Cancelled, FlawsmithError

app = typer.Typer(
    name="launch.py",
    help="Flawsmith: believable anomalies with exact masks, from photos of good parts.",
    add_completion=False,
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("ui")(serve.ui)
app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(checks.test)
app.command("check")(checks.check)
app.command("demo")(demo.demo)
app.command("new")(photos.new)
app.command("import")(photos.import_photos)
app.command("labels")(photos.labels)
app.command("scale")(photos.scale)
app.command("regions")(bulk.regions)
app.command("rules")(rules.rules)
app.command("learn")(learn.learn)
app.command("generate")(bulk.generate)
app.command("merge")(bulk.merge)
app.command("review")(bulk.review)
app.command("export")(data.export)
app.add_typer(evaluate.app, name="evaluate")
app.command("calibrate")(calibrate.calibrate)
app.command("loop")(loop.loop)
app.add_typer(bank.app, name="bank")
app.command("pack")(projects.pack)
app.command("open")(projects.open_packed)
app.command("models")(models.models)
app.command("bench")(serve.bench)
app.command("users")(users.users)

INTERRUPTED = 130
"""Exit code of a command that was stopped."""


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        with handled_signals():
            code = app(argv or ["ui"], standalone_mode=False)
    except FlawsmithError as error:
        stopped = isinstance(error, Cancelled)
        return _print_error("stopped" if stopped else "error", str(error), INTERRUPTED if stopped else 2)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        return _print_error(
            "error", f"{str(error.filename)[:200]}: {error.strerror}; check the path and its rights", 2
        )
    except Exception as error:
        # Typer vendors click, so usage errors are recognised by what they can do, not by their class.
        if not hasattr(error, "format_message"):
            raise
        return _print_error("error", f"{error.format_message().rstrip('.')}; see launch.py --help", 2)
    if code == INTERRUPTED:  # Typer makes this of a KeyboardInterrupt, without a word
        return _print_error("stopped", "interrupted; what was finished is kept", INTERRUPTED)
    return int(code or 0)


def _print_error(what: str, line: str, code: int) -> int:
    print(f"{what}: {printable(line)}", file=sys.stderr, flush=True)
    return code
