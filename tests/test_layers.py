"""The rooms stay apart: imports go down the levels, never round in a circle, the heavy ones stay at home.

Every import statement of every module counts, those inside functions and under `TYPE_CHECKING` too. The
levels are those of `docs/structure.md`; a new room gets its line in both.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEVELS = {
    "errors": 0,
    "hub": 1,
    "tasks": 1,
    "spec": 2,
    "records": 3,
    "data": 4,
    "models": 4,
    "search": 4,
    "training": 5,
    "scaling": 5,
    "execution": 6,
    "results": 7,
    "data_report": 7,
    "inspection": 8,
    "dashboard": 8,
    "search_report": 9,
    "api": 10,
    "progress": 10,
    "simulation": 10,
    "__init__": 11,
    "cli": 12,
    "__main__": 13,
}
"""Room to level; the package's own front (`__init__`) stands on the Python door, the command line on both."""

HEAVY = {
    "optuna": {"search"},
    "ray": {"execution"},
    "deepspeed": {"training"},
    "torch": {"models", "tasks", "training", "scaling", "results"},
    "tensorboardX": {"records"},
    "sklearn": {"data", "search"},
    "pyarrow": {"data", "results"},
    "PIL": {"data"},
    "fsspec": {"data"},
    "huggingface_hub": {"hub"},
    "transformers": {"models"},
    "peft": {"models"},
    "fastapi": {"dashboard"},
    "starlette": {"dashboard"},
    "uvicorn": {"dashboard"},
}
"""Heavy package to the rooms that may import it."""


def find_modules(root: Path) -> dict[str, Path]:
    """Dotted name to file, of every module under the package folder `root`."""
    return {_dotted(path.relative_to(root.parent)): path for path in sorted(root.rglob("*.py"))}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(name: str, path: Path, known: Collection[str] = ()) -> set[str]:
    """Dotted names that the module asks for; `from a import b` asks for `a.b` if that is known, else `a`."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return {
        wanted for node in ast.walk(ast.parse(path.read_text())) for wanted in _wanted(node, package, known)
    }


def _wanted(node: ast.AST, package: str, known: Collection[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, package)
        for alias in node.names:
            full = f"{base}.{alias.name}"
            yield full if full in known else base


def _base(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parents = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parents, *([node.module] if node.module else [])])


def graph(root: Path) -> dict[str, set[str]]:
    """Module to the modules of the same package that it imports."""
    known = find_modules(root)
    return {name: (imports(name, path, known) & known.keys()) - {name} for name, path in known.items()}


def room(module: str) -> str:
    """`tuner.spec.space` -> `spec`; the package itself -> `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def upward_imports(root: Path) -> list[str]:
    return [
        f"{module} (level {LEVELS[room(module)]}) imports {other} (level {LEVELS[room(other)]})"
        for module, others in graph(root).items()
        for other in sorted(others)
        if room(module) != room(other) and LEVELS[room(other)] >= LEVELS[room(module)]
    ]


def heavy_imports(root: Path) -> list[str]:
    return [
        f"{module} imports {heavy}, which belongs to {sorted(homes)}"
        for module, path in find_modules(root).items()
        for heavy, homes in HEAVY.items()
        if room(module) not in homes and heavy in {name.partition(".")[0] for name in imports(module, path)}
    ]


def find_cycle(edges: Mapping[str, set[str]]) -> list[str]:
    """The modules of one import cycle, first one repeated at the end; empty when there is none."""
    done: set[str] = set()
    for start in edges:
        cycle = _visit(start, edges, [], done)
        if cycle:
            return cycle
    return []


def _visit(module: str, edges: Mapping[str, set[str]], trail: list[str], done: set[str]) -> list[str]:
    if module in trail:
        return [*trail[trail.index(module) :], module]
    if module in done:
        return []
    for other in sorted(edges[module]):
        cycle = _visit(other, edges, [*trail, module], done)
        if cycle:
            return cycle
    done.add(module)
    return []


def loaded_by(module: str) -> set[str]:
    """Top-level packages in memory after importing `module` in a fresh process."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


# --- the package ---------------------------------------------------------------------------------------


def test_every_room_has_a_level() -> None:
    assert {room(module) for module in find_modules(ROOT / "tuner")} <= LEVELS.keys()


def test_structure_page_gives_the_same_levels() -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", (ROOT / "docs" / "structure.md").read_text(), re.M)
    told = {name: int(level) for level, names in rows for name in re.findall(r"`tuner/(\w+)", names)}
    assert told == {name: min(LEVELS[name], LEVELS["api"]) for name in told}
    assert {"errors", "spec", "records", "execution", "cli"} <= told.keys()


def test_imports_go_down() -> None:
    assert upward_imports(ROOT / "tuner") == []


def test_no_cycle() -> None:
    assert find_cycle(graph(ROOT / "tuner")) == []


def test_heavy_imports_stay_in_their_rooms() -> None:
    assert heavy_imports(ROOT / "tuner") == []


@pytest.mark.parametrize("module", ["tuner", "tuner.spec", "tuner.tasks"])
def test_import_is_light(module: str) -> None:
    assert loaded_by(module) & {"torch", "ray", "optuna", "deepspeed", "pandas"} == set()


# --- the checks themselves, on made-up trees ---------------------------------------------------------------


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    """Write `files` as the package `folder/tuner`, with an `__init__.py` in every folder."""
    for name, source in files.items():
        path = folder / "tuner" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        for package in (path.parent, folder / "tuner"):
            (package / "__init__.py").touch()
        path.write_text(source)
    return folder / "tuner"


GOOD = {
    "errors.py": "",
    "spec/space.py": "from tuner.errors import TunerError\nimport yaml",
    "spec/sections.py": "from .space import Space",
    "search/tpe.py": "import optuna\nfrom tuner.spec import space\nfrom tuner import errors",
    "execution/runner.py": "def run():\n    from ray import tune\n    from ..search.tpe import Tpe",
}


def test_checks_accept_a_good_tree(tmp_path: Path) -> None:
    root = plant(tmp_path, GOOD)
    assert (upward_imports(root), find_cycle(graph(root)), heavy_imports(root)) == ([], [], [])


@pytest.mark.parametrize(
    "source",
    [
        "import tuner.execution.runner",
        "from tuner.execution import runner",
        "from tuner.execution.runner import run",
        "from ..execution import runner",
        "def late():\n    from tuner.execution import runner",
        "import tuner",
    ],
)
def test_upward_import_is_found(tmp_path: Path, source: str) -> None:
    found = upward_imports(plant(tmp_path, {**GOOD, "spec/bad.py": source}))
    assert found
    assert all(line.startswith("tuner.spec.bad (level 2) imports tuner") for line in found)


def test_import_of_a_neighbour_on_the_same_level_is_found(tmp_path: Path) -> None:
    root = plant(tmp_path, {"data/store.py": "", "models/cnn.py": "from tuner.data import store"})
    assert "tuner.models.cnn (level 4) imports tuner.data.store (level 4)" in upward_imports(root)


@pytest.mark.parametrize(
    ("files", "cycle"),
    [
        (
            {"spec/space.py": "from . import sections", "spec/sections.py": "import tuner.spec.space"},
            ["tuner.spec.sections", "tuner.spec.space", "tuner.spec.sections"],
        ),
        (
            {
                "spec/a.py": "from .b import x",
                "spec/b.py": "def late():\n    from .c import x",
                "spec/c.py": "from .a import x",
            },
            ["tuner.spec.a", "tuner.spec.b", "tuner.spec.c", "tuner.spec.a"],
        ),
        (
            {"spec/a.py": "from tuner.spec import Space", "spec/__init__.py": "from .a import Space"},
            ["tuner.spec", "tuner.spec.a", "tuner.spec"],
        ),
    ],
)
def test_cycle_is_found(tmp_path: Path, files: Mapping[str, str], cycle: list[str]) -> None:
    assert find_cycle(graph(plant(tmp_path, files))) == cycle


@pytest.mark.parametrize("heavy", sorted(HEAVY))
@pytest.mark.parametrize(
    "source", ["import {}", "import {}.part as p", "def late():\n    from {}.part import x"]
)
def test_heavy_import_away_from_home_is_found(tmp_path: Path, heavy: str, source: str) -> None:
    root = plant(tmp_path, {**GOOD, "spec/bad.py": source.format(heavy)})
    assert heavy_imports(root) == [f"tuner.spec.bad imports {heavy}, which belongs to {sorted(HEAVY[heavy])}"]


def test_fresh_process_shows_what_was_loaded() -> None:
    assert "yaml" in loaded_by("yaml")
    assert "yaml" not in loaded_by("json")
