"""Do the gangs wait for the sampler? Their idle time, with and without suggestions drawn ahead.

    python benchmarks/idle.py [--trainings 96] [--only gp,tpe]     # writes results/benchmarks/idle.md

8 workers of the simulator train on a virtual clock; a full training has 27 reports and takes 10 s. An ask
costs the time that it really took here, by one asker beside the workers, as in a real run; so the machine's
load counts. `ahead` is the number of suggestions that a run holds ready for so many gangs
(`tuner.search.ahead.num_ahead`).

In the first table every trial is trained in full. In the second one the scheduler cuts or pauses most trials
after a report or two: then a gang wants a suggestion not every 10 s but every second or less, which is more
than a slow sampler can draw, however far ahead.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch

import argparse
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Literal

from _table import Part, write_page

from tuner.search.ahead import num_ahead
from tuner.search.curves import FunctionCurves
from tuner.search.simulator import Replay, Settings, replay_seeds
from tuner.spec.domains import Choice, Float, Int
from tuner.spec.sections import SearchSpec

WORKERS = 8
NUM_REPORTS = 27
TRAINING_S = 10.0
TRAININGS = 96
CUT_TRAININGS = 24
"""Trials that are cut are many more than full ones."""
SEEDS = (0, 1, 2)
SAMPLERS = ("gp", "tpe", "auto")
SCHEDULERS: tuple[Any, ...] = ("none", {"type": "asha", "variant": "stopping"}, "freeze_thaw")
TEMPLATE = {
    "lr": Float(1e-4, 1e-1, log=True),
    "momentum": Float(0.0, 0.99),
    "dropout": Float(0.0, 0.5),
    "width": Int(8, 512, log=True),
    "depth": Int(1, 4),
    "activation": Choice(["relu", "gelu", "tanh"]),
}


def loss(config: dict[str, Any]) -> list[float]:
    """A bowl that is approached with the reports."""
    height = (config["momentum"] - 0.9) ** 2 + config["dropout"] + 1 / config["width"] + 0.1 * config["depth"]
    height += (config["lr"] / 1e-2 - 1) ** 2 / (1 + config["lr"] / 1e-2)
    height += 0.1 * (config["activation"] == "tanh")
    return [height + (1 + height) / step for step in range(1, NUM_REPORTS + 1)]


def replay(
    sampler: str,
    scheduler: Any,
    ahead: int,
    trainings: float,
    seeds: Sequence[int],
    ask_seconds: float | Literal["measured"] = "measured",
) -> list[Replay]:
    search = SearchSpec.model_validate(
        {"metric": "loss", "mode": "min", "sampler": sampler, "scheduler": scheduler}
    )
    settings = Settings(
        workers=WORKERS,
        budget=trainings,
        report_seconds=TRAINING_S / NUM_REPORTS,
        ask_seconds=ask_seconds,
        ahead=ahead,
    )
    return replay_seeds(FunctionCurves(loss, TEMPLATE), search, settings, seeds)


def row(sampler: str, scheduler: Any, ahead: int, trainings: float) -> list[str]:
    found = replay(sampler, scheduler, ahead, trainings, SEEDS)
    name = scheduler if isinstance(scheduler, str) else f"{scheduler['type']}, {scheduler['variant']}"
    trials = sum(one.trials for one in found)
    idle = [one.idle for one in found]
    cells = [
        sampler,
        name,
        str(ahead),
        f"{trials / len(found):.0f}",
        f"{sum(one.reports for one in found) / trials:.1f}",
        f"{sum(one.ask_seconds for one in found) / trials:.3f}",
        f"{fmean(idle):.1%}",
        f"{min(idle):.1%} to {max(idle):.1%}",
    ]
    print(" | ".join(cells), flush=True)
    return cells


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trainings", type=float, default=TRAININGS, help="budget of full trainings")
    parser.add_argument("--only", default=",".join(SAMPLERS), help="samplers, e.g. gp,tpe")
    options = parser.parse_args(arguments)
    samplers = options.only.split(",")
    ahead = num_ahead(WORKERS)
    began = os.getloadavg()[0]
    full = [row(sampler, "none", held, options.trainings) for sampler in samplers for held in (0, ahead)]
    cut_trainings = min(options.trainings, CUT_TRAININGS)
    cut = [
        row(sampler, scheduler, ahead, cut_trainings) for sampler in samplers for scheduler in SCHEDULERS[1:]
    ]
    header = ["sampler", "scheduler", "ahead", "trials", "reports a trial", "s an ask", "idle", "of a seed"]
    write_page(
        "idle",
        "Idle gangs",
        {
            "work": f"{WORKERS} workers, full trainings of {NUM_REPORTS} reports and {TRAINING_S:g} s, "
            f"{len(TEMPLATE)} parameters, {len(SEEDS)} seeds, simulated; asks measured",
            "budget": f"{options.trainings:g} full trainings; where trials are cut {cut_trainings:g}",
            "load average": f"{began:.1f} before, {os.getloadavg()[0]:.1f} after, this run's own included",
        },
        [
            Part("Every trial trained in full", header, full),
            Part("Where trials are cut or paused early", header, cut),
        ],
        is_complete=set(samplers) == set(SAMPLERS) and options.trainings == TRAININGS,
    )


if __name__ == "__main__":
    main()
