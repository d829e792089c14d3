"""How good a configuration is found for how much compute: `tuner` against the others, on real curves.

    python benchmarks/search.py --out runs.jsonl [--methods ours,random] [--tasks LCBench] [--jobs 2]
    python benchmarks/search.py --out runs.jsonl --table       # writes results/benchmarks/search.md

The first line adds one line a run to the file and skips those that are in there, so it may be interrupted,
and parts may be run where there is time. The second line reads the file: methods with few runs (they are
slow) are compared with the others on the runs that all have.

The work: 8 tasks of TaskSet (recorded curves of 1000 configurations, validation loss, 50 reports; a proposal
gets its nearest neighbour's curve) and 12 of LCBench (a surrogate of 2000 configurations, validation
accuracy, 51 reports). 4 asynchronous workers, a report costs 1, budgets are in full trainings over all
workers. Every method is driven by `tuner.search.simulator`, the others through `search_peers.py`. Asking
costs no virtual time.

The measure: normalised regret, (best known - best seen so far) / (best known - median final), clipped to
[0, 1]. Best known is the best of the table, of a local search on the surrogate, and of all runs in the
file. Ranks are over the methods within a task and seed, ties averaged. Standard errors are over all tasks
and seeds of a suite as if these were independent.

The data is read from $TUNER_DATA; the peers need `pip install tuner[bench]`.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch: two processes share the cores

import argparse
import json
import math
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import _lcbench
import numpy as np
import yaml
from _table import Part, write_page

from tuner.search.curves import Curves, Reference, load_table
from tuner.search.simulator import Replay, Settings, mean_and_error, regret, replay_seeds, simulate
from tuner.spec.sections import SearchSpec
from tuner.spec.space_file import load_template
from tuner.tasks.metrics import Mode

WORKERS = 4
BUDGETS = (5.0, 10.0, 20.0, 30.0)
NUM_SEEDS = 10
SETTINGS = Settings(workers=WORKERS, budget=BUDGETS[-1], budgets=BUDGETS)

TASKSET = _lcbench.DATA.parent / "taskset"
TASKSET_PREFIX = "FixedTextRNNClassification_imdb_"
SUITES = {
    "TaskSet": (
        "patch128_LSTM128_avg_bs64", "patch128_LSTM128_bs64", "patch32_GRU128_bs128",
        "patch32_GRU64_avg_bs128", "patch32_IRNN64_relu_last_bs128", "patch32_LSTM128_E128_bs128",
        "patch32_VRNN128_tanh_bs128", "patch32_VRNN64_relu_avg_bs128",
    ),
    "LCBench": _lcbench.TASKS,
}  # fmt: skip
MODES: dict[str, Mode] = {"TaskSet": "min", "LCBench": "max"}
SUITE_OF = {task: suite for suite, tasks in SUITES.items() for task in tasks}


@cache
def curves_of(task: str) -> Curves:
    if SUITE_OF[task] == "LCBench":
        return _lcbench.curves(task)
    template = load_template(TASKSET / "space.yaml")
    return load_table(TASKSET / "taskset.npz", TASKSET_PREFIX + task, "valid_loss", template)


# --- methods: (curves, mode, seed) -> Replay -----------------------------------------------------------

Method = Callable[[Curves, Mode, int], Replay]
OURS = "ours"
I_EPOCH_KEEP = 3


def own(sampler: str, scheduler: Any, curves: Curves, mode: Mode, seed: int) -> Replay:
    """One of our samplers with one of our schedulers, made as for a real run."""
    return replay_seeds(curves, search_of(sampler, scheduler, mode), SETTINGS, [seed])[0]


def search_of(sampler: str, scheduler: Any, mode: Mode) -> SearchSpec:
    return SearchSpec.model_validate(
        {"metric": "metric", "mode": mode, "sampler": sampler, "scheduler": scheduler}
    )


def i_epoch(curves: Curves, mode: Mode, seed: int) -> Replay:
    """One report for as many as the budget allows, then the best 3 finished: a run of its own a budget."""
    search = search_of("random", {"type": "iepoch", "reports": 1, "keep": I_EPOCH_KEEP}, mode)
    replays = []
    for budget in BUDGETS:
        trials = int(budget * curves.num_steps) - I_EPOCH_KEEP * (curves.num_steps - 1)
        settings = replace(SETTINGS, budget=budget, budgets=(budget,), trials=trials)
        replays += replay_seeds(curves, search, settings, [seed])
    return replace(replays[-1], values=tuple(replay.values[0] for replay in replays))


def peer(name: str, curves: Curves, mode: Mode, seed: int) -> Replay:
    import search_peers

    both = search_peers.make_peer(name, curves.space, mode, curves.num_steps, seed)
    return simulate(curves, both, both, SETTINGS, mode)


METHODS: dict[str, Method] = {
    "random": partial(own, "random", "none"),
    "i-epoch": i_epoch,
    "random + stopping ASHA": partial(own, "random", {"type": "asha", "variant": "stopping"}),
    "random + promotion ASHA": partial(own, "random", {"type": "asha", "variant": "promotion"}),
    "Ray OptunaSearch + ASHA": partial(peer, "ray"),
    "Optuna TPE + Hyperband": partial(peer, "optuna_hyperband"),
    "Optuna GP": partial(peer, "optuna_gp"),
    "Syne Tune ASHA": partial(peer, "ASHA"),
    "Syne Tune BOHB": partial(peer, "BOHB"),
    "Syne Tune CQR": partial(peer, "CQR"),
    "Syne Tune ASHACQR": partial(peer, "ASHACQR"),
    OURS: partial(own, "auto", "auto"),
}


# --- running -------------------------------------------------------------------------------------------


def method_of(name: str) -> Method:
    """One of METHODS, or `tuner/SAMPLER/SCHEDULER` with the scheduler in YAML."""
    if name in METHODS:
        return METHODS[name]
    _, sampler, scheduler = name.split("/", 2)
    return partial(own, sampler, yaml.safe_load(scheduler))


@dataclass(frozen=True)
class Key:
    """Names one run."""

    method: str
    task: str
    seed: int

    @property
    def stream(self) -> int:
        """The seed of the run: the same for all methods, another one on each task.

        With one seed for all tasks, random configurations would be the same everywhere, and the luck of ten
        draws would look like that of a hundred.
        """
        return zlib.crc32(f"{self.task} {self.seed}".encode())


KEPT = ("values", "states", "trials", "reports", "ask_seconds")
"""Of a replay, in the file of runs."""


def run_one(key: Key) -> dict[str, Any]:
    """One line of the file."""
    curves, mode = curves_of(key.task), MODES[SUITE_OF[key.task]]
    began_s = time.process_time()
    replay = method_of(key.method)(curves, mode, key.stream)
    cpu_s = time.process_time() - began_s
    figures = {name: getattr(replay, name) for name in KEPT}
    return {**asdict(key), "budgets": BUDGETS, **figures, "cpu_s": cpu_s}


def run_missing(keys: Iterable[Key], out: Path, num_jobs: int) -> None:
    """Runs what is not in the file yet; a line is written as soon as its run has ended."""
    done = {key_of(line) for line in read_lines(out)} if out.exists() else set()
    missing = [key for key in keys if key not in done]
    print(f"{len(missing)} runs to do, {len(done)} in {out}", flush=True)
    with ProcessPoolExecutor(num_jobs) as pool, out.open("a") as file:
        futures = [pool.submit(run_one, key) for key in missing]
        for number, future in enumerate(as_completed(futures), start=1):
            line = future.result()
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(progress(number, len(missing), line), flush=True)


def progress(number: int, total: int, line: Mapping[str, Any]) -> str:
    values = " ".join("-" if value is None else f"{value:.5g}" for value in line["values"])
    where = f"{line['task']} seed {line['seed']}"
    return f"{number}/{total} {line['method']} | {where} | {values} | {line['cpu_s']:.1f} s"


def key_of(line: Mapping[str, Any]) -> Key:
    return Key(line["method"], line["task"], line["seed"])


def read_lines(out: Path) -> list[dict[str, Any]]:
    """The runs in the file; half a line at its end (a run that was killed) is left out."""
    lines = out.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


# --- the table -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Results:
    """One suite: regrets and ranks [methods, runs, budgets], a run being a task and seed that all have."""

    methods: list[str]
    tasks: list[str]
    regrets: np.ndarray[Any, np.dtype[np.float64]]
    ranks: np.ndarray[Any, np.dtype[np.float64]]


def collect(lines: Sequence[Mapping[str, Any]], suite: str, methods: Sequence[str]) -> Results | None:
    """What the `methods` have in common on a suite; None where that is nothing."""
    by_key = {key_of(line): line for line in lines if SUITE_OF[line["task"]] == suite}
    present = [method for method in methods if any(key.method == method for key in by_key)]
    pairs = sorted({(key.task, key.seed) for key in by_key})
    shared = [pair for pair in pairs if all(Key(method, *pair) in by_key for method in present)]
    if not shared:
        return None
    tasks = sorted({task for task, _ in shared})
    references = {task: best_reference(task, by_key.values()) for task in tasks}
    regrets = [
        [[regret(value, references[task]) for value in by_key[Key(method, task, seed)]["values"]]
         for task, seed in shared] for method in present
    ]  # fmt: skip
    losses = [[signed(by_key[Key(method, *pair)]["values"], suite) for pair in shared] for method in present]
    return Results(present, tasks, np.array(regrets), average_ranks(np.array(losses)))


def best_reference(task: str, lines: Iterable[Mapping[str, Any]]) -> Reference:
    """The task's reference, with a best value no worse than what any run saw."""
    mode = MODES[SUITE_OF[task]]
    reference = curves_of(task).reference(mode)
    seen = [value for line in lines if line["task"] == task for value in line["values"] if value is not None]
    return reference._replace(best=(min if mode == "min" else max)([reference.best, *seen]))


def signed(values: Sequence[float | None], suite: str) -> list[float]:
    """The smaller the better; no value is the worst."""
    sign = 1.0 if MODES[suite] == "min" else -1.0
    return [math.inf if value is None else sign * value for value in values]


def average_ranks(losses: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Ranks along the first axis, 1 the best; ties share their mean rank."""
    below = (losses[None] < losses[:, None]).sum(1)
    equal = (losses[None] == losses[:, None]).sum(1)
    ranks: np.ndarray[Any, np.dtype[np.float64]] = below + (equal + 1) / 2
    return ranks


def with_error(values: np.ndarray[Any, np.dtype[np.float64]], digits: int = 3) -> str:
    mean, error = mean_and_error(list(values))
    return f"{mean:.{digits}f}" if error is None else f"{mean:.{digits}f} ± {error:.{digits}f}"


def figures_part(title: str, results: Results, figures: np.ndarray[Any, Any], digits: int) -> Part:
    """One row a method, one column a budget."""
    rows = [
        [method, *(with_error(of_method[:, place], digits) for place in range(len(BUDGETS)))]
        for method, of_method in zip(results.methods, figures, strict=True)
    ]
    return Part(title, ["method", *(f"{budget:g}" for budget in BUDGETS)], rows)


def lead_part(title: str, results: Results) -> Part:
    """Ours against the best of the others at each budget, run by run."""
    ours = results.methods.index(OURS)
    others = [place for place in range(len(results.methods)) if place != ours]
    rows = []
    for place, budget in enumerate(BUDGETS):
        best = min(others, key=lambda other: results.regrets[other, :, place].mean())
        difference = results.regrets[ours, :, place] - results.regrets[best, :, place]
        wins = (results.ranks[ours, :, place] < results.ranks[best, :, place]).mean()
        rows.append([f"{budget:g}", results.methods[best], with_error(difference), f"{wins:.0%}"])
    header = ["budget", "best other", "regret, ours - other", "runs that ours wins"]
    return Part(f"{title}: ours against the best other, paired", header, rows)


def parts_of(lines: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> Iterator[Part]:
    for (which, group), suite in product(groups_of(lines, methods).items(), SUITES):
        results = collect(lines, suite, group)
        if results is None:
            continue
        runs = f"{len(results.tasks)} tasks, {results.regrets.shape[1]} runs a method"
        yield figures_part(f"{suite}{which}: mean normalised regret ({runs})", results, results.regrets, 3)
        yield figures_part(f"{suite}{which}: mean rank", results, results.ranks, 2)
        if OURS in results.methods and len(results.methods) > 1:
            yield lead_part(suite + which, results)


def cost_part(lines: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> Part:
    rows = []
    for method in methods:
        of_method = [line for line in lines if line["method"] == method]
        if of_method:
            asks = [line["ask_seconds"] / max(line["trials"], 1) for line in of_method]
            trials, took = ([line[key] for line in of_method] for key in ("trials", "cpu_s"))
            figures = (np.mean(trials), 1000 * np.mean(asks), np.mean(took))
            rows.append([method, *(f"{figure:.3g}" for figure in figures)])
    header = ["method", "trials a run", "ms an ask", "CPU s a run"]
    return Part(f"Trials and the method's own time at budget {BUDGETS[-1]:g}", header, rows)


def write_table(out: Path, methods: Sequence[str]) -> None:
    lines = read_lines(out)
    keys = {key_of(line) for line in lines}
    wanted = {Key(*key) for key in product(METHODS, SUITE_OF, range(NUM_SEEDS))}
    facts = {
        "work": f"{WORKERS} asynchronous workers, budgets in full trainings, simulated",
        "data": "TaskSet (8 tasks, validation loss), LCBench surrogate (12 tasks, validation accuracy)",
        "measure": "normalised regret, clipped to [0, 1]; mean ± standard error over tasks x seeds",
        "peers": f"syne-tune {metadata.version('syne-tune')}; see benchmarks/search_peers.py",
    }
    facts["runs"] = (
        f"{len(wanted & keys)} of {len(wanted)} (12 methods x 20 tasks x {NUM_SEEDS} seeds) so far"
    )
    parts = [*parts_of(lines, methods), cost_part(lines, methods)]
    write_page("search", "Search", facts, parts, is_complete=True)


def groups_of(lines: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> dict[str, list[str]]:
    """Methods to compare together, on the runs that they share: those with many runs, with some, with any."""
    counts = {method: sum(line["method"] == method for line in lines) for method in methods}
    groups: dict[str, list[str]] = {}
    for which, share in {"": 0.75, ", with the slow methods": 0.25, ", with the slowest": 0.0}.items():
        group = [method for method in methods if counts[method] > share * max(counts.values())]
        if group not in groups.values():
            groups[which] = group
    return groups


# --- the command line ----------------------------------------------------------------------------------


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Regret for compute: tuner against the others.")
    parser.add_argument("--out", type=Path, required=True, help="file of runs, one JSON object a line")
    parser.add_argument("--methods", default=",".join(METHODS), help=f"some of: {', '.join(METHODS)}")
    parser.add_argument("--tasks", default=",".join(SUITE_OF), help="tasks or suites (TaskSet, LCBench)")
    parser.add_argument("--seeds", type=int, default=NUM_SEEDS, help="how many, from 0")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--table", action="store_true", help="write the table of what is in the file")
    return parser.parse_args()


def chosen(text: str, known: Iterable[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The names in `text`, separated by commas (none inside braces); a group stands for its members."""
    items = re.split(r",(?![^{]*})", text)
    names = [name for item in items for name in groups.get(item, (item,))]
    unknown = [name for name in names if name not in set(known) and not name.startswith("tuner/")]
    assert not unknown, f"unknown: {', '.join(unknown)}; known: {', '.join(known)}"
    return names


def main() -> None:
    arguments = parse_arguments()
    methods = chosen(arguments.methods, METHODS, {})
    if arguments.table:
        write_table(arguments.out, methods)
        return
    tasks = chosen(arguments.tasks, SUITE_OF, SUITES)
    # Seeds vary slowest, so that an unfinished file holds all methods on all tasks for the first seeds.
    keys = [Key(method, task, seed) for seed, task, method in product(range(arguments.seeds), tasks, methods)]
    run_missing(keys, arguments.out, arguments.jobs)


if __name__ == "__main__":
    main()
