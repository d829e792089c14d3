"""The others, driven by our simulator: their own objects behind our Searcher and Scheduler protocols.

Every class here is both searcher and scheduler. It calls a peer's object with what the peer's own tuner would
call it with, in that order (named at each class); nothing of the peer is copied or changed. Where a peer
has a choice that its documentation leaves open, it gets the better one that we know:

- a trial whose metric stops being finite ends at once and is told as failed (Ray's classes by
  themselves let it train on and leave it pending for ever);
- schedulers know the full number of reports;
- integer ends are inclusive for all.

None of them resumes a paused trial in the versions below, so `resume` is always None.
Ray 2.60, Optuna 5.0, Syne Tune 0.16.
"""

import datetime
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna

from tuner.records.states import TrialState
from tuner.search.distributions import suggest
from tuner.search.scheduler import Action, Decision, Resume
from tuner.search.searcher import NO_METRICS, Suggestion
from tuner.spec.domains import Choice, Domain, Int
from tuner.spec.space import Space
from tuner.tasks.metrics import Mode

METRIC, STEP = "metric", "training_iteration"
STOP = Decision(Action.STOP, "the peer stops it")
GO_ON = Decision(Action.CONTINUE, "the peer lets it go on")


class Peer:
    """What all have in common: numbers, and that they do not pause."""

    def __init__(self) -> None:
        self._num_trials = 0
        self._params: dict[int, dict[str, Any]] = {}
        self._last: dict[int, dict[str, Any]] = {}

    def suggest(self) -> Suggestion | None:
        number = self._num_trials
        self._num_trials += 1
        self._params[number] = self.propose(number)
        return Suggestion(number, self._params[number])

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """Most peers need no word of it."""

    def on_report(self, number: int, step: int, value: float) -> Decision:
        if not math.isfinite(value):
            return STOP
        self._last[number] = {METRIC: value, STEP: step}
        return STOP if self.stops(number, step, value) else GO_ON

    def report(self, number: int, step: int, value: float) -> None:
        """The peer heard it in `on_report`."""

    def on_finish(self, number: int) -> None:
        """The peer heard it in `end`."""

    def resume(self, *, is_last: bool) -> Resume | None:
        return None

    def finish(
        self,
        number: int,
        state: TrialState,
        value: float | None,
        reason: str,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> None:
        self.end(number, state, value)

    def end(self, number: int, state: TrialState, value: float | None) -> None:
        """Tells the end of a trial; `value` is the best of its reports."""
        raise NotImplementedError

    def propose(self, number: int) -> dict[str, Any]:
        """The parameters of trial `number`."""
        raise NotImplementedError

    def stops(self, number: int, step: int, value: float) -> bool:
        """Tells a finite report; whether the peer stops the trial."""
        raise NotImplementedError


class StockRay(Peer):
    """Ray's OptunaSearch and ASHAScheduler with their defaults, as TuneController calls them.

    `_process_trial_result`: the scheduler, then, unless it stops the trial, the searcher. `stop_trial`: both
    hear `on_trial_complete` with the last result. `_process_trial_failure`: scheduler, then searcher.
    """

    def __init__(self, space: Space, mode: Mode, num_steps: int, seed: int) -> None:
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        config = {parameter.name: ray_domain(parameter.domain) for parameter in space.parameters}
        self._search = OptunaSearch(seed=seed)
        self._search.set_search_properties(METRIC, mode, config)
        self._scheduler = ASHAScheduler(metric=METRIC, mode=mode, max_t=num_steps)
        self._trials: dict[int, Any] = {}

    def propose(self, number: int) -> dict[str, Any]:
        return dict(self._search.suggest(str(number)))

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        self._trials[number] = SimpleNamespace(trial_id=str(number), config=params)
        self._scheduler.on_trial_add(None, self._trials[number])

    def stops(self, number: int, step: int, value: float) -> bool:
        result = self._last[number]
        is_stopped: bool = self._scheduler.on_trial_result(None, self._trials[number], result) == "STOP"
        if not is_stopped:
            self._search.on_trial_result(str(number), result)
        return is_stopped

    def end(self, number: int, state: TrialState, value: float | None) -> None:
        if state is TrialState.DIVERGED:
            self._scheduler.on_trial_error(None, self._trials[number])
            self._search.on_trial_complete(str(number), error=True)
            return
        self._scheduler.on_trial_complete(None, self._trials[number], self._last[number])
        self._search.on_trial_complete(str(number), self._last[number])


def ray_domain(domain: Domain) -> Any:
    """The domain in Ray Tune's terms, whose integers exclude their upper end."""
    from ray import tune

    if isinstance(domain, Choice):
        return tune.choice(list(domain.labels))
    assert domain.step is None, "the benchmark's spaces have no steps"
    if isinstance(domain, Int):
        return (tune.lograndint if domain.log else tune.randint)(domain.low, domain.high + 1)
    return (tune.loguniform if domain.log else tune.uniform)(domain.low, domain.high)


class StockOptuna(Peer):
    """A study of Optuna's by itself, as a user's objective drives it: ask, report, should_prune, tell.

    A complete trial is told the best value of its reports, which is what is compared here.
    """

    def __init__(
        self, space: Space, mode: Mode, sampler: optuna.samplers.BaseSampler, pruner: Any, name: str
    ) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._study = optuna.create_study(
            direction="maximize" if mode == "max" else "minimize",
            sampler=sampler,
            pruner=pruner,
            study_name=name,
        )
        self._trials: dict[int, optuna.Trial] = {}

    def propose(self, number: int) -> dict[str, Any]:
        self._trials[number] = self._study.ask()
        return self._space.walk(partial(suggest, self._trials[number]))

    def stops(self, number: int, step: int, value: float) -> bool:
        self._trials[number].report(value, step)
        return self._trials[number].should_prune()

    def end(self, number: int, state: TrialState, value: float | None) -> None:
        told = {
            TrialState.COMPLETE: optuna.trial.TrialState.COMPLETE,
            TrialState.STOPPED: optuna.trial.TrialState.PRUNED,
            TrialState.DIVERGED: optuna.trial.TrialState.FAIL,
        }[state]
        self._study.tell(self._trials[number], value if state is TrialState.COMPLETE else None, state=told)


def optuna_hyperband(space: Space, mode: Mode, num_steps: int, seed: int) -> StockOptuna:
    """The TPE sampler and the Hyperband pruner with their defaults; the latter draws brackets by name."""
    pruner = optuna.pruners.HyperbandPruner(max_resource=num_steps)
    return StockOptuna(space, mode, optuna.samplers.TPESampler(seed=seed), pruner, f"study {seed}")


def optuna_gp(space: Space, mode: Mode, num_steps: int, seed: int) -> StockOptuna:
    """The GP sampler with its defaults; every trial is trained in full."""
    sampler = optuna.samplers.GPSampler(seed=seed)
    return StockOptuna(space, mode, sampler, optuna.pruners.NopPruner(), f"study {seed}")


class StockSyneTune(Peer):
    """A scheduler of Syne Tune's, which holds its searcher, as its Tuner calls it.

    `_update_running_trials`: `on_trial_result`, then `on_trial_remove` after a STOP, else `on_trial_complete`
    with the last result at the trial's own end; `on_trial_error` for a failed one.
    """

    def __init__(self, name: str, space: Space, mode: Mode, num_steps: int, seed: int) -> None:
        super().__init__()
        # Some of its searchers draw from numpy's global generator.
        np.random.seed(seed)
        self._scheduler = syne_tune_scheduler(name, space, mode, num_steps, seed)
        self._trials: dict[int, Any] = {}
        self._removed: set[int] = set()

    def propose(self, number: int) -> dict[str, Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dict(self._scheduler.suggest().config)

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        from syne_tune.backend.trial_status import Trial

        self._trials[number] = Trial(number, dict(params), datetime.datetime(2026, 1, 1))
        self._scheduler.on_trial_add(self._trials[number])

    def stops(self, number: int, step: int, value: float) -> bool:
        trial = self._trials[number]
        is_stopped: bool = self._scheduler.on_trial_result(trial, self._last[number]) == "STOP"
        if is_stopped:
            self._scheduler.on_trial_remove(trial)
            self._removed.add(number)
        return is_stopped

    def end(self, number: int, state: TrialState, value: float | None) -> None:
        if state is TrialState.DIVERGED:
            self._scheduler.on_trial_error(self._trials[number])
        elif number not in self._removed:
            self._scheduler.on_trial_complete(self._trials[number], self._last[number])


def syne_tune_scheduler(name: str, space: Space, mode: Mode, num_steps: int, seed: int) -> Any:
    """ASHA, BOHB or ASHACQR (which stop early), or CQR, with their defaults."""
    # Its loggers warn about optional parts that are not installed.
    logging.disable(logging.WARNING)
    from syne_tune.optimizer import baselines

    logging.disable(logging.NOTSET)
    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    config = {parameter.name: syne_tune_domain(parameter.domain) for parameter in space.parameters}
    common: dict[str, Any] = {"metric": METRIC, "do_minimize": mode == "min", "random_seed": seed}
    if name != "CQR":
        common |= {"time_attr": STEP, "max_t": num_steps}
    return getattr(baselines, name)(config, **common)


def syne_tune_domain(domain: Domain) -> Any:
    """The domain in Syne Tune's terms."""
    from syne_tune import config_space

    if isinstance(domain, Choice):
        return config_space.choice(list(domain.labels))
    assert domain.step is None, "the benchmark's spaces have no steps"
    if isinstance(domain, Int):
        draw = config_space.lograndint if domain.log else config_space.randint
    else:
        draw = config_space.loguniform if domain.log else config_space.uniform
    return draw(domain.low, domain.high)


def make_peer(name: str, space: Space, mode: Mode, num_steps: int, seed: int) -> Peer:
    """`ray`, `optuna_hyperband`, `optuna_gp`, or the name of a scheduler of Syne Tune's."""
    makers: dict[str, Callable[[Space, Mode, int, int], Peer]] = {
        "ray": StockRay,
        "optuna_hyperband": optuna_hyperband,
        "optuna_gp": optuna_gp,
    }
    return makers.get(name, partial(StockSyneTune, name))(space, mode, num_steps, seed)
