"""Trains one configuration without Ray: `torchrun --nproc-per-node 2 -m tuner.training --experiment FILE`.

Under `torchrun` each process is one rank; alone it is a gang of one. Reports go to standard output as one
JSON object a line, files to `--out`.
"""

import argparse
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from tuner.data import prepare
from tuner.errors import ResultsError
from tuner.records.checkpoints import read_checkpoint
from tuner.spec import Experiment
from tuner.training.job import TrialJob
from tuner.training.ranks import Ranks, join, leave
from tuner.training.report import Objective
from tuner.training.worker import Worker


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parse(arguments)
    ranks = Ranks.from_environment(options.device)
    join(ranks, threads=options.threads, init_method=_init_method())
    worker = Worker(ranks)
    _start(worker, options)
    _train(worker, ranks, options)
    worker.close()
    leave()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tuner.training", description=__doc__)
    parser.add_argument("--experiment", required=True, help="experiment file")
    parser.add_argument("--params", type=Path, help="JSON file with a value for each searched parameter")
    parser.add_argument("--out", type=Path, required=True, help="folder for events, weights and checkpoints")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=_default_device())
    parser.add_argument("--threads", type=int, default=1, help="torch threads a rank")
    parser.add_argument("--reports", type=int, help="stop after so many reports and save a checkpoint")
    parser.add_argument("--resume", type=Path, help="checkpoint folder to go on from")
    return parser.parse_args(arguments)


def _start(worker: Worker, options: argparse.Namespace) -> None:
    if options.resume is None:
        worker.start(_job(options))
        return
    checkpoint = read_checkpoint(options.resume)
    if checkpoint is None:
        raise ResultsError(
            f"--resume needs the folder of a sound checkpoint, but {options.resume} is none; "
            f"name another one of {options.resume.parent}."
        )
    worker.start(replace(_job(options), num_reports=checkpoint.num_reports))
    worker.load(checkpoint)


def _job(options: argparse.Namespace) -> TrialJob:
    experiment = Experiment.load(options.experiment)
    params = json.loads(options.params.read_text()) if options.params else {}
    spec = experiment.resolve(params)
    store = prepare(spec.data, spec.task, options.out / ".store")
    return TrialJob(
        number=0,
        params=params,
        objective=Objective(experiment.search.metric, experiment.search.mode),
        folder=options.out,
        spec=spec,
        store=store.path,
        shard_cache=experiment.resources.shard_cache,
    )


def _train(worker: Worker, ranks: Ranks, options: argparse.Namespace) -> None:
    num_reports = 0
    while True:
        report = worker.step()
        num_reports += 1
        if ranks.is_first:
            line = {"step": report.step, "state": report.state, "reason": report.reason, **report.metrics}
            print(json.dumps(line), flush=True)
        if report.state is not None:
            return
        if num_reports == options.reports:
            worker.save()
            return


def _default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _init_method() -> str | None:
    if "MASTER_ADDR" in os.environ:
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


if __name__ == "__main__":
    main()
