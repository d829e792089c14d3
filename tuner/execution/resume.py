"""How a search goes on where an earlier run of its folder left it.

    curves = replay(paths.decisions, search, state, scheduler)   # state and scheduler stand where they stood
    drawn = catch_up(searcher, search, state, curves)    # the study knows all; suggestions that nobody took

`decisions.jsonl` was written before the study was told, so the study may lack a few reports and ends at most,
and is ahead only by suggestions.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.errors import ResultsError
from tuner.execution.decisions import Line, damaged, number_of, read_decisions
from tuner.execution.state import REPORTED, SearchState, metrics_that_count
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.scheduler import Copies, Scheduler
from tuner.search.searcher import Suggestion
from tuner.spec import Experiment
from tuner.spec.reading import read_file
from tuner.spec.sections import Pb2, Pbt, SearchSpec
from tuner.training.job import TrainFunction

Curves = Mapping[int, Mapping[int, float]]
"""trial -> report -> the searched metric, as the study should have it"""


def replay(path: Path, search: SearchSpec, state: SearchState, scheduler: Scheduler) -> Curves:
    """Brings a new state and a new scheduler to where the lines of `decisions.jsonl` end.

    The scheduler is told what it was told then; what it answers is known already.

    Raises ResultsError where a line does not follow from those before it: the file is damaged.
    """
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for number, line in enumerate(read_decisions(path), start=1):
        try:
            _tell(line, state, scheduler)
            state.apply(line)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise damaged(path, number) from error
        value = line["metrics"].get(search.metric) if line["action"] in REPORTED else None
        if value is not None and line["trial"] not in state.copies:
            curves[line["trial"]][line["report"]] = number_of(value)
    return curves


def catch_up(
    searcher: OptunaSearcher, search: SearchSpec, state: SearchState, curves: Curves
) -> list[Suggestion]:
    """Tells the study what it missed; returns the suggestions that were drawn and never begun, by number."""
    for key, params in state.enqueued.items():
        searcher.enqueue(key, params)
    known = {seen.number: seen.curve for seen in searcher.observations()}
    drawn = []
    for suggestion in searcher.unfinished():
        number = suggestion.number
        row = state.rows.get(number)
        if row is None:
            drawn.append(suggestion)
            continue
        for step, value in curves.get(number, {}).items():
            if step not in known[number]:
                searcher.report(number, step, value)
        best = row.best.get(search.metric)
        if number in state.copies:
            searcher.finish(number, TrialState.STOPPED, best, "went on as a copy", row.last)
        elif row.state.is_finished():
            searcher.finish(number, row.state, best, row.reason, metrics_that_count(row))
    return drawn


def check_changes(path: Path, old: SearchSpec, new: SearchSpec) -> None:
    """Raises ResultsError where a search that has begun cannot go on with another number of trials."""
    if old.trials == new.trials:
        return
    begun = [line for line in read_decisions(path) if line.get("action") == "BEGIN"]
    num_begun = sum(line.get("confirms") is None for line in begun)
    rule = "search.trials can change while a search goes on"
    found = f"found {new.trials} instead of {old.trials}"
    if isinstance(new.scheduler, Pbt | Pb2):
        raise ResultsError(f"{rule}, but not that of a population; {found}; start another search.")
    if new.trials < num_begun:
        raise ResultsError(f"{rule}, but {num_begun} have begun; {found}; ask for at least {num_begun}.")
    if num_begun < len(begun):
        raise ResultsError(
            f"{rule}, but not when its best trials have been trained again; {found}; start another search "
            f"with search.warm_start."
        )


def _tell(line: Line, state: SearchState, scheduler: Scheduler) -> None:
    """What the scheduler heard of the line; `state` stands before it."""
    number = line["trial"]
    if number is None:
        return
    row: Any = state.rows.get(number)
    if row is None or not row.is_judged:
        return
    action = line["action"]
    if action == "START" and number not in state.started:
        scheduler.on_start(number, row.params)
    elif action in ("RESUME", "EXPLOIT"):
        scheduler.on_start(number, line.get("new", row.params))
    elif action == "SAVED" and isinstance(scheduler, Copies):
        scheduler.on_saved(number)
    elif "heard" in line:
        scheduler.on_report(number, line["report"], number_of(line["heard"]))
    if "state" in line:
        scheduler.on_finish(number)


def stored_experiment(paths: ExperimentPaths, function: TrainFunction | None = None) -> Experiment:
    """The experiment in its folder.

    Raises ResultsError where there is none, or where it needs a function that was not given.
    """
    if not paths.experiment_yaml.is_file():
        raise ResultsError(
            f"a search goes on in an experiment's folder, which holds experiment.yaml, but {paths.root} does "
            f"not; name the folder that `tuner run` printed, e.g. results/digits_cnn."
        )
    if function is not None:
        return Experiment.load_with(paths.experiment_yaml, function)
    if "function" in read_file(paths.experiment_yaml)[0]:
        raise ResultsError(
            f"a search that trains by a function of one's own needs that function to go on, but {paths.root} "
            f'holds only its name; go on in Python with tuner.resume("{paths.root}", train=function).'
        )
    return Experiment.load(paths.experiment_yaml)
