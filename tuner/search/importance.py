"""Which parameters the values of trials depend on, by Optuna's evaluators.

    found = importances(space, tried, mode="min", method="ped_anova")
    found[0].name, found[0].share, found[0].spread

PED-ANOVA (Watanabe et al., https://arxiv.org/abs/2304.10255; with conditions https://arxiv.org/abs/2601.20800)
asks in what the best tenth of the trials differs from all; parameters that only some trials have are compared
within those. fANOVA (Hutter et al., 2014) fits trees to all values; it takes ten times as long, and knows
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
from tuner.tasks.metrics import Mode

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
    spread: float
    """Standard deviation of `share`: by PED-ANOVA over resamplings of the trials, by fANOVA between trees."""


def importances(
    space: Space, tried: Sequence[Tried], mode: Mode, method: Method = "ped_anova"
) -> list[Importance]:
    """The most important one first; none where there are too few trials, or all values are equal."""
    trials = [_trial(space, params, value) for params, value in tried]
    if len(trials) < MIN_TRIALS or len({trial.value for trial in trials}) < 2:
        return []
    found = _by_ped_anova(trials, mode) if method == "ped_anova" else _by_fanova(trials, mode)
    return sorted(found, key=lambda each: -each.share)


def inside(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Without values outside their domains, as an older space may have left them."""
    return {
        parameter.name: params[parameter.name]
        for parameter in space.parameters
        if parameter.name in params and parameter.domain.contains(params[parameter.name])
    }


def _by_ped_anova(trials: Sequence[FrozenTrial], mode: Mode) -> list[Importance]:
    """Spreads by bootstrap; a parameter that a resampling lacks counts as unimportant there."""
    draw = random.Random(0)
    size = min(len(trials), MOST_RESAMPLED)
    evaluator = PedAnovaImportanceEvaluator()
    drawn = [_shares(_study(draw.choices(trials, k=size), mode), evaluator) for _ in range(NUM_RESAMPLED)]
    scale = math.sqrt(size / len(trials))
    return [
        Importance(name, share, scale * statistics.stdev(shares.get(name, 0.0) for shares in drawn))
        for name, share in _shares(_study(trials, mode), evaluator).items()
    ]


def _by_fanova(trials: Sequence[FrozenTrial], mode: Mode) -> list[Importance]:
    """Of each tree the shares; of these means and spreads."""
    study = _study(trials, mode)
    trees = [_shares_of_tree(study, seed) for seed in range(NUM_TREES)]
    grown = [shares for shares in trees if shares]
    return [_over_trees(name, [shares[name] for shares in grown]) for name in (grown[0] if grown else ())]


def _over_trees(name: str, shares: Sequence[float]) -> Importance:
    return Importance(name, float(statistics.mean(shares)), float(statistics.pstdev(shares)))


def _shares_of_tree(study: optuna.Study, seed: int) -> dict[str, float]:
    """None of a tree whose drawn trials all have the same value, of which Optuna makes an error."""
    try:
        return _shares(study, FanovaImportanceEvaluator(n_trees=1, seed=seed))
    except RuntimeError:
        return {}


def _study(trials: Sequence[FrozenTrial], mode: Mode) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize")
    study.add_trials(trials)
    return study


def _shares(study: optuna.Study, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
    found: dict[str, float] = get_param_importances(study, evaluator=evaluator)
    return found


def _trial(space: Space, params: Mapping[str, Any], value: float) -> FrozenTrial:
    known = inside(space, params)
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    return create_trial(
        params=known,
        distributions={name: distribution(domains[name]) for name in known},
        value=value,
    )
