"""Outages of a study's database at any moment, and what must be true of the study afterwards."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from search_cases import SPACES, TOLD, make_search
from sqlalchemy import event

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


class FailingSqlite:
    """SQLite's driver with a network in between: one statement or commit from now on fails, or all do.

    `fail_at(n)`: the n-th from now on; before it is done, or, with `is_lost_answer`, after.
    """

    def __init__(self) -> None:
        self.num_calls = 0
        self.is_away = False
        self._fails_at: int | None = None
        self._is_lost_answer = False

    def fail_at(self, num_calls: int, *, is_lost_answer: bool) -> None:
        self._fails_at, self._is_lost_answer = self.num_calls + num_calls, is_lost_answer

    def mend(self) -> None:
        self._fails_at, self.is_away = None, False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """All connections that are made in the block are such."""
        event.listen(sqlalchemy.Engine, "do_connect", self._connect)
        try:
            yield
        finally:
            event.remove(sqlalchemy.Engine, "do_connect", self._connect)

    def passes(self, call: Any, *arguments: Any) -> Any:
        self.num_calls += 1
        is_now = self.is_away or self.num_calls == self._fails_at
        if is_now and not self._is_lost_answer:
            raise sqlite3.OperationalError("it is away")
        result = call(*arguments)
        if is_now:
            raise sqlite3.OperationalError("its answer was lost")
        return result

    def _connect(self, dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if self.is_away:
            raise sqlite3.OperationalError("it is away")
        network = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *arguments: Any) -> Any:
                return network.passes(super().execute, *arguments)

        class Connection(sqlite3.Connection):
            def cursor(self, *arguments: Any) -> Any:
                return super().cursor(Cursor)

            def commit(self) -> None:
                network.passes(super().commit)

        connection = sqlite3.connect(*arguments, factory=Connection, **options)
        sqlite3.Connection.execute(connection, "PRAGMA synchronous = OFF")
        return connection
