"""What the tests of the search share: spaces, searches and a made-up objective."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna

from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.searcher import Suggestion
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Parameter, Space


def forty_parameters() -> Space:
    """Half of them conditional, by four choices."""
    parameters = [Parameter(f"plain{index}", Float(1e-4, 1.0, log=True)) for index in range(16)]
    for index in range(4):
        name = f"kind{index}"
        parameters.append(Parameter(name, Choice([{"type": "a"}, {"type": "b"}])))
        for label, count in [("a", 3), ("b", 2)]:
            condition = ((name, label),)
            parameters += [Parameter(f"{name}.{label}.{at}", Int(1, 9), condition) for at in range(count)]
    return Space(tuple(parameters))


SPACES = {
    "one": Space((Parameter("x", Float(-1.0, 1.0)),)),
    "square": Space((Parameter("x", Float(-1.0, 1.0)), Parameter("y", Float(-1.0, 1.0)))),
    "mixed": Space(
        (
            Parameter("lr", Float(1e-5, 1e-1, log=True)),
            Parameter("dropout", Float(0.0, 0.5, step=0.1)),
            Parameter("width", Int(1, 1000, log=True)),
            Parameter("depth", Int(1, 9, step=2)),
            Parameter("batch", Int(1, 64)),
            Parameter("act", Choice(["relu", None, True, 3, 0.5, [64, 64]])),
        )
    ),
    "conditional": Space(
        (
            Parameter("opt", Choice([{"type": "adam"}, {"type": "sgd"}])),
            Parameter("opt.adam.lr", Float(1e-4, 1e-1, log=True), (("opt", "adam"),)),
            Parameter("opt.sgd.momentum", Float(0.0, 0.9, step=0.3), (("opt", "sgd"),)),
            Parameter("opt.sgd.nesterov", Choice([True, False]), (("opt", "sgd"),)),
            Parameter("depth", Int(1, 3)),
        )
    ),
    "forty": forty_parameters(),
    "steps": Space((Parameter("depth", Int(1, 12)), Parameter("dropout", Float(0.0, 0.9, step=0.1)))),
}
NESTED = Space(
    (
        Parameter("opt", Choice([{"type": "adam"}, {"type": "sgd"}])),
        Parameter("opt.adam.amsgrad", Choice([True, False]), (("opt", "adam"),)),
        Parameter("opt.sgd.momentum", Float(0.0, 0.9, step=0.45), (("opt", "sgd"),)),
        Parameter("depth", Int(1, 2)),
    )
)
"""Ten points, for grids."""
SAMPLERS = (
    "auto",
    "random",
    "tpe",
    "bohb",
    "gp",
    "curve_gp",
    "cmaes",
    "nsgaii",
    "grid",
    "brute_force",
    "qmc",
)
TOLD = {
    TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
    TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
    TrialState.INFEASIBLE: optuna.trial.TrialState.PRUNED,
    TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
    TrialState.FAILED: optuna.trial.TrialState.FAIL,
}
"""What an end is in Optuna's words."""
FITTING = {"grid": ["steps"], "brute_force": ["steps"], "auto": ["square", "conditional", "forty"]}
"""Spaces by sampler, where special: a grid needs steps, and `auto` is always one of the others."""
CASES = [
    (sampler, space)
    for sampler in SAMPLERS
    for space in FITTING.get(sampler, ["one", "mixed", "conditional"])
]


def make_search(sampler: str = "random", **changes: Any) -> SearchSpec:
    plain = {"metric": "loss", "mode": "min", "trials": 40, "scheduler": {"type": "asha"}, "seed": 7}
    return SearchSpec.model_validate({**plain, "sampler": sampler, **changes})


def open_searcher(sampler: str, space: str, journal: Path, **changes: Any) -> OptunaSearcher:
    return make_searcher(SPACES[space], make_search(sampler, **changes), journal)


def objective(params: dict[str, Any]) -> float:
    """A loss that only depends on the parameters; names count by their length."""
    numbers = [float(len(v) if isinstance(v, str) else v or 0) for v in params.values()]
    return sum(abs(number - 0.3) / (1 + abs(number)) for number in numbers)


def end_of(number: int) -> TrialState:
    """Of ten trials one diverges and one is infeasible, every seventh fails, every third is stopped."""
    if number % 10 == 4:
        return TrialState.INFEASIBLE
    if number % 10 == 7:
        return TrialState.DIVERGED
    if number % 7 == 6:
        return TrialState.FAILED
    return TrialState.STOPPED if number % 3 == 2 else TrialState.COMPLETE


def finish(searcher: OptunaSearcher, suggestion: Suggestion) -> None:
    """End a trial after one report as `end_of` says, after two if it is COMPLETE."""
    number, loss = suggestion.number, objective(suggestion.params)
    searcher.report(number, 1, 2 * loss)
    state = end_of(number)
    if state is TrialState.COMPLETE:
        searcher.report(number, 2, loss)
        searcher.finish(number, state, loss, "made up")
    else:
        searcher.finish(number, state, 2 * loss if state is TrialState.STOPPED else None, "made up")


def drive(searcher: OptunaSearcher, first: int, last: int, parallel: int = 3) -> list[Suggestion]:
    """Trials `first` to `last` - 1, `parallel` of them asked before any is told; told last first."""
    suggestions = []
    for start in range(first, last, parallel):
        asked = [searcher.suggest() for _ in range(start, min(start + parallel, last))]
        batch = [suggestion for suggestion in asked if suggestion is not None]
        for suggestion in reversed(batch):
            finish(searcher, suggestion)
        suggestions += batch
    return suggestions


def drive_in_another_process(folder: Path, first: int, last: int) -> dict[str, list[Suggestion]]:
    """`drive` for every case, each with its own journal in `folder`, in a process of its own."""
    command = [sys.executable, __file__, str(folder), str(first), str(last)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    return {case: [Suggestion(*suggestion) for suggestion in found[case]] for case in found}


def drive_all(folder: Path, first: int, last: int) -> dict[str, list[Suggestion]]:
    return {
        f"{sampler}-{space}": drive(open_searcher(sampler, space, folder / f"{sampler}-{space}"), first, last)
        for sampler, space in CASES
    }


if __name__ == "__main__":
    print(json.dumps(drive_all(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
