"""``ui`` and ``bench``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.common import AsJson, parse_settings, print_result
from app.server.accounts import Role


def ui(
    project: Annotated[Path | None, typer.Argument(metavar="PROJECT", help="The last one opened if left out.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str], typer.Option(help="Another name that browsers may reach it by, as behind a proxy.")
    ] = [],  # noqa: B006
    i_know: Annotated[bool, typer.Option("--i-know", help="Open it to the network without a login.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; the first free one from 7860 if left out.")
    ] = None,
    auth: Annotated[Path | None, typer.Option(help="File of launch.py users; asks for a login.")] = None,
    user_header: Annotated[
        str, typer.Option(metavar="NAME", help="Header in which a proxy names the user, such as X-Remote-User.")
    ] = "",
    trust_proxy: Annotated[
        list[str], typer.Option(metavar="ADDRESS", help="Address or network of that proxy; this machine if left out.")
    ] = [],  # noqa: B006
    unknown_role: Annotated[
        Role | None, typer.Option(help="Role of users that the proxy names and --auth does not; refused if left out.")
    ] = None,
    root: Annotated[
        list[Path],
        typer.Option(help="Folder below which pages may name paths; the projects folder where others can log in."),
    ] = [],  # noqa: B006
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    demo: Annotated[bool, typer.Option(help="Open the demo product where there is no project yet.")] = True,
    language: Annotated[
        str, typer.Option(envvar="FLAWSMITH_LANGUAGE", metavar="CODE", help="Language of the page: en or de.")
    ] = "en",
) -> None:
    """Open the app."""
    from app.page import serve
    from app.server.access import Access
    from app.server.proxy_user import LOCAL_PROXY, UserHeader

    header = UserHeader(user_header, tuple(trust_proxy) or LOCAL_PROXY)
    access = Access(host, auth, tuple(allow_host), i_know, tuple(root), header, unknown_role)
    serve(project, access, port=port, browser=browser, demo=demo, language=language)


def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="core: speed; calibrate: what thresholds set by pairs keep; click, mini: what the shipped models can "
            "do; few-shot, dual, comgen: learning and component edits; realism: do the pairs teach a detector; "
            "comgen-table: what each part of ComGEN is worth; loop: what its rounds bring; rules: are learned rules "
            "the product's own; paper: a paper's tables; import: large trees; scale: very many samples, by processes "
            "and Ray; hostile: attacks of each kind in docs/security.md."
        ),
    ] = "core",
    method: Annotated[
        str, typer.Argument(help="paper: anomaly_diffusion, gaa, dual_ano_diff or comgen, whose tables are made.")
    ] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repeats, or a table of one short training.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="realism, calibrate, loop: folder with real anomalies (MVTec AD layout), or a folder of such (not "
            "loop); hostile: a concept's."
        ),
    ] = None,
    test: Annotated[
        Path | None, typer.Option(help="realism, calibrate: what to test on; DATA_dev if left out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="tables: folder of the table; an unfinished one is continued.")
    ] = None,
    rows: Annotated[
        list[str],
        typer.Option(
            "--rows",
            help="realism: real_few_shot, ENGINE, ENGINE:name=value, ENGINE+real; comgen-table: its rows; "
            "click: its sets; hostile: its kinds; import: its layouts; scale: rates, merge, tabs.",
        ),
    ] = [],  # noqa: B006
    product: Annotated[
        list[str],
        typer.Option("--product", help="comgen-table: a demo product; paper: a folder of --data."),
    ] = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(min=1, max=100, help="tables: trainings per row.")] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="tables: pairs per label; hostile, import: inputs; scale: merged.")
    ] = None,
    without: Annotated[list[str], typer.Option(help="realism: a label to leave out.")] = [],  # noqa: B006
    detector: Annotated[
        str | None, typer.Option(help="realism: what learns from the pairs; unet if left out.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="realism: preset of the training.")] = None,
    param: Annotated[
        list[str], typer.Option("--param", help="tables: a setting of the training; hostile: seed, minutes, browsers.")
    ] = [],  # noqa: B006
    looks: Annotated[
        bool, typer.Option("--looks", help="realism: how varied the pairs are, and how many are copies, as well.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="tables: auto, cpu, cuda or mps.")] = None,
    backbone: Annotated[str | None, typer.Option(help="few-shot: the model; mini if left out.")] = None,
    stage: Annotated[list[str], typer.Option("--stage", help="paper: a stage to make; all if left out.")] = [],  # noqa: B006
    table: Annotated[
        list[str], typer.Option("--table", help="paper: a table to make, ablations too; all others if left out.")
    ] = [],  # noqa: B006
    budget: Annotated[str | None, typer.Option(help="paper: paper, hours=N for each product, or toy.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="paper: say what the stages take, and make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure this machine's speed, or how much the engines' pairs are worth."""
    from core.bench import run_bench

    given: dict[str, Any] = {
        "data": data, "test": test, "out": out, "rows": [r for text in rows for r in text.split()], "seeds": seeds,
        "product": product, "count": count, "without": without, "detector": detector, "preset": preset,
        "params": parse_settings(param, "--param"), "device": device,
        "looks": looks or None, "backbone": backbone, "method": method or None, "stage": stage, "budget": budget,
        "table": table,
        "plan": plan or None,
    }  # fmt: skip
    given = {key: value for key, value in given.items() if value not in (None, [], {})}
    if name in ("calibrate", "realism", "comgen-table", "paper", "hostile", "rules", "import", "loop", "scale"):
        given["progress"] = lambda line: print(line, file=sys.stderr, flush=True)
    result: dict[str, Any] = run_bench(name, quick=quick, **given)
    print_result(result, as_json, [f"{key}: {value}" for key, value in _flattened(result)])


def _flattened(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in tree.items():
        rows += _flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return rows
