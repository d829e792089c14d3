"""Made folders are what real searches leave: every state is there, and the lines give the table."""

import importlib
from pathlib import Path
from typing import Any

import optuna
import pytest

from tuner.execution.conductor import new_state
from tuner.execution.decisions import read_decisions
from tuner.records.event_reader import event_files, read_scalars
from tuner.results.result import Result

SIZES = {"trials": 32, "reports": 9, "gangs": 4, "seed": 0, "full": False}


@pytest.fixture
def maker(benchmarks: Path) -> Any:
    return importlib.import_module("make_results")


def test_a_search_under_way_has_trials_in_every_state(maker: Any, tmp_path: Path) -> None:
    maker.make(tmp_path / "made", **SIZES, done=False)
    result = Result.open(tmp_path / "made")
    states = {state.value for state in result.num_by_state()}
    assert states == {"RUNNING", "PAUSED", "COMPLETE", "STOPPED", "DIVERGED", "INFEASIBLE", "FAILED"}
    restarted = [row for row in result.rows if len(event_files(result.paths.trial(row.number).root)) > 1]
    assert restarted
    assert all(len(read_scalars(result.paths.trial(row.number).root)) for row in restarted)


def test_a_search_that_has_ended_is_done_and_confirmed(maker: Any, tmp_path: Path) -> None:
    maker.make(tmp_path / "made", **SIZES, done=True)
    result = Result.open(tmp_path / "made")
    assert result.standing == "done"
    assert result.best.confirmed is not None
    experiment = result.best.experiment
    state = new_state(experiment)
    for line in read_decisions(result.paths.decisions):
        state.apply(line)
    told = [(row.number, row.state, row.params, row.best) for row in state.rows.values()]
    assert told == [(row.number, row.state, row.params, row.best) for row in result.rows]
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(result.paths.journal))
    )
    [study] = optuna.get_all_study_summaries(storage)
    assert study.n_trials == len(result.search_rows)
