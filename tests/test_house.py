"""The rules of the house that no linter knows: who may import whom, and what loads when."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FLOORS: list[set[str]] = [
    {"launch"},
    {"app"},
    {"core.bench"},
    {"core.api"},
    {"core.loop"},
    {"core.jobs"},
    {"core.methods"},
    {"core.engines", "core.evaluation", "core.bank"},
    {"core.training", "core.quality", "core.rules"},
    {
        "core.segmentation",
        "core.features",
        "core.diffusion",
        "core.store",
        "core.importers",
        "core.exporters",
        "core.weights",
    },
    {"core.masks"},
    {"core.images", "core.device", "core.demo"},
    {"core.progress", "core.memory_budget"},
    {"core.types"},
    {"core.given_files", "core.placement_rules", "core.stored", "core.validation"},
    {"core.lookup"},
    {"core.errors"},
]
"""Top floor first. A room imports from lower floors only, and not from a neighbour, but for these:"""

NEIGHBOURS = {
    ("core.importers", "core.exporters"),  # an export of ours is known by the files that exporters name
    ("core.segmentation", "core.features"),  # propagation finds moved parts by their features
    ("core.segmentation", "core.weights"),  # SAM asks where its checkpoints are
    ("core.diffusion", "core.weights"),  # so do the diffusion models
}

ONE_PLACE = {
    "gradio": "app",
    "diffusers": "core/diffusion",
    "huggingface_hub": "core/diffusion",
    "peft": "core/training",
    "segment_anything": "core/segmentation",
    "ray": "core/jobs",
    "efficientnet_lite_pytorch": "core/features",
    "onnxruntime": "core/segmentation",
}

APP_MAY_IMPORT = ("core.api", "core.types", "core.progress", "core.errors", "core.bench")


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    """Every module of the project by its path, read once for all rules."""
    paths = [ROOT / "launch.py", *sorted((ROOT / "core").rglob("*.py")), *sorted((ROOT / "app").rglob("*.py"))]
    return [(path.relative_to(ROOT), ast.parse(path.read_text())) for path in paths]


def imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative import"
            if node.module in ("core", "app"):
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def room(name: str) -> str | None:
    parts = name.split(".")
    if parts[0] in ("app", "launch"):
        return parts[0]
    return ".".join(parts[:2]) if parts[0] == "core" and len(parts) > 1 else None


def floor(name: str) -> int | None:
    return next((i for i, rooms in enumerate(FLOORS) if name in rooms), None)


def test_imports_go_downwards() -> None:
    offenders = []
    for path, tree in sources():
        here = room(".".join(path.with_suffix("").parts))
        if here is None or floor(here) is None:
            continue
        for name, line in imports(tree):
            there = room(name)
            if there is None or there == here or (here, there) in NEIGHBOURS or floor(there) is None:
                continue
            if floor(there) <= floor(here):  # type: ignore[operator]
                offenders.append(f"{path}:{line} imports {name}: {here} may not look up or sideways to {there}")
    assert not offenders, "\n".join(offenders)


def test_every_room_has_a_floor() -> None:
    rooms = {room(".".join(path.with_suffix("").parts)) for path, _ in sources()} - {None, "core.__init__"}
    homeless = {r for r in rooms if floor(r) is None}  # type: ignore[arg-type]
    assert not homeless, f"add {homeless} to FLOORS"


def test_the_app_sees_only_the_workbench() -> None:
    offenders = [
        f"{path}:{line} imports {name}"
        for path, tree in sources()
        if path.parts[0] in ("app", "launch.py")
        for name, line in imports(tree)
        if name.startswith("core.") and not name.startswith(APP_MAY_IMPORT)
    ]
    assert not offenders, "\n".join(offenders)


def test_heavy_libraries_are_imported_in_one_place() -> None:
    offenders = [
        f"{path}:{line} imports {name}; only {home} may"
        for path, tree in sources()
        for name, line in imports(tree)
        if (home := ONE_PLACE.get(name.split(".")[0])) and not str(path).startswith(home)
    ]
    assert not offenders, "\n".join(offenders)


def test_tools_stay_out_of_the_product() -> None:
    """Not by importlib either: no string of the code is the name of one of their modules."""
    offenders = [
        f"{path}:{line} imports {name}; move down to core what both need"
        for path, tree in sources()
        for name, line in [*imports(tree), *((text, at) for text, at in names_and_strings(tree) if "." in text)]
        if re.fullmatch(r"tools(\.\w+)*", name)
    ]
    assert not offenders, "\n".join(offenders)


def test_torch_stays_unloaded() -> None:
    code = """import sys
for name in ("core.api", "app.cli.main", "app.page"):
    __import__(name)
    if loaded := {"torch", "diffusers"} & set(sys.modules):
        sys.exit(f"importing {name} loads {', '.join(loaded)}")"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_files_stay_rooms() -> None:
    """A file of more than 400 lines is two rooms; the house asks for a folder at about 300."""
    long = {str(path): n for path, _ in sources() if (n := len((ROOT / path).read_text().splitlines())) > 400}
    assert not long


METHODS = sorted(p.name for p in (ROOT / "core" / "methods").iterdir() if (p / "__init__.py").is_file())
MAY_NAME_METHODS = ("core/methods/", "core/bench/")
"""Benchmarks measure methods by name; all else reaches them through a registry."""


def test_no_one_imports_a_method() -> None:
    offenders = [
        f"{path}:{line} imports {name}; ask the registry of engines or detectors"
        for path, tree in sources()
        if not str(path).startswith(MAY_NAME_METHODS)
        for name, line in imports(tree)
        if name.startswith("core.methods.")
    ]
    assert not offenders, "\n".join(offenders)


def test_methods_do_not_import_each_other() -> None:
    offenders = []
    for path, tree in sources():
        if path.parts[:2] == ("core", "methods") and len(path.parts) > 3:
            own = f"core.methods.{path.parts[2]}"
            strange = [(n, at) for n, at in imports(tree) if n.startswith("core.methods.") and not n.startswith(own)]
            offenders += [f"{path}:{line} imports {name}; move down what two methods share" for name, line in strange]
    assert not offenders, "\n".join(offenders)


def names_and_strings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Identifiers and string constants, docstrings left out: a paper may be cited anywhere."""
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value, node.lineno


def test_no_engine_is_known_by_name_above_the_engines() -> None:
    """The app, the façade and the jobs follow what an engine declares."""
    from core.engines.registry import engines

    # A dataset has a layout too, and a file a stamp.
    known = set(engines()) - {"layout", "stamp"}
    offenders = [
        f"{path}:{line} names the engine {text!r}; let the engine declare what is needed"
        for path, tree in sources()
        if str(path).startswith(("app/", "core/api/", "core/jobs/"))
        for text, line in names_and_strings(tree)
        if text in known
    ]
    assert not offenders, "\n".join(offenders)


def test_a_method_is_named_in_its_folder_only() -> None:
    offenders = [
        f"{path}:{line} names {text[:60]!r}"
        for path, tree in sources()
        if str(path).startswith("core/") and not str(path).startswith(MAY_NAME_METHODS)
        for text, line in names_and_strings(tree)
        if text in METHODS
    ]
    assert not offenders, "\n".join(offenders)


def test_a_class_name_stands_for_one_thing() -> None:
    places: dict[str, list[str]] = {}
    tools = [(p.relative_to(ROOT), ast.parse(p.read_text())) for p in sorted((ROOT / "tools").rglob("*.py"))]
    for path, tree in [*sources(), *tools]:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{path}:{node.lineno}")
    # Every engine and detector has its settings as Params where they are short.
    twice = {name: where for name, where in places.items() if len(where) > 1 and name != "Params"}
    assert not twice


def test_engines_are_not_asked_by_getattr() -> None:
    offenders = [
        f"{path}:{node.lineno}"
        for path, tree in sources()
        if str(path).startswith(("core/engines/", "core/jobs/", "core/api/", "app/tabs/studio/"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id in ("engine", "chosen", "e", "card")
    ]
    assert not offenders, "declare it in core.engines.api.Engine: " + ", ".join(offenders)


def test_an_id_of_the_page_stands_for_one_element() -> None:
    found = [
        name for path in (ROOT / "app").rglob("*.py") for name in re.findall(r'elem_id="([\w-]+)"', path.read_text())
    ]
    assert found and not sorted({name for name in found if found.count(name) > 1})


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "developing.md").read_text()
    drawn = text.split("## The map")[1].split("```")[1]
    rooms = {
        path.name + ("/" if path.is_dir() else "")
        for top in ("core", "app")
        for path in (ROOT / top).iterdir()
        if path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }
    missing = {room for room in rooms if not re.search(rf"(?<![\w/]){re.escape(room)}", drawn)}
    assert rooms and not missing, f"docs/developing.md: add to the map: {sorted(missing)}"


def test_the_tests_lie_as_the_code_does() -> None:
    others = {"tests/data", "tests/hostile", "tests/js"}
    folders = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")} - {"tests"}
    lost = [f for f in folders - others if not any((ROOT / top / f[6:]).is_dir() for top in ("core", "app", "."))]
    assert not lost, f"tests of core/x lie in tests/x, those of app/x too, those of tools in tests/tools: {lost}"
