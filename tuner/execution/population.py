"""Population based training and bandits: Ray Tune's own classes decide, the conductor carries it out.

    population = Population(experiment)      # where others have make_scheduler(...)

It is a scheduler like any other. Every trial is paused at each `interval`-th report. When the whole
population stands there and its checkpoints are written, `PopulationBasedTraining` or `PB2`, both in their
synchronous form, say which of the worst trials goes on from which of the best and with which parameters; it
is resumed first, as an `Exploit`, and then the others go on. Tune's classes judge stand-ins of their own kind
(`Trial`), which no actor ever runs.

So a population needs not fit on the gangs at once, and the same seed gives the same run on any number of
them. The price: a gang may wait for the slowest trial, and each round costs a pause and a resume a trial.
Telling a new `Population` the starts, reports, saves and ends again, with `on_start` for each resume, gives
the same continuation, as with any scheduler.

Sources: Jaderberg et al., "Population Based Training of Neural Networks", 2017; Parker-Holder et al.,
"Provably Efficient Online Hyperparameter Optimization with Population-Based Bandits", 2020.
"""

import math
import random
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from ray import tune
from ray.train._internal.session import _TrainingResult
from ray.tune.experiment import Trial
from ray.tune.schedulers import PopulationBasedTraining

from tuner.errors import UsageError
from tuner.search.scheduler import Action, Decision, Exploit, Resume, stop_if_not_finite
from tuner.spec import Choice, Experiment, Float
from tuner.spec.domains import Domain
from tuner.spec.sections import Pb2, Pbt
from tuner.spec.space import Parameter

TIME, SCORE = "training_iteration", "score"


@dataclass(frozen=True)
class Axis:
    """One parameter as Tune's classes see it.

    A value of a list (a choice, a range with steps) is its position, which they move to a neighbour or draw
    anew; any other is itself, which they multiply by 0.8 or 1.2 or draw anew. PB2 sees the logarithm of a
    log range.
    """

    name: str
    domain: Domain
    is_log: bool = False

    def encode(self, value: Any) -> float:
        values = self.values
        if values is not None:
            return min(range(len(values)), key=lambda i: _distance(values[i], value))
        return math.log(value) if self.is_log else value

    def decode(self, code: float) -> Any:
        """The value inside the domain that is nearest to `code`."""
        if self.values is not None:
            return self.values[int(code)]
        assert not isinstance(self.domain, Choice)
        value = float(math.exp(code) if self.is_log else code)
        inside = min(max(value, self.domain.low), self.domain.high)
        return inside if isinstance(self.domain, Float) else round(inside)

    @property
    def values(self) -> Sequence[Any] | None:
        """All values in their order; None of a range without steps."""
        domain = self.domain
        if isinstance(domain, Choice):
            return domain.labels
        if domain.step is None:
            return None
        num_steps = round((domain.high - domain.low) / domain.step)
        return [domain.low + i * domain.step for i in range(num_steps + 1)]

    def mutation(self) -> Any:
        """What PBT draws from."""
        if self.values is not None:
            return list(range(len(self.values)))
        assert not isinstance(self.domain, Choice)
        low, high = self.domain.low, self.domain.high
        if isinstance(self.domain, Float):
            return tune.loguniform(low, high) if self.domain.log else tune.uniform(low, high)
        return tune.lograndint(low, high + 1) if self.domain.log else tune.randint(low, high + 1)

    def bounds(self) -> list[float]:
        """What PB2 searches."""
        assert isinstance(self.domain, Float), "the experiment was checked: pb2 searches floats"
        return [self.encode(self.domain.low), self.encode(self.domain.high)]


@dataclass(frozen=True)
class _Saved:
    """The last checkpoint of a trial: what stands for it in Tune's classes, which never look inside."""

    number: int


@dataclass
class _Member:
    number: int
    params: dict[str, Any]
    trial: Trial
    step: int = 0
    """Of its last report."""
    value: float = math.nan
    is_waiting: bool = False
    is_saved: bool = False
    """Whether it is paused and its checkpoint is written."""

    def goes_on(self) -> None:
        self.is_waiting = self.is_saved = False


class Population:
    """The scheduler of an experiment with pbt or pb2."""

    def __init__(self, experiment: Experiment) -> None:
        spec = experiment.search.scheduler
        assert isinstance(spec, Pbt | Pb2), spec
        self._experiment, self._interval = experiment, spec.interval
        self._axes = make_axes(experiment.space.parameters, is_pb2=isinstance(spec, Pb2))
        self._tune = _tune_scheduler(spec, experiment.search.mode, self._axes)
        self._random = _OwnRandom(experiment.search.seed)
        self._members: dict[int, _Member] = {}
        self._queue: deque[Resume] = deque()

    def on_start(self, number: int, params: Mapping[str, Any]) -> None:
        """A trial begins; of one that has begun already, as in a replay: it goes on, with these parameters.

        What was decided before it went on is then decided again, with the same draws.
        """
        if number in self._members:
            self._go_on(number, params)
            return
        trial = Trial("member", trial_id=f"{number:05d}", config=_encode(self._axes, params), stub=True)
        self._members[number] = _Member(number, dict(params), trial)
        self._tune.on_trial_add(self, trial)

    def on_report(self, number: int, step: int, value: float) -> Decision:
        """A pause at every `interval`-th report but the last of a training, and nothing in between."""
        stop = stop_if_not_finite(step, value)
        if stop is not None:
            return stop
        if step == self._experiment.max_reports:
            return Decision(Action.CONTINUE, "nothing is copied at the last report", value=value)
        if step % self._interval:
            following = step - step % self._interval + self._interval
            return Decision(Action.CONTINUE, f"the population is compared at report {following}", value=value)
        member = self._members[number]
        member.step, member.value, member.is_waiting = step, value, True
        return Decision(Action.PAUSE, f"waits at report {step} for the population", rung=step, value=value)

    def on_saved(self, number: int) -> None:
        self._members[number].is_saved = True

    def on_finish(self, number: int) -> None:
        """The population goes on without it."""
        if number in self._members:
            self._members[number].trial.set_status(Trial.TERMINATED)
        self._queue = deque(resume for resume in self._queue if resume.number != number)

    def resume(self, *, is_last: bool) -> Resume | None:
        """The next trial of the round; the copies come first, as long as their donors stand still."""
        self._plan(is_last)
        if not self._queue:
            return None
        resume = self._queue.popleft()
        self._members[resume.number].goes_on()
        return resume

    def _plan(self, is_last: bool) -> None:
        if not self._queue and self._is_together(is_last):
            self._queue.extend(self._catch_up() or self._judge())

    def _go_on(self, number: int, params: Mapping[str, Any]) -> None:
        self._plan(is_last=True)
        self._queue = deque(resume for resume in self._queue if resume.number != number)
        member = self._members[number]
        member.goes_on()
        if member.params != params:
            member.params = dict(params)
            member.trial.set_config(_encode(self._axes, params))

    # What Tune's classes ask of their controller.

    search_alg = None

    def get_trials(self) -> list[Trial]:
        return [member.trial for member in self._alive()]

    get_live_trials = get_trials

    def _alive(self) -> list[_Member]:
        return [self._members[n] for n in sorted(self._members) if not self._members[n].trial.is_finished()]

    def _is_together(self, is_last: bool) -> bool:
        alive = self._alive()
        has_all_begun = is_last or len(self._members) == self._experiment.search.trials
        return bool(alive) and has_all_begun and all(one.is_waiting and one.is_saved for one in alive)

    def _catch_up(self) -> list[Resume]:
        """Those that began when the others had gone on: in a space with fewer points than trials."""
        furthest = max(member.step for member in self._alive())
        return [
            Resume(member.number, f"catches up from report {member.step} with those at {furthest}")
            for member in self._alive()
            if member.step < furthest
        ]

    def _judge(self) -> list[Resume]:
        alive = self._alive()
        for member in alive:
            member.trial.set_status(Trial.PAUSED)
            self._hand_over(member)
        with self._random.installed(), warnings.catch_warnings():
            # The Gaussian process of PB2 warns of bounds and iterations that nobody can change.
            warnings.simplefilter("ignore")
            for member in alive:
                result = {TIME: member.step, SCORE: member.value}
                self._tune.on_trial_result(self, member.trial, result)
        exploits = [self._exploit(member) for member in alive if self._donor(member) != member.number]
        copies = {exploit.number for exploit in exploits}
        others = [member for member in alive if member.number not in copies]
        return [*exploits, *(Resume(one.number, f"goes on from report {one.step}") for one in others)]

    def _hand_over(self, member: _Member) -> None:
        """Gives Tune's classes the member's checkpoint, which they pass from one trial to another."""
        manager = member.trial.run_metadata.checkpoint_manager
        manager._latest_checkpoint_result = _TrainingResult(_Saved(member.number), {})

    def _donor(self, member: _Member) -> int:
        """Whose checkpoint Tune has given to the member; its own number where nothing changed."""
        saved: _Saved = member.trial.checkpoint
        return saved.number

    def _exploit(self, member: _Member) -> Exploit:
        donor, n = self._members[self._donor(member)], len(self._alive())
        reason = (
            f"{member.value:g} is among the worst of {n} at report {member.step}: "
            f"goes on from trial {donor.number} ({donor.value:g})"
        )
        # What PB2 leaves as it was has no rounding of a logarithm.
        is_same = member.trial.config == donor.trial.config
        params = donor.params if is_same else _decode(self._axes, member.trial.config)
        if not self._is_valid(params):
            params, reason = donor.params, f"{reason}, with its parameters, for new ones broke a rule"
            member.trial.set_config(_encode(self._axes, params))
        member.params = dict(params)
        return Exploit(member.number, reason, donor.number, params)

    def _is_valid(self, params: Mapping[str, Any]) -> bool:
        """Rules between searched values may be broken by values that are each inside their domain."""
        try:
            self._experiment.config(params)
            if self._experiment.task is not None:
                self._experiment.resolve(params)
        except UsageError:
            return False
        return True


def make_axes(parameters: Sequence[Parameter], *, is_pb2: bool) -> dict[str, Axis]:
    """By a key that Tune's classes may take apart at will."""
    return {
        f"p{i}": Axis(one.name, one.domain, is_log=is_pb2 and getattr(one.domain, "log", False))
        for i, one in enumerate(parameters)
    }


def _encode(axes: Mapping[str, Axis], params: Mapping[str, Any]) -> dict[str, float]:
    return {key: axis.encode(params[axis.name]) for key, axis in axes.items()}


def _decode(axes: Mapping[str, Axis], config: Mapping[str, float]) -> dict[str, Any]:
    return {axis.name: axis.decode(config[key]) for key, axis in axes.items()}


def _tune_scheduler(spec: Pbt | Pb2, mode: str, axes: Mapping[str, Axis]) -> PopulationBasedTraining:
    options: dict[str, Any] = {
        "time_attr": TIME,
        "metric": SCORE,
        "mode": mode,
        "perturbation_interval": spec.interval,
        "quantile_fraction": spec.quantile,
        "custom_explore_fn": lambda config: _encode(axes, _decode(axes, config)),
        "log_config": False,
        "synch": True,
    }
    if isinstance(spec, Pbt):
        mutations = {key: axis.mutation() for key, axis in axes.items()}
        return PopulationBasedTraining(
            hyperparam_mutations=mutations, resample_probability=spec.resample, **options
        )
    # It imports scikit-learn's Gaussian processes, which takes a second.
    from ray.tune.schedulers.pb2 import PB2

    return PB2(hyperparam_bounds={key: axis.bounds() for key, axis in axes.items()}, **options)


class _OwnRandom:
    """Tune draws from the global generators of `random` and numpy; here they have states of their own."""

    def __init__(self, seed: int) -> None:
        self._states: Any = random.Random(seed).getstate(), np.random.RandomState(seed).get_state()

    @contextmanager
    def installed(self) -> Iterator[None]:
        outer = random.getstate(), np.random.get_state()
        self._install(self._states)
        try:
            yield
        finally:
            self._states = random.getstate(), np.random.get_state()
            self._install(outer)

    @staticmethod
    def _install(states: Any) -> None:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _distance(one: Any, other: Any) -> float:
    """0 for the same; steps of a range differ from what a searcher draws by their rounding."""
    if one == other:
        return 0.0
    return abs(one - other) if isinstance(one, float) and isinstance(other, int | float) else math.inf
