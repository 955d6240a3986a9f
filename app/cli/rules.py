"""``rules``: what good photos have in common, and which of it a photo breaks."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.common import AsJson, ProjectPath, print_result, progress_bar
from core.api import Workbench
from core.api.rules import PhotoCheck, Rule
from core.errors import InputError


def rules(
    project: ProjectPath,
    learn: Annotated[
        bool, typer.Option("--learn", help="Read rules from the named regions; confirmed ones stay.")
    ] = False,
    check: Annotated[
        list[Path], typer.Option("--check", help="A photo to check: its components are found, then the rules asked.")
    ] = [],  # noqa: B006
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Take the rules of a file in place of the project's.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the rules to a JSON file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show, learn and check the rules of a product: how many parts, where, how turned, how large, of what colour."""
    if learn and from_file:
        raise InputError("--learn and --from: give one of them; both would set the rules")
    with Workbench.open(project) as bench:
        if from_file:
            bench.rules.read_file(from_file)
        if learn:
            with progress_bar("Reading rules") as progress:
                bench.rules.learn(progress=progress)
        with progress_bar("Checking") as progress:
            checks = bench.rules.check_files(check, progress=progress) if check else []
        found = bench.rules.current()
        if out:
            bench.rules.write_file(out)
    result: dict[str, Any] = {"project": str(project), "rules": [_row(rule) for rule in found.rules]}
    result |= {"out": str(out)} if out else {}
    result |= {"checks": [_check_row(one) for one in checks]} if checks else {}
    lines = [f"{rule.words()}  ({_facts(rule)})" for rule in found.rules]
    if not lines:
        lines = ["no rules yet; name the parts in Regions, then run this with --learn"]
    print_result(result, as_json, [*([] if checks else lines), *(line for one in checks for line in _lines(one))])


def generate_by_rules(project: Path, names: str, per_rule: int, seed: int, as_json: bool) -> None:
    """``generate --rules``: samples that each break one rule, with a table of what came of it."""
    began = time.monotonic()
    ids = [] if names == "all" else [name.strip() for name in names.split(",") if name.strip()]
    with Workbench.open(project) as bench, progress_bar("Breaking rules") as progress:
        made = bench.rules.generate(ids, per_rule, seed, progress=progress)
    rows = [asdict(row) for row in made["rows"]]
    counts = {name: made[name] for name in ("samples", "given_up", "message")}
    result = {**counts, "rows": rows, "seconds": round(time.monotonic() - began, 3), "project": str(project)}
    lines = [f"{row['label']}: {row['made']} made" + _why(row) for row in rows]
    print_result(result, as_json, [*lines, f"{made['message']} in {result['seconds']:.1f} s"])


def _why(row: dict[str, Any]) -> str:
    return f", {row['given_up']} given up ({row['reason']})" if row["given_up"] else ""


def _facts(rule: Rule) -> str:
    who = "by a person" if rule.source == "person" else f"{rule.support} photos, sharpness {rule.sharpness:.2f}"
    return f"{rule.id}, {who}, {rule.status}"


def _row(rule: Rule) -> dict[str, Any]:
    return {"id": rule.id, "words": rule.words(), **rule.plain()}


def _lines(check: PhotoCheck) -> list[str]:
    said = [f"{check.name}: {_said(len(check.broken))}"]
    return [*said, *(f"  {one.rule.id}: {broken.words}" for one in check.broken for broken in one.breaks)]


def _said(number: int) -> str:
    return f"{number} rules broken" if number > 1 else "1 rule broken" if number else "breaks no rule"


def _check_row(check: PhotoCheck) -> dict[str, Any]:
    return {
        "photo": check.name,
        "found": {family: n for family, n in _counts(check).items()},
        "broken": [
            {
                "rule": one.rule.id,
                "deviation": one.deviation,
                "words": [b.words for b in one.breaks],
                "boxes": [part.box for b in one.breaks for part in b.parts],
                "missing": [box for b in one.breaks for box in b.missing],
            }
            for one in check.broken
        ],
        "holds": [one.rule.id for one in check.outcomes if one.holds],
        "not_checked": [one.rule.id for one in check.outcomes if one.holds is None],
    }


def _counts(check: PhotoCheck) -> dict[str, int]:
    counts: dict[str, int] = {}
    for part in check.parts:
        counts[part.family] = counts.get(part.family, 0) + 1
    return counts
