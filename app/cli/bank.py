"""``bank``: defects kept once and stamped on many photos, shared between projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.common import AsJson, ProjectPath, print_result, progress_bar
from core.api import Workbench
from core.api.bank import BankCard, SharedBank

app = typer.Typer(
    name="bank",
    help="The defect bank, which all projects of this machine share; FLAWSMITH_BANK moves it.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

OneLabel = Annotated[str | None, typer.Option(help="Only this label.")]
Licence = Annotated[str, typer.Option(help="Licence or origin, noted with each entry.")]


@app.command("list")
def list_entries(label: OneLabel = None, as_json: AsJson = False) -> None:
    """Show the entries."""
    bank = SharedBank()
    cards, problems = bank.cards(label), bank.problems()
    lines = [_line(card) for card in cards] or ["the bank is empty; `launch.py bank add PROJECT` fills it"]
    result = {"folder": str(bank.folder), "entries": [card.as_dict() for card in cards], "problems": problems}
    print_result(result, as_json, [*lines, *(f"warning: {line}" for line in problems)])


@app.command("add")
def add(
    project: ProjectPath,
    kept: Annotated[bool, typer.Option("--kept", help="Add the kept samples instead of the real anomalies.")] = False,
    label: OneLabel = None,
    licence: Licence = "",
    as_json: AsJson = False,
) -> None:
    """Add a project's real anomalies, or its kept samples."""
    with Workbench.open(project) as bench, progress_bar("Adding") as progress:
        if kept:
            found = bench.bank.add_samples(label=label, licence=licence, progress=progress)
        else:
            found = bench.bank.add_real(label, licence, progress)
    result = {"added": found.added, "known": found.known, "problems": list(found.problems)}
    print_result(result, as_json, [found.in_words()])


@app.command("pair")
def pair(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A photo of the part.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="The same after a defect was drawn into it.")],
    label: Annotated[str, typer.Option(help="The defect's label.")],
    licence: Licence = "",
    as_json: AsJson = False,
) -> None:
    """Add what changed from one photo to another."""
    found = SharedBank().add_pair(before, after, label, licence)
    print_result({"added": found.added, "known": found.known, "problems": []}, as_json, [found.in_words()])


@app.command("export")
def export(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="The zip to write.")],
    label: OneLabel = None,
    as_json: AsJson = False,
) -> None:
    """Write the bank as one file."""
    count = SharedBank().export(out, label)
    print_result({"entries": count, "path": str(out)}, as_json, [f"{count} entries: {out}"])


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A zip that `bank export` wrote.")],
    as_json: AsJson = False,
) -> None:
    """Take in the entries of such a file."""
    found = SharedBank().import_file(file)
    said = f"{len(found.added)} added, {found.known} there already"
    result = {"added": list(found.added), "known": found.known, "problems": list(found.problems)}
    print_result(result, as_json, [said, *(f"warning: {line}" for line in found.problems)])


@app.command("remove")
def remove(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `bank list` shows them.")],
    as_json: AsJson = False,
) -> None:
    """Take entries out; samples made with them stay."""
    SharedBank().remove(ids)
    print_result({"removed": ids}, as_json, [f"{len(ids)} removed"])


def _line(card: BankCard) -> str:
    facts = card.facts
    ars = f"  ars {facts.scores['ars']:.2f}" if "ars" in facts.scores else ""
    licence = f"  {facts.licence}" if facts.licence else ""
    return f"{card.id}  {facts.label:16} {facts.source:8} {facts.name}{ars}{licence}"
