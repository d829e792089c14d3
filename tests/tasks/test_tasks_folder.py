"""A task is one folder of `tuner/tasks/`: that of docs/tasks.md is searched in a copy of the package.

And no module outside of a task's folder names the task.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from kinds import MODEL_TYPES

from tuner.spec.sections import AugmentSpec, TrainSpec
from tuner.tasks import RULES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tuner"
PAGE = ROOT / "docs" / "tasks.md"
NAME = "ordinal_classification"
GRADES = ("1 poor", "2 fair", "3 good", "4 fine")
EXPERIMENT = {
    "name": "grades",
    "task": NAME,
    "data": {"source": {"type": "csv", "path": "rows.csv", "label": "grade"}},
    "model": {"type": "mlp", "width": 16, "depth": 1},
    "train": {
        "epochs": 15,
        "batch_size": 20,
        "optimizer": {"type": "adam", "lr": {"float": [0.01, 0.03]}},
    },
    "search": {"metric": "val/distance", "trials": 2, "scheduler": "none"},
    "resources": {"workers": 1},
}
LOOK = """
import json
from pathlib import Path

from tuner.data import read_inputs
from tuner.data_report import report_of
from tuner.inspection.answers import Answers
from tuner.results.export import ExportedModel
from tuner.results.result import Result
from tuner.spec import Experiment

best = Result.open("results/grades").best
best.export("best")
model = ExportedModel.open("best")
seen = {
    "metrics": best.metrics,
    "told": model.predict(read_inputs(Path("new.csv"), model.manifest)),
    "data": report_of(Experiment.load("grades.yaml"), Path("results")).as_json(),
    "model": Answers().to({"what": "model", "folder": "results/grades"}),
}
print(json.dumps(seen))
"""


# --- a new task is a folder and nothing else ----------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, the task of the page in it, an experiment and its rows."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(PACKAGE, place / "tuner", ignore=shutil.ignore_patterns("__pycache__"))
    folder = place / "tuner" / "tasks" / NAME
    folder.mkdir()
    codes = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    for name, code in zip(("__init__.py", "rules.py", "task.py"), codes, strict=True):
        (folder / name).write_text(code)
    write_rows(place / "rows.csv", 400)
    (place / "grades.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    return place


def write_rows(path: Path, num_rows: int) -> list[str]:
    """How much was done, noise, and the grade of it; the grades."""
    rng = np.random.default_rng(num_rows)
    done = rng.uniform(0, 4, num_rows)
    grades = [GRADES[int(each)] for each in done]
    with path.open("w", newline="") as file:
        rows = zip(done.round(3), rng.normal(size=num_rows).round(3), grades, strict=True)
        csv.writer(file).writerows([("done", "noise", "grade"), *rows])
    return grades


def python(place: Path, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """A program for which the package in `place` is tuner."""
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == status, ended.stdout + ended.stderr
    return ended


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_is_searched_exported_and_looked_at(place: Path) -> None:
    grades = write_rows(place / "new.csv", 50)
    python(place, "-m", "tuner.cli", "run", "grades.yaml")
    seen = json.loads(python(place, "-c", LOOK).stdout)
    assert seen["metrics"]["val/distance"] < 0.3
    right = sum(row["label"] == grade for row, grade in zip(seen["told"], grades, strict=True))
    assert right > 35
    assert (seen["data"]["task"], seen["data"]["class_names"]) == (NAME, list(GRADES))
    assert seen["model"]["classes"]["accuracy"] == pytest.approx(seen["metrics"]["val/accuracy"])


def test_it_is_refused_what_its_rules_do_not_have(place: Path) -> None:
    wrong = ["--set", "model={type: cnn}", "--set", "train.loss=bce"]
    ended = python(place, "-m", "tuner.cli", "check", "grades.yaml", *wrong, status=2)
    assert f"model.type must fit the task {NAME}; found cnn; allowed: mlp" in ended.stderr
    assert f"train.loss must fit the task {NAME}; found bce; allowed: auto" in ended.stderr


def test_rules_name_what_there_is() -> None:
    losses = set(get_args(TrainSpec.model_fields["loss"].annotation))
    for rules in RULES.values():
        assert MODEL_TYPES.keys() >= set(rules.models)
        assert AugmentSpec.model_fields.keys() >= set(rules.augmentations)
        assert losses >= set(rules.losses)


# --- nobody else names a task -------------------------------------------------------------------------------


def texts_of(code: str) -> Iterator[tuple[int, str]]:
    """The texts of a module with their lines, but docstrings; and the parts of what it imports."""
    tree = ast.parse(code)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value
        if isinstance(node, ast.Import | ast.ImportFrom):
            whole = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            yield from ((node.lineno, part) for name in whole for part in name.split("."))


def names_of(tasks: Iterable[str]) -> re.Pattern[str]:
    """A name that is a word too names a task where it is the whole text, or follows one of these words."""
    words = (rf"\b{task}\b" if "_" in task else rf"^{task}$|\b(task|use|or) {task}\b" for task in tasks)
    return re.compile("|".join(words))


def named_in(code: str, tasks: Iterable[str] = RULES.keys()) -> list[str]:
    names = names_of(tasks)
    return [f"{line}: {text}" for line, text in texts_of(code) if names.search(text)]


def test_no_module_names_a_task() -> None:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        own = {path.parent.name} if path.parent.parent == PACKAGE / "tasks" else set()
        if lines := named_in(path.read_text(), RULES.keys() - own):
            found[str(path.relative_to(ROOT))] = lines
    assert found == {}


def test_no_page_names_a_task() -> None:
    pages = [path for path in PACKAGE.rglob("*") if path.suffix in (".js", ".html")]
    assert pages
    names = "|".join(RULES)
    named = re.compile(rf"[\"'`]({names})[\"'`]")
    assert [path.name for path in pages if named.search(path.read_text())] == []


@pytest.mark.parametrize(
    "code",
    [
        "REGRESSION = 'regression'",
        "IMAGES = 'image_classification'",
        "print(f'use {x}, or regression')",
        "from tuner.tasks.translation.task import make",
        "from tuner.tasks import translation",
        "def late():\n    import tuner.tasks.regression.rules",
    ],
)
def test_a_name_is_found(code: str) -> None:
    assert named_in(code)


def test_a_docstring_may_name_a_task() -> None:
    assert named_in('"""As regression."""\n\ndef f():\n    """Of translation."""') == []
