"""The searches that meet the faults: one begins, or goes on where its folder holds it already.

    FAULTS_HOOKS=DIR python program.py NAME RESULTS [ADDRESS]

The training function keeps its state in the trial's folder, and each value follows from the one before, so
that a report that is lost or comes twice shows in all later ones. It stops at the place that `plan.json` in
$FAULTS_HOOKS names, says so in `reached`, and does what it then finds in `answer`. Both the search's process
and the ranks add to the wall clock what `clock` holds.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

import psutil

import tuner
import tuner.execution.conductor
from tuner.errors import TunerError

REPORTS = 6
STEP_S = 0.05
RETRIES = 5
"""One trial meets most of the faults of its search."""
BACKOFF_S = 0.5
HANG_S = 5.0
"""For the pair, whose ranks are made to hang."""
PATIENT_S = 120.0
"""For the others: a rank that is held, or is slow beside other searches, does not hang."""
KEPT_BYTES = 8 * 2**20
"""Of each trial, so that a checkpoint takes a moment to write."""
SPARE_BYTES = 400 * 2**20
"""What a rank that runs out of memory may still take."""
WIDE_BATCH = 256


def train(config, trial):
    """Falls towards |x - 0.3|, on a way that depends on every step and on the seed."""
    say_pid(trial)
    shift_clock()
    state = Path(trial.folder, "state.json")
    kept = {"reports": 0, "value": 1.0}
    if trial.num_reports:
        kept = json.loads(state.read_text())
        assert kept["reports"] == trial.num_reports, kept
    value = kept["value"]
    if trial.rank == 0:
        Path(trial.folder, "ballast").write_bytes(bytes(KEPT_BYTES))
    for report in range(trial.num_reports + 1, REPORTS + 1):
        answer = meet(trial, report - 1)
        time.sleep(STEP_S)
        value = 0.7 * value + 0.3 * abs(config["x"] - 0.3) + 0.01 * math.sin(100 * value + trial.seed)
        meet_the_others(trial)
        if trial.rank == 0:
            state.write_text(json.dumps({"reports": report, "value": value}))
        yield {"loss": math.nan if answer == "nan" else value}


def say_pid(trial):
    _hooks().joinpath(f"pid_{trial.rank}").write_text(str(os.getpid()))


def meet(trial, num_reports):
    """Where the plan says so, waits for an answer, and does it; the answer."""
    hooks = _hooks()
    plan = hooks / "plan.json"
    here = [trial.number, num_reports, trial.rank]
    if not plan.exists() or (hooks / "done").exists() or json.loads(plan.read_text()) != here:
        return ""
    (hooks / "reached.new").write_text(str(os.getpid()))
    (hooks / "reached.new").rename(hooks / "reached")
    while not (hooks / "answer").exists():
        time.sleep(0.01)
    answer = (hooks / "answer").read_text()
    if answer == "raise":
        raise ValueError("it was told to")
    if answer == "fill":
        fill_memory()
    while answer == "hang":
        time.sleep(1)
    return answer


def fill_memory():
    """Asks for more than the process may take."""
    import resource

    taken = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE_BYTES, resource.RLIM_INFINITY))
    bytearray(4 * SPARE_BYTES)


def meet_the_others(trial):
    if trial.num_ranks > 1:
        import torch

        torch.distributed.all_reduce(torch.ones(1))


def shift_clock():
    """From here on this process reads a wall clock that can be set wrong."""
    if not hasattr(time, "true_time"):
        clock, time.true_time = _hooks() / "clock", time.time
        time.time = lambda: time.true_time() + (float(clock.read_text()) if clock.exists() else 0.0)


def _hooks():
    return Path(os.environ["FAULTS_HOOKS"])


def of_a_function(name, workers, **search):
    return tuner.Experiment(
        train=train,
        name=name,
        space={"x": tuner.Float(0.0, 1.0)},
        metric="loss",
        trials=4,
        max_reports=REPORTS,
        checkpoints=True,
        confirm={"top": 1, "seeds": 2},
        workers=workers,
        # One gang takes the whole machine, so that the order of the trials is always the same.
        cpus_per_worker=len(os.sched_getaffinity(0)) / workers,
        gpus_per_worker=0,
        recovery={
            "hang_seconds": HANG_S if workers > 1 else PATIENT_S,
            "retries": RETRIES,
            "checkpoint_seconds": 0,
        },
        **search,
    )


def built_in(name):
    return tuner.Experiment.from_dict(
        {
            "name": name,
            "task": "regression",
            "data": {"source": {"type": "sklearn", "name": "diabetes"}},
            "model": {"type": "mlp", "width": 512, "depth": 3, "dropout": 0.2},
            "train": {
                "epochs": 5,
                "batch_size": 16,
                "optimizer": {"type": "adamw", "lr": {"float": [1.0e-4, 1.0e-2], "log": True}},
                "zero": {"stage": 1},
            },
            "search": {
                "metric": "val/loss",
                "mode": "min",
                "trials": 3,
                "sampler": "random",
                "scheduler": {"type": "iepoch", "reports": 2, "keep": 1},
            },
            "resources": {
                "workers": 2,
                "cpus_per_worker": len(os.sched_getaffinity(0)) / 2,
                "gpus_per_worker": 0,
            },
            "recovery": {"hang_seconds": PATIENT_S, "checkpoint_seconds": 0.5},
        }
    )


def wide():
    """A model of ours that needs 2 GB for the rows that pass through it at once, and little else."""
    return tuner.Experiment.from_dict(
        {
            "name": "wide",
            "task": "regression",
            "data": {"source": {"type": "sklearn", "name": "diabetes"}},
            "model": {"type": "mlp", "width": 600_000, "depth": 1},
            "train": {
                "epochs": 2,
                "batch_size": WIDE_BATCH,
                "optimizer": {"type": "sgd", "lr": {"choice": [1.0e-7, 2.0e-7]}},
            },
            "search": {
                "metric": "val/loss",
                "mode": "min",
                "trials": 2,
                "sampler": "grid",
                "scheduler": "none",
            },
            "resources": {
                "workers": 1,
                "cpus_per_worker": len(os.sched_getaffinity(0)),
                "gpus_per_worker": 0,
            },
            "recovery": {"hang_seconds": PATIENT_S, "retries": 0},
        }
    )


# What a fault delays changes the order of the trials, but not what becomes of them.
STEADY = {"sampler": "random", "scheduler": {"type": "iepoch", "reports": 2, "keep": 2}}
# Every suggestion and decision follows from the order of all reports before it.
ADAPTIVE = {"sampler": "tpe", "scheduler": {"type": "asha", "variant": "promotion"}, "seed": 1}

BUILT_IN = ("mlp", "wide")
SEARCHES = {
    "steady": lambda: of_a_function("steady", 1, **STEADY),
    "pair": lambda: of_a_function("pair", 2, **STEADY),
    "adaptive": lambda: of_a_function("adaptive", 1, **ADAPTIVE),
    "mlp": lambda: built_in("mlp"),
    "wide": wide,
}


def main(name, results, address=None):
    tuner.execution.conductor.MAX_BACKOFF_S = BACKOFF_S
    folder = Path(results, name)
    try:
        if (folder / "decisions.jsonl").exists():
            tuner.resume(folder, train=None if name in BUILT_IN else train, address=address)
        else:
            tuner.run(SEARCHES[name](), results=results, address=address)
    except TunerError as error:
        print(f"tuner: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    # By this name its function travels to the ranks with all that it needs.
    from program import main, shift_clock

    shift_clock()
    main(*sys.argv[1:])
