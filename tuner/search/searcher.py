"""What every searcher promises: suggestions go out, reports and ends come in.

A searcher is a plain object that proposes configurations. It never starts a trial and never decides when
one ends. Trials are numbered 0, 1, 2 ... in the order of `suggest`, without gaps.

    searcher = make_searcher(space, search, storage=path)
    suggestion = searcher.suggest()
    searcher.report(suggestion.number, step=1, value=0.91)
    searcher.finish(suggestion.number, TrialState.COMPLETE, value=0.97, reason="trained to its full budget")
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from tuner.records.states import TrialState

NO_METRICS: Mapping[str, float] = MappingProxyType({})


class Suggestion(NamedTuple):
    """One configuration to train: the trial's number and a value for every active parameter by name."""

    number: int
    params: dict[str, Any]
    key: str | None = None
    """Of the enqueued configuration that it is."""


class Searcher(Protocol):
    """Proposes configurations and learns from what became of them."""

    def suggest(self) -> Suggestion | None:
        """The next trial; None when the space is exhausted."""

    def enqueue(self, key: str, params: Mapping[str, Any]) -> None:
        """A trial to come has these parameters, as `tuner.spec.points.complete_point` gives them.

        What they leave out is drawn; several come in their order. A `key` that was enqueued before is nothing
        new.
        """

    @property
    def num_waiting(self) -> int:
        """Enqueued configurations that no trial has yet."""

    def report(self, number: int, step: int, value: float) -> None:
        """Trial `number` reported the metric `value` at its `step`-th report (the first is 1)."""

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        reason: str,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> None:
        """Trial `number` has ended in `state`; `value` is its final metric, finite where it is COMPLETE.

        `metrics`: of the report that counts, from which further objectives and constraints are taken. It is
        the one with the best value, whose weights are kept; of an INFEASIBLE trial the last one.
        """
