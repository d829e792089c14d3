"""A gang: the group of ranks that trains one trial at a time and stays warm between trials.

`LocalGang` is one rank in the calling process. `RayGang` is several ranks, each an actor in the placement
group of the calling Tune trainable. Measured on two cores: a gang takes about 10 s to start (the import of
torch and DeepSpeed), a trial on a warm one about 0.02 s.
"""

import os
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError, RayTaskError
from ray.util import get_node_ip_address
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tuner.execution.placement import GangSize, Place, seats
from tuner.records.checkpoints import Checkpoint
from tuner.records.paths import TrialPaths
from tuner.training.job import TrialJob
from tuner.training.report import Report

STRAGGLER_S = 5.0
"""When one rank raised, the others get so long to end as well; a rank that waits in a collective does not."""


class TrialRaised(Exception):
    """The trial raised an error on every rank that was still at work; the gang is sound."""


class GangLost(Exception):
    """A rank died or no longer answers; the gang must be replaced."""


class Gang(Protocol):
    """Trains one trial at a time."""

    nodes: tuple[str, ...]
    """Host names of the ranks, in rank order, each once."""

    def start(self, job: TrialJob) -> None:
        """Builds the trial on every rank. Raises TrialRaised, GangLost."""

    def step(self) -> Report:
        """Trains to the next report. Raises TrialRaised, GangLost."""

    def save(self) -> None:
        """Writes a checkpoint of the running trial into its folder."""

    def load(self, checkpoint: Checkpoint) -> None:
        """Restores a checkpoint into the started trial. Raises TrialRaised, GangLost."""

    def close(self) -> None:
        """Ends the ranks."""


class LocalGang:
    """One rank, in this process."""

    def __init__(self, size: GangSize) -> None:
        assert size.workers == 1, size
        self.nodes: tuple[str, ...] = (socket.gethostname(),)
        self._rank = _Rank()
        address = f"tcp://127.0.0.1:{free_port()}"
        self._rank.join(0, 1, 0, size.device_type, size.threads, address)

    def start(self, job: TrialJob) -> None:
        self._guarded(self._rank.start, job)

    def step(self) -> Report:
        report = self._guarded(self._rank.step)
        assert report is not None
        return report

    def save(self) -> None:
        self._rank.save()

    def load(self, checkpoint: Checkpoint) -> None:
        self._guarded(self._rank.load, checkpoint)

    def close(self) -> None:
        self._rank.close()

    def _guarded(self, call: Any, *arguments: Any) -> Report | None:
        try:
            result: Report | None = call(*arguments)
        except Exception as error:  # Whatever a trial's own code raises is the trial's failure, not ours.
            if _is_out_of_memory(error):
                raise
            raise TrialRaised(describe(error)) from error
        return result


class RayGang:
    """Several ranks, each an actor in a bundle of the placement group of the calling actor."""

    def __init__(self, size: GangSize) -> None:
        group = ray.util.get_current_placement_group()
        rank_class = ray.remote(_Rank)
        actors = [
            rank_class.options(
                num_cpus=size.cpus_per_worker,
                num_gpus=size.gpus_per_worker,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group),
            ).remote()
            for _ in range(size.workers)
        ]
        self._size = size
        self._unordered = actors
        self._actors: list[Any] = []
        self.nodes: tuple[str, ...] = ()

    def start(self, job: TrialJob) -> None:
        if not self._actors:
            self._join()
        self._on_all("start", job)

    def step(self) -> Report:
        report: Report = self._on_all("step")
        return report

    def save(self) -> None:
        self._on_all("save")

    def load(self, checkpoint: Checkpoint) -> None:
        self._on_all("load", checkpoint)

    def close(self) -> None:
        for actor in self._unordered:
            ray.kill(actor)

    def _join(self) -> None:
        places: list[Place] = ray.get([actor.place.remote() for actor in self._unordered])
        order = seats(places)
        self._actors = [self._unordered[seat.index] for seat in order]
        self.nodes = tuple(dict.fromkeys(places[seat.index].node for seat in order))
        port = ray.get(self._actors[0].free_port.remote())
        address = f"tcp://{places[order[0].index].address}:{port}"
        size = self._size
        for actor, seat in zip(self._actors, order, strict=True):
            actor.see_gpus.remote(seat.visible_gpus)
        ray.get(
            [
                actor.join.remote(
                    seat.rank, size.workers, seat.local_rank, size.device_type, size.threads, address
                )
                for actor, seat in zip(self._actors, order, strict=True)
            ]
        )

    def _on_all(self, method: str, *arguments: Any) -> Any:
        """Calls `method` on every rank; the result of rank 0."""
        calls = [getattr(actor, method).remote(*arguments) for actor in self._actors]
        error = _first_error(calls)
        if error is None:
            return ray.get(calls[0])
        if isinstance(error, RayTaskError) and not _is_out_of_memory(error.cause) and _all_end(calls):
            raise TrialRaised(describe(error.cause or error)) from error
        raise GangLost(describe(getattr(error, "cause", None) or error)) from error


class _Rank:
    """One rank's process: as an actor, or inside the caller."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._is_first = True

    def place(self) -> Place:
        gpus = tuple(str(gpu) for gpu in ray.get_gpu_ids())
        return Place(node=socket.gethostname(), address=get_node_ip_address(), gpus=gpus)

    def free_port(self) -> int:
        return free_port()

    def see_gpus(self, visible: str) -> None:
        if visible:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible

    def join(
        self, rank: int, num_ranks: int, local_rank: int, device_type: str, threads: int, address: str
    ) -> None:
        # torch starts its threads by this variable when it is first imported.
        os.environ["OMP_NUM_THREADS"] = str(threads)
        from tuner.training.ranks import Ranks, join
        from tuner.training.worker import Worker

        ranks = Ranks(rank=rank, num_ranks=num_ranks, local_rank=local_rank, device_type=device_type)
        join(ranks, threads=threads, init_method=address)
        self._is_first = ranks.is_first
        self._worker = Worker(ranks)

    def start(self, job: TrialJob) -> None:
        _write_output_to(TrialPaths(job.folder).log)
        self._worker.start(job)

    def step(self) -> Report | None:
        report: Report = self._worker.step()
        return report if self._is_first else None

    def save(self) -> None:
        self._worker.save()

    def load(self, checkpoint: Checkpoint) -> None:
        self._worker.load(checkpoint)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


def make_gang(size: GangSize) -> Gang:
    return LocalGang(size) if size.workers == 1 else RayGang(size)


def describe(error: BaseException) -> str:
    """The error's type and its first line; the whole traceback goes to the trial's `log.txt`."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def log_error(job: TrialJob, error: BaseException) -> None:
    """Appends the traceback, with those of its causes on the ranks, to the trial's log."""
    log = TrialPaths(job.folder).log
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as file:
        traceback.print_exception(error, file=file)


def log_line(job: TrialJob, line: str) -> None:
    with TrialPaths(job.folder).log.open("a") as file:
        print(line, file=file)


def _first_error(calls: list[Any]) -> Exception | None:
    pending = calls
    while pending:
        ready, pending = ray.wait(pending, num_returns=1)
        try:
            ray.get(ready)
        except (RayTaskError, RayActorError) as error:
            first: Exception = error
            return first
    return None


def _all_end(calls: list[Any]) -> bool:
    """Whether every rank ends its call soon, by returning or by raising."""
    ready, late = ray.wait(calls, num_returns=len(calls), timeout=STRAGGLER_S)
    return not late and not any(_is_dead(call) for call in ready)


def _is_dead(call: Any) -> bool:
    try:
        ray.get(call)
    except RayActorError:
        return True
    except RayTaskError:
        return False
    return False


def _is_out_of_memory(error: BaseException | None) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _write_output_to(log: Path) -> None:
    """From here on what this process prints, native code included, goes to the trial's log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
