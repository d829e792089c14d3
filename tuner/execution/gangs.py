"""A gang: the group of ranks that trains one trial at a time and stays warm between trials.

Every rank is an actor in the placement group of the calling Tune trainable, which trains nothing itself: so
it outlives whatever happens to a rank, an only one too, and says what it was. Measured on two cores: a gang
takes about 10 s to start (the import of torch and DeepSpeed), a trial on a warm one about 0.02 s.
"""

import faulthandler
import os
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util import get_node_ip_address
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tuner.execution.faults import End, GangError, GangLost, RankFailed, describe, fault_of, silent
from tuner.execution.placement import GangSize, Place, seats
from tuner.records.checkpoints import Checkpoint
from tuner.records.paths import TrialPaths
from tuner.training.job import TrialJob
from tuner.training.logged import flush, say_error
from tuner.training.memory import is_out_of_memory
from tuner.training.report import Report
from tuner.training.watchdog import STDERR, has_spoken, is_silent, lateness_s

STRAGGLER_S = 5.0
"""When one rank's call failed, the others get so long to end as well; one that waits in a collective does
not.
"""

LOOK_S = 2.0
"""How often a gang at work is looked at, when no rank's call ends."""

SILENCE = 1.25
"""After so many times `hang_seconds` (and STRAGGLER_S) a gang is silent: its own watchdogs would have spoken.
"""

JOIN_S = (60.0, 600.0)
"""For the ranks' processes to start, import and find each other: `hang_seconds`, but within these."""


class Gang:
    """Trains one trial at a time. Its processes start when it is made, and are waited for at the first trial.

    Every method but `close` raises GangError: TrialRaised leaves the gang as it is, after any other only
    `close` may be called.
    """

    nodes: tuple[str, ...] = ()
    """Host names of the ranks, in rank order, each once; empty before the first trial."""
    devices: tuple[str, ...] = ()
    """Of each of `nodes` the ranks' GPUs, as in CUDA_VISIBLE_DEVICES; empty on CPUs."""

    def __init__(self, size: GangSize) -> None:
        group = ray.util.get_current_placement_group()
        rank_class = ray.remote(_Rank)
        self._size = size
        self._unordered = [
            rank_class.options(
                num_cpus=size.cpus_per_worker,
                num_gpus=size.gpus_per_worker,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group),
            ).remote()
            for _ in range(size.workers)
        ]
        self._actors: list[Any] = []
        self._names: list[str] = []

    def start(self, job: TrialJob) -> None:
        """Builds the trial on every rank."""
        if not self._actors:
            self._join(job.recovery.hang_seconds)
        self._job = job
        self._on_all("start", job)

    def step(self) -> Report:
        """Trains to the next report."""
        report: Report = self._on_all("step")
        return report

    def save(self) -> None:
        """Writes a checkpoint of the running trial into its folder."""
        self._on_all("save")

    def load(self, checkpoint: Checkpoint) -> None:
        """Restores a checkpoint into the started trial."""
        self._on_all("load", checkpoint)

    def close(self) -> None:
        """Ends the ranks' processes, whatever they are at; does not wait for it."""
        for actor in self._unordered:
            ray.kill(actor)

    def _join(self, hang_seconds: float) -> None:
        limit_s = min(max(JOIN_S[0], hang_seconds), JOIN_S[1])
        places: list[Place] = _within(limit_s, [actor.place.remote() for actor in self._unordered])
        order = seats(places)
        actors = [self._unordered[seat.index] for seat in order]
        [port] = _within(limit_s, [actors[0].free_port.remote()])
        address = f"tcp://{places[order[0].index].address}:{port}"
        size = self._size
        for actor, seat in zip(actors, order, strict=True):
            actor.see_gpus.remote(seat.visible_gpus)
        _within(
            limit_s,
            [
                actor.join.remote(seat.rank, seat.local_rank, size, address)
                for actor, seat in zip(actors, order, strict=True)
            ],
        )
        self._actors = actors
        gpus = {places[seat.index].node: seat.visible_gpus for seat in order}
        self.nodes = tuple(gpus)
        self.devices = tuple(gpus.values()) if size.gpus_per_worker else ()
        self._names = [
            f"rank {seat.rank} (process {places[seat.index].pid} on {places[seat.index].node})"
            for seat in order
        ]

    def _on_all(self, method: str, *arguments: Any) -> Any:
        """Calls `method` on every rank; the result of rank 0."""
        log = TrialPaths(self._job.folder).log
        written = log.stat().st_size if log.exists() else 0
        calls = [getattr(actor, method).remote(*arguments) for actor in self._actors]
        error = self._wait_for(calls)
        if error is None:
            return ray.get(calls[0])
        ends = self._ends(calls, self._patience_s())
        hung_s = self._hang_seconds if self._has_spoken() else None
        fault = fault_of(ends, _text_from(log, written), hung_s)
        self._log_stacks()
        raise fault from error

    def _wait_for(self, calls: list[Any]) -> Exception | None:
        """The first error of any rank; None when all returned."""
        pending, began_s = calls, time.monotonic()
        while pending:
            ready, pending = ray.wait(pending, num_returns=1, timeout=LOOK_S)
            for call in ready:
                if (error := _error_of(call)) is not None:
                    return error
            if not ready and self._is_silent(time.monotonic() - began_s):
                self._log_stacks()
                raise silent(self._names, self._hang_seconds)
        return None

    def _is_silent(self, waited_s: float) -> bool:
        limit_s = SILENCE * self._hang_seconds + STRAGGLER_S
        heartbeat = TrialPaths(self._job.folder).heartbeat
        return waited_s > limit_s and is_silent(heartbeat, limit_s, time.time())

    def _has_spoken(self) -> bool:
        return any(has_spoken(self._stacks(rank)) for rank in range(len(self._names)))

    def _stacks(self, rank: int) -> Path:
        return TrialPaths(self._job.folder).stacks(rank)

    def _log_stacks(self) -> None:
        """What the watchdogs wrote, one rank after the other; the files of dead ranks go."""
        for rank, name in enumerate(self._names):
            stacks = self._stacks(rank)
            if has_spoken(stacks):
                log_line(self._job, f"tuner: {name} made no progress:\n{stacks.read_text(errors='replace')}")
            stacks.unlink(missing_ok=True)

    def _patience_s(self) -> float:
        """How long the others get to end, too, when one rank's call has failed."""
        if self._has_spoken():
            # They hang since about the same time: their watchdogs write their stacks, too, in a moment.
            return lateness_s(self._hang_seconds) + STRAGGLER_S
        # Not for so long that the watchdog ends a rank that waits: that would look like a hang.
        return min(STRAGGLER_S, self._hang_seconds / 2)

    def _ends(self, calls: list[Any], patience_s: float) -> list[End]:
        ready, _ = ray.wait(calls, num_returns=len(calls), timeout=patience_s)
        return [
            _end_of(call, name) if call in ready else End("late", name)
            for call, name in zip(calls, self._names, strict=True)
        ]

    @property
    def _hang_seconds(self) -> float:
        return self._job.recovery.hang_seconds


class _Rank:
    """One rank's process. What goes wrong in a trial is raised as RankFailed."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._is_first = True

    def place(self) -> Place:
        gpus = tuple(str(gpu) for gpu in ray.get_gpu_ids())
        return Place(socket.gethostname(), get_node_ip_address(), gpus, os.getpid())

    def free_port(self) -> int:
        return free_port()

    def see_gpus(self, visible: str) -> None:
        if visible:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible

    def join(self, rank: int, local_rank: int, size: GangSize, address: str) -> None:
        # torch starts its threads by this variable when it is first imported.
        os.environ["OMP_NUM_THREADS"] = str(size.threads)
        faulthandler.enable(file=STDERR)
        from tuner.training.ranks import Ranks, join
        from tuner.training.worker import Worker

        ranks = Ranks(rank=rank, num_ranks=size.workers, local_rank=local_rank, device_type=size.device_type)
        share = min(1.0, size.gpus_per_worker)
        join(ranks, threads=size.threads, init_method=address, gpu_share=share)
        self._is_first = ranks.is_first
        self._worker = Worker(ranks)

    def start(self, job: TrialJob) -> None:
        _write_output_to(TrialPaths(job.folder).log)
        with _told():
            self._worker.start(job)

    def step(self) -> Report | None:
        with _told():
            report: Report = self._worker.step()
        return report if self._is_first else None

    def save(self) -> None:
        with _told():
            self._worker.save()

    def load(self, checkpoint: Checkpoint) -> None:
        with _told():
            self._worker.load(checkpoint)


@contextmanager
def _told() -> Iterator[None]:
    """Writes the whole traceback to the trial's log and raises what can travel."""
    try:
        yield
    except (Exception, SystemExit) as error:  # Whatever a trial's own code raises is the trial's failure.
        say_error()
        failure = RankFailed(describe(error), is_out_of_memory(error))
        traceback.clear_frames(error.__traceback__)
    else:
        return
    raise failure


def _within(limit_s: float, calls: Sequence[Any]) -> list[Any]:
    """The results of calls that make a gang ready; it is lost when one fails or takes longer."""
    try:
        results: list[Any] = ray.get(list(calls), timeout=limit_s)
    except RayError as error:
        raise GangLost(f"a gang did not start: {describe(_cause(error))}") from error
    return results


def _end_of(call: Any, name: str) -> End:
    error = _error_of(call)
    if error is None:
        return End("returned", name)
    cause = _cause(error)
    if isinstance(cause, RankFailed):
        return End("raised", name, cause.reason, cause.is_memory)
    kind: Literal["raised", "died"] = "raised" if isinstance(error, RayTaskError) else "died"
    return End(kind, name, str(error) if kind == "died" else describe(cause), is_out_of_memory(cause))


def _error_of(call: Any) -> Exception | None:
    try:
        ray.get(call)
    except RayError as error:
        failed: Exception = error
        return failed
    return None


def _cause(error: Exception) -> Exception:
    """What the rank raised; the error itself when it is Ray's own."""
    cause: Exception | None = error.cause if isinstance(error, RayTaskError) else None
    return cause or error


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def log_fault(job: TrialJob, error: GangError) -> None:
    """Appends to the trial's log what the ranks could not write there: the fault, and Ray's account of it."""
    log_line(job, f"tuner: {error}")
    if isinstance(error.__cause__, RayError) and not isinstance(_cause(error.__cause__), RankFailed):
        log_line(job, str(error.__cause__))


def log_line(job: TrialJob, line: str) -> None:
    """Appends to the trial's log, where the disk takes it."""
    log = TrialPaths(job.folder).log
    with suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            print(line, file=file)


def _text_from(log: Path, start: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _write_output_to(log: Path) -> None:
    """From here on what this process prints, native code included, goes to the trial's log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
