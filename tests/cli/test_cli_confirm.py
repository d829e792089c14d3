"""One real search that confirms its winner, from `tuner run` to `tuner best --export`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cli_program import Ended, Program

from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, read_trials
from tuner.results.result import Result

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TRIALS, EPOCHS, TOP, SEEDS = 4, 3, 2, 2
EXPERIMENT = {
    "name": "confirmed",
    "task": "tabular_classification",
    "data": {"source": {"type": "two_class", "samples": 600, "features": 6}},
    "model": {"type": "mlp", "width": {"int": [8, 16]}, "depth": 1},
    "train": {
        "epochs": EPOCHS,
        "batch_size": 20,
        "optimizer": {"type": "adam", "lr": {"float": [1e-4, 0.03], "log": True}},
    },
    "search": {"metric": "val/loss", "trials": TRIALS, "sampler": "random", "scheduler": "asha", "seed": 1},
    "confirm": {"top": TOP, "seeds": SEEDS},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confirm")
    (folder / "confirmed.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path) -> Ended:
    command = [sys.executable, "-m", "tuner.cli", "run", "confirmed.yaml"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return Ended(process.returncode, process.stdout, process.stderr)


@pytest.fixture
def root(folder: Path, ended: Ended) -> Path:
    assert (ended.status, ended.err) == (0, "")
    return folder / "results" / "confirmed"


@pytest.fixture
def rows(root: Path) -> list[TrialRow]:
    return read_trials(ExperimentPaths(root).trials_csv)


def best(program: Program, root: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(program("best", root, "--json").out)
    return answer


def test_the_fresh_runs_are_further_trials_trained_in_full(rows: list[TrialRow]) -> None:
    fresh = rows[TRIALS:]
    assert [row.number for row in rows] == list(range(TRIALS + TOP * SEEDS))
    assert {row.reports for row in fresh} == {EPOCHS}
    assert {row.state.value for row in fresh} == {"COMPLETE"}
    assert len({row.seed for row in fresh}) == TOP * SEEDS
    for row in fresh:
        assert row.confirms is not None
        assert row.params == rows[row.confirms].params
    assert len({row.best["val/loss"] for row in fresh}) == TOP * SEEDS, "another seed, another loss"


def test_best_gives_mean_error_and_optimism(program: Program, root: Path, rows: list[TrialRow]) -> None:
    answer = best(program, root)
    confirmation = answer["confirmation"]
    first, second = confirmation["ranking"]
    values = [row.best["val/loss"] for row in rows if row.confirms == first["trial"]]

    assert answer["trial"] == confirmation["winner"] == first["trial"]
    assert answer["value"] == first["mean"] == pytest.approx(np.mean(values))
    assert first["standard_error"] == pytest.approx(np.std(values, ddof=1) / np.sqrt(SEEDS))
    assert first["optimism"] == pytest.approx(first["mean"] - rows[first["trial"]].best["val/loss"])
    assert first["mean"] < second["mean"]
    assert (confirmation["runs_planned"], confirmation["runs_missing"]) == (TOP * SEEDS, 0)
    assert rows[first["trial"]].confirmed["mean"] == first["mean"]
    assert rows[first["trial"]].confirmed["gap"] == confirmation["gap"]


def test_the_test_split_is_measured_over_the_winners_runs(program: Program, root: Path) -> None:
    answer = best(program, root)
    assert answer["test"].keys() == answer["test_standard_error"].keys() == {"loss", "accuracy", "f1"}
    assert answer["test_standard_error"]["loss"] > 0


def test_run_says_who_is_confirmed(ended: Ended, root: Path) -> None:
    lines = ended.out.splitlines()
    assert f"finished={TRIALS + TOP * SEEDS}/{TRIALS + TOP * SEEDS}" in lines[TRIALS + TOP * SEEDS - 1]
    assert "again) COMPLETE" in lines[TRIALS + TOP * SEEDS - 1]
    assert any(" is confirmed; trial " in line for line in lines)
    assert any(line.startswith(f"{TRIALS} of {TRIALS} trials in ") for line in lines)


def test_the_study_knows_nothing_of_it(root: Path) -> None:
    journal = ExperimentPaths(root).journal.read_text()
    numbers = {line["number"] for line in map(json.loads, journal.splitlines()) if "number" in line}
    assert not any(number >= TRIALS for number in numbers)
    assert sum('"op_code": 4' in line or '"op_code":4' in line for line in journal.splitlines()) == TRIALS


def test_the_export_is_the_winners_best_fresh_run(program: Program, root: Path, tmp_path: Path) -> None:
    assert program("best", root, "--export", tmp_path / "out").status == 0
    content = json.loads((tmp_path / "out" / "model.json").read_text())
    found = Result.open(root).best
    assert content["trial"] == found.kept >= TRIALS
    assert content["spec"]["train"]["seed"] == found.seed
