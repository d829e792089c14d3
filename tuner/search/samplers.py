"""Which sampler draws a trial, and how it is made so that a study can be repeated.

A sampler is made anew for every trial, from the seed, the trial's number and the study as it is. Nothing is
carried from one trial to the next in memory, so the same seed and the same results give the same
suggestions in any process, also in one that takes over in the middle. (Optuna's samplers keep a random
generator, which a new process could not know. CMA-ES keeps its distribution in the study itself.) Making one
costs about a millisecond.

The sampler names of an experiment:

- `random`: independent draws.
- `qmc`: a Sobol sequence, see `tuner.search.qmc`.
- `grid`: every point once, see `tuner.search.grid`.
- `tpe`: tree-structured Parzen estimator (Bergstra et al. 2011), with pending trials counted as bad (constant
  liar). Multivariate without early stopping. With early stopping univariate: on 32 paired replays with ASHA
  multivariate TPE, Optuna 5's default, was worse by .066 +- .026 mean regret after 20 full trainings.
- `gp`: Gaussian process (Optuna's GPSampler). The best measured for up to 100 trials: mean regret after
  20 / 30 full trainings .198/.094, TPE .315/.264, random .337/.311. An ask takes .2-.8 s.
- `cmaes`: CMA-ES (Hansen 2016) over the numeric parameters that are always active; the others are random.
- `auto`: see `choose_sampler`.

GP and CMA-ES learn from stopped trials through the last value these reported; without that GP would see only
the few trials that ASHA lets through (measured so: with ASHA .230 after 10 full trainings, random .327).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from tuner.search.distributions import suggest
from tuner.search.grid import grid_point
from tuner.search.qmc import qmc_point
from tuner.spec.domains import Choice
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

TINY_BUDGET = 10
"""Trials that every model-based sampler draws at random before its model starts."""
GP_LIMIT = 250
"""Finished trials after which `auto` changes from GP to CMA-ES; AutoSampler's number, not ours."""


def choose_sampler(space: Space, trials: int, num_finished: int = 0) -> str:
    """What `auto` stands for, with `trials` planned and `num_finished` complete or stopped.

    OptunaHub's AutoSampler rule, with an even cover instead of random draws where no model would ever start:
    nothing to search: grid; at most 10 trials: qmc; a choice or a condition in the space: tpe; else gp, and
    after 250 finished trials cmaes, started from those.
    """
    if not space.parameters:
        return "grid"
    if trials <= TINY_BUDGET:
        return "qmc"
    if any(isinstance(parameter.domain, Choice) or parameter.conditions for parameter in space.parameters):
        return "tpe"
    return "gp" if num_finished < GP_LIMIT else "cmaes"


@dataclass(frozen=True)
class Ask:
    """All that a suggestion depends on."""

    space: Space
    search: SearchSpec
    study: optuna.Study
    number: int

    @property
    def seed(self) -> int:
        """A seed of 32 bits for this trial alone."""
        return int(np.random.SeedSequence([self.search.seed, self.number]).generate_state(1)[0])

    @property
    def stops_early(self) -> bool:
        """Whether trials end before their full budget, so that values of different length meet."""
        return self.search.scheduler.type != "none"

    def finished(self) -> list[FrozenTrial]:
        """The trials that ended with a value: complete, or stopped after a report."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in trials if trial.value is not None]


class FreshSampler(BaseSampler):
    """Hands every trial to a sampler of its own, made when the trial draws its first parameter."""

    def __init__(self, space: Space, search: SearchSpec) -> None:
        self._space = space
        self._search = search
        self._current: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the trial's own sampler says."""
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's own sampler says."""
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the trial's own sampler says."""
        return self._of(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> BaseSampler:
        if self._current is None or self._current[0] != trial.number:
            ask = Ask(self._space, self._search, study, trial.number)
            self._current = (trial.number, make_sampler(ask))
        return self._current[1]


class FixedSampler(BaseSampler):
    """Hands out a configuration that was found elsewhere."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._params = params

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn together."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is drawn together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value that was found."""
        return self._params[param_name]


def make_sampler(ask: Ask) -> BaseSampler:
    """The sampler of one trial."""
    name: str = ask.search.sampler
    if name == "auto":
        name = choose_sampler(ask.space, ask.search.trials, len(ask.finished()))
    return _SAMPLERS[name](ask)


def _random(ask: Ask) -> BaseSampler:
    return RandomSampler(seed=ask.seed)


def _tpe(ask: Ask) -> BaseSampler:
    return TPESampler(seed=ask.seed, multivariate=not ask.stops_early, constant_liar=True)


def _cmaes(ask: Ask) -> BaseSampler:
    source = ask.finished()[:GP_LIMIT] if ask.search.sampler == "auto" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return CmaEsSampler(
            seed=ask.seed,
            warn_independent_sampling=False,
            consider_pruned_trials=ask.stops_early,
            source_trials=source,
        )


def _gp(ask: Ask) -> BaseSampler:
    """GPSampler reads only complete and running trials: it is asked in a copy where stopped is complete."""
    copy = optuna.create_study(
        direction=ask.study.direction,
        sampler=GPSampler(seed=ask.seed, warn_independent_sampling=False),
    )
    running = ask.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    copy.add_trials(_as_complete(trial) for trial in ask.finished())
    copy.add_trials(_as_running(trial) for trial in running if trial.number != ask.number)
    trial = copy.ask()
    ask.space.walk(lambda parameter: suggest(trial, parameter))
    return FixedSampler(trial.params)


def _as_complete(trial: FrozenTrial) -> FrozenTrial:
    return optuna.create_trial(params=trial.params, distributions=trial.distributions, value=trial.value)


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    return optuna.create_trial(
        params=trial.params, distributions=trial.distributions, state=TrialState.RUNNING
    )


def _grid(ask: Ask) -> BaseSampler:
    point = grid_point(ask.space, ask.number)
    assert point is not None, "the searcher ends before the grid does"
    return FixedSampler(point)


def _qmc(ask: Ask) -> BaseSampler:
    return FixedSampler(qmc_point(ask.space, ask.search.seed, ask.number))


_SAMPLERS: dict[str, Callable[[Ask], BaseSampler]] = {
    "random": _random,
    "tpe": _tpe,
    "gp": _gp,
    "cmaes": _cmaes,
    "grid": _grid,
    "qmc": _qmc,
}
