"""Which parameters the values of trials depend on, by Optuna's evaluators.

    found = importances(space, tried, mode="min", method="ped_anova")
    found[0].name, found[0].share, found[0].spread

PED-ANOVA (Watanabe et al., https://arxiv.org/abs/2304.10255; with conditions https://arxiv.org/abs/2601.20800)
asks in what the best tenth of the trials differs from all; parameters that only some trials have are compared
within those. fANOVA (Hutter et al., 2014) fits a forest to all values; it takes ten times as long, and knows
only parameters that every trial has.

Both describe the trials that there are, which a searcher has drawn where it hoped for good ones.
"""

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import optuna
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import FrozenTrial, create_trial

from tuner.search.distributions import distribution
from tuner.spec import Space
from tuner.spec.metrics import Mode

Method = Literal["ped_anova", "fanova"]
Tried = tuple[Mapping[str, Any], float]
"""A trial's parameters and its finite value."""

MIN_TRIALS = 20
"""So that the best tenth is at least two."""
NUM_RESAMPLED = 12
MOST_RESAMPLED = 300
"""Trials of a resampling; the spread of more follows from theirs."""
NUM_TREES = 16
"""A quarter of Optuna's default, in a quarter of the time."""


class Importance(NamedTuple):
    """Of one parameter."""

    name: str
    share: float
    """Of all parameters' importances, which are 1 together."""
    spread: float | None
    """Standard deviation of `share` over resamplings of the trials; None where that takes too long."""


def importances(
    space: Space, tried: Sequence[Tried], mode: Mode, method: Method = "ped_anova"
) -> list[Importance]:
    """The most important one first; none where there are too few trials, or all values are equal."""
    trials = [_trial(space, params, value) for params, value in tried]
    if len(trials) < MIN_TRIALS or len({trial.value for trial in trials}) < 2:
        return []
    shares = _shares(trials, mode, method)
    spreads = _spreads(trials, mode) if method == "ped_anova" else {}
    return [Importance(name, share, spreads.get(name)) for name, share in shares.items()]


def _spreads(trials: Sequence[FrozenTrial], mode: Mode) -> dict[str, float]:
    """By bootstrap; a parameter that a resampling lacks counts as unimportant there."""
    draw = random.Random(0)
    size = min(len(trials), MOST_RESAMPLED)
    drawn = [_shares(draw.choices(trials, k=size), mode, "ped_anova") for _ in range(NUM_RESAMPLED)]
    names = {name for shares in drawn for name in shares}
    scale = math.sqrt(size / len(trials))
    return {name: scale * statistics.stdev(shares.get(name, 0.0) for shares in drawn) for name in names}


def _shares(trials: Sequence[FrozenTrial], mode: Mode, method: Method) -> dict[str, float]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize")
    study.add_trials(trials)
    if method == "ped_anova":
        evaluator: BaseImportanceEvaluator = PedAnovaImportanceEvaluator()
    else:
        evaluator = FanovaImportanceEvaluator(n_trees=NUM_TREES, seed=0)
    found: dict[str, float] = get_param_importances(study, evaluator=evaluator)
    return found


def _trial(space: Space, params: Mapping[str, Any], value: float) -> FrozenTrial:
    """Without a value outside its domain, as an older space may have left it."""
    known = {
        parameter.name: parameter.domain
        for parameter in space.parameters
        if parameter.name in params and parameter.domain.contains(params[parameter.name])
    }
    return create_trial(
        params={name: params[name] for name in known},
        distributions={name: distribution(domain) for name, domain in known.items()},
        value=value,
    )
