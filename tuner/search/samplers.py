"""Which sampler draws a trial, and how it is made so that a study can be repeated.

A sampler is made anew for every trial, from the seed, the trial's number and the study as it is. Nothing is
carried from one trial to the next in memory, so the same seed and the same results give the same
suggestions in any process, also in one that takes over in the middle. (Optuna's samplers keep a random
generator, which a new process could not know. What CMA-ES and NSGA-II have to remember, a distribution or a
generation, they keep with the study's trials.) Making one costs about a millisecond.

A sampler that learns is asked in a copy of the study, filled with what `tuner.search.lessons` makes of the
trials: earlier experiments', stopped, paused, diverged and infeasible ones too. The copy takes .25 s for 500
trials of 30 parameters.

The sampler names of an experiment, whose switches are the sections in `tuner.spec.sections`:

- `random`: independent draws.
- `qmc`: a Sobol sequence, see `tuner.search.qmc`.
- `grid`: every point once, see `tuner.search.grid`. `brute_force` is another name for it: the grid is
  exhaustive in conditional spaces too, as Optuna's BruteForceSampler is.
- `tpe`: tree-structured Parzen estimator (Bergstra et al. 2011), with pending trials counted as bad (constant
  liar). Multivariate without early stopping. With early stopping univariate: on 32 paired replays with ASHA
  multivariate TPE, Optuna 5's default, was worse by .066 +- .026 mean regret after 20 full trainings.
- `bohb`: TPE at the highest report that enough trials have reached, and a third of the draws at random
  (Falkner et al. 2018); meant for `hyperband`.
- `gp`: Gaussian process (Optuna's GPSampler). The best measured for up to 100 trials: mean regret after
  20 / 30 full trainings .198/.094, TPE .315/.264, random .337/.311. It learns from
  `GP_MOST` finished trials: in a space of 40 parameters, half of them conditional, an ask after 500 trials
  then takes .4 s instead of 1.7 s, with a constraint .6 instead of 3.7, with two objectives .8 instead of 3.4
  (CPU time; all samplers: `results/benchmarks/ask.md`).
- `curve_gp`: a Gaussian process over (configuration, report, trial) that learns from whole curves, see
  `tuner.search.surrogate`; a tenth of the draws at random, and all of them while the process cannot rank
  trials that it has not seen (`docs/decisions/freeze-thaw.md`). One objective.
- `cmaes`: CMA-ES (Hansen 2016) over the numeric parameters that are always active; the others are random.
- `nsgaii`: NSGA-II (Deb et al. 2002), for several objectives; at least five generations.
- `auto`: see `choose_sampler`.

TPE, BOHB, GP and NSGA-II take constraints into account, the others count a broken one as the worst value. GP,
CMA-ES and NSGA-II learn from stopped trials through the last value these reported; without that GP would see
only the few trials that ASHA lets through (measured so: with ASHA .230 after 10 full trainings, random .327).
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

from tuner.records.states import TrialState as RecordedState
from tuner.search import priors
from tuner.search.distributions import suggest
from tuner.search.freeze_thaw import NUM_FIRST
from tuner.search.grid import grid_point
from tuner.search.history import Observation, observations
from tuner.search.lessons import at_rung, lessons, stops_early
from tuner.search.qmc import qmc_point
from tuner.search.surrogate import Seen, Surrogate
from tuner.search.thinning import thinned
from tuner.spec.domains import Choice
from tuner.spec.points import complete_point
from tuner.spec.sections import Cmaes, Gp, Nsgaii, SearchSpec, Tpe
from tuner.spec.space import Space

TINY_BUDGET = 10
"""Trials that every model-based sampler draws at random before its model starts."""
GP_LIMIT = 250
"""Finished trials after which `auto` changes from GP to NSGA-II, and that CMA-ES begins from at most."""
GP_MOST = 150
"""Finished trials that Optuna's Gaussian process learns from, see `tuner.search.thinning`."""
CURVE_GP_RANDOM_SHARE = 0.1
"""Of the configurations; without any, a model that is wrong about a region never returns to it."""
CURVE_GP_SKILL = 0.5
"""A model that ranks trials it has not seen worse than this is not asked (`Belief.skill`)."""
BOHB_RANDOM_SHARE = 1 / 3
"""The paper's rho."""

_Switches = TypeVar("_Switches", Tpe, Gp, Cmaes, Nsgaii)


def choose_sampler(space: Space, search: SearchSpec, num_finished: int = 0) -> str:
    """What `auto` stands for, with `num_finished` trials complete or stopped.

    Nothing to search: grid; at most 10 trials, where no model would ever start: qmc; one objective:
    curve_gp, the best measured (`benchmarks/search.py`). Several objectives, by OptunaHub's AutoSampler rule:
    a choice or a condition in the space: tpe; else gp, and after 250 finished trials nsgaii.
    """
    if not space.parameters:
        return "grid"
    if search.trials <= TINY_BUDGET:
        return "qmc"
    if not search.also:
        return "curve_gp"
    if any(isinstance(parameter.domain, Choice) or parameter.conditions for parameter in space.parameters):
        return "tpe"
    return "gp" if num_finished < GP_LIMIT else "nsgaii"


@dataclass
class Enqueued:
    """A configuration that somebody wants to be tried, perhaps incomplete."""

    key: str
    params: dict[str, Any]
    number: int | None = None
    """Of the trial that has it; None while it waits."""


@dataclass(frozen=True)
class Ask:
    """All that a suggestion depends on."""

    space: Space
    search: SearchSpec
    study: optuna.Study
    number: int
    earlier: Sequence[Observation] = ()
    """trials of earlier experiments"""
    max_reports: int | None = None
    """reports of a full training; None: not known"""
    enqueued: Sequence[Enqueued] = ()

    @property
    def seed(self) -> int:
        """A seed of 32 bits for this trial alone."""
        return int(np.random.SeedSequence([self.search.seed, self.number]).generate_state(1)[0])

    @property
    def position(self) -> int:
        """Trials that the sampler drew before this one; negative where it is one of `search.points`."""
        num_enqueued = sum(one.number is not None and one.number < self.number for one in self.enqueued)
        return self.number - len(self.search.points) - num_enqueued

    @property
    def stops_early(self) -> bool:
        """Whether trials end before their full budget, so that values of different length meet."""
        return stops_early(self.search)

    def finished(self) -> list[FrozenTrial]:
        """The trials that ended with a value: complete, or stopped after a report."""
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = self.study.get_trials(deepcopy=False, states=states)
        return [trial for trial in trials if trial.values is not None]

    def observations(self) -> list[Observation]:
        """All that is known: earlier experiments' trials first, then the study's others by number."""
        return [*self.earlier, *(seen for seen in observations(self.study) if seen.number != self.number)]

    @property
    def given(self) -> Mapping[str, Any] | None:
        """A point to try first, or an enqueued configuration; None for a trial of the sampler's own."""
        if self.number < len(self.search.points):
            return complete_point(self.space, self.search.points[self.number])
        return next((one.params for one in self.enqueued if one.number == self.number), None)

    @cached_property
    def fixed(self) -> Mapping[str, Any]:
        """What is not the sampler's to draw: what is given, or a draw from the priors."""
        if self.given is not None:
            return self.given
        if not self.search.priors:
            return {}
        rng = np.random.default_rng([self.search.seed, self.number])
        ended = sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))
        is_believed = rng.random() < priors.weight(self.search, ended)
        return priors.draw(self.space, self.search.priors, rng) if is_believed else {}


class FreshSampler(BaseSampler):
    """Hands every trial to a sampler of its own, made when the trial draws its first parameter."""

    def __init__(
        self,
        space: Space,
        search: SearchSpec,
        earlier: Sequence[Observation] = (),
        max_reports: int | None = None,
        enqueued: Sequence[Enqueued] = (),
    ) -> None:
        self._space, self._search, self._earlier = space, search, earlier
        self._max_reports, self._enqueued = max_reports, enqueued
        self._current: tuple[Ask, BaseSampler] | None = None

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A trial that is drawn again gets a new sampler, so that the same comes out."""
        self._current = None

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the trial's own sampler says, without what is fixed."""
        ask, sampler = self._of(study, trial)
        drawn = sampler.infer_relative_search_space(study, trial)
        return {name: distribution for name, distribution in drawn.items() if name not in ask.fixed}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's own sampler says."""
        return self._of(study, trial)[1].sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """What is fixed, else as the trial's own sampler says."""
        ask, sampler = self._of(study, trial)
        if param_name in ask.fixed:
            return ask.fixed[param_name]
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> tuple[Ask, BaseSampler]:
        if self._current is None or self._current[0].number != trial.number:
            ask = Ask(
                self._space,
                self._search,
                study,
                trial.number,
                self._earlier,
                self._max_reports,
                self._enqueued,
            )
            self._current = (ask, make_sampler(ask))
        return self._current


class OneByOne(BaseSampler):
    """A sampler that draws nothing together."""

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


class FixedSampler(OneByOne):
    """Hands out a configuration that was found elsewhere; what it lacks is drawn at random."""

    def __init__(self, params: Mapping[str, Any], seed: int = 0) -> None:
        self._params = params
        self._random = RandomSampler(seed=seed)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The value of that name."""
        if param_name in self._params:
            return self._params[param_name]
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class CopySampler(OneByOne):
    """Draws what a sampler draws in a copy of the study, and keeps the notes that it makes there.

    `notes`: how the names of those begin; the trial's attributes in the study get them.
    """

    def __init__(self, space: Space, copy: optuna.Study, notes: str) -> None:
        self._parameters = {parameter.name: parameter for parameter in space.parameters}
        self.copy, self._notes = copy, notes
        self._trial = copy.ask()

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The copy's draw."""
        value = suggest(self._trial, self._parameters[param_name])
        if self._notes:
            self._keep_notes(study, trial)
        return value

    def _keep_notes(self, study: optuna.Study, trial: FrozenTrial) -> None:
        written = self.copy.get_trials(deepcopy=False)[self._trial.number].system_attrs
        for name, value in written.items():
            if name.startswith(self._notes) and trial.system_attrs.get(name) != value:
                study._storage.set_trial_system_attr(trial._trial_id, name, value)


def make_sampler(ask: Ask) -> BaseSampler:
    """The sampler of one trial."""
    name = ask.search.sampler_name
    if name == "auto":
        name = choose_sampler(ask.space, ask.search, len(ask.finished()))
    return _SAMPLERS[name](ask)


def _switches(ask: Ask, kind: type[_Switches]) -> _Switches:
    """Those of the experiment; the usual ones where only the name is given, or `auto` chose it."""
    given = ask.search.sampler
    return given if isinstance(given, kind) else kind()


def _random(ask: Ask) -> BaseSampler:
    return RandomSampler(seed=ask.seed)


def _tpe(ask: Ask) -> BaseSampler:
    switches = _switches(ask, Tpe)
    multivariate = switches.multivariate
    if multivariate == "auto":
        multivariate = not ask.stops_early and not ask.search.also
    with _experimental():
        sampler = TPESampler(
            seed=ask.seed,
            n_startup_trials=switches.startup,
            multivariate=multivariate,
            group=switches.group,
            constant_liar=switches.constant_liar,
        )
    return _in_copy(ask, sampler, lessons(ask.space, ask.search, ask.observations(), keeps_stopped=True))


def _bohb(ask: Ask) -> BaseSampler:
    least = len(ask.space.parameters) + 3
    seen = at_rung(ask.observations(), least)
    if not seen or np.random.default_rng(ask.seed).random() < BOHB_RANDOM_SHARE:
        return _random(ask)
    with _experimental():
        sampler = TPESampler(seed=ask.seed, multivariate=True, group=True, n_startup_trials=least)
    return _in_copy(ask, sampler, lessons(ask.space, ask.search, seen))


def _curve_gp(ask: Ask) -> BaseSampler:
    """The configuration that gains most by the curves of all trials; random ones while that has no skill."""
    rng = np.random.default_rng(ask.seed)
    trials = [_seen(one) for one in ask.observations()]
    num_known = sum(bool(trial.curve) or trial.is_bad for trial in trials)
    if num_known < NUM_FIRST or rng.random() < CURVE_GP_RANDOM_SHARE:
        return _random(ask)
    max_reports = ask.max_reports or max(max(trial.curve, default=1) for trial in trials)
    surrogate = Surrogate(ask.space, mode=ask.search.mode, max_reports=max_reports, seed=ask.seed)
    belief = surrogate.learn(trials)
    if belief.skill() < CURVE_GP_SKILL:
        return _random(ask)
    best, _ = belief.propose(rng)
    return FixedSampler(surrogate.encoding.configuration(best))


def _seen(one: Observation) -> Seen:
    """What an infeasible trial reported is no reason to go there, however good it is."""
    is_infeasible = one.state is RecordedState.INFEASIBLE
    return Seen(
        one.params,
        {} if is_infeasible else one.curve,
        is_bad=is_infeasible or one.state is RecordedState.DIVERGED,
        is_running=one.state is RecordedState.RUNNING and not one.curve,
    )


def _cmaes(ask: Ask) -> BaseSampler:
    switches = _switches(ask, Cmaes)
    with _experimental():
        sampler = CmaEsSampler(
            seed=ask.seed,
            n_startup_trials=switches.startup,
            popsize=switches.population,
            warn_independent_sampling=False,
            source_trials=_cmaes_source(ask) or None,
        )
    trials = lessons(ask.space, ask.search, ask.observations(), knows_constraints=False)
    return _in_copy(ask, sampler, trials, notes="cma:")


def _cmaes_source(ask: Ask) -> list[FrozenTrial]:
    """What CMA-ES begins from: earlier experiments' trials, and those that another sampler of `auto` drew."""
    seen = ask.observations() if ask.search.sampler == "auto" else ask.earlier
    others = [one for one in seen if not any(note.startswith("cma:") for note in one.notes)]
    trials = lessons(ask.space, ask.search, others, knows_constraints=False)
    numeric = [
        parameter.name
        for parameter in ask.space.parameters
        if not parameter.conditions and not isinstance(parameter.domain, Choice)
    ]
    return [_reduced(trial, numeric) for trial in trials if trial.state is TrialState.COMPLETE][:GP_LIMIT]


def _reduced(trial: FrozenTrial, names: Sequence[str]) -> FrozenTrial:
    return optuna.create_trial(
        value=trial.value,
        params={name: trial.params[name] for name in names},
        distributions={name: trial.distributions[name] for name in names},
    )


def _gp(ask: Ask) -> BaseSampler:
    trials = thinned(ask.space, ask.search, lessons(ask.space, ask.search, ask.observations()), GP_MOST)
    if not _differ([trial for trial in trials if trial.state is TrialState.COMPLETE]):
        return _random(ask)
    startup = _switches(ask, Gp).startup
    sampler = GPSampler(seed=ask.seed, n_startup_trials=startup, warn_independent_sampling=False)
    return _in_copy(ask, sampler, trials)


def _differ(trials: Sequence[FrozenTrial]) -> bool:
    """Whether there is anything to model."""
    return len({(*(trial.values or ()), *trial.constraints.values()) for trial in trials}) > 1


def _nsgaii(ask: Ask) -> BaseSampler:
    """Earlier experiments' trials belong to the first generation."""
    population = _switches(ask, Nsgaii).population or min(50, max(4, ask.search.trials // 5))
    sampler = NSGAIISampler(seed=ask.seed, population_size=population)
    first = {"NSGAIISampler:generation": 0}
    seen = [replace(one, notes=first) if one.number is None else one for one in ask.observations()]
    return _in_copy(ask, sampler, lessons(ask.space, ask.search, seen), notes="NSGAIISampler:")


def _in_copy(ask: Ask, sampler: BaseSampler, trials: Sequence[FrozenTrial], notes: str = "") -> BaseSampler:
    copy = optuna.create_study(directions=ask.study.directions, sampler=sampler)
    copy.add_trials(trials)
    return CopySampler(ask.space, copy, notes)


@contextmanager
def _experimental() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


def _grid(ask: Ask) -> BaseSampler:
    if ask.given is not None:
        return _random(ask)
    point = grid_point(ask.space, ask.position)
    assert point is not None, "the searcher ends before the grid does"
    return FixedSampler(point)


def _qmc(ask: Ask) -> BaseSampler:
    return FixedSampler(qmc_point(ask.space, ask.search.seed, max(0, ask.position)), ask.seed)


_SAMPLERS: dict[str, Callable[[Ask], BaseSampler]] = {
    "random": _random,
    "tpe": _tpe,
    "bohb": _bohb,
    "gp": _gp,
    "cmaes": _cmaes,
    "curve_gp": _curve_gp,
    "nsgaii": _nsgaii,
    "grid": _grid,
    "brute_force": _grid,
    "qmc": _qmc,
}
