"""Warm rank processes without Ray, so that many trainings cost the imports once."""

import multiprocessing
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tuner.data import prepare
from tuner.records.paths import TrialPaths
from tuner.records.states import TrialState
from tuner.spec import Experiment


class RankProcesses:
    """`num_ranks` processes that train experiments one after another on the same process group."""

    def __init__(self, num_ranks: int, rendezvous: Path, device_type: str = "cpu") -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes, self._processes = [], []
        for rank in range(num_ranks):
            ours, theirs = context.Pipe()
            arguments = (theirs, rank, num_ranks, f"file://{rendezvous}", device_type)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def train(self, path: Path, out: Path, *, reports: int | None = None, resume=None, **changes):
        """The reports of rank 0; stops after `reports` of them and saves a checkpoint.

        Args:
            resume: the trial's folder, whose newest checkpoint it goes on from.
            changes: of the trial's job.
        """
        spec = Experiment.load(path).resolve({})
        prepare(spec.data, spec.task, out / ".store")
        return self.call("train", path, out, reports, resume, changes)

    def kill(self, rank: int) -> None:
        self._processes[rank].kill()
        self._processes[rank].join()

    def call(self, method: str, *arguments):
        """What `_<method>(worker, rank, ...)` gives on rank 0; raises the first error of any rank."""
        for pipe in self._pipes:
            pipe.send((method, arguments))
        results = [pipe.recv() for pipe in self._pipes]
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return results[0]

    def close(self) -> None:
        for process, pipe in zip(self._processes, self._pipes, strict=True):
            if process.is_alive():
                pipe.send(None)
        for process in self._processes:
            process.join(timeout=30)


@contextmanager
def rank_processes(num_ranks: int, folder: Path, device_type: str = "cpu"):
    gang = RankProcesses(num_ranks, folder / f"rendezvous_{device_type}_{num_ranks}", device_type)
    try:
        yield gang
    finally:
        gang.close()


def _serve(pipe, rank: int, num_ranks: int, init_method: str, device_type: str) -> None:
    from tuner.training.ranks import Ranks, join, leave
    from tuner.training.worker import Worker

    ranks = Ranks(rank=rank, num_ranks=num_ranks, local_rank=rank, device_type=device_type)
    join(ranks, threads=1, init_method=init_method)
    worker = Worker(ranks)
    while (request := pipe.recv()) is not None:
        method, arguments = request
        try:
            pipe.send(METHODS[method](worker, rank, *arguments))
        except Exception as error:  # The test process raises it.
            pipe.send(error)
    worker.close()
    leave()


def _train(worker, rank: int, path: Path, out: Path, reports: int | None, resume: Path | None, changes):
    _begin(worker, replace(job_of(path, out), **changes), resume)
    found = []
    while not found or (_goes_on(found[-1]) and len(found) != reports):
        found.append(worker.step())
    if _goes_on(found[-1]):
        worker.save()
    worker.close()
    return found


def _goes_on(report) -> bool:
    return report.state is None and not report.has_left


def _begin(worker, job, resume: Path | None) -> None:
    from tuner.records.checkpoints import newest_sound

    found = newest_sound(TrialPaths(resume)) if resume else None
    worker.start(replace(job, num_reports=found.num_reports if found else 0))
    if found is not None:
        worker.load(found)


def _start_with(worker, rank: int, path: Path, out: Path, changes, resume: Path | None = None) -> None:
    _begin(worker, replace(job_of(path, out), **changes), resume)


def _save(worker, rank: int, wait: bool = True) -> None:
    worker.save(wait=wait)


def _limit_files(worker, rank: int, limited_rank: int, limit: int | None) -> None:
    """No file of this rank can grow beyond so many bytes, as on a full disk; None: all have room again."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    wanted = hard if limit is None or rank != limited_rank else limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (wanted, hard))


def _log_to(worker, rank: int, log: Path) -> None:
    """From here on what the rank prints to standard error stands in `log`, as in a gang."""
    import os

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 2)
    os.close(file)


def _settle(worker, rank: int) -> None:
    """Until this rank writes nothing."""
    worker._training._keeper.close()


def _break_weights(worker, rank: int, breaking_rank: int) -> None:
    """Makes the next loss of one rank NaN."""
    import torch

    if rank == breaking_rank:
        with torch.no_grad():
            next(iter(worker._training._engine.module.parameters())).fill_(float("nan"))


def _step(worker, rank: int):
    return worker.step()


def _start(worker, rank: int, path: Path, out: Path) -> None:
    worker.start(job_of(path, out))


def _weights(worker, rank: int):
    """The weights as numbers, to see whether an update was made."""
    return [p.detach().double().sum().item() for p in worker._training._engine.module.parameters()]


def _save_weights(worker, rank: int, path: Path) -> None:
    from tuner.training.checkpoints import save_weights

    save_weights(worker._training._engine, path, worker._training._ranks)


def _compiled_frames(worker, rank: int) -> int:
    import torch

    return torch._dynamo.utils.counters["frames"]["ok"]


def _build_split(worker, rank: int, config: dict) -> list[tuple[int, int]]:
    """A large linear layer under ZeRO stage 3: numbers of each weight that this rank holds, and of all."""
    import torch

    from tuner.training.splitting import Splitting

    with Splitting(config):
        layer = torch.nn.Linear(1000, 1000)
    return [(p.numel() + p.ds_tensor.numel(), p.ds_numel) for p in layer.parameters()]


def _override_fp16(worker, rank: int) -> None:
    """Makes the CPU claim fp16, whose path then runs on CPU tensors."""
    from deepspeed.accelerator import get_accelerator

    get_accelerator().is_fp16_supported = lambda: True


def _resident_bytes(worker, rank: int) -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _allow_gpu_memory(worker, rank: int, share: float) -> None:
    import torch

    torch.cuda.set_per_process_memory_fraction(share)


def _gpu_bytes(worker, rank: int) -> tuple[int, int]:
    """Allocated by tensors, and held by torch."""
    import torch

    return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()


METHODS = {
    "allow_gpu_memory": _allow_gpu_memory,
    "gpu_bytes": _gpu_bytes,
    "train": _train,
    "start": _start,
    "start_with": _start_with,
    "save": _save,
    "settle": _settle,
    "log_to": _log_to,
    "limit_files": _limit_files,
    "step": _step,
    "break_weights": _break_weights,
    "weights": _weights,
    "save_weights": _save_weights,
    "compiled_frames": _compiled_frames,
    "build_split": _build_split,
    "override_fp16": _override_fp16,
    "resident_bytes": _resident_bytes,
}


def job_of(path: Path, out: Path):
    from tuner.training.job import TrialJob
    from tuner.training.report import Objective

    experiment = Experiment.load(path)
    spec = experiment.resolve({})
    return TrialJob(
        number=0,
        params={},
        objective=Objective(experiment.search.metric, experiment.search.mode),
        folder=out,
        spec=spec,
        store=prepare(spec.data, spec.task, out / ".store").path,
        shard_cache=experiment.resources.shard_cache,
    )


def is_complete(reports) -> bool:
    return reports[-1].state is TrialState.COMPLETE
