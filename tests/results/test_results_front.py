"""The Pareto front of a folder, in Python and on the command line."""

import json
import math
from pathlib import Path

import pytest
from results_folder import experiment, row, write

from tuner.cli import main
from tuner.records.rows import TrialRow
from tuner.results.front import front_rows
from tuner.results.result import Result

MODES = {"val/accuracy": "max", "model/parameters": "min"}


def trial(number: int, accuracy: float, size: float, state: str = "COMPLETE") -> TrialRow:
    made = row(number, state, accuracy)
    made.objectives = {"val/accuracy": accuracy, "model/parameters": size}
    return made


ROWS = [
    trial(0, 0.9, 100.0),
    trial(1, 0.8, 200.0),
    trial(2, 0.95, 18_832.0),
    trial(3, 0.7, 50.0),
    trial(4, 0.9, 100.0),
    trial(5, 0.99, 10.0, "INFEASIBLE"),
    row(6, "COMPLETE", 0.99),
]


@pytest.fixture
def result(tmp_path: Path) -> Result:
    search = {"metric": "val/accuracy", "also": {"model/parameters": "min"}}
    return write(tmp_path / "r", ROWS, experiment(search=search))


def test_nobody_on_the_front_is_beaten_in_everything() -> None:
    assert [row.number for row in front_rows(ROWS, MODES)] == [2, 0, 4, 3]


def test_a_fresh_run_is_no_trial_of_the_front() -> None:
    repeated = trial(7, 1.0, 1.0)
    repeated.confirms = 0
    assert [row.number for row in front_rows([*ROWS, repeated], MODES)] == [2, 0, 4, 3]


def test_the_front_is_a_table(result: Result) -> None:
    assert list(result.front["number"]) == [2, 0, 4, 3]
    assert list(result.front["objective/model/parameters"]) == [18_832.0, 100.0, 100.0, 50.0]
    assert result.objectives == MODES


def test_a_search_of_one_objective_has_no_front(tmp_path: Path) -> None:
    result = write(tmp_path / "r", [row(0, "COMPLETE", 0.9)], experiment())
    assert len(result.front) == 0


def test_best_prints_the_front(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^$"):
        main(["best", str(result.paths.root)])
    lines = capsys.readouterr().out.splitlines()
    start = lines.index(next(line for line in lines if "Pareto front" in line))
    assert lines[start + 1].split() == [
        "trial",
        "val/accuracy",
        "model/parameters",
        "model.width",
        "train.optimizer.lr",
    ]
    assert [line.split()[0] for line in lines[start + 2 : start + 6]] == ["2", "0", "4", "3"]
    assert lines[start + 2].split()[2] == "18,832"


def test_best_hands_the_front_to_programs(result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="^$"):
        main(["best", str(result.paths.root), "--json"])
    front = json.loads(capsys.readouterr().out)["front"]
    assert [point["trial"] for point in front] == [2, 0, 4, 3]
    assert front[0]["metrics"] == {"val/accuracy": 0.95, "model/parameters": 18_832.0}


def test_what_is_not_finite_is_null_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = row(0, "COMPLETE", 0.9)
    made.best["val/loss"], made.best["val/f1"] = math.inf, math.nan
    result = write(tmp_path / "r", [made], experiment())
    with pytest.raises(SystemExit, match="^$"):
        main(["best", str(result.paths.root), "--json"])
    metrics = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["metrics"]
    assert metrics == {"val/accuracy": 0.9, "val/loss": None, "val/f1": None}
