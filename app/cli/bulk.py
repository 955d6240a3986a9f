"""``regions``, ``generate``, ``merge`` and ``review``: the app's work in bulk, headless."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.common import AsJson, ProjectPath, parse_settings, print_result, progress_bar
from app.cli.interrupts import raise_when_stopped
from app.cli.rules import generate_by_rules
from core.api import GenerationBatch, RegionRow, Workbench
from core.errors import InputError


def regions(
    project: ProjectPath,
    auto: Annotated[
        bool, typer.Option("--auto", help="Segment everything: on every photo, or with --propagate on one.")
    ] = False,
    words: Annotated[
        str | None, typer.Option(help="Find and name regions by words, for example 'washer, nut', as with --auto.")
    ] = None,
    propagate: Annotated[bool, typer.Option("--propagate", help="Carry named regions to every other photo.")] = False,
    mask: Annotated[list[str], typer.Option("--mask", help="NAME=FILE: a region's mask for --photo.")] = [],  # noqa: B006
    photo: Annotated[
        str | None, typer.Option(help="Photo (file name) for --mask, --auto and --words; the first if left out.")
    ] = None,
    segmenter: Annotated[str | None, typer.Option(help="Segmenter to use from now on.")] = None,
    as_json: AsJson = False,
) -> None:
    """List, segment or propagate the regions of the part."""
    with Workbench.open(project) as bench:
        if segmenter:
            bench.regions.choose_segmenter(segmenter)
        chosen = _photo_id(bench, photo)
        for text in mask:
            name, _, file = text.partition("=")
            if not file:
                raise InputError(f"--mask {text!r}: write it as NAME=FILE, for example washer=washer.png")
            bench.regions.save(chosen, name, bench.masks.read_file(Path(file), chosen))
        result: dict[str, Any] = {"project": str(bench.path), "segmenter": bench.regions.segmenter().name}
        photos = [chosen] if propagate or photo else [r.id for r in bench.photos.page()]
        if auto:
            result["proposed"] = _store_proposals(bench, photos, bench.regions.store_proposals)
        if words:
            result["found"] = _store_proposals(bench, photos, lambda photo: bench.regions.store_words(photo, words))
        if propagate:
            with progress_bar("Carrying regions over") as progress:
                result |= bench.regions.propagate(progress=progress)
        result["names"] = bench.regions.names()
    lines = [f"{name}: on {count} photos" for name, count in result["names"].items()] or ["no regions yet"]
    if result.get("doubtful"):
        lines.append(f"{len(result['doubtful'])} photos need a look: their regions are doubtful")
    print_result(result, as_json, lines)


def generate(
    project: ProjectPath,
    engine: Annotated[str, typer.Option(help="Engine, for example cut_paste, perlin, poisson, layout.")] = "",
    label: Annotated[str | None, typer.Option(help="Label of the anomalies; the engine's name if left out.")] = None,
    count: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many to make; with --keep-best, how many to make at most.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    param: Annotated[list[str], typer.Option("--param", help="A setting of the engine as name=value.")] = [],  # noqa: B006
    draw_as: Annotated[
        str | None, typer.Option(help="flawsmith, paper or code: what sets all that --param and --place do not name.")
    ] = None,
    place: Annotated[list[str], typer.Option("--place", help="A placement rule as name=value.")] = [],  # noqa: B006
    keep_best: Annotated[
        int | None, typer.Option(min=1, help="Score each sample and continue until this many good ones are kept.")
    ] = None,
    rule: Annotated[
        list[str], typer.Option("--rule", help="With --keep-best: a rule as name=value, as in review.")
    ] = [],  # noqa: B006,E501
    spend: Annotated[
        bool, typer.Option("--spend", help="With --keep-best: make all of --count, then keep the best.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Samples made side by side.")] = 2,
    batch_size: Annotated[
        int, typer.Option(min=0, max=256, help="Samples that a model draws together; 0: what suits the machine.")
    ] = 0,
    devices: Annotated[
        str,
        typer.Option(help="A process for each: all GPUs (all), some (0,1), or several on the CPU (cpu:4)."),
    ] = "",
    ray: Annotated[
        str, typer.Option(help="Make it on a Ray cluster: auto for this machine's, HOST:PORT or ray://HOST:PORT.")
    ] = "",
    shard: Annotated[
        str | None, typer.Option(help="Make only shard i of n, for example 2/8, into --out; 'merge' takes it in.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="With --shard: the folder to write it to.")] = None,
    rules: Annotated[
        str | None, typer.Option(help="Break rules of the product in place of --engine: all, or names with commas.")
    ] = None,
    per_rule: Annotated[int, typer.Option(min=1, max=100_000, help="With --rules: samples for each of them.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Make anomalies in bulk; with --keep-best, judge them and make more until enough good ones are kept."""
    if bool(engine) == bool(rules):
        raise InputError("generate: give --engine, or --rules to break the product's rules, and not both")
    if rules:
        if keep_best or shard or devices or ray or param or place or label:
            raise InputError(
                "--rules: each rule sets label, engine and settings itself; give --per-rule and --seed only"
            )
        return generate_by_rules(project, rules, per_rule, seed, as_json)
    _check_together(keep_best, bool(rule), spend, shard, out, devices, ray)
    batch = GenerationBatch(
        engine=engine,
        label=label or engine,
        count=count,
        seed=seed,
        params=parse_settings(param, "--param") | ({"draw_as": draw_as} if draw_as else {}),
        placement=parse_settings(place, "--place"),
        workers=workers,
        batch_size=batch_size,
    )
    if shard and out:
        _generate_shard(project, batch, shard, out, as_json)
        return
    began = time.monotonic()
    with Workbench.open(project) as bench:
        keep_rules = (
            bench.review.parse_rules({**parse_settings(rule, "--rule"), "keep_best": keep_best}) if keep_best else None
        )
        with progress_bar(f"{engine} · {batch.label}") as progress:
            made = bench.studio.generate(
                batch, rules=keep_rules, spend=spend, devices=devices, ray=ray, progress=progress,
                cancelled=raise_when_stopped if ray else lambda: False,
            )  # fmt: skip
        result = {name: made[name] for name in ("samples", "kept", "given_up", "message")}
        result |= {"seconds": round(time.monotonic() - began, 3), "project": str(bench.path)}
        result |= {"engine": engine, "label": batch.label, "reasons": made.get("reasons", {})}
        result |= {name: made[name] for name in ("rejected", "quota", "budget", "ended", "notes") if name in made}
    lines = [f"{made['message']} in {result['seconds']:.1f} s"]
    lines += [f"rejected {n}: {why}" for why, n in result["reasons"].items()]
    print_result(result, as_json, [*lines, *(f"note: {note}" for note in result.get("notes", []))])


def _check_together(
    keep_best: int | None, rule: bool, spend: bool, shard: str | None, out: Path | None, devices: str, ray: str
) -> None:
    """InputError for options of ``generate`` that need another one, or rule it out."""
    if keep_best is None and (rule or spend):
        raise InputError(f"{'--rule' if rule else '--spend'}: it belongs to --keep-best; say how many to keep")
    if (shard is None) != (out is None):
        raise InputError("--shard and --out belong together; say which shard to make and where to")
    if shard and (devices or ray):
        raise InputError(
            f"--{'devices' if devices else 'ray'}: a shard is made in one process; start one shard for each device"
        )
    if devices and ray:
        raise InputError("--devices and --ray: give one of them")
    if shard and keep_best:
        raise InputError("--keep-best: it needs all samples; merge the shards first, then run review --auto")


def _generate_shard(project: Path, batch: GenerationBatch, shard: str, out: Path, as_json: bool) -> None:
    """Make one shard into ``out``. The project is read from a copy of its database, so that many may do so at once."""
    began = time.monotonic()
    with Workbench.open(project, for_reading=True) as bench, progress_bar(f"shard {shard}") as progress:
        made = bench.shards.make(batch, shard, out, progress=progress)
    counts = {"samples": made.samples, "found": made.found, "given_up": made.given_up}
    result = {**counts, "shard": shard, "out": str(out), "seconds": round(time.monotonic() - began, 3)}
    there = f", {made.found} of them were there before" if made.found else ""
    print_result(result, as_json, [f"shard {shard}: {made.samples} samples in {out}{there}"])


def merge(
    project: ProjectPath,
    shards: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders that generate --shard made.")],
    as_json: AsJson = False,
) -> None:
    """Take shards of a batch into the project; again and again, if need be: nothing comes twice."""
    with Workbench.open(project) as bench, progress_bar("Merging") as progress:
        merged = bench.shards.merge(shards, progress=progress)
    counts = {"samples": merged.samples, "already": merged.already, "given_up": merged.given_up}
    result = {**counts, "missing": merged.missing, "damaged": merged.damaged, "project": str(project)}
    print_result(result, as_json, [merged.message])
    if merged.damaged:
        raise InputError(f"{merged.message}; make those shards again and merge once more")


def review(
    project: ProjectPath,
    auto: Annotated[bool, typer.Option("--auto", help="Keep or reject every new sample by the rules.")] = False,
    rule: Annotated[list[str], typer.Option("--rule", help="A rule as name=value, for example min_covered=0.8.")] = [],  # noqa: B006
    undo: Annotated[bool, typer.Option("--undo", help="Take the last verdicts back.")] = False,
    people: Annotated[
        int | None,
        typer.Option(min=1, max=2, help="How many people have to agree before a sample is kept or rejected."),
    ] = None,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="How far people agree, by label: shares and Cohen's κ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Count the samples; keep or reject the new ones by their scores; say how far people agree."""
    if rule and not auto:
        raise InputError("--rule: it belongs to --auto; add --auto or leave it out")
    with Workbench.open(project) as bench:
        result: dict[str, Any] = {"project": str(bench.path)}
        if undo:
            result["undone"] = len(bench.review.undo())
        if auto:
            result |= bench.review.apply_rules(bench.review.parse_rules(parse_settings(rule, "--rule")))
        if people is not None:
            result |= {"people": people, "changed": bench.review.opinions.ask(people == 2)}
        if agreement:
            result["agreement"] = [asdict(figure) for figure in bench.review.opinions.agreement()]
        result["counts"] = bench.review.counts()
    lines = [f"{label}: " + ", ".join(f"{n} {v}" for v, n in by.items()) for label, by in result["counts"].items()]
    lines += [f"rejected {n}: {why}" for why, n in result.get("reasons", {}).items()]
    lines += _agreement_lines(result) if agreement else []
    print_result(result, as_json, lines or ["no samples yet; launch.py generate makes some"])


def _agreement_lines(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["agreement"]:
        kappa = "not defined, both always said the same" if row["kappa"] is None else f"{row['kappa']:.2f}"
        who = " and ".join(row["people"])
        lines.append(
            f"{row['label'] or 'all labels'}: {who} agree on {row['same']} of {row['samples']} samples, κ {kappa}"
        )
    meaning = "κ: 1 where people always agree, 0 where they agree no more than by chance"
    return [*lines, meaning] if lines else ["no two people have judged the same sample yet"]


def _photo_id(bench: Workbench, name: str | None) -> str:
    rows = bench.photos.page()
    if not rows:
        raise InputError("the project has no photos; import a folder of good parts first")
    if name is None:
        return rows[0].id
    found = [r.id for r in rows if name in (r.name, Path(r.name).name, r.id)]
    if not found:
        raise InputError(f"--photo {name!r}: there is no such photo in the project (the first is {rows[0].name!r})")
    return found[0]


def _store_proposals(bench: Workbench, normal_ids: list[str], store: Callable[[str], list[RegionRow]]) -> int:
    total = 0
    with progress_bar("Segmenting") as progress:
        for done, normal_id in enumerate(normal_ids):
            if not bench.regions.of_photo(normal_id):
                total += len(store(normal_id))
            progress(done + 1, len(normal_ids))
    return total
