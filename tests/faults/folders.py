"""What must be so of every search's folder when it is over, whatever it met on its way."""

import math
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import optuna
import yaml
from program import train
from searches import Search

from tuner.execution.conductor import new_state
from tuner.execution.decisions import read_decisions
from tuner.execution.resume import stored_experiment
from tuner.records.confirmation import note
from tuner.records.event_reader import read_scalars
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, read_trials
from tuner.search.storage import open_storage
from tuner.spec import Experiment

VARYING = ("seconds", "per_s", "memory_bytes", "percent")
"""End the names of metrics that no two runs share."""


def check(folder: Path, whole: Path, *, but: Collection[int] = ()) -> None:
    """The folder's search has ended as the same one did in `whole`, without a fault.

    Args:
        but: trials that may have ended otherwise.
    """
    paths = ExperimentPaths(folder)
    rows, expected = (_rows(root, but) for root in (folder, whole))
    assert rows == expected
    check_by_itself(folder)
    for row in read_trials(paths.trials_csv):
        if row.number not in but:
            assert curves(folder, row.number) == curves(whole, row.number)
    assert _study(folder, but) == _study(whole, but)


def check_by_itself(folder: Path) -> None:
    """The folder's search is over, its records agree, and nothing is left of the way."""
    paths = ExperimentPaths(folder)
    rows = read_trials(paths.trials_csv)
    assert [row.number for row in rows] == list(range(len(rows)))
    assert all(row.state.is_finished() for row in rows)
    assert _replayed(paths) == [_comparable(row) for row in rows]
    assert _heard_twice(paths) == []
    assert [path for path in folder.rglob(".*") if path.name not in (".lock", ".heartbeat")] == []


def check_processes(search: Search) -> None:
    """No process of a search that has ended still lives, and its shared memory is gone."""
    assert search.wait_until_gone() == []
    assert list(search.shared_memory.iterdir()) == []


def curves(folder: Path, number: int) -> dict[str, list[tuple[int, str]]]:
    """Of each tag that a run shares with others: step and value (as text, for NaN equals nothing)."""
    found: dict[str, list[tuple[int, str]]] = {}
    for event in read_scalars(ExperimentPaths(folder).trial(number).root).itertuples():
        if not event.tag.endswith(VARYING):
            found.setdefault(event.tag, []).append((event.step, repr(event.value)))
    return found


def _rows(folder: Path, but: Collection[int]) -> list[tuple]:
    rows = read_trials(ExperimentPaths(folder).trials_csv)
    return [_outcome(row) for row in rows if row.number not in but]


def _outcome(row: TrialRow) -> tuple:
    best, last = _shared(row.best), _shared(row.last)
    told = (row.number, row.state, row.reason, row.params, best, last, row.reports, row.steps)
    return (*told, row.confirms, row.seed, row.confirmed)


def _shared(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.endswith(VARYING)}


def _comparable(row: TrialRow) -> dict:
    """All of a row; NaN as text."""
    fields = vars(row) | {"last": {name: repr(value) for name, value in row.last.items()}}
    return {name: value for name, value in fields.items() if value is not None}


def _replayed(paths: ExperimentPaths) -> list[dict]:
    experiment = _experiment(paths)
    state = new_state(experiment)
    for line in read_decisions(paths.decisions):
        state.apply(line)
    if experiment.confirm is not None:
        search = experiment.search
        note(state.rows.values(), experiment.confirm, search.metric, search.mode)
    return [_comparable(row) for row in state.rows.values()]


def _experiment(paths: ExperimentPaths) -> Experiment:
    is_own = "function" in yaml.safe_load(paths.experiment_yaml.read_text())
    return stored_experiment(paths, train if is_own else None)


def _heard_twice(paths: ExperimentPaths) -> list[tuple[int, int]]:
    lines = [line for line in read_decisions(paths.decisions) if line.get("metrics")]
    counted = Counter((line["trial"], line["report"]) for line in lines)
    return [report for report, times in counted.items() if times > 1]


def _study(folder: Path, but: Collection[int]) -> list[tuple]:
    """Number, state, parameters and curve of each trial, as Optuna keeps them."""
    storage = open_storage(ExperimentPaths(folder).journal)
    trials = optuna.load_study(study_name=None, storage=storage).get_trials()
    return [
        (trial.number, trial.state.name, trial.params, _texts(trial.intermediate_values))
        for trial in trials
        if trial.number not in but
    ]


def _texts(values: dict[int, float]) -> dict[int, str]:
    return {step: "NaN" if math.isnan(value) else repr(value) for step, value in values.items()}
