"""`search`: samplers, schedulers, rules of the search."""

import os
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from tuner.spec.domains import show
from tuner.spec.sections.base import AnyPath, Count, Positive, Section, Seed, as_type, broken_rule
from tuner.tasks.metrics import Mode


def _auto_or_flag(value: Any) -> Any:
    if value != "auto" and not isinstance(value, bool):
        raise broken_rule(f"must be 'auto', true or false; found {show(value)}")
    return value


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float):
        raise broken_rule(f"must be text, a number, true, false or null; found {show(value)}")
    return value


def _as_prior(value: Any) -> Any:
    return {"at": value} if isinstance(value, str | int | float) else value


class PlainSampler(Section):
    """Without switches."""

    type: Literal["auto", "random", "curve_gp", "bohb", "qmc", "grid", "brute_force"]


class Tpe(Section):
    """Tree-structured Parzen estimator (Bergstra et al., 2011)."""

    type: Literal["tpe"] = "tpe"
    startup: Count = 10
    """trials that are known before the model starts; until then it is random"""
    multivariate: Annotated[Literal["auto"] | bool, BeforeValidator(_auto_or_flag)] = "auto"
    """whether parameters are drawn together; auto: unless trials are stopped early or there are several
    objectives"""
    group: bool = False
    """whether parameters that are only active under one condition are drawn together too"""
    constant_liar: bool = True
    """whether trials that have no value yet count as bad, so that none is proposed near them"""

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> "Tpe":
        if self.group and self.multivariate is not True:
            found = show(self.multivariate)
            raise broken_rule(f"with group needs multivariate true; found {found}; set it or drop group")
        return self


class Gp(Section):
    """Gaussian process."""

    type: Literal["gp"] = "gp"
    startup: Count = 10
    """trials with a value before the model starts; until then it is random"""


class Cmaes(Section):
    """Covariance matrix adaptation evolution strategy (Hansen, 2016)."""

    type: Literal["cmaes"] = "cmaes"
    startup: Count = 1
    """trials with a value before the first generation; until then it is random"""
    population: Annotated[int, Field(ge=4)] | None = None
    """trials a generation; None: 4 + 3 ln(numeric parameters)"""


class Nsgaii(Section):
    """Non-dominated sorting genetic algorithm II (Deb et al., 2002)."""

    type: Literal["nsgaii"] = "nsgaii"
    population: Annotated[int, Field(ge=2)] | None = None
    """trials a generation; None: a fifth of all trials, from 4 to 50"""


SamplerName = Literal[
    "auto", "random", "curve_gp", "tpe", "bohb", "gp", "cmaes", "nsgaii", "qmc", "grid", "brute_force"
]
_PLAIN_SAMPLERS = get_args(PlainSampler.model_fields["type"].annotation)


def _kind_of_sampler(value: Any) -> Any:
    """The tag in `Sampler`: its type; of all that share a section, the section's first type."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", "name")
    return _PLAIN_SAMPLERS[0] if kind in _PLAIN_SAMPLERS else kind


def _as_name(sampler: Any) -> Any:
    """A section with which nothing is switched is its name."""
    has_switches = isinstance(sampler, Tpe | Gp | Cmaes | Nsgaii)
    is_usual = has_switches and sampler == type(sampler)()
    return sampler.type if is_usual or isinstance(sampler, PlainSampler) else sampler


Sampler = Annotated[
    Annotated[SamplerName, Tag("name")]
    | Annotated[PlainSampler, Tag("auto")]
    | Annotated[Tpe, Tag("tpe")]
    | Annotated[Gp, Tag("gp")]
    | Annotated[Cmaes, Tag("cmaes")]
    | Annotated[Nsgaii, Tag("nsgaii")],
    Discriminator(_kind_of_sampler),
    AfterValidator(_as_name),
]


class AutoScheduler(Section):
    """What the benchmark favours, which depends on whether trials can be paused."""

    type: Literal["auto"] = "auto"


class NoScheduler(Section):
    """Every trial trains to its full budget."""

    type: Literal["none"] = "none"


class Asha(Section):
    """Asynchronous successive halving (Li et al., 2020), eta = `factor`."""

    type: Literal["asha"] = "asha"
    variant: Literal["stopping", "promotion"] = "stopping"
    """stopping: a trial is judged once, at a rung, for good; promotion: it is paused there, and resumed when
    it is among the best of its rung"""
    grace: Count = 1
    """reports before the first rung"""
    factor: Annotated[int, Field(ge=2)] = 3
    """each rung keeps one of `factor` trials and lies `factor` times as far"""
    brackets: Count = 1
    """sets of rungs, each of which begins `factor` times as late as the one before"""


class Hyperband(Section):
    """Hyperband (Li et al., 2018): brackets of successive halving with different numbers of trials."""

    type: Literal["hyperband"] = "hyperband"
    grace: Count = 1
    """reports that the smallest rung has at least"""
    factor: Annotated[int, Field(ge=2)] = 3


class Median(Section):
    """Stops a trial whose best value is worse than the median running average (Golovin et al., 2017)."""

    type: Literal["median"] = "median"
    grace: Count = 1
    """reports before the first decision"""
    min_trials: Count = 3
    """trials that must have come as far before one is stopped"""


class IEpoch(Section):
    """A few reports for all, then the best finish (Egele et al., 2024: "the unreasonable effectiveness")."""

    type: Literal["iepoch"] = "iepoch"
    reports: Count = 1
    """after which a trial is paused"""
    keep: Count = 3
    """trials that are finished"""
    first: Count | None = None
    """trials before the best finish; None: all of search.trials"""


class Extrapolation(Section):
    """Stops a trial whose extrapolated learning curve hardly reaches the best value."""

    type: Literal["extrapolation"] = "extrapolation"
    grace: Count = 4
    """reports before the first decision"""
    probability: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """of ending better than the best, below which a trial is stopped"""


class FreezeThaw(Section):
    """Pauses every trial that another one, new or paused, is expected to overtake (Swersky et al., 2014)."""

    type: Literal["freeze_thaw"] = "freeze_thaw"
    grace: Count = 1
    """reports before the first decision"""


class Pbt(Section):
    """Population based training (Jaderberg et al., 2017)."""

    type: Literal["pbt"] = "pbt"
    interval: Count = 4
    """reports between two exploits of a trial"""
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25
    """share of the population that is replaced, and that it is replaced by"""
    resample: Annotated[float, Field(ge=0, le=1)] = 0.25
    """probability that a value is drawn anew instead of multiplied by 0.8 or 1.2"""


class Pb2(Section):
    """Population based bandits (Parker-Holder et al., 2020): PBT with new values by a Gaussian process."""

    type: Literal["pb2"] = "pb2"
    interval: Count = 4
    quantile: Annotated[float, Field(gt=0, le=0.5)] = 0.25


Scheduler = Annotated[
    AutoScheduler | NoScheduler | Asha | Hyperband | Median | IEpoch | Extrapolation | FreezeThaw | Pbt | Pb2,
    Field(discriminator="type"),
]


class Bound(Section):
    """What a reported metric may be, at most and at least."""

    max: float | None = None
    min: float | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Bound":
        if self.max is None and self.min is None:
            raise broken_rule("needs max or min; found neither; add one")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise broken_rule(f"needs min <= max; found min {self.min:g} and max {self.max:g}; swap them")
        return self


class Prior(Section):
    """Where the user believes the best value of a parameter to lie."""

    at: Annotated[Any, AfterValidator(_scalar)]
    """the likeliest value; of a choice the label of an option"""
    spread: Annotated[float, Field(gt=0)] = 0.15
    """standard deviation as a share of the (log) range; of a choice, the share of the other options"""


class StopSearch(Section):
    """When the search ends before its trials are spent; the first condition that holds ends it."""

    hours: Positive | None = None
    """wall time"""
    gpu_hours: Positive | None = None
    """sum over the trials of time x GPUs"""
    target: float | None = None
    """a value of the metric that is good enough"""
    patience: Count | None = None
    """trials that have finished or paused, each counted once, since the best value last improved"""
    min_gain: Positive | None = None
    """estimated remaining gain, in the metric's unit, below which going on is not worth it"""


class SearchSpec(Section):
    metric: str
    """what is compared, as the trial reports it: val/accuracy"""
    mode: Mode
    """the better direction; an experiment file may leave it out where the task knows the metric"""
    also: dict[str, Mode] = {}
    """further objectives, metric -> direction; the best trials are then a Pareto front"""
    constraints: dict[str, Bound] = {}
    """metric -> what it may be; a trial outside is INFEASIBLE, and the sampler learns where"""
    trials: Count = 32
    sampler: Sampler = "auto"
    """a name, or a mapping with its switches; a mapping that switches nothing is the name"""
    scheduler: Annotated[Scheduler, BeforeValidator(as_type)] = AutoScheduler()
    """also the bare name of its type"""
    checkpoints: bool = True
    """whether trials can be saved and loaded, so that a scheduler may pause and resume them"""
    stop: StopSearch = StopSearch()
    points: list[dict[str, Any]] = []
    """configurations to try first, name -> value; what a point leaves out is drawn"""
    warm_start: list[Annotated[AnyPath, AfterValidator(_absolute)]] = []
    """folders of earlier experiments to learn from, relative to the working directory"""
    priors: dict[str, Annotated[Prior, BeforeValidator(_as_prior)]] = {}
    """parameter -> where its best value is believed to lie; also the bare value"""
    seed: Seed = 0
    storage: str | None = None
    """an Optuna RDB URL; None: a journal in the experiment's folder"""

    @property
    def sampler_name(self) -> str:
        """The sampler's name, whatever its switches."""
        return self.sampler if isinstance(self.sampler, str) else self.sampler.type
