"""A small search of one's own for tests of outages, and what must be true of its study afterwards."""

from typing import Any

from search_cases import SPACES, TOLD, make_search

from tuner.records.states import TrialState
from tuner.search.factory import make_searcher
from tuner.search.optuna_searcher import OptunaSearcher
from tuner.search.outage import Patience
from tuner.search.searcher import Suggestion

ENDS = {
    0: TrialState.COMPLETE,
    1: TrialState.STOPPED,
    2: TrialState.INFEASIBLE,
    3: TrialState.DIVERGED,
}
"""By trial: what becomes of it."""


def open_patient(url: str, sampler: str = "random", name: str = "study", **patience: Any) -> OptunaSearcher:
    """A searcher whose pauses take no time."""
    waits = Patience(**{"sleep": lambda seconds: None, **patience})
    search = make_search(sampler, constraints={"size": {"max": 5.0}}, scheduler="none")
    return make_searcher(SPACES["mixed"], search, url, study_name=name, patience=waits)


def tell(searcher: OptunaSearcher, suggestion: Suggestion) -> None:
    """Two reports and the end."""
    number, state = suggestion.number, ENDS[suggestion.number]
    searcher.report(number, 1, 2.0)
    searcher.report(number, 2, 1.0)
    value = 1.0 if state is TrialState.COMPLETE else None
    searcher.finish(number, state, value, f"end {number}", {"size": 1.0 + number})


def contents(searcher: OptunaSearcher) -> list[Any]:
    """All that the study holds, but for times."""
    return [
        (
            trial.number,
            trial.state,
            trial.params,
            trial.intermediate_values,
            trial.values,
            trial.user_attrs,
            trial.constraints,
        )
        for trial in searcher._study.get_trials()
    ]


def search_of_four(searcher: OptunaSearcher, numbers: range = range(4)) -> list[Suggestion]:
    """Suggests and ends one trial after the other."""
    suggestions = []
    for number in numbers:
        suggestion = searcher.suggest()
        assert suggestion is not None
        assert suggestion.number == number
        tell(searcher, suggestion)
        suggestions.append(suggestion)
    return suggestions


def check_study(searcher: OptunaSearcher, suggestions: list[Suggestion]) -> None:
    """Numbers without gaps, every trial once, with its parameters and its end."""
    trials = searcher._study.get_trials()
    assert [trial.number for trial in trials] == list(range(len(suggestions)))
    for trial, suggestion in zip(trials, suggestions, strict=True):
        assert trial.params == suggestion.params
        assert trial.state is TOLD[ENDS[trial.number]]
        assert trial.intermediate_values == {1: 2.0, 2: 1.0}
