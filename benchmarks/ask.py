"""How long a sampler takes for a suggestion in a large space where many trials are known.

    python benchmarks/ask.py [--trials 500] [--asks 20] [--only gp,tpe]

The space has 40 parameters: 16 ranges that are always active, and four choices with five parameters below
each, three of one option and two of the other. The trials were drawn at random; a third was stopped after a
report, the others trained for two. A suggestion is all that `Searcher.suggest` does, the journal's writes
included, with `NUM_PENDING` trials that have not ended, whose own suggestions do not count.
"""

import argparse
import math
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, get_args

from _table import Part, write_page
from optuna.trial import FrozenTrial

from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.searcher import Suggestion
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.searcher_rules import GRIDS, SEVERAL_OBJECTIVES
from tuner.spec.sections import SamplerName, SearchSpec
from tuner.spec.space import Space, space_of

NUM_PENDING = 4
SEED = 0
SAMPLERS = [name for name in get_args(SamplerName) if name not in GRIDS]
"""A grid over ranges has no end."""
WORK: dict[str, dict[str, Any]] = {
    "One objective": {"scheduler": "asha"},
    "One objective and a constraint": {"scheduler": "asha", "constraints": {"size": {"max": 0.5}}},
    "Two objectives": {"scheduler": "none", "also": {"size": "min"}},
}


def forty_parameters() -> Space:
    """Of which 20 are conditional."""
    low = Int(1, 9)
    kind = Choice([{"type": "a", "x": low, "y": low, "z": low}, {"type": "b", "x": low, "y": low}])
    ranges = {f"plain{index}": Float(1e-4, 1.0, log=True) for index in range(16)}
    space = space_of({**ranges, **{f"kind{index}": kind for index in range(4)}})
    assert len(space.parameters) == 40
    return space


SPACE = forty_parameters()


def search_of(sampler: str, num_trials: int, work: Mapping[str, Any]) -> SearchSpec:
    plain = {"metric": "loss", "mode": "min", "trials": 2 * num_trials, "sampler": sampler, "seed": SEED}
    return SearchSpec.model_validate({**plain, **work})


def train(searcher: OptunaSearcher, suggestion: Suggestion, search: SearchSpec) -> None:
    """A bowl over the numbers; `size` lies outside its bound for about one trial in five."""
    number, params = suggestion.number, suggestion.params
    plain = [math.log10(value) + 2 for value in params.values() if isinstance(value, float)]
    low = [(value - 5) / 3 for value in params.values() if isinstance(value, int)]
    loss = sum(value**2 for value in (*plain, *low))
    metrics = {"size": params["plain0"] + params["plain1"]}
    searcher.report(number, 1, 1.5 * loss)
    if search.constraints and metrics["size"] > 0.5:
        searcher.finish(number, TrialState.INFEASIBLE, 1.5 * loss, "outside", metrics)
    elif number % 3 == 2 and not search.also:
        searcher.finish(number, TrialState.STOPPED, 1.5 * loss, "stopped", metrics)
    else:
        searcher.report(number, 2, loss)
        searcher.finish(number, TrialState.COMPLETE, loss, "trained", metrics)


def able(samplers: Sequence[str], work: Mapping[str, Any]) -> list[str]:
    """Those that can do the work."""
    return [name for name in samplers if "also" not in work or name in SEVERAL_OBJECTIVES]


def told(num_trials: int, work: Mapping[str, Any]) -> list[FrozenTrial]:
    """What is known before the asks."""
    search = search_of("random", num_trials, work)
    searcher = make_searcher(SPACE, search, None)
    for _ in range(num_trials):
        train(searcher, drawn(searcher), search)
    return searcher._study.get_trials()


def drawn(searcher: OptunaSearcher) -> Suggestion:
    suggestion = searcher.suggest()
    assert suggestion is not None
    return suggestion


def seconds_of_asks(
    sampler: str, work: Mapping[str, Any], known: Sequence[FrozenTrial], num_asks: int
) -> list[tuple[float, float]]:
    """(CPU, wall) of each."""
    search = search_of(sampler, len(known), work)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder, "study.journal")
        make_searcher(SPACE, search, journal)._study.add_trials(known)
        searcher = make_searcher(SPACE, search, journal)
        pending = deque(drawn(searcher) for _ in range(NUM_PENDING))
        seconds = []
        for _ in range(num_asks):
            cpu, wall = process_time(), perf_counter()
            suggestion = drawn(searcher)
            seconds.append((process_time() - cpu, perf_counter() - wall))
            pending.append(suggestion)
            train(searcher, pending.popleft(), search)
    return seconds


def row_of(sampler: str, seconds: Sequence[tuple[float, float]]) -> list[str]:
    columns = list(zip(*seconds, strict=True))
    return [sampler, *(f"{of(column):.3f}" for column in columns for of in (median, max))]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seconds a suggestion, of all samplers.")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--asks", type=int, default=20)
    parser.add_argument("--only", default=",".join(SAMPLERS), help=f"some of: {', '.join(SAMPLERS)}")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    samplers = arguments.only.split(",")
    header = ["sampler", "median CPU, s", "max CPU, s", "median wall, s", "max wall, s"]
    parts = []
    for title, work in WORK.items():
        known = told(arguments.trials, work)
        rows = [
            row_of(name, seconds_of_asks(name, work, known, arguments.asks)) for name in able(samplers, work)
        ]
        parts.append(Part(title, header, rows))
    facts = {
        "work": f"{arguments.asks} suggestions after {arguments.trials} trials, {NUM_PENDING} more pending",
        "space": "40 parameters, 20 of them conditional; 28 to 32 are active in a trial",
    }
    write_page("ask", "Time of a suggestion", facts, parts, is_complete=samplers == SAMPLERS)


if __name__ == "__main__":
    main()
