"""What `tuner simulate` does between its options and its output.

    request = Request(curves="taskset.npz", task="...", metric="valid_loss", space=path, seeds="10")
    found = run(request)             # plain, for --json
    table = as_table(found)          # for people

Everything that is wrong is found before the first replay.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from tuner.errors import UsageError
from tuner.search.curves import Curves, Reference, load_function, load_table
from tuner.search.simulator import (
    Replay,
    Settings,
    best_known,
    mean_and_error,
    regret,
    replay_seeds,
)
from tuner.spec.checking import check_function
from tuner.spec.domains import to_plain
from tuner.spec.reading import read_text
from tuner.spec.sections import SearchSpec
from tuner.spec.space_file import load_template


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options as they were given."""

    curves: str
    space: Path
    task: str | None = None
    metric: str | None = None
    mode: str = "min"
    sampler: str = "auto"
    scheduler: str = "auto"
    """each its name, or its mapping in YAML, as in an experiment file"""
    workers: int = 4
    budget: float | None = None
    budgets: str | None = None
    trials: int | None = None
    seeds: str = "5"
    ask_seconds: str | None = None
    report_seconds: float = 1.0
    ahead: int = 0


DEFAULT_BUDGET = 20.0


def run(request: Request) -> dict[str, Any]:
    """Replays the search for every seed; all that is known of them as plain data.

    Raises UsageError (ExperimentError, DataError) when an option or a file is wrong.
    """
    template = load_template(request.space)
    settings, seeds = _settings(request), _seeds(request.seeds)
    curves = _curves(request, template)
    search = _search(request, template, curves)
    replays = replay_seeds(curves, search, settings, seeds)
    reference = best_known(curves.reference(search.mode), replays, search.mode)
    return {
        "curves": request.curves,
        "task": request.task,
        "metric": search.metric,
        "mode": search.mode,
        "sampler": search.model_dump()["sampler"],
        "scheduler": search.scheduler.model_dump(),
        "workers": settings.workers,
        "budgets": list(settings.budgets),
        "steps": curves.num_steps,
        "best_known": reference.best,
        "median_final": reference.median,
        "mean": _mean(replays, settings.budgets, reference),
        "seeds": [_seed_json(seed, replay, reference) for seed, replay in zip(seeds, replays, strict=True)],
    }


def as_table(found: dict[str, Any]) -> Table:
    """Value and regret at every budget: mean over the seeds and its standard error."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("budget", found["metric"], "regret"):
        table.add_column(column, justify="right")
    for row in found["mean"]:
        table.add_row(f"{row['budget']:g}", *(_with_error(row[key]) for key in ("value", "regret")))
    return table


def summary(found: dict[str, Any]) -> str:
    """Trials, asks and idle time a seed, in one sentence."""
    seeds = found["seeds"]
    states = sorted({state for seed in seeds for state in seed["states"]})
    counts = ", ".join(
        f"{mean_and_error([seed['states'].get(state, 0) for seed in seeds])[0]:.4g} {state}"
        for state in states
    )
    asked = mean_and_error([seed["ask_seconds"] for seed in seeds])[0]
    idle = mean_and_error([seed["idle"] for seed in seeds])[0]
    return (
        f"{len(seeds)} seeds, {found['workers']} workers; a seed: {counts}; {asked:.3g} s of asking, "
        f"{idle:.1%} idle. best known {found['best_known']:.6g}, median final {found['median_final']:.6g}"
    )


def _settings(request: Request) -> Settings:
    budgets = tuple(_number("--budgets", text) for text in _items(request.budgets or ""))
    budget = request.budget
    if budget is None:
        budget = max(budgets, default=DEFAULT_BUDGET)
    asked: Any = request.ask_seconds
    if asked not in (None, "measured"):
        asked = _number("--ask-seconds", str(asked))
    return Settings(
        workers=request.workers,
        budget=budget,
        budgets=tuple(sorted(budgets)),
        trials=request.trials,
        report_seconds=request.report_seconds,
        ask_seconds=asked,
        ahead=request.ahead,
    )


def _seeds(text: str) -> list[int]:
    """ "5" is 0 to 4, "5," is 5 alone, "0,3" is 0 and 3."""
    numbers = [int(_number("--seeds", item, whole=True)) for item in _items(text)]
    seeds = numbers if "," in text else list(range(*numbers[:1]))
    if not seeds:
        raise UsageError(
            f"--seeds must be how many, or a list; found {text!r}; write for example 10 or 0,1,2"
        )
    return seeds


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _number(option: str, text: str, *, whole: bool = False) -> float:
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = -1
    if not number >= 0:
        kind = "whole numbers" if whole else "numbers"
        raise UsageError(f"{option} needs {kind} that are not negative; found {text!r}; separate by commas")
    return number


def _curves(request: Request, template: dict[str, Any]) -> Curves:
    is_function = ":" in request.curves and not Path(request.curves).exists()
    if is_function:
        if request.task is not None:
            raise UsageError(
                f"--task names a task in an .npz file; found {request.task!r} with the function "
                f"{request.curves}; leave it out"
            )
        return load_function(request.curves, template)
    return load_table(request.curves, request.task, request.metric, template)


def _search(request: Request, template: dict[str, Any], curves: Curves) -> SearchSpec:
    """The options as an experiment's search, checked as such."""
    search = {
        "metric": request.metric or "value",
        "mode": request.mode,
        "sampler": read_text(request.sampler, lambda mark: "--sampler")[0],
        "scheduler": read_text(request.scheduler, lambda mark: "--scheduler")[0],
    }
    tree = {"name": "simulation", "space": template, "search": search, "resources": {}, "recovery": {}}
    return check_function(to_plain(tree), curves.num_steps).search


def _mean(replays: Sequence[Replay], budgets: Sequence[float], reference: Reference) -> list[dict[str, Any]]:
    columns = zip(*(replay.values for replay in replays), strict=True)
    return [
        {
            "budget": budget,
            "value": _estimate(values),
            "regret": _estimate([regret(v, reference) for v in values]),
        }
        for budget, values in zip(budgets, columns, strict=True)
    ]


def _estimate(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and standard error; None where a seed has no value yet."""
    numbers = [value for value in values if value is not None]
    mean, error = mean_and_error(numbers) if len(numbers) == len(values) else (None, None)
    return {"mean": mean, "standard_error": error}


def _seed_json(seed: int, replay: Replay, reference: Reference) -> dict[str, Any]:
    return {"seed": seed, "regrets": [regret(value, reference) for value in replay.values], **asdict(replay)}


def _with_error(estimate: dict[str, float | None]) -> str:
    mean, error = estimate["mean"], estimate["standard_error"]
    if mean is None:
        return "-"
    return f"{mean:.4g}" if error is None else f"{mean:.4g} +- {error:.2g}"
