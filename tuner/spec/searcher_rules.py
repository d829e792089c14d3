"""Rules of `search` that the searcher needs: what is compared and bounded, grids, points, priors.

Each yields (path, what is wrong with it).
"""

from collections.abc import Iterator

from tuner.errors import ExperimentError
from tuner.spec.domains import Choice, Domain, Float, known, show, to_plain
from tuner.spec.points import as_value, complete_point
from tuner.spec.reading import KeyPath
from tuner.spec.sections import Prior, SearchSpec
from tuner.spec.space import Space
from tuner.tasks import RULES

Problem = tuple[KeyPath, str]

SEVERAL_OBJECTIVES = ("auto", "random", "tpe", "gp", "nsgaii", "qmc", "grid", "brute_force")
"""Samplers that can learn from several objectives, or need not learn."""
GRIDS = ("grid", "brute_force")
"""Samplers that try every point."""


def check_metrics(task: str | None, search: SearchSpec) -> Iterator[Problem]:
    """That the task reports what is compared and bounded; what a function reports is not known yet."""
    if task is not None:
        yield from _check_direction(
            task, ("search", "metric"), ("search", "mode"), search.metric, search.mode
        )
        for metric, mode in search.also.items():
            path = ("search", "also", metric)
            yield from _check_direction(task, path, path, metric, mode)
        for metric in search.constraints:
            if metric not in RULES[task].metrics:
                yield ("search", "constraints", metric), _unreported(task, metric)
    yield from _check_several(search)


def _check_direction(
    task: str, path: KeyPath, mode_path: KeyPath, metric: str, mode: str
) -> Iterator[Problem]:
    metrics = RULES[task].metrics
    if metric not in metrics:
        yield path, _unreported(task, metric)
    elif mode != metrics[metric]:
        yield mode_path, f"must be {metrics[metric]} for {metric}; found {mode}; drop it"


def _unreported(task: str, metric: str) -> str:
    return f"is not reported by task {task}; found {show(metric)}{known(metric, RULES[task].metrics)}"


def _check_several(search: SearchSpec) -> Iterator[Problem]:
    if not search.also:
        return
    if search.metric in search.also:
        yield ("search", "also", search.metric), "is the metric already; found it twice; drop one"
    if search.scheduler.type not in ("auto", "none"):
        yield (
            ("search", "scheduler"),
            "must be none with several objectives, which no early report can compare; "
            f"found {search.scheduler.type} with also {', '.join(search.also)}; drop one of the two",
        )
    if search.sampler_name not in SEVERAL_OBJECTIVES:
        yield (
            ("search", "sampler"),
            f"must be one of {', '.join(SEVERAL_OBJECTIVES)} with several objectives; "
            f"found {search.sampler_name} with also {', '.join(search.also)}; take one of them",
        )


def check_grid(task: str | None, space: Space, search: SearchSpec) -> Iterator[Problem]:
    """That a grid is one of finitely many values; nothing where the sampler is another one."""
    if search.sampler not in GRIDS:
        return
    for parameter in space.parameters:
        domain = parameter.domain
        if isinstance(domain, Float) and domain.step is None:
            section = ("space",) if task is None else ()
            yield (
                (*section, *parameter.name.split(".")),
                f"must have finitely many values for the sampler {search.sampler}; found {to_plain(domain)} "
                "without a step; give it a step, make it a choice, or take another sampler",
            )


def check_knowledge(space: Space, search: SearchSpec) -> Iterator[Problem]:
    """That points and priors belong to the space."""
    for position, point in enumerate(search.points):
        try:
            complete_point(space, point)
        except ExperimentError as error:
            yield ("search", "points", position), f"is no point of the space: {error}"
    domains = {parameter.name: parameter.domain for parameter in space.parameters}
    for name, prior in search.priors.items():
        path = ("search", "priors", name)
        if name not in domains:
            yield path, f"is not a parameter of the space{known(name, domains)}"
        else:
            yield from _check_prior(path, domains[name], prior)


def _check_prior(path: KeyPath, domain: Domain, prior: Prior) -> Iterator[Problem]:
    if not domain.contains(as_value(domain, prior.at)):
        yield path, f"must lie in {to_plain(domain)}; found {show(prior.at)}"
    elif isinstance(domain, Choice) and prior.spread >= 1:
        rest = "of a choice is the share of the other options and must be < 1"
        yield (*path, "spread"), f"{rest}; found {prior.spread:g}"
