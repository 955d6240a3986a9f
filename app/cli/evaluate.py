"""``evaluate``: numbers on the pairs and on the detectors trained on them; one file for each family of commands."""

from __future__ import annotations

import typer

from app.cli import evaluate_pairs, evaluate_train

app = typer.Typer(
    name="evaluate",
    help="Say with numbers whether the generated pairs are any good.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
evaluate_train.register(app)
evaluate_pairs.register(app)
