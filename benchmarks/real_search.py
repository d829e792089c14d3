"""Whether the ranking on replayed curves holds on real gangs: stock Ray's search against `tuner`'s.

    python benchmarks/real_search.py --out runs.jsonl [--seeds 5] [--only stock|tuner]
    python benchmarks/real_search.py --out runs.jsonl --table       # writes results/benchmarks/real_search.md

The work: `search_spaces/digits_cnn.yaml` with the validation loss as its metric (the accuracy of 269 rows
ties too often), 2 gangs of 1 rank. Stock is Ray Tune's own OptunaSearch with its own ASHAScheduler, at their
defaults, over the same conditional space; it trains through `tuner`'s warm gangs too, so that only the
search differs. Compute is counted in reports (epochs over all trials), which does not depend on how busy the
machine is; a run ends when the largest budget is spent.

Each run is a fresh process and one line of the file; those that are in there are skipped. When `auto`
changes, delete the lines of `tuner`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from _table import Part, write_page

from tuner.search.simulator import mean_and_error

SPEC = Path(__file__).resolve().parent.parent / "search_spaces" / "digits_cnn.yaml"
NUM_REPORTS = 27
BUDGETS = (2, 4, 8)
"""in full trainings"""
NUM_SEEDS = 5
MAX_TRIALS = 200
METRIC, BESIDE = "val/loss", "val/accuracy"


def overrides(seed: int) -> list[str]:
    search = {"metric": METRIC, "mode": "min", "scheduler": "auto", "trials": MAX_TRIALS, "seed": seed}
    return [
        "resources.workers=1",
        "confirm=null",
        *(f"search.{key}={value}" for key, value in search.items()),
    ]


def is_spent(num_reports: int) -> bool:
    return num_reports >= BUDGETS[-1] * NUM_REPORTS


# --- the two sides: a folder of trials with their events ------------------------------------------------


class DefineByRun:
    """The experiment's space as OptunaSearch takes a conditional one; Ray pickles it now and then."""

    def __init__(self, seed: int) -> None:
        from tuner.spec import Experiment

        self._space = Experiment.load(SPEC, overrides(seed)).space

    def __call__(self, trial: Any) -> None:
        from tuner.search.distributions import suggest

        self._space.walk(lambda parameter: suggest(trial, parameter))


def run_stock(seed: int, folder: Path) -> Path:
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    from tuner.data import prepare
    from tuner.execution.placement import GangSize
    from tuner.execution.trainable import TrialRunner
    from tuner.spec import Experiment
    from tuner.training.job import TrialJob
    from tuner.training.report import Objective

    experiment = Experiment.load(SPEC, overrides(seed))
    data = next(iter(experiment.representatives())).data
    assert experiment.task is not None
    store = prepare(data, experiment.task, folder / "store").path
    size = GangSize(workers=1, cpus_per_worker=1.0, gpus_per_worker=0.0)

    class Trial(TrialRunner):
        def setup(self, config: dict[str, Any]) -> None:
            super().setup({"size": size, "job": self._job_of(config)})

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            if "job" not in new_config:
                new_config = {"job": self._job_of(new_config)}
            return super().reset_config(new_config)

        def step(self) -> dict[str, Any]:
            result = super().step()
            return {"loss": result["report"].metrics[METRIC], "done": result["done"]}

        def _job_of(self, params: dict[str, Any]) -> TrialJob:
            return TrialJob(
                number=0,
                params=params,
                objective=Objective(METRIC, "min"),
                folder=folder / "trials" / self.trial_id,
                spec=experiment.resolve(params),
                store=store,
            )

    class Budget(tune.Stopper):
        num_reports = 0

        def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
            self.num_reports += 1
            return False

        def stop_all(self) -> bool:
            return is_spent(self.num_reports)

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    tune.run(
        Trial,
        storage_path=str(folder / "tune"),
        resources_per_trial={"cpu": 1},
        search_alg=OptunaSearch(space=DefineByRun(seed), metric="loss", mode="min", seed=seed),
        scheduler=ASHAScheduler(metric="loss", mode="min", max_t=NUM_REPORTS),
        stop=Budget(),
        num_samples=-1,
        reuse_actors=True,
        verbose=0,
    )
    ray.shutdown()
    return folder / "trials"


def run_tuner(seed: int, folder: Path) -> Path:
    from tuner.execution.runner import run_experiment
    from tuner.spec import Experiment

    def interrupt_when_spent(conductor: Any) -> None:
        nonlocal is_interrupted
        if not is_interrupted and is_spent(sum(row.reports for row in conductor.rows.values())):
            is_interrupted = True
            os.kill(os.getpid(), signal.SIGINT)

    is_interrupted = False
    paths = run_experiment(Experiment.load(SPEC, overrides(seed)), folder, listeners=[interrupt_when_spent])
    return paths.root / "trials"


SIDES: dict[str, Callable[[int, Path], Path]] = {"stock": run_stock, "tuner": run_tuner}


# --- what a run came to ---------------------------------------------------------------------------------


def reports_of(trials: Path) -> list[tuple[float, str, float, float]]:
    """(wall time, trial, loss, accuracy) of every report, in the order in which they came."""
    from tuner.records.event_reader import read_scalars

    reports = []
    for folder in trials.iterdir():
        events = read_scalars(folder).pivot_table(index="step", columns="tag", values="value")
        times = read_scalars(folder).query("tag == @METRIC").set_index("step")["wall_time"]
        for step, loss, accuracy in zip(events.index, events[METRIC], events[BESIDE], strict=True):
            reports.append((float(times[step]), folder.name, float(loss), float(accuracy)))
    return sorted(reports)


def figures_of(reports: Sequence[tuple[float, str, float, float]]) -> dict[str, list[float]]:
    """At each budget: least loss, the accuracy beside it, trials begun, seconds since the first report."""
    figures: dict[str, list[float]] = {"loss": [], "accuracy": [], "trials": [], "seconds": []}
    for budget in BUDGETS:
        seen = reports[: budget * NUM_REPORTS]
        best = min(seen, key=lambda report: report[2])
        figures["loss"].append(best[2])
        figures["accuracy"].append(best[3])
        figures["trials"].append(len({report[1] for report in seen}))
        figures["seconds"].append(seen[-1][0] - seen[0][0])
    return figures


def child(side: str, seed: int, out: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="real_search_") as folder:
        reports = reports_of(SIDES[side](seed, Path(folder)))
    assert is_spent(len(reports)), f"{side}: the run ended after {len(reports)} reports"
    with out.open("a") as file:
        file.write(json.dumps({"side": side, "seed": seed, **figures_of(reports)}) + "\n")


def run_missing(sides: Sequence[str], num_seeds: int, out: Path) -> None:
    done = {(line["side"], line["seed"]) for line in read_lines(out)}
    for seed in range(num_seeds):
        for side in sides:
            if (side, seed) not in done:
                began_s = time.perf_counter()
                command = [sys.executable, __file__, "--out", str(out), "--child", side, "--seed", str(seed)]
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
                print(f"{side} seed {seed}: {time.perf_counter() - began_s:.0f} s", flush=True)


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


# --- the table ------------------------------------------------------------------------------------------


def rows_of(lines: Sequence[Mapping[str, Any]], key: str, digits: int) -> Iterator[list[str]]:
    """One row a side, one column a budget; and the paired difference."""
    of_side = {side: {line["seed"]: line[key] for line in lines if line["side"] == side} for side in SIDES}
    seeds = sorted(of_side["stock"].keys() & of_side["tuner"].keys())
    places = range(len(BUDGETS))
    for side, by_seed in of_side.items():
        yield [side, *(_shown([by_seed[seed][place] for seed in seeds], digits) for place in places)]
    pairs = [[of_side["tuner"][seed][k] - of_side["stock"][seed][k] for seed in seeds] for k in places]
    yield ["tuner - stock", *(_shown(differences, digits) for differences in pairs)]
    if key == "loss":
        yield ["seeds that tuner wins", *(f"{sum(d < 0 for d in of)} of {len(of)}" for of in pairs)]


def _shown(values: Sequence[float], digits: int) -> str:
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f}" if error is None else f"{mean:.{digits}f} ± {error:.{digits}f}"


def write_table(out: Path) -> None:
    lines = read_lines(out)
    header = ["after so many full trainings", *(str(budget) for budget in BUDGETS)]
    titles = {
        "loss": ("Best validation loss", 4),
        "accuracy": ("Validation accuracy in that report", 4),
        "trials": ("Trials begun", 1),
        "seconds": ("Seconds since the first report (information only: the machine was shared)", 0),
    }
    parts = [
        Part(title, header, list(rows_of(lines, key, digits))) for key, (title, digits) in titles.items()
    ]
    facts = {
        "work": f"{SPEC.name}, metric {METRIC}, 2 gangs of 1 rank, {NUM_REPORTS} reports a full training",
        "stock": "OptunaSearch + ASHAScheduler of Ray Tune at their defaults, on the same warm gangs",
        "measure": "mean ± standard error over the seeds that both sides have",
    }
    write_page("real_search", "Search on real gangs", facts, parts, is_complete=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A real search: stock Ray against tuner.")
    parser.add_argument("--out", type=Path, required=True, help="file of runs, one JSON object a line")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="how many, from 0")
    parser.add_argument("--only", choices=sorted(SIDES))
    parser.add_argument("--table", action="store_true", help="write the table of what is in the file")
    parser.add_argument("--child", choices=sorted(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if arguments.child:
        child(arguments.child, arguments.seed, arguments.out)
    elif arguments.table:
        write_table(arguments.out)
    else:
        run_missing([arguments.only] if arguments.only else list(SIDES), arguments.seeds, arguments.out)


if __name__ == "__main__":
    main()
