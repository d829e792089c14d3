"""What a search knows: one `Observation` a trial, of its own study and of earlier experiments.

    for seen in observations(study): ...
    searcher.observations()               # the trials of search.warm_start first, then the study's

A surrogate that learns from every report reads this, and needs no Optuna for it. Nothing is left out: trials
that still run (or are paused), that were stopped, diverged, did not fit or failed are there with their state.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import optuna

from tuner.records.states import TrialState

STATE, REASON, METRICS = "tuner_state", "reason", "metrics"
"""A trial's attributes in the study: how it ended, why, and its further objectives and bounded metrics."""

_STATES = {
    optuna.trial.TrialState.COMPLETE: TrialState.COMPLETE,
    optuna.trial.TrialState.PRUNED: TrialState.STOPPED,
    optuna.trial.TrialState.FAIL: TrialState.FAILED,
}
"""Of a trial that somebody else told the study about."""


@dataclass(frozen=True)
class Observation:
    """What is known of one trial."""

    number: int | None
    """None: it belongs to an earlier experiment."""
    params: dict[str, Any]
    """Name -> value, for the parameters that are active (and drawn, where it is being suggested)."""
    curve: dict[int, float]
    """Report (from 1) -> the metric, in order; finite values only."""
    state: TrialState
    """RUNNING until it ends: the study does not know whether it is paused."""
    value: float | None = None
    """The best report of a COMPLETE trial, the last one of any other; None where there is none."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Further objectives and bounded metrics, of the report that counts; see `Searcher.finish`."""
    constraints: dict[str, float] = field(default_factory=dict)
    """Name -> violation, at most 0 where it is met; see `tuner.search.constraints`."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What a sampler wrote down with it: a generation, a distribution."""


def observations(study: optuna.Study) -> list[Observation]:
    """The trials of a study, by number."""
    return [_observation(trial) for trial in study.get_trials(deepcopy=False)]


def _observation(trial: optuna.trial.FrozenTrial) -> Observation:
    curve = dict(sorted(trial.intermediate_values.items()))
    ended = trial.state.is_finished()
    is_complete = trial.state is optuna.trial.TrialState.COMPLETE
    return Observation(
        number=trial.number,
        params=trial.params,
        curve=curve,
        state=TrialState(trial.user_attrs.get(STATE, _STATES[trial.state])) if ended else TrialState.RUNNING,
        value=trial.values[0] if is_complete else last_of(curve),
        metrics=trial.user_attrs.get(METRICS, {}),
        constraints=trial.constraints,
        notes={key: value for key, value in trial.system_attrs.items() if not key.startswith("constraints")},
    )


def last_of(curve: Mapping[int, float]) -> float | None:
    """The value of the last report."""
    return curve[max(curve)] if curve else None


def to_plain(seen: Observation) -> dict[str, Any]:
    """As JSON can hold it."""
    return asdict(seen) | {"state": seen.state.value, "curve": [list(point) for point in seen.curve.items()]}


def from_plain(plain: Mapping[str, Any]) -> Observation:
    """The inverse of `to_plain`."""
    return Observation(
        **{**plain, "state": TrialState(plain["state"]), "curve": {step: v for step, v in plain["curve"]}}
    )
